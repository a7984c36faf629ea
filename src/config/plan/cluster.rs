//! Interchangeable backends, and how sessions are shared among them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::listener::CertificatePair;
use crate::config::site::Located;
use crate::policy::{Balance, OnLoss};
use crate::wire::FrameLayout;

/// `[cluster.NAME]`.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(in crate::config) name: String,
    pub(in crate::config) link: LinkKind,
    pub(in crate::config) balance: Balance,
    pub(in crate::config) sticky: bool,
    pub(in crate::config) on_loss: OnLoss,
    pub(in crate::config) connect_timeout: Duration,
    pub(in crate::config) send_buffer: usize,
    pub(in crate::config) tls: Option<BackendTls>,
    pub(in crate::config) backends: Vec<Backend>,
}

/// How the gateway speaks to the backends of a cluster.
#[derive(Clone, Debug)]
pub enum LinkKind {
    /// Many sessions in envelopes over one connection per worker.
    Shared,
    /// One connection per session, frames untouched.
    Dedicated {
        /// The name of the layout.
        frame: String,
        /// How frame ends are found in what the backend sends.
        layout: Arc<FrameLayout>,
        /// The header that tells the backend the player's address.
        proxy: ProxyHeader,
    },
}

/// `proxy_protocol` of a dedicated cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// None is written.
    Off,
    /// The text header.
    V1,
    /// The binary header.
    V2,
}

/// TLS to the backends of a cluster.
#[derive(Clone, Debug)]
pub struct BackendTls {
    pub(in crate::config) ca: Located<PathBuf>,
    pub(in crate::config) client: Option<CertificatePair>,
}

/// One server process of a cluster.
#[derive(Clone, Debug)]
pub struct Backend {
    pub(in crate::config) address: Located<String>,
    pub(in crate::config) weight: u32,
}

impl Cluster {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the gateway speaks to its backends.
    #[must_use]
    pub fn link(&self) -> &LinkKind {
        &self.link
    }

    /// How its backends share the sessions.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// Whether a session keeps its backend while that serves.
    #[must_use]
    pub fn sticky(&self) -> bool {
        self.sticky
    }

    /// What happens to the sessions of a lost backend.
    #[must_use]
    pub fn on_loss(&self) -> OnLoss {
        self.on_loss
    }

    /// How long a connection to a backend may take, handshakes included.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// How many bytes may wait for one link.
    #[must_use]
    pub fn send_buffer(&self) -> usize {
        self.send_buffer
    }

    /// TLS to the backends; `None`: plain.
    #[must_use]
    pub fn tls(&self) -> Option<&BackendTls> {
        self.tls.as_ref()
    }

    /// The backends in the order of the file; at least one.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }
}

impl BackendTls {
    /// The PEM file with the authorities that vouch for the backends.
    #[must_use]
    pub fn ca(&self) -> &Located<PathBuf> {
        &self.ca
    }

    /// What the gateway shows to backends that ask who it is.
    #[must_use]
    pub fn client(&self) -> Option<&CertificatePair> {
        self.client.as_ref()
    }
}

impl Backend {
    /// `host:port` as written.
    #[must_use]
    pub fn address(&self) -> &Located<String> {
        &self.address
    }

    /// Its share among the backends of the cluster.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }
}
