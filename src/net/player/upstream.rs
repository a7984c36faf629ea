//! One session's own connection to one backend: a stream of frames, or WebSocket messages.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;

use super::approach::{Approach, Connected, connect};
use super::delivery::{Delivery, Unfit, each_frame};
use super::messages::Farewell;
use super::talk::{Heard, Talk};
use crate::base::{BackendKey, ClusterKey};
use crate::cluster::{Ask, Backend};
use crate::net::guard::Promise;
use crate::net::hub::Buffers;
use crate::net::outbox::Outbox;
use crate::net::pool::Pool;
use crate::net::queue::Queue;
use crate::net::stream::{BackendStream, Dial, poll_read_into};
use crate::policy::{Marks, RouteClass, STUCK};
use crate::wire::websocket::MessageKind;
use crate::wire::{FrameDecoder, FrameLayout, Framing, Lent};

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
    /// `None` where the backend speaks no WebSocket.
    talk: Option<Box<Talk>>,
    /// What the backend said behind its answer to the upgrade.
    ahead: Vec<u8>,
    /// Whole frames that wait for the backend; whole messages where it speaks WebSocket.
    out: Queue,
    marks: Marks,
    /// When the backend last took something, or nothing waited: since the process's start.
    progress: Duration,
    decoder: FrameDecoder,
    finish: Finish,
    /// Nothing waited before what was put in since the last turn.
    is_fresh: bool,
}

enum Phase {
    Dialing(Pin<Box<dyn Future<Output = io::Result<Connected>>>>),
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

/// What a turn of an upstream came to, if not that nothing more can be done now. It has no other turn behind it, but for
/// the one that may still be written to.
#[derive(Debug)]
pub(super) enum Step {
    /// It could not be reached.
    Unreachable(io::Error),
    /// The backend closed in order; with whole frames only.
    Ended,
    /// The backend closed its WebSocket like this.
    Closed(Farewell),
    /// The connection broke, or ended inside a frame, or without a Close where it speaks WebSocket.
    Lost,
    /// The backend sent what is no frame.
    Malformed(Unfit),
}

/// How a connection is parted from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Parting<'a> {
    /// As the player's end was: abruptly.
    Abrupt,
    /// With these words, where the backend speaks WebSocket.
    InOrder(&'a Farewell),
}

/// How backends of a cluster speak.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speech<'a> {
    pub(super) layout: &'a Arc<FrameLayout>,
    /// The path at which they speak WebSocket.
    pub(super) websocket: Option<&'a str>,
}

/// So many bytes may go out later in the turn of the event loop: to write many of them costs more than to wake somebody.
pub(super) const LATER: usize = 4096;
/// How long a backend that the session has left may still answer.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

impl Upstream {
    /// A connection to be made for a session that has a place at the backend already.
    pub(super) fn new(
        cluster: ClusterKey,
        backend: Arc<Backend>,
        speech: Speech<'_>,
        send_buffer: usize,
        ask: Ask,
    ) -> Self {
        let Speech { layout, websocket } = speech;
        Self {
            cluster,
            backend,
            tried: Vec::new(),
            left_until: None,
            stands_in: false,
            ask,
            promises: Vec::new(),
            talk: websocket.map(|path| Box::new(Talk::new(path, layout))),
            layout: Arc::clone(layout),
            phase: Phase::Gone,
            ahead: Vec::new(),
            out: Queue::default(),
            marks: Marks::new(send_buffer),
            progress: Duration::ZERO,
            decoder: FrameDecoder::new(),
            finish: Finish::No,
            is_fresh: false,
        }
    }

    /// Starts to connect.
    pub(super) fn dial(&mut self, dial: Dial, preface: Vec<u8>, approach: Option<Approach>) {
        self.phase = Phase::Dialing(Box::pin(connect(dial, preface, approach)));
    }

    /// The path at which its backend speaks WebSocket, if it does.
    pub(super) fn path(&self) -> Option<&str> {
        self.talk.as_ref().map(|talk| &*talk.path)
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
        self.is_fresh |= self.waiting() == 0;
        if self.talk.is_some() == other.talk.is_some() {
            return self.out.tail_from(pool).extend_from_slice(&other.out.to_vec());
        }
        // The cluster has changed how it speaks meanwhile.
        for message in other.waiting_messages() {
            let each = each_frame(&other.layout, &message, |_, frame| {
                self.put(&Lent::alone(frame), pool);
                self.seal();
            });
            debug_assert!(each.is_ok(), "only whole frames are put in");
        }
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
        self.marks.admits(class, self.waiting(), length)
    }

    /// Adds a whole frame. Where the backend speaks WebSocket, it goes into one message with those that were put in
    /// since the last [`Upstream::seal`]. A large frame is not copied where it goes out as it is.
    pub(super) fn put(&mut self, frame: &Lent<'_>, pool: &Pool) {
        self.is_fresh |= self.waiting() == 0;
        match &mut self.talk {
            None => match frame.keep() {
                None => self.out.tail_from(pool).extend_from_slice(frame.bytes),
                Some(part) => self.out.push(part),
            },
            Some(talk) if talk.is_closed() => {}
            Some(talk) => talk.put_frame(frame.bytes, self.out.tail_from(pool)),
        }
    }

    /// Adds a message of an opaque session.
    pub(super) fn put_message(&mut self, kind: MessageKind, bytes: &[u8], pool: &Pool) {
        let out = self.out.tail_from(pool);
        match &mut self.talk {
            None => out.extend_from_slice(bytes),
            Some(talk) if talk.is_closed() => {}
            Some(talk) => talk.put_message(kind, bytes, out),
        }
    }

    /// What comes next belongs to another message.
    pub(super) fn seal(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.seal(self.out.tail());
        }
    }

    /// The frames that wait for the backend, by messages where it speaks in such: for those that go nowhere.
    pub(super) fn waiting_messages(&self) -> Vec<Vec<u8>> {
        match &self.talk {
            None => vec![self.out.to_vec()],
            Some(_) => Talk::messages(&self.out.to_vec()),
        }
    }

    /// Whether the player should not be read, as long as it is not stuck. One that the session has left gets nothing more.
    pub(super) fn is_full(&self) -> bool {
        self.left_until.is_none() && self.is_high()
    }

    /// Whether the backend has taken nothing for so long that nobody waits for it any more. To connect has a time of its
    /// own.
    pub(super) fn is_stuck(&self, now: Duration) -> bool {
        let is_dialing = matches!(self.phase, Phase::Dialing(_));
        !is_dialing && !self.is_fresh && now.saturating_sub(self.progress) >= STUCK
    }

    fn is_high(&self) -> bool {
        self.waiting() > self.marks.high()
    }

    /// Whether nothing more can be written: the backend was told so.
    pub(super) fn is_shut(&self) -> bool {
        self.finish == Finish::Done
    }

    /// Whether all that was said is out, and the end of it too.
    pub(super) fn has_all(&self) -> bool {
        self.is_shut() && self.waiting() == 0
    }

    /// The player will send nothing more; a backend that speaks WebSocket hears it in these words.
    pub(super) fn finish(&mut self, words: &Farewell) {
        if self.finish == Finish::No {
            self.finish = Finish::Wanted;
            self.talk.iter_mut().for_each(|talk| talk.keep_farewell(words));
        }
    }

    /// The session goes on with another backend: this one hears the end of what was sent, and may answer for a while.
    pub(super) fn leave(&mut self, now: Instant) {
        self.left_until = Some(now + LAST_ANSWERS);
        self.finish(&Farewell::in_order());
    }

    /// When it is given up, having been left. One that is still being made fails or stands first: what waits for it is
    /// not to be lost.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.left_until.filter(|_| !matches!(self.phase, Phase::Dialing(_)))
    }

    /// Ends the connection. What waits goes out as far as the socket takes it at once, since nobody is left to wait for
    /// it; a backend that speaks WebSocket reads a Close behind it, and one that speaks TLS that nothing was cut off.
    pub(super) fn part(mut self, parting: Parting<'_>, pool: &Pool) {
        if let (Parting::InOrder(farewell), Some(talk), Phase::Open(_)) =
            (parting, &mut self.talk, &self.phase)
        {
            talk.close(farewell.code, &farewell.reason, self.out.tail());
        }
        let cx = &mut Context::from_waker(Waker::noop());
        // A socket that has broken meanwhile has heard enough.
        let is_out = matches!(self.push(cx, pool), Ok(true));
        let Phase::Open(stream) = &mut self.phase else { return };
        match parting {
            Parting::Abrupt => stream.abort(),
            Parting::InOrder(_) if is_out => drop(Pin::new(stream).poll_shutdown(cx)),
            Parting::InOrder(_) => {}
        }
    }

    fn waiting(&self) -> usize {
        self.out.waiting()
    }

    /// Writes and reads what can be written and read.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>, to: &Delivery<'_>) -> Option<Step> {
        if let Phase::Dialing(attempt) = &mut self.phase {
            match attempt.as_mut().poll(cx) {
                Poll::Pending => return None,
                Poll::Ready(Err(error)) => {
                    let mut dice = to.hub.dice.borrow_mut();
                    self.promises.drain(..).for_each(|promise| promise.failed(to.now, &mut *dice));
                    return Some(Step::Unreachable(error));
                }
                Poll::Ready(Ok(Connected { stream, ahead })) => {
                    self.backend.connected();
                    self.tried.clear();
                    self.phase = Phase::Open(stream);
                    self.progress = to.now;
                    self.ahead = ahead;
                }
            }
        }
        self.promises.drain(..).for_each(|promise| promise.succeeded(to.now));
        let is_fresh = std::mem::take(&mut self.is_fresh);
        let step = if is_fresh && to.may_wait && self.waiting() <= LATER {
            self.progress = to.now;
            to.seat.call_for_bytes();
            self.read(cx, to)
        } else {
            let before = self.waiting();
            if self.write(cx, &to.hub.pool).is_err() {
                return Some(Step::Lost);
            }
            if is_fresh || self.waiting() < before {
                self.progress = to.now;
            }
            self.read(cx, to)
        };
        let answers = self.talk.as_ref().is_some_and(|talk| talk.has_ping());
        match step {
            None if answers && self.write(cx, &to.hub.pool).is_err() => return Some(Step::Lost),
            // The last words; who does not take them at once is not waited for.
            Some(Step::Closed(_) | Step::Malformed(_) | Step::Ended) => drop(self.push(cx, &to.hub.pool)),
            None | Some(Step::Unreachable(_) | Step::Lost) => {}
        }
        step
    }

    /// Whether there is nothing to do for it but to carry bytes.
    pub(super) fn only_carries(&self) -> bool {
        let is_plain = matches!(self.phase, Phase::Open(BackendStream::Plain(_))) && self.talk.is_none();
        is_plain && self.finish == Finish::No && self.left_until.is_none() && self.promises.is_empty()
    }

    /// Whether there is nothing to read; the task is woken when there is.
    pub(super) fn is_silent(&self, cx: &mut Context<'_>) -> bool {
        matches!(&self.phase, Phase::Open(BackendStream::Plain(stream)) if stream.poll_read_ready(cx).is_pending())
    }

    /// Writes what waits; whether all of it is out.
    pub(super) fn empties(&mut self, cx: &mut Context<'_>, pool: &Pool) -> bool {
        let is_out = self.out.is_empty() || matches!(self.push(cx, pool), Ok(true));
        if is_out {
            self.out.rest(pool);
        }
        is_out
    }

    fn write(&mut self, cx: &mut Context<'_>, pool: &Pool) -> io::Result<()> {
        let is_high = self.is_high();
        if let Some(talk) = &mut self.talk {
            talk.seal(self.out.tail());
            if !is_high {
                talk.pong(self.out.tail());
            }
            if self.finish == Finish::Wanted {
                talk.say_farewell(self.out.tail()); // WebSocket knows no half-close: the backend answers by its own
                self.finish = Finish::Done;
            }
        }
        if !self.push(cx, pool)? {
            return Ok(());
        }
        self.out.rest(pool);
        let Phase::Open(stream) = &mut self.phase else { return Ok(()) };
        if self.finish == Finish::Wanted && Pin::new(stream).poll_shutdown(cx)?.is_ready() {
            self.finish = Finish::Done;
        }
        Ok(())
    }

    /// Whether all that waits is out.
    fn push(&mut self, cx: &mut Context<'_>, pool: &Pool) -> io::Result<bool> {
        let Phase::Open(stream) = &mut self.phase else { return Ok(false) };
        let mut stream = Pin::new(stream);
        while !self.out.is_empty() {
            match self.out.poll_write(stream.as_mut(), cx, pool) {
                Poll::Ready(took) => {
                    took?;
                }
                Poll::Pending => {
                    self.out.drop_out(); // every message is sealed: nobody has a place in it
                    return Ok(false);
                }
            }
        }
        Ok(stream.as_mut().poll_flush(cx)?.is_ready())
    }

    /// Reads while the player takes what comes; whole frames go into the outbox.
    fn read(&mut self, cx: &mut Context<'_>, to: &Delivery<'_>) -> Option<Step> {
        let mut outbox = to.seat.outbox.borrow_mut();
        let mut buffers = to.hub.buffers.borrow_mut();
        while !(outbox.is_high() || outbox.has_gap()) {
            let mut ahead = std::mem::take(&mut self.ahead);
            let step = if ahead.is_empty() {
                let Phase::Open(stream) = &mut self.phase else { return None };
                let block = buffers.empty_block(&to.hub.pool);
                match poll_read_into(stream, cx, block, self.decoder.gap()) {
                    Poll::Pending => return None,
                    Poll::Ready(Err(_)) => return Some(Step::Lost),
                    Poll::Ready(Ok(0)) => return Some(self.end_of_stream()),
                    Poll::Ready(Ok(_)) => self.backend.succeeded(),
                }
                self.hear_block(&mut buffers, to, &mut outbox)
            } else {
                self.hear(&mut ahead, to, &mut outbox)
            };
            if step.is_some() {
                return step;
            }
        }
        None
    }

    fn end_of_stream(&self) -> Step {
        let in_order = match &self.talk {
            None => self.decoder.is_idle(),
            Some(talk) => talk.is_closed(), // who was told Close may leave without a word
        };
        if in_order { Step::Ended } else { Step::Lost }
    }

    /// Takes in what is in the worker's block; a step where nothing more is said.
    fn hear_block(&mut self, buffers: &mut Buffers, to: &Delivery<'_>, outbox: &mut Outbox) -> Option<Step> {
        if self.talk.is_some() || self.layout.framing == Framing::Opaque {
            return self.hear(Arc::make_mut(&mut buffers.block).as_mut_slice(), to, outbox);
        }
        let frames = self.decoder.frames_in(&self.layout, &buffers.block);
        match to.frames(self.backend.key(), frames, outbox) {
            Ok(None) => {}
            Ok(Some(torn)) => self.decoder.adopt(buffers.part_with(torn, &to.hub.pool)),
            Err(unfit) => return Some(Step::Malformed(unfit)),
        }
        None
    }

    /// Takes in what the backend says; a step where it says nothing more.
    fn hear(&mut self, bytes: &mut [u8], to: &Delivery<'_>, outbox: &mut Outbox) -> Option<Step> {
        let (backend, layout) = (self.backend.key(), &*self.layout);
        let Some(talk) = &mut self.talk else {
            let heard = to.stream(backend, layout, &mut self.decoder, bytes, outbox);
            return heard.err().map(Step::Malformed);
        };
        let heard = talk.hear(bytes, |kind, bytes| to.message(backend, layout, (kind, bytes), outbox));
        let had_closed = talk.is_closed();
        match heard {
            Ok(Heard::More) => None,
            Ok(Heard::Closed(_)) if had_closed => Some(Step::Ended),
            Ok(Heard::Closed(farewell)) => {
                talk.close(farewell.code, "", self.out.tail());
                Some(Step::Closed(farewell))
            }
            Err(unfit) => {
                talk.close(Some(unfit.code()), &unfit.to_string(), self.out.tail());
                Some(Step::Malformed(unfit))
            }
        }
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
