//! Waiting for what must happen.

use std::future::Future;
use std::time::Duration;

/// The bound of every wait: long enough for a busy machine, and no measure of speed.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {BOUND:?} in vain for {what}"),
    }
}
