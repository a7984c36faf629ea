//! Sockets and tasks: accepting, TLS, players, links, probes. Carries out what `session`, `router`, `policy` and
//! `cluster` decide, and is the only floor that reads the clock. A session and its links live on one worker
//! thread, so nothing here takes a lock on a frame's way.

mod accept;
mod bans;
mod call;
mod commons;
mod desk;
mod errand;
mod facts;
mod guard;
mod guest;
mod hub;
mod lag;
mod link;
mod liveness;
mod lobby;
mod login;
mod metrics;
mod opened;
mod outbox;
mod player;
mod pressure;
mod probe;
mod publish;
mod recovery;
mod roll;
mod sampler;
mod seat;
mod standing;
mod stream;
mod switchboard;
mod tls;
mod tokens;
mod transition;
mod web;
mod worker;
mod world;

pub use accept::{Bound, Reception, SessionIds, bind};
pub use commons::Commons;
pub use errand::{Errand, ErrandSender, ErrandWay, Mishap, Outcome};
pub use facts::{BackendFacts, BreakerFacts, ClusterFacts, RouteFacts, SessionFacts, Target};
pub use guard::{Guard, Promise};
pub use guest::{Glitch, Guest, HandshakeTurn, Lounge, Stay};
pub use hub::{clock, now, since_1970};
pub use lobby::Usher;
pub use metrics::metrics_page;
pub use opened::Opened;
pub use outbox::{Full, Outbox, Pool};
pub use pressure::Pressure;
pub use probe::{PROBES_AT_ONCE, Prober};
pub use sampler::watch_pressure;
pub use tls::{BackendConnector, TicketKeys, Tickets, TlsFault, certificate_names};
pub use transition::Transition;
pub use web::WebLane;
pub use worker::{Command, WorkerHandle, WorkerSetup};
pub use world::{ClusterView, Door, Ground, World};
