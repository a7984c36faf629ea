//! One change, as a value with names.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::plan::Moving;
use crate::config::{AdminState, Maintenance};
use crate::policy::OnLoss;

/// Something that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `[listener.NAME]`.
    Listener {
        /// Its name.
        name: String,
        /// What of it.
        what: ListenerChange,
    },
    /// `[cluster.NAME]`.
    Cluster {
        /// Its name.
        name: String,
        /// What of it.
        what: ClusterChange,
    },
    /// One of `backends`.
    Backend {
        /// The cluster's name.
        cluster: String,
        /// `host:port` as the file says it.
        address: String,
        /// What becomes of its sessions if it is taken out by this; `None`: it answers requests.
        loss: Option<Loss>,
        /// What of it.
        what: BackendChange,
    },
    /// `[route.NAME]`.
    Route {
        /// Its name.
        name: String,
        /// What of it.
        what: RouteChange,
    },
    /// `[http.NAME]`.
    Http {
        /// Its name.
        name: String,
        /// What of it.
        what: HttpChange,
    },
    /// `[release]`, or `active` of a cluster.
    Release {
        /// What of it.
        what: ReleaseChange,
        /// What becomes of sessions of another group from now on.
        moving: Moving,
        /// Over what time they are moved.
        spread: Duration,
    },
    /// `[login]`.
    Login(LoginChange),
    /// `[partner.NAME]`.
    Partner {
        /// Its name.
        name: String,
        /// What of it.
        what: PartnerChange,
    },
    /// `gateway.zone`.
    Zone(Swap<String>),
    /// `[net]`: how far apart a busy worker keeps its turns.
    Gather(Swap<Option<Duration>>),
    /// `[drain]`.
    Drain,
    /// What only another process can change.
    Process(ProcessKey),
}

/// What was and what will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap<T> {
    /// What was.
    pub from: T,
    /// What will be.
    pub to: T,
}

/// What is different at a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenerChange {
    /// It is new, and listens here.
    Added(SocketAddr),
    /// It is gone; it listened here.
    Removed(SocketAddr),
    /// It is gone, and requests came in here.
    Closed(SocketAddr),
    /// It listens elsewhere.
    Address(Swap<SocketAddr>),
    /// Requests come in where players did, or the other way round.
    Protocol(Swap<&'static str>),
    /// Its players have another layout, by name.
    Frame(Swap<String>),
    /// The layout of this name is another one.
    Layout(String),
    /// The files of its certificates; empty: plain.
    Certificates(Swap<Vec<String>>),
    /// What unknown IDs get.
    UnknownId,
    /// These keys that say who may come.
    Access(Vec<&'static str>),
    /// These keys of its limits.
    Limits(Vec<&'static str>),
}

/// What becomes of sessions whose backend is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// They go on with another one.
    Repicked,
    /// They are closed.
    Closed,
    /// They go on with it until they end.
    Stay,
    /// They go on with the next one of a hot standby.
    TakenOver,
}

/// What is different at a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterChange {
    /// It is new, with so many backends.
    Added(usize),
    /// It is gone.
    Removed(Option<Loss>),
    /// Shared or dedicated.
    Link(Swap<&'static str>),
    /// These keys, which new connections to its backends follow.
    Connections(Vec<&'static str>),
    /// These keys, which the next choice of a backend follows.
    Choice(Vec<&'static str>),
    /// Who serves a frame is chosen anew for sessions that have a backend, too: these keys.
    Binding(Vec<&'static str>),
    /// What happens to the sessions of backends that are lost.
    OnLoss(Swap<OnLoss>),
    /// How its backends are judged: these keys.
    Judgement(Vec<&'static str>),
}

/// What is different at a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its share.
    Weight(Swap<u32>),
    /// Where it stands.
    Zone(Swap<String>),
    /// Its release group; empty: every one.
    Group(Swap<String>),
    /// The most sessions; `None`: as many as come.
    MaxSessions(Swap<Option<u32>>),
    /// What the operator wants of it.
    Admin(Swap<AdminState>),
}

/// What is different at a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// It is new, with this cluster.
    Added(String),
    /// It is gone.
    Removed,
    /// Its IDs, as people write them.
    Ids(Swap<String>),
    /// Its cluster.
    Cluster(Swap<String>),
    /// How dear it is.
    Class(Swap<&'static str>),
    /// Whether it wants a login first.
    Login(Swap<&'static str>),
    /// Its breaker or its reply.
    Breaker,
    /// Its limit, in words.
    Limit(Swap<String>),
    /// It is closed now.
    Closed(Maintenance),
    /// It is open now.
    Opened,
    /// It stays closed with other words or times.
    Reworded(Maintenance),
}

/// What is different at an HTTP route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpChange {
    /// It is new: what answers, and whom.
    Added(String),
    /// It is gone.
    Removed,
    /// Its requests: where they come in, host, path and methods.
    Requests(Swap<String>),
    /// Who may ask: partners.
    Partners(Swap<String>),
    /// Who may ask: everybody from now on; whose it was.
    Opened(String),
    /// What answers.
    Target(Swap<String>),
    /// The frames of this name, which its requests become, look different.
    Layout(String),
    /// These keys, which the next request follows.
    Rules(Vec<&'static str>),
}

/// What is different at the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginChange {
    /// Players have to log in from now on.
    Added,
    /// Nobody has to; so long a session waited for its player, if it did.
    Removed(Option<Duration>),
    /// What logs a player in, in words.
    Way(Swap<String>),
    /// What becomes of a second login.
    Duplicate(Swap<&'static str>),
    /// How long a session waits for its player; `None`: not at all.
    Resume(Swap<Option<Duration>>),
    /// Which clients may play.
    Versions,
    /// When players wait.
    Queue,
}

/// What is different at a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartnerChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is served.
    Enabled,
    /// It is served no more.
    Disabled,
    /// What proves it, in words.
    Auth(Swap<String>),
    /// From where it may ask.
    Networks,
    /// How much it may ask: these keys.
    Limits(Vec<&'static str>),
}

/// What is different at the release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseChange {
    /// The active group; empty: none.
    Active(Swap<String>),
    /// The active group of one cluster; empty: the release's.
    ClusterActive {
        /// The cluster's name.
        cluster: String,
        /// Its groups.
        groups: Swap<String>,
    },
    /// The rules of `canary`, or whom they fit.
    Canary,
    /// The files of accounts that rules of `canary` name have others in them.
    Accounts,
    /// What becomes of sessions of another group.
    Moving(Swap<Moving>),
    /// Over what time.
    Spread(Swap<Duration>),
}

/// A key that only a restart or an upgrade changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessKey {
    /// `gateway.id`.
    Id,
    /// `gateway.workers`.
    Workers,
    /// `gateway.state_dir`.
    StateDir,
    /// `[admin]` comes or goes.
    Admin,
    /// `admin.listen`.
    AdminListen,
    /// `admin.token_file`.
    AdminToken,
}

impl ProcessKey {
    /// The key in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "gateway.id",
            Self::Workers => "gateway.workers",
            Self::StateDir => "gateway.state_dir",
            Self::Admin => "[admin]",
            Self::AdminListen => "admin.listen",
            Self::AdminToken => "admin.token_file",
        }
    }
}

impl<T: PartialEq> Swap<T> {
    /// `None` where nothing changed.
    pub(super) fn of(from: T, to: T) -> Option<Self> {
        (from != to).then_some(Self { from, to })
    }
}
