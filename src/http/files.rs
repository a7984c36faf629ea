//! Files that the gateway answers with itself.

use hyper::StatusCode;

use super::answer::{self, Answer};
use super::visit::Visit;

/// Answers with the file of a route.
pub(in crate::http) fn file(visit: &Visit) -> Answer {
    answer::error(StatusCode::NOT_FOUND, "there is nothing here", &visit.caller.id)
}
