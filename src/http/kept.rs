//! An answer that is here whole, with a fingerprint: all of it, a part of it, or the word that it has not changed.

use hyper::body::Bytes;
use hyper::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG, EXPIRES,
    HeaderMap, HeaderName, HeaderValue, VARY,
};
use hyper::{Method, Response, StatusCode};

use super::answer::Answer;
use super::content::Content;
use super::tags::{Share, share};
use crate::net::fingerprint;

/// An answer with its headers, to be given often.
#[derive(Clone, Debug)]
pub(in crate::http) struct Kept {
    head: HeaderMap,
    bytes: Bytes,
}

/// What a client that has it already is told again.
const TOLD_AGAIN: [HeaderName; 7] = [ETAG, CACHE_CONTROL, VARY, EXPIRES, DATE, CONTENT_LOCATION, AGE];

impl Kept {
    /// An answer with these headers; where they have no fingerprint of its own, it gets one.
    pub(in crate::http) fn new(mut head: HeaderMap, bytes: Bytes) -> Self {
        if !head.contains_key(ETAG)
            && let Ok(tag) = HeaderValue::from_str(&fingerprint(&bytes))
        {
            head.insert(ETAG, tag);
        }
        head.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        head.remove(CONTENT_LENGTH);
        Self { head, bytes }
    }

    /// The memory that it takes, about.
    pub(in crate::http) fn weight(&self) -> usize {
        let head = self.head.iter().map(|(name, value)| name.as_str().len() + value.len() + EACH_HEADER);
        self.bytes.len() + head.sum::<usize>()
    }

    /// What a GET or HEAD with these headers is given.
    pub(in crate::http) fn answer(&self, method: &Method, asked: &HeaderMap) -> Answer {
        let tag = self.head.get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        let length = self.bytes.len();
        match share(asked, tag, length) {
            Share::Part(part) if method == Method::GET => {
                let mut answer = self.with(StatusCode::PARTIAL_CONTENT, self.bytes.slice(part.clone()));
                let range = format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1));
                say(&mut answer, CONTENT_RANGE, &range);
                answer
            }
            Share::Beyond if method == Method::GET => {
                let mut answer = self.bare(StatusCode::RANGE_NOT_SATISFIABLE);
                say(&mut answer, CONTENT_RANGE, &format!("bytes */{length}"));
                answer
            }
            Share::NotModified => self.bare(StatusCode::NOT_MODIFIED),
            Share::Failed => self.bare(StatusCode::PRECONDITION_FAILED),
            Share::Whole | Share::Part(_) | Share::Beyond if method == Method::HEAD => {
                let mut answer = self.with(StatusCode::OK, Bytes::new());
                say(&mut answer, CONTENT_LENGTH, &length.to_string());
                answer
            }
            Share::Whole | Share::Part(_) | Share::Beyond => self.with(StatusCode::OK, self.bytes.clone()),
        }
    }

    fn with(&self, status: StatusCode, bytes: Bytes) -> Answer {
        let mut answer = Response::new(Content::whole(bytes));
        *answer.status_mut() = status;
        answer.headers_mut().clone_from(&self.head);
        answer
    }

    fn bare(&self, status: StatusCode) -> Answer {
        let mut answer = Response::new(Content::empty());
        *answer.status_mut() = status;
        for name in TOLD_AGAIN {
            let values = self.head.get_all(&name).iter().cloned();
            answer.headers_mut().extend(values.map(|value| (name.clone(), value)));
        }
        answer
    }
}

/// What a header takes besides its letters.
const EACH_HEADER: usize = 64;

fn say(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
