//! Answers of backends that are kept for a while, by each thread for itself. Who asks for what is just being fetched
//! waits for it, so that a backend is asked once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{
    ACCEPT_ENCODING, AGE, AUTHORIZATION, CACHE_CONTROL, COOKIE, EXPIRES, HOST, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    PROXY_AUTHORIZATION, RANGE, SET_COOKIE, UPGRADE, VARY,
};
use hyper::{Method, StatusCode};
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::answer::{self, Answer};
use super::content::{Content, Cut};
use super::files::fresh_for;
use super::forward;
use super::kept::Kept;
use super::shelf::{Found, Shelf};
use super::thread::Thread;
use super::visit::Visit;
use crate::net::now;

/// What one thread keeps, and what it is fetching.
#[derive(Debug, Default)]
pub(in crate::http) struct Cache {
    shelf: RefCell<Shelf>,
    fetching: RefCell<HashMap<Rc<str>, Rc<Notify>>>,
}

/// Who fetches an answer for all who ask; dropped, the others look again.
struct Fetching<'a> {
    cache: &'a Cache,
    key: Rc<str>,
    generation: u64,
}

/// An answer whose beginning was looked at.
struct Prefixed {
    first: Bytes,
    rest: Content,
}

/// What a body was when it was read, and what of it is still to come.
enum Gathered {
    Whole(Bytes),
    Long(Prefixed),
    Slow(Prefixed),
    Broken,
}

/// Longer answers are not kept.
const LONGEST: usize = 1 << 20;
/// Who waits for an answer that takes longer to come had better have its beginning.
const SLOWEST: Duration = Duration::from_secs(2);
/// How long everybody asks for itself after an answer that is no answer.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// What is about an answer that the client has; what is fetched is fetched whole.
const OF_ITS_OWN: [HeaderName; 6] =
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE];

/// What says who asks, or asks for more than an answer.
const OF_ONE: [HeaderName; 5] =
    [COOKIE, AUTHORIZATION, PROXY_AUTHORIZATION, HeaderName::from_static("x-api-key"), UPGRADE];

/// Answers with what is kept, or as the backend does.
pub(in crate::http) async fn cached(thread: &Rc<Thread>, mut visit: Visit) -> Answer {
    if !is_for_many(&visit) {
        return forward::forward(thread, visit).await;
    }
    let (key, generation) = (key(&visit), visit.world.generation());
    // Whose head has come in time may take as long as that to be whole.
    let due = visit.since + visit.lane.route().timeout() + SLOWEST;
    loop {
        let found = thread.cache.shelf.borrow_mut().look(&key, generation, now());
        match found {
            Found::Kept(kept, age) => {
                let mut answer = kept.answer(visit.request.method(), visit.request.headers());
                let age = age_of(answer.headers()).saturating_add(age);
                answer.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
                return answer;
            }
            Found::Passing => return forward::forward(thread, visit).await,
            Found::Nothing if visit.request.method() == Method::HEAD => {
                return forward::forward(thread, visit).await;
            }
            Found::Nothing => {}
        }
        let other = thread.cache.fetching.borrow().get(&*key).cloned();
        match other {
            Some(other) => {
                visit.has_waited = true;
                if timeout_at(due.into(), other.notified()).await.is_err() {
                    return forward::late(&visit.caller.id);
                }
            }
            None => {
                let fetching = Fetching::begin(&thread.cache, key, generation);
                return fetch(thread, visit, fetching).await;
            }
        }
    }
}

/// Whether somebody else could be given the same answer: nothing in the request says who asks, but for its partner, and
/// what has proven that one was taken off.
fn is_for_many(visit: &Visit) -> bool {
    let (method, headers) = (visit.request.method(), visit.request.headers());
    let reads = method == Method::GET || method == Method::HEAD;
    // A body could ask for something else, or never come.
    reads && visit.request.body().is_end_stream() && !OF_ONE.iter().any(|name| headers.contains_key(name))
}

/// What makes one answer another one.
fn key(visit: &Visit) -> Rc<str> {
    let header = |name: HeaderName| {
        let values = visit.request.headers().get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(",")
    };
    let partner = visit.caller.partner.as_deref().unwrap_or_default();
    let (route, target) = (visit.lane.name(), visit.request.uri());
    let generation = visit.world.generation(); // nobody waits for what is fetched under another one
    format!("{generation}\n{route}\n{partner}\n{}\n{}\n{target}", header(HOST), header(ACCEPT_ENCODING))
        .into()
}

async fn fetch(thread: &Rc<Thread>, mut visit: Visit, fetching: Fetching<'_>) -> Answer {
    let asked = visit.request.headers().clone();
    for name in OF_ITS_OWN {
        visit.request.headers_mut().remove(name);
    }
    let (lane, id) = (std::sync::Arc::clone(&visit.lane), visit.caller.id);
    let most = lane.route().cache().unwrap_or_default();
    let has_waited = visit.has_waited;
    let answer = forward::forward(thread, visit).await;
    if answer.status() != StatusCode::OK {
        // One that had only the rest of its time says nothing of the backend: the next one that waits asks.
        if !(has_waited && answer.status() == StatusCode::GATEWAY_TIMEOUT) {
            fetching.passes(AFTER_FAILURE);
        }
        return answer;
    }
    let fresh = freshness(answer.headers(), most).filter(|fresh| !fresh.is_zero());
    let Some(fresh) = fresh.filter(|_| answer.body().size_hint().lower() <= LONGEST as u64) else {
        fetching.passes(most);
        return answer;
    };
    let (mut head, body) = answer.into_parts();
    match gather(body).await {
        Gathered::Whole(bytes) => {
            let is_private = !lane.route().partners().is_empty();
            head.headers.entry(CACHE_CONTROL).or_insert_with(|| fresh_for(most, is_private));
            let kept = Rc::new(Kept::new(head.headers, bytes));
            fetching.keeps(&kept, fresh);
            kept.answer(&Method::GET, &asked)
        }
        Gathered::Long(body) => {
            fetching.passes(most);
            Answer::from_parts(head, Content::stream(body))
        }
        Gathered::Slow(body) => {
            fetching.passes(AFTER_FAILURE);
            Answer::from_parts(head, Content::stream(body))
        }
        Gathered::Broken => {
            fetching.passes(AFTER_FAILURE);
            answer::error(StatusCode::BAD_GATEWAY, "the answer broke off", &id)
        }
    }
}

/// Reads a body to its end, or until it is too long to be kept, or has come for so long that nobody should wait for
/// the rest of it.
async fn gather(mut body: Content) -> Gathered {
    let due = (now() + SLOWEST).into();
    let mut bytes = Vec::new();
    loop {
        match timeout_at(due, body.frame()).await {
            Err(_) => return Gathered::Slow(Prefixed { first: bytes.into(), rest: body }),
            Ok(None) => return Gathered::Whole(bytes.into()),
            Ok(Some(Err(_))) => return Gathered::Broken,
            Ok(Some(Ok(piece))) => bytes.extend_from_slice(&piece.into_data().unwrap_or_default()),
        }
        if bytes.len() > LONGEST {
            return Gathered::Long(Prefixed { first: bytes.into(), rest: body });
        }
    }
}

/// How old an answer was when it came: somebody before may have kept it, too.
fn age_of(head: &HeaderMap) -> Duration {
    let age = head.get(AGE).and_then(|age| age.to_str().ok());
    age.and_then(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs)
}

/// How long an answer may be given to others: as long as the route says, or less if the backend says so, for an age that
/// it may have had already; `None` where it is not for others at all.
fn freshness(head: &HeaderMap, most: Duration) -> Option<Duration> {
    let varies = |value: &HeaderValue| {
        let names = value.to_str().unwrap_or("*");
        names.split(',').any(|name| !name.trim().eq_ignore_ascii_case(ACCEPT_ENCODING.as_str()))
    };
    if head.contains_key(SET_COOKIE) || head.get_all(VARY).iter().any(varies) {
        return None;
    }
    let (mut fresh, age) = (most, age_of(head));
    let (mut is_shared, mut has_age) = (false, false);
    for value in head.get_all(CACHE_CONTROL) {
        for word in value.to_str().ok()?.split(',') {
            let (name, number) = word.split_once('=').unwrap_or((word, ""));
            let seconds = || {
                let whole = number.trim().trim_matches('"').parse().map(Duration::from_secs).ok();
                whole.map(|whole| whole.saturating_sub(age))
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "private" | "no-store" | "no-cache" => return None,
                "s-maxage" => (fresh, is_shared, has_age) = (most.min(seconds()?), true, true),
                "max-age" if !is_shared => (fresh, has_age) = (fresh.min(seconds()?), true),
                _ => {}
            }
        }
    }
    // An end by a clock that is not ours: who means it says it as an age.
    (has_age || !head.contains_key(EXPIRES)).then_some(fresh)
}

impl<'a> Fetching<'a> {
    fn begin(cache: &'a Cache, key: Rc<str>, generation: u64) -> Self {
        cache.fetching.borrow_mut().insert(Rc::clone(&key), Rc::default());
        Self { cache, key, generation }
    }

    fn keeps(&self, kept: &Rc<Kept>, fresh: Duration) {
        let kept = Some(Rc::clone(kept));
        self.cache.shelf.borrow_mut().put(&self.key, self.generation, kept, fresh, now());
    }

    fn passes(&self, time: Duration) {
        self.cache.shelf.borrow_mut().put(&self.key, self.generation, None, time, now());
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        if let Some(others) = self.cache.fetching.borrow_mut().remove(&self.key) {
            others.notify_waiters();
        }
    }
}

impl Body for Prefixed {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.first)))));
        }
        Pin::new(&mut this.rest).poll_frame(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_answer_is_fresh_for_the_time_of_the_route_or_less() {
        let most = Duration::from_secs(10);
        let cases = [
            ("public", Some(10)),
            ("max-age=3", Some(3)),
            ("max-age=60", Some(10)),
            ("max-age=0", Some(0)),
            ("s-maxage=4, max-age=0", Some(4)),
            ("max-age=0, S-MaxAge=\"4\"", Some(4)),
            ("max-age=x", None),
            ("Private", None),
            ("public, no-store", None),
            ("no-cache=\"x\"", None),
        ];
        for (words, fresh) in cases {
            let fresh = fresh.map(Duration::from_secs);
            assert_eq!(freshness(&head(&[(CACHE_CONTROL, words)]), most), fresh, "{words}");
        }
        assert_eq!(freshness(&HeaderMap::new(), most), Some(most));
    }

    #[test]
    fn the_age_that_an_answer_came_with_is_part_of_its_time() {
        let most = Duration::from_secs(10);
        for (words, age, fresh) in [
            ("max-age=60", "30", 10),
            ("max-age=60", "57", 3),
            ("max-age=60", "60", 0),
            ("max-age=60", "100", 0),
            ("s-maxage=9, max-age=60", "5", 4),
            ("max-age=9", "soon", 9),
            ("public", "100", 10),
        ] {
            let head = head(&[(CACHE_CONTROL, words), (AGE, age)]);
            assert_eq!(freshness(&head, most), Some(Duration::from_secs(fresh)), "{words} {age}");
        }
    }

    #[test]
    fn what_is_meant_for_one_is_kept_for_nobody() {
        let most = Duration::from_secs(10);
        assert_eq!(freshness(&head(&[(SET_COOKIE, "a=b")]), most), None);
        assert_eq!(freshness(&head(&[(VARY, "accept-encoding")]), most), Some(most));
        let expires = (EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(freshness(&head(std::slice::from_ref(&expires)), most), None);
        assert_eq!(
            freshness(&head(&[expires, (CACHE_CONTROL, "max-age=9")]), most),
            Some(most - Duration::from_secs(1))
        );
        for varies in ["*", "Origin", "Accept-Encoding, Cookie"] {
            assert_eq!(freshness(&head(&[(VARY, varies)]), most), None, "{varies}");
        }
    }
}
