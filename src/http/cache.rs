//! Answers of backends that are kept for a while.

use std::rc::Rc;

use super::answer::Answer;
use super::forward;
use super::thread::Thread;
use super::visit::Visit;

/// What one thread keeps.
#[derive(Debug, Default)]
pub(in crate::http) struct Cache;

/// Answers with what is kept, or as the backend does.
pub(in crate::http) async fn cached(thread: &Rc<Thread>, visit: Visit) -> Answer {
    forward::forward(thread, visit).await
}
