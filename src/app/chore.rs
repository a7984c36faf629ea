//! A task of the control thread that goes on for as long as somebody holds it.

use std::future::Future;

use tokio::task::AbortHandle;

/// Ends when dropped.
#[derive(Debug)]
pub(super) struct Chore(AbortHandle);

impl Chore {
    pub(super) fn start(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task).abort_handle())
    }
}

impl Drop for Chore {
    fn drop(&mut self) {
        self.0.abort();
    }
}
