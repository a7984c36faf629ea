//! The checked configuration: units in types, names resolved to places in lists, defaults filled in. Fields are
//! private to the room; only `check` makes a plan.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::GatewayId;
use crate::policy::{Balance, OnLoss, RouteClass};
use crate::wire::FrameLayout;

use super::problem::Problem;
use super::report::Report;
use super::site::{Located, Site};
use super::source::Sources;

/// Everything a configuration says, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) sources: Arc<Sources>,
    pub(super) gateway: Gateway,
    pub(super) drain: Drain,
    pub(super) frames: Vec<NamedLayout>,
    pub(super) listeners: Vec<Listener>,
    pub(super) clusters: Vec<Cluster>,
    pub(super) routes: Vec<Route>,
}

/// `[gateway]`.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(super) id: GatewayId,
    pub(super) zone: String,
    pub(super) workers: usize,
}

/// `[drain]`: how the process stops.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    pub(super) lame_duck: Duration,
    pub(super) spread: Duration,
    pub(super) deadline: Duration,
}

/// `[frame.NAME]`.
#[derive(Clone, Debug)]
pub struct NamedLayout {
    pub(super) name: String,
    pub(super) layout: Arc<FrameLayout>,
}

/// `[listener.NAME]`.
#[derive(Clone, Debug)]
pub struct Listener {
    pub(super) name: String,
    pub(super) listen: Located<SocketAddr>,
    pub(super) layout: Arc<FrameLayout>,
    pub(super) frame: String,
    pub(super) tls: Vec<CertificatePair>,
    pub(super) unknown_id: UnknownId,
    pub(super) limits: ListenerLimits,
}

/// A certificate chain and its key; paths are ready to open.
#[derive(Clone, Debug)]
pub struct CertificatePair {
    pub(super) certificate: Located<PathBuf>,
    pub(super) key: Located<PathBuf>,
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
    pub(super) connections: u32,
    pub(super) handshake_timeout: Duration,
    pub(super) frame_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) send_buffer: usize,
}

/// `[cluster.NAME]`.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) name: String,
    pub(super) link: LinkKind,
    pub(super) balance: Balance,
    pub(super) sticky: bool,
    pub(super) on_loss: OnLoss,
    pub(super) connect_timeout: Duration,
    pub(super) send_buffer: usize,
    pub(super) tls: Option<BackendTls>,
    pub(super) backends: Vec<Backend>,
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
    pub(super) ca: Located<PathBuf>,
    pub(super) client: Option<CertificatePair>,
}

/// One server process of a cluster.
#[derive(Clone, Debug)]
pub struct Backend {
    pub(super) address: Located<String>,
    pub(super) weight: u32,
}

/// `[route.NAME]`.
#[derive(Clone, Debug)]
pub struct Route {
    pub(super) name: String,
    pub(super) ids: Vec<(u64, u64)>,
    pub(super) catch_all: bool,
    pub(super) cluster: usize,
    pub(super) class: RouteClass,
}

impl Plan {
    /// `[gateway]`.
    #[must_use]
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// `[drain]`.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Every `[frame.NAME]`, by name.
    #[must_use]
    pub fn frames(&self) -> &[NamedLayout] {
        &self.frames
    }

    /// Every `[listener.NAME]`, by name.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Every `[cluster.NAME]`, by name; [`Route::cluster`] is a place in this list.
    #[must_use]
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// Every `[route.NAME]`, by name.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// FNV-1a (64 bits) over the texts of the files in their order, each ended by a zero byte.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.sources.hash()
    }

    /// The file or the folder that was loaded.
    #[must_use]
    pub fn origin(&self) -> &Path {
        self.sources.origin()
    }

    /// `file:line:column` of a site of this plan, for one line of a log.
    #[must_use]
    pub fn place(&self, site: &Site) -> String {
        self.sources.place(site)
    }

    /// What the edge found wrong with this plan, in the same form as the mistakes of the file.
    #[must_use]
    pub fn report(&self, problems: Vec<Problem>) -> Report {
        Report::new(Arc::clone(&self.sources), problems)
    }
}

impl Gateway {
    /// The gateway's number in the fleet.
    #[must_use]
    pub fn id(&self) -> GatewayId {
        self.id
    }

    /// The zone; empty when none is set.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Threads that serve sessions; 0: one per core.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }
}

impl Drain {
    /// How long new players are still accepted after the order to stop.
    #[must_use]
    pub fn lame_duck(&self) -> Duration {
        self.lame_duck
    }

    /// Over what time the sessions are told and closed.
    #[must_use]
    pub fn spread(&self) -> Duration {
        self.spread
    }

    /// When the process ends whoever is still there.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
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

impl Route {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Inclusive ranges of protocol IDs; a single number is a range of one.
    #[must_use]
    pub fn ids(&self) -> &[(u64, u64)] {
        &self.ids
    }

    /// Whether it takes every ID that no other route has.
    #[must_use]
    pub fn catch_all(&self) -> bool {
        self.catch_all
    }

    /// The place of its cluster in [`Plan::clusters`].
    #[must_use]
    pub fn cluster(&self) -> usize {
        self.cluster
    }

    /// How dear it is when there is too much.
    #[must_use]
    pub fn class(&self) -> RouteClass {
        self.class
    }
}
