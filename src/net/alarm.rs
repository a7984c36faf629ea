//! When a task wakes by itself.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// One sleep for the earliest deadline.
#[derive(Debug)]
pub(super) struct Alarm {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Alarm {
    pub(super) fn new(now: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(now.into())), at: now }
    }

    /// Whether its time has come: before, no deadline has passed.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at <= now
    }

    /// Wakes the task at `deadline` or earlier. A deadline that moves away is met by waking too early once.
    pub(super) fn set(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>, now: Instant) {
        let deadline = deadline.unwrap_or(now + Duration::from_secs(3600));
        if self.at > now && self.at <= deadline {
            return;
        }
        self.at = deadline;
        self.sleep.as_mut().reset(deadline.into());
        if self.sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}
