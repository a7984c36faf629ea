//! The clockwork of a worker: wakes four times a second, notes how late it was and gives memory back that nobody needs.
//! What keeps it from waking keeps sessions from their frames.

use std::rc::Rc;

use super::hub::{self, Hub};
use crate::telemetry::Lag;

/// Runs for as long as the worker.
pub(super) async fn watch(hub: Rc<Hub>) {
    loop {
        let due = hub::now() + Lag::EVERY;
        tokio::time::sleep_until(due.into()).await;
        let now = hub::now();
        hub.meter.lag.woke(now.saturating_duration_since(due), hub.since_start(now));
        hub.pool.trim();
    }
}
