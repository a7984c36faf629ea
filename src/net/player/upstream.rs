//! One session's own connection to one backend.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::{BackendKey, ClusterKey};
use crate::cluster::{Ask, Backend};
use crate::net::guard::Promise;
use crate::net::hub::Hub;
use crate::net::seat::{Pool, Seat};
use crate::net::stream::{BackendStream, Dial};
use crate::net::world::World;
use crate::policy::{Marks, RouteClass};
use crate::wire::{FrameDecoder, FrameError, FrameLayout, Framing};

/// A dedicated connection, from dialing to its end.
pub(super) struct Upstream {
    pub(super) cluster: ClusterKey,
    pub(super) backend: Arc<Backend>,
    /// Backends that could not be reached for the frames that wait.
    pub(super) tried: Vec<BackendKey>,
    /// Its backend is no longer the session's: nothing more is written, and what it still says is carried on until
    /// then.
    pub(super) left_until: Option<Instant>,
    /// Whether it stands in for another backend of the cluster, which the session keeps.
    pub(super) stands_in: bool,
    /// What its backend was picked for.
    pub(super) ask: Ask,
    /// Frames that have succeeded when the connection stands.
    promises: Vec<Promise>,
    layout: Arc<FrameLayout>,
    phase: Phase,
    /// Whole frames that wait for the backend.
    out: Vec<u8>,
    written: usize,
    marks: Marks,
    decoder: FrameDecoder,
    finish: Finish,
}

enum Phase {
    Dialing(Pin<Box<dyn Future<Output = io::Result<BackendStream>>>>),
    Open(BackendStream),
    Gone,
}

/// How far the writing side is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    No,
    Wanted,
    Done,
}

/// What a turn of an upstream came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing more can be done now.
    Waits,
    /// It could not be reached.
    Unreachable(io::Error),
    /// The backend closed in order; with whole frames only.
    Ended,
    /// The connection broke, or ended inside a frame.
    Lost,
    /// The backend sent what is no frame.
    Malformed(FrameError),
}

/// How long a backend that the session has left may still answer.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

impl Upstream {
    /// A connection to be made for a session that has a place at the backend already.
    pub(super) fn new(
        cluster: ClusterKey,
        backend: Arc<Backend>,
        layout: Arc<FrameLayout>,
        send_buffer: usize,
        ask: Ask,
    ) -> Self {
        Self {
            cluster,
            backend,
            tried: Vec::new(),
            left_until: None,
            stands_in: false,
            ask,
            promises: Vec::new(),
            layout,
            phase: Phase::Gone,
            out: Vec::new(),
            written: 0,
            marks: Marks::new(send_buffer),
            decoder: FrameDecoder::new(),
            finish: Finish::No,
        }
    }

    /// Starts to connect.
    pub(super) fn dial(&mut self, dial: Dial, preface: Vec<u8>) {
        self.phase = Phase::Dialing(Box::pin(dial.connect(preface)));
    }

    /// Goes on with another backend, which has a place for the session already; what waits goes there, since nothing
    /// of it was written.
    pub(super) fn turn_to(&mut self, backend: Arc<Backend>) {
        self.tried.push(self.backend.key());
        self.backend.close_session();
        self.backend = backend;
    }

    /// Takes over what waits for another backend that could not be reached, and its place in the session.
    pub(super) fn take_over(&mut self, other: &Self, pool: &Pool) {
        self.stands_in &= other.stands_in;
        self.put(other.unsent(), pool);
    }

    /// Takes the promise of a frame that was put in. Given back if a reply has to keep it; kept by the connection
    /// that stands already, or by the one that is being made.
    pub(super) fn promise(&mut self, promise: Promise, by_reply: bool) -> Option<Promise> {
        if by_reply {
            return Some(promise);
        }
        self.promises.push(promise);
        None
    }

    /// Whether the session's frames go to this backend over it.
    pub(super) fn is_at(&self, backend: BackendKey) -> bool {
        self.backend.key() == backend && self.left_until.is_none()
    }

    /// Whether the connection stands.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    pub(super) fn admits(&self, class: RouteClass, length: usize) -> bool {
        self.marks.admits(class, self.waiting() + length)
    }

    pub(super) fn put(&mut self, bytes: &[u8], pool: &Pool) {
        if self.out.capacity() == 0 {
            self.out = pool.take();
        }
        self.out.extend_from_slice(bytes);
    }

    /// What waits for the backend.
    pub(super) fn unsent(&self) -> &[u8] {
        self.out.get(self.written..).unwrap_or_default()
    }

    /// Whether the player should not be read.
    pub(super) fn is_full(&self) -> bool {
        self.waiting() > self.marks.high()
    }

    /// The player will send nothing more.
    pub(super) fn finish(&mut self) {
        if self.finish == Finish::No {
            self.finish = Finish::Wanted;
        }
    }

    /// The session goes on with another backend: this one hears the end of what was sent, and may answer for a while.
    pub(super) fn leave(&mut self, now: Instant) {
        self.left_until = Some(now + LAST_ANSWERS);
        self.finish();
    }

    /// When it is given up, having been left. One that is still being made fails or stands first: what waits for it is
    /// not to be lost.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.left_until.filter(|_| !matches!(self.phase, Phase::Dialing(_)))
    }

    /// Ends the connection; abruptly if the player's end was.
    pub(super) fn part(self, abrupt: bool) {
        if let (Phase::Open(stream), true) = (&self.phase, abrupt) {
            stream.abort();
        }
    }

    fn waiting(&self) -> usize {
        self.out.len() - self.written
    }

    /// Writes and reads what can be written and read.
    pub(super) fn turn(
        &mut self,
        cx: &mut Context<'_>,
        hub: &Hub,
        world: &World,
        seat: &Seat,
        now: Instant,
    ) -> Step {
        let since_start = hub.since_start(now);
        if let Phase::Dialing(attempt) = &mut self.phase {
            match attempt.as_mut().poll(cx) {
                Poll::Pending => return Step::Waits,
                Poll::Ready(Err(error)) => {
                    let mut dice = hub.dice.borrow_mut();
                    self.promises.drain(..).for_each(|promise| promise.failed(since_start, &mut *dice));
                    return Step::Unreachable(error);
                }
                Poll::Ready(Ok(stream)) => {
                    self.backend.connected();
                    self.tried.clear();
                    self.phase = Phase::Open(stream);
                }
            }
        }
        self.promises.drain(..).for_each(|promise| promise.succeeded(since_start));
        match self.write(cx, &hub.pool) {
            Ok(()) => self.read(cx, hub, world, seat, since_start),
            Err(_) => Step::Lost,
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, pool: &Pool) -> io::Result<()> {
        let Phase::Open(stream) = &mut self.phase else { return Ok(()) };
        let mut stream = Pin::new(stream);
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stream.as_mut().poll_write(cx, rest) {
                Poll::Ready(count) => self.written += count?,
                Poll::Pending => return Ok(()),
            }
        }
        if self.written > 0 {
            pool.give(std::mem::take(&mut self.out));
            self.written = 0;
        }
        if stream.as_mut().poll_flush(cx)?.is_ready()
            && self.finish == Finish::Wanted
            && stream.as_mut().poll_shutdown(cx)?.is_ready()
        {
            self.finish = Finish::Done;
        }
        Ok(())
    }

    /// Reads while the player takes what comes; whole frames go into the outbox.
    fn read(&mut self, cx: &mut Context<'_>, hub: &Hub, world: &World, seat: &Seat, now: Duration) -> Step {
        let Phase::Open(stream) = &mut self.phase else { return Step::Waits };
        let mut outbox = seat.outbox.borrow_mut();
        let mut buffers = hub.buffers.borrow_mut();
        while !outbox.is_high() {
            let mut read = ReadBuf::new(&mut buffers.scratch);
            match Pin::new(&mut *stream).poll_read(cx, &mut read) {
                Poll::Pending => return Step::Waits,
                Poll::Ready(Err(_)) => return Step::Lost,
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    return if self.decoder.is_idle() { Step::Ended } else { Step::Lost };
                }
                Poll::Ready(Ok(())) => self.backend.succeeded(),
            }
            let bytes = read.filled();
            if self.layout.framing == Framing::Opaque {
                outbox.append(bytes, &hub.pool);
                continue;
            }
            let mut frames = self.decoder.frames(&self.layout, bytes);
            while let Some(frame) = frames.next() {
                match frame {
                    Ok(frame) => {
                        outbox.append(frame.bytes, &hub.pool);
                        outbox.count_frame(!seat.layout.is_of_gateway(frame.id));
                        seat.answered(self.backend.key(), frame.id, now);
                        hub.count_out(world, frame.id, frame.bytes.len());
                    }
                    Err(error) => return Step::Malformed(error),
                }
            }
        }
        Step::Waits
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.backend.close_session();
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("backend", &self.backend.address()).finish_non_exhaustive()
    }
}
