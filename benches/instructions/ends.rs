//! Both ends of every frame, in one thread and one after the other: whose turn it is never depends on the machine.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use realmgate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HelloAck, LINK, LoadReport, Message, RawEnvelope,
};

use crate::Outcome;
use crate::frame::{self, SIZE};

/// What stands behind the gateway, and sends back what it gets.
#[derive(Debug)]
pub(crate) enum Behind {
    /// A shared link.
    Link(Box<Link>),
    /// The sessions' own connections, in the order of the players.
    Own(Vec<Own>),
}

/// The backend's end of a session's own connection.
#[derive(Debug)]
pub(crate) struct Own {
    stream: TcpStream,
    /// What came and is to go back.
    heard: Vec<u8>,
}

/// The backend's end of a shared link.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    decoder: EnvelopeDecoder,
    scratch: Vec<u8>,
    /// Whole FRAMEs that came and are to go back.
    frames: Vec<u8>,
}

/// A player, and what it has said and must hear again.
#[derive(Debug)]
pub(crate) struct Player {
    stream: TcpStream,
    said: Vec<u8>,
    heard: Vec<u8>,
    number: u64,
}

/// How long one end waits for the other: a program under callgrind is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// A backend's port.
pub(crate) fn listen() -> Outcome<(TcpListener, SocketAddr)> {
    let fail = |error: std::io::Error| format!("a backend's port: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fail)?;
    listener.set_nonblocking(true).map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    Ok((listener, address))
}

/// The next connection of the gateway.
fn accept(listener: &TcpListener, look: &mut impl FnMut() -> Outcome<()>) -> Outcome<TcpStream> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        match listener.accept() {
            Ok((stream, _)) => return ready(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => look()?,
            Err(error) => return Err(format!("a backend's port: {error}")),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(format!("the gateway does not connect to its backend within {PATIENCE:?}"))
}

fn ready(stream: TcpStream) -> Outcome<TcpStream> {
    let set = || {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))
    };
    set().map_err(|error| format!("a socket: {error}"))?;
    Ok(stream)
}

impl Link {
    /// Takes the gateway's link and greets it; probes that only connect are passed over.
    pub(crate) fn greet(listener: &TcpListener, mut look: impl FnMut() -> Outcome<()>) -> Outcome<Self> {
        loop {
            let stream = accept(listener, &mut look)?;
            let mut link = Self {
                stream,
                decoder: EnvelopeDecoder::new(),
                scratch: vec![0; 256 * 1024],
                frames: Vec::new(),
            };
            if link.turn().is_ok() {
                return Ok(link);
            }
        }
    }

    /// One read, and the answers that are not frames; how many frames came.
    fn turn(&mut self) -> Outcome<usize> {
        let length = match self.stream.read(&mut self.scratch) {
            Ok(0) => return Err("the gateway has closed its link".to_owned()),
            Ok(length) => length,
            Err(error) => return Err(format!("the gateway says nothing on its link: {error}")),
        };
        let input = self.scratch.get(..length).unwrap_or_default();
        let (mut said, mut count) = (Vec::new(), 0);
        let mut envelopes = self.decoder.envelopes(DEFAULT_MAX_ENVELOPE, input);
        while let Some(envelope) = envelopes.next() {
            let envelope = envelope.map_err(|error| error.to_string())?;
            if envelope.frame().is_some() {
                self.frames.extend_from_slice(envelope.bytes);
                count += 1;
            } else {
                answer(&envelope, &mut said)?;
            }
        }
        self.stream.write_all(&said).map_err(|error| format!("the link: {error}"))?;
        Ok(count)
    }

    fn collect(&mut self, mut count: usize) -> Outcome<()> {
        while count > 0 {
            count = count.checked_sub(self.turn()?).ok_or("more frames came than were sent")?;
        }
        Ok(())
    }

    fn send_back(&mut self) -> Outcome<()> {
        self.stream.write_all(&self.frames).map_err(|error| format!("the link: {error}"))?;
        self.frames.clear();
        Ok(())
    }
}

/// Greets and answers PINGs; all else needs no answer.
fn answer(envelope: &RawEnvelope<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let heard = envelope.decode().map_err(|error| error.to_string())?.message;
    let message = if let Message::Hello(_) = heard {
        Message::HelloAck(HelloAck::new(1))
    } else if let Message::Ping { payload } = heard {
        Message::Pong { payload, report: LoadReport::default() }
    } else {
        return Ok(());
    };
    let encoded = Envelope { session: LINK, message }.encode(DEFAULT_MAX_ENVELOPE, out);
    encoded.map_err(|error| error.to_string())
}

impl Behind {
    /// Has all that the players have said.
    pub(crate) fn hear(&mut self, players: usize, burst: usize) -> Outcome<()> {
        match self {
            Self::Link(link) => link.collect(players * burst),
            Self::Own(connections) => connections.iter_mut().try_for_each(|own| own.hear(burst)),
        }
    }

    /// Says it again.
    pub(crate) fn answer(&mut self) -> Outcome<()> {
        match self {
            Self::Link(link) => link.send_back(),
            Self::Own(connections) => connections.iter_mut().try_for_each(Own::send_back),
        }
    }

    /// Takes the connection of a player that has just said its first frame, where it has one of its own.
    pub(crate) fn takes(
        &mut self,
        listener: &TcpListener,
        look: &mut impl FnMut() -> Outcome<()>,
    ) -> Outcome<()> {
        let Self::Own(connections) = self else { return Ok(()) };
        // A probe connects and says nothing.
        loop {
            let mut own = Own { stream: accept(listener, look)?, heard: Vec::new() };
            if own.hear(1).is_ok() {
                own.send_back()?;
                connections.push(own);
                return Ok(());
            }
        }
    }
}

impl Own {
    fn hear(&mut self, frames: usize) -> Outcome<()> {
        self.heard.resize(frames * SIZE, 0);
        self.stream.read_exact(&mut self.heard).map_err(|error| format!("a dedicated connection: {error}"))
    }

    fn send_back(&mut self) -> Outcome<()> {
        self.stream.write_all(&self.heard).map_err(|error| format!("a dedicated connection: {error}"))
    }
}

impl Player {
    /// Connects; the gateway may not listen yet.
    pub(crate) fn connect(address: SocketAddr, mut look: impl FnMut() -> Outcome<()>) -> Outcome<Self> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Ok(stream) = TcpStream::connect(address) {
                let (said, heard) = (Vec::new(), Vec::new());
                return Ok(Self { stream: ready(stream)?, said, heard, number: 0 });
            }
            look()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("the gateway does not listen within {PATIENCE:?}"))
    }

    /// Says so many frames in one write.
    pub(crate) fn say(&mut self, burst: usize) -> Outcome<()> {
        self.said.clear();
        for _ in 0..burst {
            frame::append(self.number, &mut self.said);
            self.number += 1;
        }
        self.stream.write_all(&self.said).map_err(|error| format!("a player: {error}"))
    }

    /// Hears them again, byte by byte.
    pub(crate) fn hear(&mut self) -> Outcome<()> {
        self.heard.resize(self.said.len(), 0);
        let read = self.stream.read_exact(&mut self.heard);
        read.map_err(|error| format!("a player's frame does not come back: {error}"))?;
        if self.heard == self.said { Ok(()) } else { Err("a player hears what it has not said".to_owned()) }
    }
}
