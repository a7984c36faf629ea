//! Where players arrive, and what their frames look like.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Network;
use crate::config::site::Located;
use crate::policy::RateLimit;
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
    pub(in crate::config) protocol: Protocol,
    pub(in crate::config) websocket: Option<Arc<WebSocketRules>>,
    pub(in crate::config) layout: Arc<FrameLayout>,
    pub(in crate::config) frame: String,
    pub(in crate::config) tls: Vec<CertificatePair>,
    pub(in crate::config) client_ca: Option<Located<PathBuf>>,
    pub(in crate::config) proxies: Option<Vec<Network>>,
    pub(in crate::config) allow: Vec<Network>,
    pub(in crate::config) deny: Vec<Network>,
    pub(in crate::config) unknown_id: UnknownId,
    pub(in crate::config) limits: Arc<ListenerLimits>,
}

/// What is spoken at a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Players' frames in a stream.
    Tcp,
    /// Players' frames in WebSocket messages.
    WebSocket,
    /// Requests of third parties and browsers.
    Http,
}

/// What a WebSocket listener asks of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketRules {
    pub(in crate::config) path: String,
    pub(in crate::config) origins: Vec<String>,
    pub(in crate::config) subprotocols: Vec<String>,
    pub(in crate::config) compression: bool,
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
    pub(in crate::config) connections_per_ip: Option<u32>,
    pub(in crate::config) new_per_ip: Option<RateLimit>,
    pub(in crate::config) handshakes: u32,
    pub(in crate::config) login_timeout: Duration,
    pub(in crate::config) frames_per_session: Option<RateLimit>,
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

    /// What is spoken there.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What a handshake must bring; `None`: WebSocket is not spoken there.
    #[must_use]
    pub fn websocket(&self) -> Option<&Arc<WebSocketRules>> {
        self.websocket.as_ref()
    }

    /// Whether players come in there, and not requests.
    #[must_use]
    pub fn is_for_players(&self) -> bool {
        self.protocol != Protocol::Http
    }

    /// What its players' frames look like; opaque at an HTTP listener, which has none.
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

    /// The PEM file with the authorities that a player's certificate must come from; `None`: players show none.
    #[must_use]
    pub fn client_ca(&self) -> Option<&Located<PathBuf>> {
        self.client_ca.as_ref()
    }

    /// Whether some peers speak for others, with a PROXY header.
    #[must_use]
    pub fn has_proxies(&self) -> bool {
        self.proxies.is_some()
    }

    /// Where those peers are; `None`: nobody speaks for others.
    #[must_use]
    pub fn proxies(&self) -> Option<&[Network]> {
        self.proxies.as_deref()
    }

    /// Whether a peer has to say in a PROXY header for whom it speaks.
    #[must_use]
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().flatten().any(|network| network.contains(peer))
    }

    /// Whether players from an address are kept out by name.
    #[must_use]
    pub fn denies(&self, address: IpAddr) -> bool {
        self.deny.iter().any(|network| network.contains(address))
    }

    /// Whether players from an address are among those who may come; no list: all.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(address))
    }

    /// Who may come; empty: all.
    #[must_use]
    pub fn allowed(&self) -> &[Network] {
        &self.allow
    }

    /// Who is kept out, whatever else is said.
    #[must_use]
    pub fn denied(&self) -> &[Network] {
        &self.deny
    }

    /// What happens to unknown protocol IDs.
    #[must_use]
    pub fn unknown_id(&self) -> UnknownId {
        self.unknown_id
    }

    /// The limits of its players; each of their sessions holds them.
    #[must_use]
    pub fn limits(&self) -> &Arc<ListenerLimits> {
        &self.limits
    }
}

impl Protocol {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "websocket",
            Self::Http => "http",
        }
    }
}

impl WebSocketRules {
    /// The path of the handshake.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Pages that may connect, as `https://game.example.com`; empty: all.
    #[must_use]
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    /// What may be spoken inside, the one that is liked best first; empty: nothing is agreed on.
    #[must_use]
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Whether messages may be compressed.
    #[must_use]
    pub fn compression(&self) -> bool {
        self.compression
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

    /// The most connections from one address (IPv6: one /64) at one time; `None`: as many as the listener takes.
    #[must_use]
    pub fn connections_per_ip(&self) -> Option<u32> {
        self.connections_per_ip
    }

    /// How many connections one address (IPv6: one /64) may begin; `None`: any number.
    #[must_use]
    pub fn new_per_ip(&self) -> Option<RateLimit> {
        self.new_per_ip
    }

    /// The most TLS handshakes in progress.
    #[must_use]
    pub fn handshakes(&self) -> u32 {
        self.handshakes
    }

    /// How long a player may take to log in, from the end of the handshake on.
    #[must_use]
    pub fn login_timeout(&self) -> Duration {
        self.login_timeout
    }

    /// How many frames one session may send; `None`: any number.
    #[must_use]
    pub fn frames_per_session(&self) -> Option<RateLimit> {
        self.frames_per_session
    }
}
