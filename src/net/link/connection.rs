//! One life of a link: greeting, then turns of reading and writing until it breaks.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::dispatch;
use super::shared::SharedLink;
use crate::cluster::ServingState;
use crate::net::alarm::Alarm;
use crate::net::hub::{self, Hub};
use crate::net::publish::{AT_A_TURN, Publishing};
use crate::net::queue::Queue;
use crate::net::stream::{BackendStream, poll_read_into};
use crate::telemetry;
use crate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, EnvelopeError, Hello, HelloAck, LINK, Message, VERSION,
};
use crate::wire::{Block, Torn};

/// A connected and greeted link.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) hub: Rc<Hub>,
    pub(super) link: Rc<SharedLink>,
    stream: BackendStream,
    decoder: EnvelopeDecoder,
    /// What was said to many and not all have yet: nothing else is read before.
    publishing: Option<Publishing>,
    /// Whether whole envelopes may be held that were not looked at: behind HELLO_ACK, or behind what was for many.
    holds: bool,
    /// What is being written.
    writing: Queue,
    /// When the backend was last heard.
    heard: Instant,
    tick: Alarm,
}

/// Why a link could not be made or ended.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The connection could not be made or broke.
    Io(io::Error),
    /// The backend closed it.
    Closed,
    /// No HELLO_ACK in time.
    NoAnswer,
    /// The backend speaks another version.
    Version(u16),
    /// The first envelope was no HELLO_ACK.
    NotGreeted,
    /// The backend wrote what is no envelope.
    Envelope(EnvelopeError),
    /// Nothing was heard of the backend, PONGs included.
    Silent,
    /// The backend is no longer in force; what waited for it is written.
    Retired,
}

/// A PING goes out this often, so that it is known what a report of the load can have missed; a backend that is not
/// heard for [`SILENCE`] is lost.
const PING_EVERY: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(15);
/// How many reads one wake-up makes at most: so many that most often all is read that has come, and what it is for players
/// is written to each at once.
const READS_PER_TURN: usize = 8;

impl Connection {
    /// Connects within the cluster's `connect_timeout`, and once more within it says HELLO and hears HELLO_ACK.
    pub(super) async fn establish(hub: &Rc<Hub>, link: &Rc<SharedLink>) -> Result<Self, LinkError> {
        let dial = link.dial();
        let limit = dial.timeout;
        let stream = dial.connect(Vec::new()).await.map_err(LinkError::Io)?;
        let now = hub::now();
        let mut connection = Self {
            hub: Rc::clone(hub),
            link: Rc::clone(link),
            stream,
            decoder: EnvelopeDecoder::new(),
            publishing: None,
            holds: true,
            writing: Queue::default(),
            heard: now,
            tick: Alarm::new(now),
        };
        timeout(limit, connection.greet()).await.unwrap_or(Err(LinkError::NoAnswer))?;
        Ok(connection)
    }

    async fn greet(&mut self) -> Result<(), LinkError> {
        let hello = self.hello().map_err(LinkError::Envelope)?;
        self.link.greet();
        self.send(&hello).await.map_err(LinkError::Io)?;
        let greeted = self.hear_greeting().await;
        if let Err(LinkError::Envelope(error)) = &greeted {
            let (mut last, text) = (Vec::new(), error.to_string());
            let envelope = Envelope { session: LINK, message: complaint(error, &text) };
            if envelope.encode(DEFAULT_MAX_ENVELOPE, &mut last).is_ok() {
                drop(self.send(&last).await); // who is gone already has nothing to hear
            }
        }
        greeted
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    async fn hear_greeting(&mut self) -> Result<(), LinkError> {
        let mut first = [0; 4096];
        loop {
            let length = self.stream.read(&mut first).await.map_err(LinkError::Io)?;
            if length == 0 {
                return Err(LinkError::Closed);
            }
            let input = first.get(..length).unwrap_or_default();
            let mut envelopes = self.decoder.envelopes(DEFAULT_MAX_ENVELOPE, input);
            while let Some(envelope) = envelopes.next() {
                let envelope = envelope.and_then(|raw| raw.decode()).map_err(LinkError::Envelope)?;
                if let Message::HelloAck(ack) = envelope.message {
                    return welcome(&self.hub, &self.link, &ack);
                }
                if !matches!(envelope.message, Message::Unknown { .. }) {
                    return Err(LinkError::NotGreeted);
                }
                self.hub.meter.ignored_envelopes.add(1);
            }
        }
    }

    fn hello(&self) -> Result<Vec<u8>, EnvelopeError> {
        let (world, cluster) = (self.hub.world.load(), self.link.cluster());
        let gateway = world.plan().gateway();
        let hello = Hello {
            version: VERSION,
            gateway_id: gateway.id(),
            worker: u16::try_from(self.hub.worker).unwrap_or(u16::MAX),
            cluster: cluster.name(),
            zone: Some(gateway.zone()).filter(|zone| !zone.is_empty()),
            max_envelope: DEFAULT_MAX_ENVELOPE,
        };
        let mut out = Vec::new();
        Envelope { session: LINK, message: Message::Hello(hello) }.encode(DEFAULT_MAX_ENVELOPE, &mut out)?;
        Ok(out)
    }

    /// Carries envelopes until the link breaks.
    pub(super) async fn serve(mut self) -> LinkError {
        poll_fn(|cx| {
            let now = hub::now();
            self.tick.set(cx, Some(now + PING_EVERY), now);
            Poll::Ready(())
        })
        .await;
        let error = poll_fn(|cx| self.turn(cx)).await;
        if let Some(publishing) = self.publishing.take() {
            // What it said before is brought to all of them, though nothing comes behind it any more.
            drop(tokio::task::spawn_local(publishing.finish(Rc::clone(&self.hub))));
        }
        error
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<LinkError> {
        let now = hub::now();
        self.link.bell.listen(cx.waker());
        if let Err(error) = self.read(cx, now) {
            self.last_words(cx, &error);
            return Poll::Ready(error);
        }
        let end = match self.write(cx, now) {
            Err(error) => Some(LinkError::Io(error)),
            Ok(()) => (self.link.is_retired() && self.link.is_flushed()).then_some(LinkError::Retired),
        };
        if let Some(end) = end {
            self.carry_out_held(cx, now);
            return Poll::Ready(end);
        }
        self.link.tell_buffered();
        self.keep_time(cx, now)
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), LinkError> {
        let hub = Rc::clone(&self.hub);
        let mut budget = AT_A_TURN;
        if self.publish(cx, &mut budget).is_pending()
            || self.holds && !self.dispatch(cx, None, now, &mut budget)?.0
        {
            self.heard = now; // what it says meanwhile is not looked at
            return Ok(());
        }
        let mut buffers = hub.buffers.borrow_mut();
        for _ in 0..READS_PER_TURN {
            let block = buffers.empty_block(&hub.pool);
            match poll_read_into(&mut self.stream, cx, block, self.decoder.gap()) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(LinkError::Io(error)),
                Poll::Ready(Ok(0)) => return Err(LinkError::Closed),
                Poll::Ready(Ok(_)) => self.heard = now,
            }
            let (goes_on, torn) = self.dispatch(cx, Some(&buffers.block), now, &mut budget)?;
            if let Some(torn) = torn {
                self.decoder.adopt(buffers.part_with(torn, &hub.pool));
            }
            if !goes_on {
                return Ok(());
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// What was read before the link's end is carried out, though no player has a turn between.
    fn carry_out_held(&mut self, cx: &mut Context<'_>, now: Instant) {
        while self.holds && self.publishing.is_none() {
            if self.dispatch(cx, None, now, &mut { AT_A_TURN }).is_err() {
                return;
            }
        }
    }

    /// Goes on with what is for many; ready when all have it.
    fn publish(&mut self, cx: &mut Context<'_>, budget: &mut usize) -> Poll<()> {
        if let Some(publishing) = &mut self.publishing {
            ready!(publishing.poll(cx, &self.hub, budget));
        }
        self.publishing = None;
        Poll::Ready(())
    }

    /// Carries out every envelope that `input` completes, as far as nothing stands in the way; whether nothing did, and
    /// what of the input is to be adopted.
    fn dispatch(
        &mut self,
        cx: &mut Context<'_>,
        input: Option<&Block>,
        now: Instant,
        budget: &mut usize,
    ) -> Result<(bool, Option<Torn>), LinkError> {
        let (hub, since_start) = (&self.hub, self.hub.since_start(now));
        let world = hub.world.load();
        let mut envelopes = match input {
            Some(block) => self.decoder.envelopes_in(DEFAULT_MAX_ENVELOPE, block),
            None => self.decoder.envelopes(DEFAULT_MAX_ENVELOPE, &[]),
        };
        self.holds = true;
        while let Some(raw) = &envelopes.next() {
            let raw = raw.as_ref().map_err(|error| LinkError::Envelope(*error))?;
            let publication = dispatch::envelope(hub, &self.link, &world, raw, since_start);
            let Some(publication) = publication.map_err(LinkError::Envelope)? else {
                if self.link.rests.take() {
                    cx.waker().wake_by_ref(); // behind the session, which was woken first
                    return Ok((false, None));
                }
                continue;
            };
            let mut publishing = Publishing::begin(hub, &publication);
            if publishing.poll(cx, hub, budget).is_pending() {
                self.publishing = Some(publishing);
                return Ok((false, None));
            }
        }
        self.holds = false;
        Ok((true, envelopes.finish(hub.pool.least())))
    }

    /// Writes everything that the sessions left since the last turn, as far as the socket takes it.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> io::Result<()> {
        loop {
            if self.writing.is_empty() && !self.refill() {
                // Only TLS keeps something back; what stays is flushed when the socket wakes this task again.
                let flushed = Pin::new(&mut self.stream).poll_flush(cx)?;
                self.link.holds_back(flushed.is_pending());
                return Ok(());
            }
            match self.writing.poll_write(Pin::new(&mut self.stream), cx, &self.hub.pool) {
                Poll::Ready(took) => {
                    took?;
                }
                Poll::Pending => return Ok(()),
            }
            self.link.wrote(self.writing.waiting(), now);
        }
    }

    /// Exchanges the written buffer for the one the sessions filled; false when that is empty.
    fn refill(&mut self) -> bool {
        self.writing.reuse(KEPT_CAPACITY);
        self.link.take_out(&mut self.writing);
        !self.writing.is_empty()
    }

    /// Asks the backend whether it is there, and gives it up when it has not been heard for too long.
    fn keep_time(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<LinkError> {
        if self.tick.is_due(now) {
            if now.saturating_duration_since(self.heard) >= SILENCE {
                return Poll::Ready(LinkError::Silent);
            }
            self.link.ask();
            self.link.say(LINK, Message::Ping { payload: &[] });
            self.tick.set(cx, Some(now + PING_EVERY), now);
        }
        Poll::Pending
    }

    /// Tells the backend what was wrong with its envelope; best effort.
    fn last_words(&mut self, cx: &mut Context<'_>, error: &LinkError) {
        let LinkError::Envelope(error) = error else { return };
        self.link.say(LINK, complaint(error, &error.to_string()));
        drop(self.write(cx, self.heard));
    }
}

/// A buffer that grew larger than this in a burst is given back.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// What the backend is told of its wrong envelope.
fn complaint<'a>(error: &EnvelopeError, text: &'a str) -> Message<'a> {
    Message::Error { reason: error.reason().code(), text: Some(text) }
}

fn welcome(hub: &Hub, link: &SharedLink, ack: &HelloAck<'_>) -> Result<(), LinkError> {
    if ack.version != VERSION {
        return Err(LinkError::Version(ack.version));
    }
    let now = hub.since_start(hub::now());
    let is_first = link.came_up(ack.max_envelope, ack.boot_id, now);
    let state = dispatch::serving_state(ack.state);
    // A greeting that names no state is no sign that an earlier STATE is over.
    if is_first || state != ServingState::Ok {
        link.backend().set_state(state);
    }
    dispatch::greeted(hub, link, ack.capacity, now);
    telemetry::link_up(
        link.cluster().name(),
        link.backend().address(),
        hub.worker,
        ack.name.unwrap_or_default(),
    );
    Ok(())
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Closed => f.write_str("the backend closed the connection"),
            Self::NoAnswer => f.write_str("no HELLO_ACK within connect_timeout"),
            Self::Version(version) => {
                write!(f, "the backend speaks version {version} of the link, not {VERSION}")
            }
            Self::NotGreeted => f.write_str("the backend's first envelope was no HELLO_ACK"),
            Self::Envelope(error) => error.fmt(f),
            Self::Retired => f.write_str("the backend is no longer in force"),
            Self::Silent => write!(f, "nothing heard for {} s", SILENCE.as_secs()),
        }
    }
}
