//! The game's servers: they send back what they get. One process, one thread, plain echo at some ports and the
//! shared link (`docs/link.md`) at others.

use std::io::{ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use realmgate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HelloAck, LINK, LoadReport, Message, RawEnvelope,
};

use crate::lab::proxy::local;

/// Plain echo: one port for each cluster; relays use the first.
pub(crate) const ECHO_PORTS: [u16; 3] = [7101, 7102, 7103];
/// The shared link, one port for each cluster.
pub(crate) const LINK_PORTS: [u16; 3] = [7201, 7202, 7203];

/// One connection of a proxy.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    /// `Some` at the ports of the shared link.
    link: Option<EnvelopeDecoder>,
    out: Vec<u8>,
    written: usize,
}

/// Everything of the process.
struct Backend {
    poll: Poll,
    listeners: Vec<TcpListener>,
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    scratch: Vec<u8>,
}

/// Nothing more can be done with a connection.
struct Over;

const SCRATCH: usize = 256 * 1024;

/// Serves until it is ended.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    if !words.is_empty() {
        return Err("the backend takes no words".to_owned());
    }
    let fail = |error: std::io::Error| format!("backend: {error}");
    let mut backend = Backend {
        poll: Poll::new().map_err(fail)?,
        listeners: Vec::new(),
        clients: Vec::new(),
        free: Vec::new(),
        scratch: vec![0; SCRATCH],
    };
    for port in ECHO_PORTS.into_iter().chain(LINK_PORTS) {
        let mut listener = TcpListener::bind(local(port)).map_err(fail)?;
        let token = Token(backend.listeners.len());
        backend.poll.registry().register(&mut listener, token, Interest::READABLE).map_err(fail)?;
        backend.listeners.push(listener);
    }
    let mut events = Events::with_capacity(1024);
    loop {
        match backend.poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(fail(error)),
            Ok(()) | Err(_) => {}
        }
        for event in &events {
            let Token(place) = event.token();
            if place < backend.listeners.len() {
                backend.accept(place).map_err(fail)?;
            } else {
                backend.serve(place - backend.listeners.len(), event.is_read_closed());
            }
        }
    }
}

impl Backend {
    fn accept(&mut self, place: usize) -> std::io::Result<()> {
        let Some(listener) = self.listeners.get(place) else { return Ok(()) };
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => continue,
            };
            stream.set_nodelay(true)?;
            let free = self.free.pop().unwrap_or_else(|| {
                self.clients.push(None);
                self.clients.len() - 1
            });
            register(self.poll.registry(), &mut stream, free + self.listeners.len())?;
            let link = (place >= ECHO_PORTS.len()).then(EnvelopeDecoder::new);
            if let Some(slot) = self.clients.get_mut(free) {
                *slot = Some(Client { stream, link, out: Vec::new(), written: 0 });
            }
        }
    }

    fn serve(&mut self, place: usize, ends: bool) {
        let Some(slot) = self.clients.get_mut(place) else { return };
        if let Some(client) = slot
            && client.turn(&mut self.scratch, ends).is_err()
        {
            *slot = None;
            self.free.push(place);
        }
    }
}

fn register(registry: &Registry, stream: &mut TcpStream, place: usize) -> std::io::Result<()> {
    registry.register(stream, Token(place), Interest::READABLE | Interest::WRITABLE)
}

impl Client {
    /// Reads and answers until the socket has nothing more or takes nothing more; to its end if that has come.
    fn turn(&mut self, scratch: &mut [u8], ends: bool) -> Result<(), Over> {
        loop {
            if !self.flush()? {
                return Ok(());
            }
            let length = match self.stream.read(scratch) {
                Ok(0) => return Err(Over),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Over),
            };
            let input = scratch.get(..length).unwrap_or_default();
            match &mut self.link {
                None => self.echo(input)?,
                Some(decoder) => answer(decoder, input, &mut self.out)?,
            }
            if length < scratch.len() && !ends && self.flush()? {
                return Ok(()); // a short read has emptied the socket; the next bytes bring their own event
            }
        }
    }

    fn echo(&mut self, input: &[u8]) -> Result<(), Over> {
        let taken = match self.stream.write(input) {
            Ok(taken) => taken,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Over),
        };
        self.out.extend_from_slice(input.get(taken..).unwrap_or_default());
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

fn answer(decoder: &mut EnvelopeDecoder, input: &[u8], out: &mut Vec<u8>) -> Result<(), Over> {
    let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, input);
    while let Some(envelope) = envelopes.next() {
        let envelope = envelope.map_err(|_| Over)?;
        if envelope.frame().is_some() {
            out.extend_from_slice(envelope.bytes);
        } else {
            say(&envelope, out)?;
        }
    }
    Ok(())
}

/// Greets and answers PINGs; all else needs no answer.
fn say(envelope: &RawEnvelope<'_>, out: &mut Vec<u8>) -> Result<(), Over> {
    let heard = envelope.decode().map_err(|_| Over)?.message;
    let message = if let Message::Hello(_) = heard {
        Message::HelloAck(HelloAck::new(u64::from(std::process::id())))
    } else if let Message::Ping { payload } = heard {
        Message::Pong { payload, report: LoadReport::default() }
    } else {
        return Ok(());
    };
    Envelope { session: LINK, message }.encode(DEFAULT_MAX_ENVELOPE, out).map_err(|_| Over)
}
