//! One connection that speaks HTTP: served within its limits until its client leaves, it is idle for too long, or the
//! gateway wants it to end.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rand::RngExt;
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::line::Line;
use super::pulse::{Patience, Verdict};
use super::screen::{Screen, Sign};
use super::service;
use super::stream::Stream;
use super::thread::{News, Thread};
use super::turn;
use crate::net::now;

/// The longest head of a request, its line included.
const MOST_HEAD: usize = 32 * 1024;
/// The most headers of a request.
pub(in crate::http) const MOST_HEADERS: usize = 100;
/// Requests that a client may have under way on one connection of HTTP/2.
const STREAMS: u32 = 128;
/// What a client may send ahead of what is read, in one request and on one connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What waits in one answer for a client that does not take it.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that were begun and given up before anybody looked at them: to give up all that one may have is no attack.
const RESETS: usize = STREAMS as usize;

/// Something that can be told to end in order.
trait Graceful: Future<Output = hyper::Result<()>> {
    /// The requests under way are the last ones.
    fn end(self: Pin<&mut Self>);
}

/// Runs the requests of a connection of HTTP/2 beside it, on the same thread.
#[derive(Clone, Copy, Debug)]
struct Here {
    /// How long a client may take nothing of an answer.
    patience: Duration,
}

/// Why the watch woke.
#[derive(Debug)]
enum Woken {
    Ended(hyper::Result<()>),
    News,
    Time,
}

/// Serves a connection that speaks HTTP/2, or HTTP/1.
pub(in crate::http) async fn serve(thread: Rc<Thread>, line: Rc<Line>, stream: Stream, is_http2: bool) {
    let asked = {
        let (thread, line) = (Rc::clone(&thread), Rc::clone(&line));
        move |request: Request<Incoming>| service::answer(Rc::clone(&thread), Rc::clone(&line), request)
    };
    let patience = Patience::of(line.door().listener().limits(), is_http2);
    if is_http2 {
        line.pulse.speaks_http2();
        let connection = http2(patience.write).serve_connection(TokioIo::new(stream), service_fn(asked));
        watch(&thread, &line, &patience, connection).await;
    } else {
        let (pulse, elsewhere) = (Arc::clone(&line.pulse), thread.meters.http("").of(""));
        let screened = Screen::new(
            stream,
            Arc::new(move |sign| match sign {
                Sign::Malformed => pulse.note_malformed(),
                Sign::TooLarge => elsewhere.add(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.as_u16()),
                Sign::HalfHead => {
                    pulse.note_begun(true);
                    pulse.hears(now()); // what was held back behind another request comes from no read
                }
                Sign::WholeHeads => pulse.note_begun(false),
            }),
        );
        let latch = screened.latch();
        let told = move |request| {
            let (answering, latch) = (asked(request), Arc::clone(&latch));
            async move {
                let answer = answering.await;
                let turned =
                    matches!(&answer, Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS);
                latch.answered(turned);
                answer
            }
        };
        let connection = http1().serve_connection(TokioIo::new(screened), service_fn(told)).with_upgrades();
        watch(&thread, &line, &patience, connection).await;
    }
    if line.pulse.was_malformed() {
        line.note_malformed();
    }
}

/// What is waited for on a connection on which nothing was said yet; `None` when the gateway wants it to end before.
pub(in crate::http) async fn unless_it_ends<T>(
    thread: &Thread,
    line: &Line,
    waiting: impl Future<Output = T>,
) -> Option<T> {
    let mut waiting = pin!(waiting);
    let mut news = thread.news.clone();
    let mut ending = Ending::default();
    loop {
        ending.hear(thread, line, &mut news);
        if ending.is_alone || ending.is_due(now()) {
            return None;
        }
        let due = ending.deadline;
        let is_due =
            async { if let Some(due) = due { sleep_until(due.into()).await } else { pending().await } };
        tokio::select! {
            done = waiting.as_mut() => return Some(done),
            changed = news.changed() => ending.is_alone |= changed.is_err(),
            () = is_due => return None,
        }
    }
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(None); // the pulse knows the idle from the late
    builder.max_buf_size(MOST_HEAD).max_headers(MOST_HEADERS);
    builder
}

fn http2(patience: Duration) -> http2::Builder<Here> {
    let mut builder = http2::Builder::new(Here { patience });
    builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    builder.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    builder.max_header_list_size(u32::try_from(MOST_HEAD).unwrap_or(u32::MAX)).max_send_buf_size(SEND_BUFFER);
    builder.max_pending_accept_reset_streams(RESETS);
    builder
}

/// Lets it run until it ends, and sees to it that it does.
async fn watch(thread: &Thread, line: &Line, patience: &Patience, connection: impl Graceful) {
    let mut connection = pin!(connection);
    let mut news = thread.news.clone();
    let mut ending = Ending::default();
    ending.hear(thread, line, &mut news);
    loop {
        let mut look = ending.deadline;
        match line.pulse.verdict(patience, now()) {
            Verdict::Fine(next) => look = Some(look.map_or(next, |look| look.min(next))),
            Verdict::Idle if ending.began.is_none() => {
                ending.begin(connection.as_mut());
                look = ending.deadline;
            }
            Verdict::Idle => {}
            Verdict::Late => return line.note_late(),
            Verdict::Stalled => return line.pulse.abort(),
        }
        if ending.is_due(now()) {
            match ending.began {
                None => ending.begin(connection.as_mut()),
                Some(began) => {
                    // What HTTP/2 holds back of the last answer until the client has room is still being taken.
                    let taken = line.pulse.owes_nothing().map(|quiet| quiet + patience.write);
                    let due = taken.unwrap_or_else(|| now() + LAST_WORDS).max(began + LAST_WORDS);
                    if due <= now() {
                        return;
                    }
                    ending.deadline = Some(due);
                }
            }
            look = ending.deadline;
        }
        let woken = tokio::select! {
            ended = connection.as_mut() => Woken::Ended(ended),
            changed = news.changed() => { ending.is_alone |= changed.is_err(); Woken::News }
            () = sleep_until(look.unwrap_or_else(|| now() + patience.idle).into()) => Woken::Time,
        };
        match woken {
            Woken::Ended(Err(error)) if is_malformed(&error) => return line.pulse.note_malformed(),
            Woken::Ended(_) => return,
            Woken::News => ending.hear(thread, line, &mut news),
            Woken::Time => {}
        }
        if ending.is_alone {
            return;
        }
    }
}

/// Whether what came has ended the connection: no HTTP, or against the rules of HTTP/2. What is only too long is none.
fn is_malformed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    let own = source.filter(|source| source.is_library());
    let is_breach = own.and_then(h2::Error::reason).is_some_and(|reason| BREACHES.contains(&reason));
    is_breach || error.is_parse() && !error.is_parse_too_large()
}

/// What HTTP/2 calls what a client did that did not keep its rules.
const BREACHES: [h2::Reason; 5] = [
    h2::Reason::PROTOCOL_ERROR,
    h2::Reason::COMPRESSION_ERROR,
    h2::Reason::FLOW_CONTROL_ERROR,
    h2::Reason::FRAME_SIZE_ERROR,
    h2::Reason::ENHANCE_YOUR_CALM,
];

/// How a connection comes to its end.
#[derive(Debug, Default)]
struct Ending {
    /// When the client was told.
    began: Option<Instant>,
    /// When something is to be done about it.
    deadline: Option<Instant>,
    /// The gateway is gone, or wants everybody gone.
    is_alone: bool,
}

/// How long a connection that was told to end may take at least, and when it is looked at again while it answers.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Ending {
    /// What the gateway wants, and whether the listener is still there.
    fn hear(&mut self, thread: &Thread, line: &Line, news: &mut watch::Receiver<News>) {
        let said = *news.borrow_and_update();
        match said {
            News::Stopping => self.is_alone = true,
            News::Leaving { spread, .. } => {
                let wait = spread.mul_f64(thread.dice.borrow_mut().random::<f64>());
                self.due(now() + wait);
            }
            News::Serving { .. } if !thread.has_door(line) || thread.has_banned(line) => self.due(now()),
            News::Serving { .. } => {}
        }
    }

    fn due(&mut self, when: Instant) {
        if self.began.is_none() {
            self.deadline = Some(self.deadline.map_or(when, |known| known.min(when)));
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn begin(&mut self, connection: Pin<&mut impl Graceful>) {
        connection.end();
        let now = now();
        (self.began, self.deadline) = (Some(now), Some(now + LAST_WORDS));
    }
}

impl<F: Future + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(turn::run(future, self.patience)));
    }
}

impl<I, S> Graceful for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S::ResBody: 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Graceful for http2::Connection<I, S, Here>
where
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S::ResBody: 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
