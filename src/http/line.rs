//! A client's connection and whose a request of it is.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::Rng;
use rand::RngExt;
use rustls::pki_types::CertificateDer;

use super::gate::Guests;
use super::pulse::Pulse;
use crate::net::{Door, Glitch, Stay, now};

/// A client's connection; whoever still serves it holds it, and its place among the connections of its listener is
/// given back with the last of them.
#[derive(Debug)]
pub(in crate::http) struct Line {
    /// Where the client is.
    pub(in crate::http) address: SocketAddr,
    /// Where it came to.
    pub(in crate::http) local: SocketAddr,
    /// Its certificate, which the listener's authorities vouch for.
    pub(in crate::http) certificate: Option<CertificateDer<'static>>,
    /// How it lives.
    pub(in crate::http) pulse: Arc<Pulse>,
    /// The partners that ask on it.
    pub(in crate::http) guests: Guests,
    is_tls: bool,
    stay: Stay,
    _count: Counted,
}

/// One connection more of a thread; dropped, one less.
#[derive(Debug)]
pub(in crate::http) struct Counted(Arc<AtomicUsize>);

/// Whose request it is.
#[derive(Clone, Debug)]
pub(in crate::http) struct Caller {
    /// The connection it came on.
    pub(in crate::http) line: Rc<Line>,
    /// What the request is called in logs, answers and towards backends.
    pub(in crate::http) id: RequestId,
    /// Who has proven to ask.
    pub(in crate::http) partner: Option<Arc<str>>,
}

/// The number of a request: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct RequestId(u128);

/// Where a connection is from and to, and what is known of its client.
#[derive(Clone, Debug)]
pub(in crate::http) struct Ends {
    pub(in crate::http) address: SocketAddr,
    pub(in crate::http) local: SocketAddr,
    pub(in crate::http) is_tls: bool,
    pub(in crate::http) certificate: Option<CertificateDer<'static>>,
}

impl Line {
    pub(in crate::http) fn new(ends: Ends, stay: Stay, pulse: Arc<Pulse>, count: Counted) -> Rc<Self> {
        let Ends { address, local, is_tls, certificate } = ends;
        let guests = Guests::default();
        Rc::new(Self { address, local, certificate, pulse, guests, is_tls, stay, _count: count })
    }

    /// The listener it came in at, as it was then.
    pub(in crate::http) fn door(&self) -> &Arc<Door> {
        self.stay.door()
    }

    /// Its stay, as the door counts it.
    pub(in crate::http) fn stay(&self) -> &Stay {
        &self.stay
    }

    /// Whether the client speaks TLS.
    pub(in crate::http) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// What came on it is no HTTP, or could be read in two ways.
    pub(in crate::http) fn note_malformed(&self) {
        self.door().meter.count_malformed();
        self.stay.hold_against(Glitch::Malformed, now());
    }

    /// A request was begun and did not come in time.
    pub(in crate::http) fn note_late(&self) {
        self.stay.hold_against(Glitch::Late, now());
    }
}

impl Counted {
    pub(in crate::http) fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl RequestId {
    pub(in crate::http) fn new(dice: &mut impl Rng) -> Self {
        Self(dice.random())
    }
}

impl Display for RequestId {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(into, "{:032x}", self.0)
    }
}
