//! When a task wakes by itself.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::task::unconstrained;
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
        // Even where the turn has used up its budget: without this poll nobody would be woken.
        if pin!(unconstrained(self.sleep.as_mut())).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::task::coop;
    use tokio::time::timeout;

    use super::*;
    use crate::net::hub;

    fn use_up_budget(cx: &mut Context<'_>) {
        while let Poll::Ready(progress) = coop::poll_proceed(cx) {
            progress.made_progress();
        }
    }

    #[tokio::test]
    async fn it_rings_where_the_turn_that_set_it_had_used_up_its_budget() {
        let began = hub::now();
        let deadline = began + Duration::from_millis(20);
        let (mut alarm, mut is_first) = (Alarm::new(began), true);
        let ringing = tokio::spawn(poll_fn(move |cx| {
            if std::mem::take(&mut is_first) {
                use_up_budget(cx);
            }
            alarm.set(cx, Some(deadline), began);
            if alarm.is_due(hub::now()) { Poll::Ready(()) } else { Poll::Pending }
        }));
        timeout(Duration::from_secs(10), ringing).await.expect("it rings").expect("no panic");
    }
}
