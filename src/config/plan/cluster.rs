//! Interchangeable backends, and how sessions are shared among them.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::health::Health;
use super::listener::CertificatePair;
use super::release::GroupIndex;
use crate::config::AdminState;
use crate::config::site::Located;
use crate::policy::{Balance, OnLoss, OutlierRules};
use crate::wire::{ByteOrder, FrameLayout, Framing, Width};

/// `[cluster.NAME]`.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(in crate::config) name: String,
    pub(in crate::config) link: LinkKind,
    pub(in crate::config) balance: Balance,
    pub(in crate::config) hash_on: HashOn,
    pub(in crate::config) sticky: bool,
    pub(in crate::config) on_loss: OnLoss,
    pub(in crate::config) slow_start: Duration,
    pub(in crate::config) panic_threshold: u8,
    pub(in crate::config) connect_timeout: Duration,
    pub(in crate::config) send_buffer: usize,
    pub(in crate::config) tls: Option<BackendTls>,
    pub(in crate::config) health: Health,
    pub(in crate::config) outlier: OutlierRules,
    pub(in crate::config) active: Option<GroupIndex>,
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
        /// The path at which the backends speak WebSocket; `None`: they speak TCP.
        websocket: Option<String>,
    },
    /// One request at a time over connections that are used again.
    Http,
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

/// `hash_on`: what `modulo` and `consistent_hash` choose a backend by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashOn {
    /// The session's ID: each session by itself.
    Session,
    /// The player's account.
    Account,
    /// The player's address without its port.
    ClientIp,
    /// A number in the frame.
    Field {
        /// Counted from the first byte of the frame.
        offset: u16,
        /// Bytes of the number.
        width: Width,
        /// The order of these bytes.
        order: ByteOrder,
    },
    /// The value of a header of the request, by its name in small letters.
    Header(String),
    /// The value of a cookie of the request.
    Cookie {
        /// The name of the cookie.
        name: String,
        /// Whether the gateway gives one to clients that have none.
        insert: bool,
    },
    /// The value of a parameter of the request's query.
    Query(String),
}

impl HashOn {
    /// The name of the cookie that the gateway gives out, where it gives one.
    #[must_use]
    pub fn given_cookie(&self) -> Option<&str> {
        match self {
            Self::Cookie { name, insert: true } => Some(name),
            Self::Cookie { insert: false, .. }
            | Self::Session
            | Self::Account
            | Self::ClientIp
            | Self::Field { .. }
            | Self::Header(_)
            | Self::Query(_) => None,
        }
    }
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
    pub(in crate::config) zone: String,
    pub(in crate::config) max_sessions: Option<u32>,
    pub(in crate::config) group: Option<GroupIndex>,
    pub(in crate::config) admin: AdminState,
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

    /// What [`Balance::Modulo`] and [`Balance::ConsistentHash`] choose by; says nothing with the other rules.
    #[must_use]
    pub fn hash_on(&self) -> &HashOn {
        &self.hash_on
    }

    /// [`Cluster::hash_on`] where the rule of balance looks at a key.
    #[must_use]
    pub fn balance_key(&self) -> Option<&HashOn> {
        self.balance.needs_key().then_some(&self.hash_on)
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

    /// How long a backend that joined or recovered takes to reach its full share; zero: it has it at once.
    #[must_use]
    pub fn slow_start(&self) -> Duration {
        self.slow_start
    }

    /// Below so many percent of healthy backends health is ignored, 0..=100; 0: never.
    #[must_use]
    pub fn panic_threshold(&self) -> u8 {
        self.panic_threshold
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

    /// How its backends are probed.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// When a backend is taken out for what real traffic says of it.
    #[must_use]
    pub fn outlier(&self) -> &OutlierRules {
        &self.outlier
    }

    /// The group that serves here whatever `release.active` says.
    #[must_use]
    pub fn active(&self) -> Option<GroupIndex> {
        self.active
    }

    /// Whether a backend of it is in a release group; where none is, every group is served by all.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        self.backends.iter().any(|backend| backend.group.is_some())
    }

    /// Whether sessions go whole to a backend of it.
    pub(in crate::config) fn reads_no_frames(&self) -> bool {
        match &self.link {
            LinkKind::Shared | LinkKind::Http => false,
            LinkKind::Dedicated { layout, .. } => layout.framing == Framing::Opaque,
        }
    }

    /// Whether new sessions of this group find somebody: a backend that serves it and has a weight.
    pub(in crate::config) fn can_serve(&self, group: GroupIndex) -> bool {
        self.backends.iter().any(|backend| backend.serves(group) && backend.weight > 0)
    }

    /// The backends in the order of the file; at least one.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }
}

impl LinkKind {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Dedicated { .. } => "dedicated",
            Self::Http => "http",
        }
    }
}

impl Display for HashOn {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session => into.write_str("session"),
            Self::Account => into.write_str("account"),
            Self::ClientIp => into.write_str("client_ip"),
            Self::Field { offset, width, order } => {
                let order = match order {
                    ByteOrder::Big => "big",
                    ByteOrder::Little => "little",
                };
                write!(into, "field at {offset} width {} {order}", width.bytes())
            }
            Self::Header(name) => write!(into, "header {name}"),
            Self::Cookie { name, .. } => write!(into, "cookie {name}"),
            Self::Query(name) => write!(into, "query {name}"),
        }
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

    /// Where it stands; empty when no zone is set.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Its release group; `None`: it serves every group.
    #[must_use]
    pub fn group(&self) -> Option<GroupIndex> {
        self.group
    }

    /// Whether sessions of this group may meet it.
    #[must_use]
    pub fn serves(&self, group: GroupIndex) -> bool {
        self.group.is_none_or(|own| own == group)
    }

    /// What the operator wants of it: always `Ready` in what the file says.
    #[must_use]
    pub fn admin(&self) -> AdminState {
        self.admin
    }

    /// The most sessions that this gateway gives it, 1 or more; `None`: as many as come.
    #[must_use]
    pub fn max_sessions(&self) -> Option<u32> {
        self.max_sessions
    }
}
