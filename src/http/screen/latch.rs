//! How the screen learns what became of a wish to leave HTTP.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Counts a connection's answers. Whoever answers tells each of them, in their order, before it is written.
#[derive(Debug, Default)]
pub(in crate::http) struct Latch {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: u64,
    aside: bool,
    reader: Option<Waker>,
}

impl Latch {
    /// One more answer; `upgraded`: it is 101, and what follows is no HTTP.
    pub(in crate::http) fn answered(&self, upgraded: bool) {
        let reader = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.answers += 1;
            inner.aside |= upgraded;
            inner.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Whether what follows is no HTTP, once there are so many answers.
    pub(super) fn poll_aside(&self, answers: u64, cx: &Context<'_>) -> Poll<bool> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.answers >= answers {
            return Poll::Ready(inner.aside);
        }
        inner.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}
