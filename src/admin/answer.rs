//! What the API answers with: JSON, or a page of plain text.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::order::{Refused, Why};

/// An answer of the API.
pub(super) type Answer = Response<Full<Bytes>>;

/// The type of Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What was asked for.
pub(super) fn json(value: &Value) -> Answer {
    with(StatusCode::OK, value)
}

/// One word for a health check.
pub(super) fn word(text: &str) -> Answer {
    page(StatusCode::OK, "text/plain; charset=utf-8", format!("{text}\n"))
}

/// The metrics page.
pub(super) fn metrics(page: String) -> Answer {
    self::page(StatusCode::OK, METRICS, page)
}

/// What is wrong, and what to do instead.
pub(super) fn error(status: StatusCode, error: &str, hint: &str) -> Answer {
    with(status, &json!({ "error": error, "hint": hint }))
}

/// Without detail: whoever has no token learns nothing.
pub(super) fn unauthorized() -> Answer {
    let mut answer =
        error(StatusCode::UNAUTHORIZED, "unauthorized", "send Authorization: Bearer and the token");
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// The path is known and takes another method.
pub(super) fn wrong_method(allowed: &str) -> Answer {
    let mut answer = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path takes another method",
        "reads are GET, changes POST",
    );
    answer.headers_mut().extend(HeaderValue::from_str(allowed).ok().map(|allowed| (ALLOW, allowed)));
    answer
}

/// The gateway did not do it.
pub(super) fn refused(refused: &Refused) -> Answer {
    let status = match refused.why {
        Why::Unknown => StatusCode::NOT_FOUND,
        Why::Invalid => StatusCode::BAD_REQUEST,
        Why::Busy => StatusCode::CONFLICT,
        Why::Failed => StatusCode::INTERNAL_SERVER_ERROR,
    };
    error(status, &refused.error, &refused.hint)
}

/// JSON that is no plain success.
pub(super) fn with(status: StatusCode, value: &Value) -> Answer {
    page(status, "application/json", value.to_string() + "\n")
}

fn page(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
