//! What a client is told when no backend answered.

use std::io;

use hyper::StatusCode;

use super::choose::Turned;
use super::exchange::Failure;
use super::watch::Trouble;
use crate::http::answer::{self, Answer};
use crate::http::line::RequestId;
use crate::http::words;

/// The route has no backends.
pub(super) fn nobody(id: &RequestId) -> Answer {
    turned(Turned { is_full: false, retry_after: None }, id)
}

/// Nobody takes the request now.
pub(super) fn turned(turned: Turned, id: &RequestId) -> Answer {
    let told = if turned.is_full { words::TOO_MUCH } else { words::NOBODY_SERVES };
    answer::unavailable(told, turned.retry_after, id)
}

/// The request was tried, and this is how it ended.
pub(super) fn failed(failure: &Failure, id: &RequestId) -> Answer {
    let (status, told) = match failure {
        Failure::Unreachable(error) if error.kind() == io::ErrorKind::TimedOut => {
            (StatusCode::GATEWAY_TIMEOUT, "the backend could not be reached in time")
        }
        Failure::Unreachable(_) => (StatusCode::BAD_GATEWAY, "the backend could not be reached"),
        Failure::Broken => (StatusCode::BAD_GATEWAY, "the backend broke off before its answer"),
        Failure::Garbled => (StatusCode::BAD_GATEWAY, "the backend's answer is no answer"),
        Failure::Late => (StatusCode::GATEWAY_TIMEOUT, "the backend did not answer in time"),
        Failure::Upload(Trouble::TooLong) => (StatusCode::PAYLOAD_TOO_LARGE, words::BODY_TOO_LONG),
        Failure::Upload(Trouble::Forbidden) => (StatusCode::FORBIDDEN, words::FORBIDDEN),
        Failure::Upload(Trouble::Stalled) => (StatusCode::REQUEST_TIMEOUT, words::BODY_LATE),
        Failure::Upload(Trouble::Broken) => (StatusCode::BAD_REQUEST, words::BODY_BROKEN),
    };
    answer::error(status, told, id)
}
