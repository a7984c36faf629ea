//! Fluent fakes: a `Gate` in front of `Backend`s, and `Player`s that talk to it. Everything listens on port 0, and
//! waiting is always for an event, with one bound for the case that it never comes.

mod backend;
mod browser;
mod dedicated;
mod gate;
mod issuer;
pub(crate) mod log;
mod messenger;
mod player;
mod presser;

use std::future::Future;
use std::time::Duration;

pub(crate) use backend::{Backend, Event, Manner};
pub(crate) use browser::Browser;
pub(crate) use dedicated::{Connection, Dedicated};
pub(crate) use gate::{Certificates, Gate, GateBuilder};
pub(crate) use issuer::{Issuer, now};
pub(crate) use messenger::{Conversation, Messenger};
pub(crate) use player::{Frame, Player};
pub(crate) use presser::{Heard, Presser, press};

/// The bound of every wait: long enough for a busy machine, and no measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {BOUND:?} in vain for {what}"),
    }
}

/// A frame of the test game: length u32 (big-endian, counts what follows), ID u16, body.
pub(crate) fn frame(id: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 2).expect("short").to_be_bytes().to_vec();
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}
