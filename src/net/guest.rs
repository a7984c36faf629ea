//! Connections that bring requests instead of frames. The door asks of them what it asks of a player's; then whoever
//! speaks HTTP has them, on threads of its own.

use std::fmt;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::accept::ConnectionPlace;
use super::commons::Commons;
use super::desk::{self, Pass, Turn};
use super::world::{Door, World};
use crate::session::EndReason;
use crate::telemetry::DoorRefusal;

/// Who takes the connections at listeners for HTTP.
pub trait Lounge: fmt::Debug + Send + Sync {
    /// Serves a connection, or drops it.
    fn receive(&self, guest: Guest);
}

/// A connection that was let in at a listener for HTTP.
#[derive(Debug)]
pub struct Guest {
    /// The socket; it belongs to no event loop yet.
    pub stream: TcpStream,
    /// Who is at its other end: a client, or a proxy that will say for whom it speaks.
    pub address: SocketAddr,
    /// Its place at the door; the connection is over when it is dropped.
    pub stay: Stay,
}

/// A place among the connections of a listener.
#[derive(Debug)]
pub struct Stay {
    door: Arc<Door>,
    place: ConnectionPlace,
}

/// A turn among the TLS handshakes of a listener; over when it is dropped.
#[derive(Debug)]
pub struct HandshakeTurn {
    _pass: Pass,
}

/// What is held against the address of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glitch {
    /// What came is no HTTP, or could be read in two ways.
    Malformed,
    /// No PROXY header, or a wrong one.
    ProxyHeader,
    /// Nothing came in time, or not all of it.
    Late,
    /// TLS could not be agreed on.
    Tls,
}

impl Guest {
    pub(super) fn new(
        stream: TcpStream,
        address: SocketAddr,
        door: Arc<Door>,
        place: ConnectionPlace,
    ) -> Self {
        Self { stream, address, stay: Stay { door, place } }
    }
}

impl Stay {
    /// The listener as it was when the connection came.
    #[must_use]
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// A proxy has said for whom it speaks.
    ///
    /// # Errors
    /// Why that one is not let in.
    pub fn is_for(
        &mut self,
        address: IpAddr,
        (world, commons): (&World, &Commons),
        since_start: Duration,
        now: Instant,
    ) -> Result<(), DoorRefusal> {
        match desk::keeps_out(world, commons, self.door.listener(), address, since_start) {
            Some(why) => Err(why),
            None => self.place.count_for(address, now),
        }
    }

    /// Waits until it may begin its TLS handshake.
    pub async fn handshake_turn(&self) -> HandshakeTurn {
        let most = self.door.listener().limits().handshakes();
        let pass = match self.place.desk().turnstile.come(most) {
            Turn::Now(pass) => pass,
            Turn::Later(mut waiting) => poll_fn(|cx| waiting.poll(cx)).await,
        };
        HandshakeTurn { _pass: pass }
    }

    /// It is not let in after all.
    pub fn refuse(&self, why: DoorRefusal) {
        self.door.meter.refuse(why);
    }

    /// Somebody at this address does what no honest client does.
    pub fn hold_against(&self, glitch: Glitch, now: Instant) {
        self.place.ended(glitch.end(), now);
    }
}

impl Glitch {
    /// The end of a session that counts as much.
    const fn end(self) -> EndReason {
        match self {
            Self::Malformed => EndReason::Malformed,
            Self::ProxyHeader => EndReason::ProxyHeader,
            Self::Late => EndReason::HandshakeTimeout,
            Self::Tls => EndReason::TlsFailed,
        }
    }
}
