//! Sockets and tasks: accepting, TLS, players, links, probes. Carries out what `session`, `router`, `policy` and
//! `cluster` decide, and is the only floor that reads the clock. A session and its links live on one worker
//! thread, so nothing here takes a lock on a frame's way.

mod accept;
mod guard;
mod hub;
mod link;
mod player;
mod probe;
mod recovery;
mod seat;
mod stream;
mod tls;
mod worker;
mod world;

pub use accept::{Bound, SessionIds, bind};
pub use probe::{PROBES_AT_ONCE, Prober};
pub use tls::{Tickets, TlsFault};
pub use worker::{Command, WorkerHandle, WorkerSetup};
pub use world::{Door, World};
