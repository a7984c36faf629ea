//! The API's own listener: HTTP/1.1 with bounds on everything a peer could make it hold.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::access::{self, Access};
use super::answer::{self, Answer};
use super::changes::Ask;
use super::desk::Desk;
use super::paths::{self, Question};
use crate::telemetry::AdminRefusal;

/// Everything a connection of the API needs.
#[derive(Debug)]
struct Counter {
    desk: Desk,
    access: Access,
    bounds: Bounds,
    /// One for each connection.
    places: Semaphore,
}

/// What a peer may take of the process.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at one time: operators, a scraper, a load balancer's checks.
    pub connections: usize,
    /// From the end of an answer, or the beginning of a connection, to the end of the next head; so it is also how
    /// long a connection may be idle.
    pub head: Duration,
    /// From the end of a head to the end of the body.
    pub body: Duration,
    /// How long an answer may be in the making, and under way when its connection is to end.
    pub answer: Duration,
    /// After so long a connection ends behind its next answer, so that no place is held for ever.
    pub connection: Duration,
}

/// The longest body of a change.
const MOST_BODY: usize = 64 * 1024;
/// The largest head.
const MOST_HEAD: usize = 16 * 1024;
/// How long accepting pauses when the machine gives no more sockets.
const PAUSE: Duration = Duration::from_millis(100);

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 64,
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(150),
            connection: Duration::from_mins(10),
        }
    }
}

/// Serves the API until `ending` is true or nobody can say so any more. What was asked by then is answered: as long as
/// a connection has not ended, the sender of `ending` is not closed.
pub async fn serve(listener: TcpListener, desk: Desk, access: Access, ending: watch::Receiver<bool>) {
    serve_within(listener, desk, access, ending, Bounds::default()).await;
}

/// The same within other bounds.
pub async fn serve_within(
    listener: TcpListener,
    desk: Desk,
    access: Access,
    mut ending: watch::Receiver<bool>,
    bounds: Bounds,
) {
    let places = Semaphore::new(bounds.connections);
    let counter = Arc::new(Counter { desk, access, bounds, places });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ending.wait_for(|ends| *ends) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                drop(tokio::spawn(connection(Arc::clone(&counter), stream, peer, ending.clone())));
            }
            Err(error) => {
                crate::telemetry::accept_paused("admin", &error.to_string());
                sleep(PAUSE).await;
            }
        }
    }
}

impl Counter {
    fn refuse(&self, why: AdminRefusal, peer: SocketAddr) {
        self.desk.meters.admin.refuse(why, peer, self.desk.now());
    }
}

async fn connection(
    counter: Arc<Counter>,
    stream: TcpStream,
    peer: SocketAddr,
    mut ending: watch::Receiver<bool>,
) {
    let Ok(_place) = counter.places.try_acquire() else { return };
    if !counter.access.takes(peer) {
        counter.refuse(AdminRefusal::Address, peer);
        return;
    }
    let asked = |request| {
        let counter = Arc::clone(&counter);
        async move { Ok::<_, Infallible>(request_of(&counter, request, peer).await) }
    };
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(counter.bounds.head)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), service_fn(asked));
    let mut serving = pin!(serving);
    tokio::select! {
        _ = serving.as_mut() => return, // a peer that breaks off is its own loss
        () = sleep(counter.bounds.connection) => {}
        _ = ending.wait_for(|ends| *ends) => {}
    }
    serving.as_mut().graceful_shutdown();
    drop(timeout(counter.bounds.answer, serving).await);
}

async fn request_of(counter: &Counter, request: Request<Incoming>, peer: SocketAddr) -> Answer {
    if let Err(why) = counter.access.admit(&request) {
        counter.refuse(why, peer);
        let mut refused = access::refused(why);
        // A stranger does not keep a place.
        refused.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return refused;
    }
    let question = match Question::of(&request) {
        Ok(question) => question,
        Err(refused) => return refused,
    };
    if let Some(refused) = paths::refused(&question) {
        return refused;
    }
    let body = match body_of(request, counter.bounds.body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let who = peer.to_string();
    let ask = Ask { desk: &counter.desk, body: &body, who: &who };
    paths::answer(&question, &ask, counter.bounds.answer).await
}

async fn body_of(request: Request<Incoming>, time: Duration) -> Result<Vec<u8>, Answer> {
    if request.method() != Method::POST {
        return Ok(Vec::new());
    }
    let kind = request.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
    let is_json = kind.as_ref().is_some_and(|kind| {
        kind.strip_prefix(b"application/json").is_some_and(|rest| rest.is_empty() || rest.starts_with(b";"))
    });
    if !is_json {
        let hint = "send Content-Type: application/json, which a page of another origin cannot";
        return Err(answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "changes are sent as JSON", hint));
    }
    let collected = timeout(time, Limited::new(request.into_body(), MOST_BODY).collect()).await;
    let slow =
        || answer::error(StatusCode::REQUEST_TIMEOUT, "the body did not come in time", "send it at once");
    let large = |_| answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long", "at most 64 KiB");
    Ok(collected.map_err(|_| slow())?.map_err(large)?.to_bytes().to_vec())
}

impl Question {
    /// Takes a request's line apart.
    fn of<B>(request: &Request<B>) -> Result<Self, Answer> {
        let bad = || {
            let hint = "write names with %XX for what is not a letter, a digit or one of - . _ ~ :";
            answer::error(StatusCode::BAD_REQUEST, "the path is not percent-encoded UTF-8", hint)
        };
        let parts = request.uri().path().split('/').skip(1).map(decode);
        let path = parts.collect::<Option<Vec<_>>>().ok_or_else(bad)?;
        let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        };
        let query = pairs.map(pair).collect::<Option<Vec<_>>>().ok_or_else(bad)?;
        Ok(Self { method: request.method().to_string(), path, query })
    }
}

/// Percent-decoded text.
fn decode(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
