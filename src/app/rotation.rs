//! Fresh keys of TLS session tickets in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::base::millis;
use crate::net::{Tickets, now};
use crate::telemetry;

/// The task that rotates the keys; ends when dropped.
#[derive(Debug)]
pub(super) struct Rotation {
    began: Instant,
    /// When the present key was made, in milliseconds since `began`; 0: it is still the first one.
    made: Arc<AtomicU64>,
    /// How old the first key was.
    age: Duration,
    task: AbortHandle,
}

/// How long new tickets are made with one key; they are good for twice as long.
const EVERY: Duration = Duration::from_hours(6);

impl Rotation {
    /// Goes on with a key that is so old.
    pub(super) fn start(tickets: Tickets, age: Duration) -> Self {
        let (began, made) = (now(), Arc::<AtomicU64>::default());
        let noted = Arc::clone(&made);
        let task = tokio::spawn(async move {
            sleep(EVERY.saturating_sub(age)).await;
            loop {
                match tickets.rotate() {
                    Ok(()) => {
                        noted.store(millis(now().saturating_duration_since(began)).max(1), Ordering::Relaxed);
                    }
                    Err(error) => telemetry::tickets_not_renewed(&error.to_string()),
                }
                sleep(EVERY).await;
            }
        });
        Self { began, made, age, task: task.abort_handle() }
    }

    /// How old the present key is.
    pub(super) fn age(&self) -> Duration {
        let since = now().saturating_duration_since(self.began);
        match self.made.load(Ordering::Relaxed) {
            0 => since + self.age,
            made => since.saturating_sub(Duration::from_millis(made)),
        }
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        self.task.abort();
    }
}
