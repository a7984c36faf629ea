//! The game's servers: one thread answers at every backend's port, over shared links (`docs/link.md`) or a
//! connection for each session, signs what it answers and counts what reached it.

use std::collections::HashSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use realmgate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HEADER_LENGTH, HelloAck, LINK, LoadReport, Message,
    RawEnvelope,
};

use crate::Outcome;
use crate::frame::{Cluster, SIZE, Signature, Stamp};

/// A backend to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// What it serves.
    pub(crate) cluster: Cluster,
    /// Its release group: 0 for none, 1 for a, 2 for b.
    pub(crate) group: u8,
}

/// A backend that listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening {
    /// What it serves.
    pub(crate) cluster: Cluster,
    /// Its release group: 0 for none, 1 for a, 2 for b.
    pub(crate) group: u8,
    /// Where.
    pub(crate) address: SocketAddr,
}

/// What reached the backends.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Questions, by the connection's serial.
    received: Vec<AtomicU32>,
    /// Bytes that are no question of this game, or a link that broke its rules.
    pub(crate) wrong: AtomicU64,
    /// Frames of a session that was not opened on that link.
    pub(crate) unopened: AtomicU64,
}

/// All of them; gone when dropped.
#[derive(Debug)]
pub(crate) struct Backends {
    /// In the order they were wanted.
    pub(crate) all: Vec<Listening>,
    /// What reached them.
    pub(crate) counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// Serials that are counted; a run has fewer connections.
const SERIALS: usize = 1 << 21;
const SCRATCH: usize = 256 * 1024;
const GATHER: Duration = Duration::from_micros(500);
const WAKE: Token = Token(usize::MAX);

impl Backends {
    /// Starts them, each at a port of its own.
    pub(crate) fn start(wanted: &[Wanted]) -> Outcome<Self> {
        let fail = |error: io::Error| format!("backends: {error}");
        let poll = Poll::new().map_err(fail)?;
        let mut listeners = Vec::new();
        let mut all = Vec::new();
        for (place, wanted) in wanted.iter().enumerate() {
            let mut socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(fail)?;
            poll.registry().register(&mut socket, Token(place), Interest::READABLE).map_err(fail)?;
            let Wanted { cluster, group } = *wanted;
            all.push(Listening { cluster, group, address: socket.local_addr().map_err(fail)? });
            let backend = u16::try_from(place + 1).map_err(|_| "too many backends")?;
            let signature = Signature { backend, group, cluster: cluster.code() };
            listeners.push((socket, signature));
        }
        let waker = Waker::new(poll.registry(), WAKE).map_err(fail)?;
        let counts = Arc::new(Counts {
            received: (0..SERIALS).map(|_| AtomicU32::new(0)).collect(),
            wrong: AtomicU64::new(0),
            unopened: AtomicU64::new(0),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (ending, counted) = (Arc::clone(&stop), Arc::clone(&counts));
        let room = Room { poll, listeners, clients: Vec::new(), free: Vec::new(), counts: counted };
        let thread = std::thread::Builder::new().name("backends".to_owned()).spawn(move || room.run(&ending));
        Ok(Self { all, counts, stop, waker, thread: Some(thread.map_err(fail)?) })
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            drop(thread.join());
        }
    }
}

impl Counts {
    /// How many questions of a connection reached any backend.
    pub(crate) fn received(&self, serial: u32) -> u32 {
        self.of(serial).map_or(0, |count| count.load(Relaxed))
    }

    fn of(&self, serial: u32) -> Option<&AtomicU32> {
        self.received.get(usize::try_from(serial).ok()?)
    }

    /// Signs a frame and counts it; false if it is none of this game.
    fn answer(&self, frame: &mut [u8], signature: Signature) -> bool {
        let Some((stamp, _)) = Stamp::read(frame).filter(|(_, by)| *by == Signature::default()) else {
            self.wrong.fetch_add(1, Relaxed);
            return false;
        };
        if let Some(count) = self.of(stamp.serial) {
            count.fetch_add(1, Relaxed);
        }
        signature.write(frame);
        true
    }
}

/// Everything of the thread.
struct Room {
    poll: Poll,
    listeners: Vec<(TcpListener, Signature)>,
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    counts: Arc<Counts>,
}

/// One connection of the gateway.
struct Client {
    stream: TcpStream,
    signature: Signature,
    speech: Speech,
    out: Vec<u8>,
    written: usize,
}

enum Speech {
    /// Envelopes, and the sessions that are open.
    Shared(EnvelopeDecoder, HashSet<u64>),
    /// Frames, and the front of one whose rest is under way.
    Dedicated(Vec<u8>),
}

/// Nothing more can be done with a connection.
struct Over;

impl Room {
    fn run(mut self, stop: &AtomicBool) {
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; SCRATCH];
        while !stop.load(Relaxed) {
            // What comes in a moment is answered together: one wake-up for many frames.
            std::thread::sleep(GATHER);
            if let Err(error) = self.poll.poll(&mut events, None)
                && error.kind() != ErrorKind::Interrupted
            {
                return;
            }
            for event in &events {
                let Token(place) = event.token();
                if event.token() == WAKE {
                } else if place < self.listeners.len() {
                    self.accept(place);
                } else {
                    self.serve(place - self.listeners.len(), &mut scratch, event.is_read_closed());
                }
            }
        }
    }

    fn accept(&mut self, place: usize) {
        while let Some((listener, signature)) = self.listeners.get(place) {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let signature = *signature;
            let free = self.free.pop().unwrap_or_else(|| {
                self.clients.push(None);
                self.clients.len() - 1
            });
            let token = Token(free + self.listeners.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            let is_ready = stream.set_nodelay(true).is_ok()
                && self.poll.registry().register(&mut stream, token, both).is_ok();
            let speech = if signature.cluster == Cluster::Pay.code() {
                Speech::Dedicated(Vec::new())
            } else {
                Speech::Shared(EnvelopeDecoder::new(), HashSet::new())
            };
            if let Some(slot) = self.clients.get_mut(free).filter(|_| is_ready) {
                *slot = Some(Client { stream, signature, speech, out: Vec::new(), written: 0 });
            }
        }
    }

    fn serve(&mut self, place: usize, scratch: &mut [u8], ends: bool) {
        let Some(slot) = self.clients.get_mut(place) else { return };
        if let Some(client) = slot
            && client.turn(scratch, ends, &self.counts).is_err()
        {
            *slot = None;
            self.free.push(place);
        }
    }
}

impl Client {
    /// Reads and answers until the socket has nothing more or takes nothing more; to its end if that has come.
    fn turn(&mut self, scratch: &mut [u8], ends: bool, counts: &Counts) -> Result<(), Over> {
        while self.flush()? {
            let length = match self.stream.read(scratch) {
                Ok(0) => return Err(Over),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Over),
            };
            let input = scratch.get(..length).unwrap_or_default();
            match &mut self.speech {
                Speech::Shared(decoder, open) => {
                    converse(decoder, open, input, self.signature, counts, &mut self.out)?;
                }
                Speech::Dedicated(part) => {
                    part.extend_from_slice(input);
                    let whole = part.len() - part.len() % SIZE;
                    for frame in part.get_mut(..whole).unwrap_or_default().chunks_exact_mut(SIZE) {
                        counts.answer(frame, self.signature).then_some(()).ok_or(Over)?;
                    }
                    self.out.extend(part.drain(..whole));
                }
            }
            if length < scratch.len() && !ends && self.flush()? {
                return Ok(()); // a short read has emptied the socket; the next bytes bring their own event
            }
        }
        Ok(())
    }

    /// Whether nothing waits any more.
    fn flush(&mut self) -> Result<bool, Over> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(taken) => self.written += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(_) => return Err(Over),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(true)
    }
}

fn converse(
    decoder: &mut EnvelopeDecoder,
    open: &mut HashSet<u64>,
    input: &[u8],
    signature: Signature,
    counts: &Counts,
    out: &mut Vec<u8>,
) -> Result<(), Over> {
    let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, input);
    while let Some(envelope) = envelopes.next() {
        let Ok(envelope) = envelope else {
            counts.wrong.fetch_add(1, Relaxed);
            return Err(Over);
        };
        if let Some((session, _)) = envelope.frame() {
            counts.unopened.fetch_add(u64::from(!open.contains(&session.raw())), Relaxed);
            let begins = out.len() + HEADER_LENGTH;
            out.extend_from_slice(envelope.bytes);
            counts.answer(out.get_mut(begins..).unwrap_or_default(), signature);
        } else if say(&envelope, open, signature, out).is_err() {
            counts.wrong.fetch_add(1, Relaxed);
            return Err(Over);
        }
    }
    Ok(())
}

/// Greets, answers PINGs and remembers who is there; all else needs no answer.
fn say(
    envelope: &RawEnvelope<'_>,
    open: &mut HashSet<u64>,
    signature: Signature,
    out: &mut Vec<u8>,
) -> Result<(), Over> {
    let heard = envelope.decode().map_err(|_| Over)?;
    #[expect(clippy::wildcard_enum_match_arm, reason = "an echo has no use for the rest")]
    let message = match heard.message {
        // The backends live as long as the run, so that they have one boot each.
        Message::Hello(_) => Message::HelloAck(HelloAck::new(u64::from(signature.backend))),
        Message::Ping { payload } => Message::Pong { payload, report: LoadReport::default() },
        Message::Open(_) => {
            open.insert(heard.session.raw());
            return Ok(());
        }
        Message::Close { .. } => {
            open.remove(&heard.session.raw());
            return Ok(());
        }
        Message::Error { .. } => return Err(Over),
        _ => return Ok(()),
    };
    Envelope { session: LINK, message }.encode(DEFAULT_MAX_ENVELOPE, out).map_err(|_| Over)
}
