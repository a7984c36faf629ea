//! The thread of the game's servers: it listens at their ports, reads what comes, and writes what the trade says.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::Outcome;

/// What servers do with what they read.
pub(crate) trait Trade: Send + 'static {
    /// What is remembered of a connection.
    type Speech: Send;

    /// Somebody has connected to the listener with this number.
    fn greet(&mut self, listener: usize, client: usize) -> Self::Speech;

    /// Bytes have come; the answer is appended.
    fn digest(
        &mut self,
        client: usize,
        speech: &mut Self::Speech,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Over>;

    /// Whatever is due without being asked for. Says when to look again; `None` for when something comes.
    fn between(&mut self, _lines: &mut Lines<Self::Speech>) -> Option<Duration> {
        None
    }

    /// How long to let questions gather before they are answered together.
    fn gather(&self) -> Duration {
        Duration::ZERO
    }
}

/// Nothing more can be done with a connection.
#[derive(Debug)]
pub(crate) struct Over;

/// The running thread; gone when dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Where it listens, in the order of the servers.
    pub(crate) addresses: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
    thread: Option<JoinHandle<()>>,
}

/// All connections.
pub(crate) struct Lines<S> {
    clients: Vec<Option<Client<S>>>,
    free: Vec<usize>,
}

/// One connection of the gateway.
struct Client<S> {
    stream: TcpStream,
    speech: S,
    out: Vec<u8>,
    written: usize,
}

/// Everything of the thread.
struct Room<T: Trade> {
    poll: Poll,
    listeners: Vec<TcpListener>,
    lines: Lines<T::Speech>,
    trade: T,
}

const SCRATCH: usize = 256 * 1024;
const WAKE: Token = Token(usize::MAX);

impl Serving {
    /// Starts so many servers, each at a port of its own.
    pub(crate) fn start<T: Trade>(servers: usize, trade: T) -> Outcome<Self> {
        let fail = |error: io::Error| format!("backends: {error}");
        let poll = Poll::new().map_err(fail)?;
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for place in 0..servers {
            let mut socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(fail)?;
            poll.registry().register(&mut socket, Token(place), Interest::READABLE).map_err(fail)?;
            addresses.push(socket.local_addr().map_err(fail)?);
            listeners.push(socket);
        }
        let waker = Arc::new(Waker::new(poll.registry(), WAKE).map_err(fail)?);
        let stop = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&stop);
        let lines = Lines { clients: Vec::new(), free: Vec::new() };
        let thread = std::thread::Builder::new().name("backends".to_owned());
        let thread = thread.spawn(move || Room { poll, listeners, lines, trade }.run(&ending));
        Ok(Self { addresses, stop, waker, thread: Some(thread.map_err(fail)?) })
    }

    /// Lets [`Trade::between`] look now.
    pub(crate) fn wake(&self) -> Outcome<()> {
        self.waker.wake().map_err(|error| format!("backends: {error}"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            drop(thread.join());
        }
    }
}

impl<S> Lines<S> {
    /// What will be written to this connection; `None` if it is over.
    pub(crate) fn out(&mut self, client: usize) -> Option<&mut Vec<u8>> {
        Some(&mut self.clients.get_mut(client)?.as_mut()?.out)
    }

    fn flush(&mut self) {
        for (place, slot) in self.clients.iter_mut().enumerate() {
            if slot.as_mut().is_some_and(|client| client.flush().is_err()) {
                *slot = None;
                self.free.push(place);
            }
        }
    }
}

impl<T: Trade> Room<T> {
    fn run(mut self, stop: &AtomicBool) {
        let mut events = Events::with_capacity(1024);
        let mut scratch = vec![0; SCRATCH];
        let mut pause = None;
        while !stop.load(Relaxed) {
            // What comes in a moment is answered together: one wake-up for many frames.
            std::thread::sleep(self.trade.gather());
            if let Err(error) = self.poll.poll(&mut events, pause)
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
            pause = self.trade.between(&mut self.lines);
            self.lines.flush();
        }
    }

    fn accept(&mut self, place: usize) {
        while let Some(listener) = self.listeners.get(place) {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let lines = &mut self.lines;
            let free = lines.free.pop().unwrap_or_else(|| {
                lines.clients.push(None);
                lines.clients.len() - 1
            });
            let token = Token(free + self.listeners.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            let is_ready = stream.set_nodelay(true).is_ok()
                && self.poll.registry().register(&mut stream, token, both).is_ok();
            if let Some(slot) = lines.clients.get_mut(free).filter(|_| is_ready) {
                let speech = self.trade.greet(place, free);
                *slot = Some(Client { stream, speech, out: Vec::new(), written: 0 });
            }
        }
    }

    fn serve(&mut self, place: usize, scratch: &mut [u8], ends: bool) {
        let Some(slot) = self.lines.clients.get_mut(place) else { return };
        if let Some(client) = slot
            && client.turn(place, scratch, ends, &mut self.trade).is_err()
        {
            *slot = None;
            self.lines.free.push(place);
        }
    }
}

impl<S> Client<S> {
    /// Reads and answers until the socket has nothing more or takes nothing more; to its end if that has come.
    fn turn(
        &mut self,
        place: usize,
        scratch: &mut [u8],
        ends: bool,
        trade: &mut impl Trade<Speech = S>,
    ) -> Result<(), Over> {
        while self.flush()? {
            let length = match self.stream.read(scratch) {
                Ok(0) => return Err(Over),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Over),
            };
            let input = scratch.get(..length).unwrap_or_default();
            trade.digest(place, &mut self.speech, input, &mut self.out)?;
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
