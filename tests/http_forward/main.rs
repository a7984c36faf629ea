//! Requests through the gate to backends that speak HTTP/1.1 by the letter.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

mod balance;
mod bodies;
mod failures;
mod heads;
mod limits;
mod log;
mod origin;
mod reuse;
mod stage;
mod sticky;
mod streams;
mod tunnels;

use std::future::Future;
use std::time::Duration;

/// The bound of every wait: long enough for a busy machine, and no measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {BOUND:?} in vain for {what}"),
    }
}
