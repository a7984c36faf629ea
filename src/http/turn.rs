//! One request of HTTP/2 beside the others of its connection. What its client does not take of the answer holds a
//! backend's place, and the others say nothing of it: so each is watched by itself.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::net::now;

tokio::task_local! {
    /// Since when the client has had a piece of this task's answer to take; `None`: it has none.
    static GIVEN: Cell<Option<Instant>>;
}

/// A piece of the answer was given. Where no such request runs, nobody is told.
pub(in crate::http) fn gives(now: Instant) {
    set(Some(now));
}

/// It was taken, or the answer is over.
pub(in crate::http) fn takes() {
    set(None);
}

fn set(given: Option<Instant>) {
    // HTTP/1.1 has no task for each request.
    GIVEN.try_with(|mark| mark.set(given)).ok();
}

/// Runs what answers a request, and drops it when nothing of a piece was taken for so long. The stream is reset by that,
/// and what the answer held is free.
pub(in crate::http) async fn run(answering: impl Future, patience: Duration) {
    GIVEN.scope(Cell::new(None), watched(answering, patience)).await;
}

async fn watched(answering: impl Future, patience: Duration) {
    let (mut answering, mut alarm) = (pin!(answering), pin!(sleep(patience)));
    let mut is_set = false;
    poll_fn(|cx| {
        if answering.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // An alarm that was set stays: most pieces are taken long before, and each would move it.
        while let Some(given) = GIVEN.with(Cell::get) {
            let over = given + patience;
            if !std::mem::replace(&mut is_set, true) {
                alarm.as_mut().reset(over.into());
            }
            if alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            is_set = false;
            if over <= now() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    })
    .await;
}
