//! What the gateway itself answers with.

use hyper::body::{Body, Bytes};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::content::Content;
use super::line::RequestId;

/// An answer to a request.
pub(in crate::http) type Answer = Response<Content>;

/// What is wrong, and which request it was.
pub(in crate::http) fn error(status: StatusCode, error: &str, request: &RequestId) -> Answer {
    let body = json!({ "error": error, "request": request.to_string() }).to_string() + "\n";
    let mut answer = Response::new(Content::whole(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Makes of an answer that to `HEAD`: it says how long its body would be. Over HTTP/2 a body that comes all the same breaks
/// the stream.
pub(in crate::http) fn without_body(answer: &mut Answer) {
    let body = std::mem::replace(answer.body_mut(), Content::empty());
    if let Some(length) = body.size_hint().exact().filter(|_| !body.is_end_stream()) {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}
