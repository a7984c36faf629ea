//! Sockets and tasks: accepting, TLS, players, links, probes. Carries out what `session`, `router`, `policy` and
//! `cluster` decide, and is the only floor that reads the clock. A session and its links live on one worker
//! thread, so nothing here takes a lock on a frame's way.

mod accept;
mod bans;
mod facts;
mod guard;
mod hub;
mod lag;
mod link;
mod metrics;
mod opened;
mod player;
mod probe;
mod recovery;
mod roll;
mod seat;
mod standing;
mod stream;
mod tls;
mod transition;
mod worker;
mod world;

pub use accept::{Bound, Reception, SessionIds, bind};
pub use facts::{BackendFacts, BreakerFacts, ClusterFacts, RouteFacts, SessionFacts, Target};
pub use hub::now;
pub use metrics::metrics_page;
pub use opened::Opened;
pub use probe::{PROBES_AT_ONCE, Prober};
pub use tls::{TicketKeys, Tickets, TlsFault};
pub use transition::Transition;
pub use worker::{Command, WorkerHandle, WorkerSetup};
pub use world::{Door, Ground, World};
