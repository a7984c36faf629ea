//! Where players arrive, and what their frames look like.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::site::Located;
use crate::wire::FrameLayout;

/// `[frame.NAME]`.
#[derive(Clone, Debug)]
pub struct NamedLayout {
    pub(in crate::config) name: String,
    pub(in crate::config) layout: Arc<FrameLayout>,
}

/// `[listener.NAME]`.
#[derive(Clone, Debug)]
pub struct Listener {
    pub(in crate::config) name: String,
    pub(in crate::config) listen: Located<SocketAddr>,
    pub(in crate::config) layout: Arc<FrameLayout>,
    pub(in crate::config) frame: String,
    pub(in crate::config) tls: Vec<CertificatePair>,
    pub(in crate::config) unknown_id: UnknownId,
    pub(in crate::config) limits: ListenerLimits,
}

/// A certificate chain and its key; paths are ready to open.
#[derive(Clone, Debug)]
pub struct CertificatePair {
    pub(in crate::config) certificate: Located<PathBuf>,
    pub(in crate::config) key: Located<PathBuf>,
}

/// What a player gets for a protocol ID that no route has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownId {
    /// The notice `unknown_id`.
    Notice,
    /// Nothing; it is counted.
    Drop,
    /// The notice `unknown_id`, then the end of the connection.
    Close,
}

/// `[listener.NAME.limits]`.
#[derive(Clone, Copy, Debug)]
pub struct ListenerLimits {
    pub(in crate::config) connections: u32,
    pub(in crate::config) handshake_timeout: Duration,
    pub(in crate::config) frame_timeout: Duration,
    pub(in crate::config) idle_timeout: Duration,
    pub(in crate::config) write_timeout: Duration,
    pub(in crate::config) send_buffer: usize,
}

impl NamedLayout {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &Arc<FrameLayout> {
        &self.layout
    }
}

impl Listener {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    #[must_use]
    pub fn listen(&self) -> &Located<SocketAddr> {
        &self.listen
    }

    /// What its players' frames look like.
    #[must_use]
    pub fn layout(&self) -> &Arc<FrameLayout> {
        &self.layout
    }

    /// The name of that layout.
    #[must_use]
    pub fn frame(&self) -> &str {
        &self.frame
    }

    /// The certificates of a TLS listener, the default one first; empty: plain.
    #[must_use]
    pub fn tls(&self) -> &[CertificatePair] {
        &self.tls
    }

    /// What happens to unknown protocol IDs.
    #[must_use]
    pub fn unknown_id(&self) -> UnknownId {
        self.unknown_id
    }

    /// The limits of its players.
    #[must_use]
    pub fn limits(&self) -> &ListenerLimits {
        &self.limits
    }
}

impl CertificatePair {
    /// The PEM file with the chain, the leaf first.
    #[must_use]
    pub fn certificate(&self) -> &Located<PathBuf> {
        &self.certificate
    }

    /// The PEM file with the private key.
    #[must_use]
    pub fn key(&self) -> &Located<PathBuf> {
        &self.key
    }
}

impl ListenerLimits {
    /// The most connections of this listener at one time.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }

    /// How long a TLS handshake may take.
    #[must_use]
    pub fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// How long a frame may take from its first byte to its last.
    #[must_use]
    pub fn frame_timeout(&self) -> Duration {
        self.frame_timeout
    }

    /// How long a session may send no whole frame.
    #[must_use]
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// How long a player may take nothing of what waits for it.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        self.write_timeout
    }

    /// How many bytes may wait for one player.
    #[must_use]
    pub fn send_buffer(&self) -> usize {
        self.send_buffer
    }
}
