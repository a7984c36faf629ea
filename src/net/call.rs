//! A question that one thread waits on and another answers.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Context;

use atomic_waker::AtomicWaker;

/// Asked by one task, answered once or more from any thread; 0 until then.
#[derive(Debug, Default)]
pub(super) struct Call {
    answer: AtomicU8,
    waker: AtomicWaker,
}

impl Call {
    /// Answers and wakes the task.
    pub(super) fn answer(&self, answer: u8) {
        self.answer.store(answer, Ordering::Release);
        self.waker.wake();
    }

    /// The answer now, without waiting for another.
    pub(super) fn now(&self) -> u8 {
        self.answer.load(Ordering::Acquire)
    }

    /// The answer now; the task is woken by the next one.
    pub(super) fn poll(&self, cx: &Context<'_>) -> u8 {
        self.waker.register(cx.waker());
        self.now()
    }
}
