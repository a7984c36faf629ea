//! What the gateway itself answers with.

use std::time::Duration;

use hyper::body::{Body, Bytes};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::content::Content;
use super::line::RequestId;

/// An answer to a request.
pub(in crate::http) type Answer = Response<Content>;

/// What is wrong, and which request it was. Whoever hears that nobody can serve it hears when to ask again.
pub(in crate::http) fn error(status: StatusCode, error: &str, request: &RequestId) -> Answer {
    let body = json!({ "error": error, "request": request.to_string() }).to_string() + "\n";
    let mut answer = Response::new(Content::whole(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, SOON.as_secs().into());
    }
    answer
}

/// Nobody can serve it, and who asks again before this time is over asks in vain.
pub(in crate::http) fn unavailable(error: &str, wait: Option<Duration>, request: &RequestId) -> Answer {
    let mut answer = self::error(StatusCode::SERVICE_UNAVAILABLE, error, request);
    let wait = seconds(wait.unwrap_or(SOON)).max(SOON.as_secs());
    answer.headers_mut().insert(RETRY_AFTER, wait.into());
    answer
}

/// Whole seconds, of which one more is better than one less.
pub(in crate::http) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// What is said where nothing tells when somebody will serve again.
const SOON: Duration = Duration::from_secs(1);

/// Makes of an answer that to `HEAD`: it says how long its body would be. Over HTTP/2 a body that comes all the same breaks
/// the stream.
pub(in crate::http) fn without_body(answer: &mut Answer) {
    let body = std::mem::replace(answer.body_mut(), Content::empty());
    if let Some(length) = body.size_hint().exact().filter(|_| !body.is_end_stream()) {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn every_503_says_when_to_ask_again_and_never_too_early() {
        let id = RequestId::new(&mut SmallRng::seed_from_u64(1));
        let said = |answer: Answer| answer.headers().get(RETRY_AFTER).cloned();
        let told = |wait| said(unavailable("no", wait, &id));
        for (millis, seconds) in [(0, "1"), (999, "1"), (1000, "1"), (1001, "2"), (7900, "8")] {
            let wait = Duration::from_millis(millis);
            assert_eq!(told(Some(wait)), Some(HeaderValue::from_static(seconds)), "{wait:?}");
        }
        let one = Some(HeaderValue::from_static("1"));
        assert_eq!((told(None), said(error(StatusCode::SERVICE_UNAVAILABLE, "no", &id))), (one.clone(), one));
        assert_eq!(said(error(StatusCode::BAD_GATEWAY, "no", &id)), None);
    }
}
