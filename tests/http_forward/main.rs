//! Requests through the gate to backends that speak HTTP/1.1 by the letter.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

mod balance;
mod bodies;
mod failures;
mod heads;
mod limits;
#[path = "../common/log.rs"]
mod log;
mod origin;
#[path = "../common/polling.rs"]
mod polling;
mod reuse;
mod stage;
mod sticky;
mod streams;
mod tunnels;
#[path = "../common/unreachable.rs"]
mod unreachable;
#[path = "../common/waiting.rs"]
mod waiting;

pub(crate) use polling::{until, until_shown};
pub(crate) use unreachable::unreachable;
pub(crate) use waiting::within;
