//! One player's socket: bytes in and out, TLS between if asked for, cut into frames.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::SockRef;

use super::certificates::HOST;
use crate::frame::NOTICE;

/// A player's connection, from the first SYN on.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    connected: bool,
    /// The front of a frame whose rest is under way.
    part: Vec<u8>,
    /// Bytes in their last form that the socket did not take yet.
    out: Vec<u8>,
    written: usize,
}

/// Memory that all connections use in turn.
#[derive(Debug)]
pub(crate) struct Scratch {
    wire: Vec<u8>,
    plain: Vec<u8>,
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nobody listens there.
    Refused,
    /// Closed in order by the gateway.
    Closed,
    /// Cut.
    Reset,
    /// The bytes are no frames of the game.
    Garbled,
    /// Anything else.
    Broken(String),
}

/// A whole frame from the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Heard<'a> {
    /// From a backend: the whole frame.
    Game(&'a [u8]),
    /// From the gateway itself: JSON.
    Notice(&'a [u8]),
}

const WIRE: usize = 64 * 1024;
/// The longest frame that is taken for one.
const LONGEST: usize = 64 * 1024;

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { wire: vec![0; WIRE], plain: vec![0; WIRE] }
    }
}

impl Connection {
    /// A socket that begins to connect; [`Connection::is_open`] says when that is done.
    pub(crate) fn open(
        mut stream: TcpStream,
        tls: Option<&Arc<ClientConfig>>,
        token: Token,
        registry: &Registry,
    ) -> Result<Self, End> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let name = ServerName::try_from(HOST).map_err(io::Error::other)?;
        let tls = tls.map(|tls| ClientConnection::new(Arc::clone(tls), name)).transpose();
        let tls = tls.map_err(io::Error::other)?.map(Box::new);
        Ok(Self { stream, tls, connected: false, part: Vec::new(), out: Vec::new(), written: 0 })
    }

    /// Whether frames can be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.connected && self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
    }

    /// Sends a frame, as far as the socket takes it.
    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<(), End> {
        match &mut self.tls {
            None => self.out.extend_from_slice(frame),
            Some(tls) => tls.writer().write_all(frame)?,
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), End> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.out)?;
            }
        }
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(taken) => self.written += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Goes on with whatever the socket is ready for, to its end if that has come, and hands out whole frames.
    pub(crate) fn turn(
        &mut self,
        scratch: &mut Scratch,
        ends: bool,
        take: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), End> {
        if !self.connected {
            if let Some(error) = self.stream.take_error()? {
                return Err(error.into());
            }
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            self.connected = true;
            self.stream.set_nodelay(true)?;
        }
        // What is written to a closed connection fails before its last words are read: they come first.
        let written = self.flush();
        loop {
            let length = match self.stream.read(&mut scratch.wire) {
                Ok(0) => return Err(End::Closed),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            self.digest(length, scratch, take)?;
            if length < WIRE && !ends {
                break; // a short read has emptied the socket; the next bytes bring their own event
            }
        }
        written?;
        self.flush()
    }

    fn digest(
        &mut self,
        length: usize,
        scratch: &mut Scratch,
        take: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), End> {
        let Scratch { wire, plain } = scratch;
        let mut input = wire.get(..length).unwrap_or_default();
        let Some(tls) = &mut self.tls else { return cut(&mut self.part, input, take) };
        while !input.is_empty() {
            tls.read_tls(&mut input)?;
            let state = tls.process_new_packets().map_err(|error| End::Broken(error.to_string()))?;
            while let Ok(length @ 1..) = tls.reader().read(plain) {
                cut(&mut self.part, plain.get(..length).unwrap_or_default(), take)?;
            }
            if state.peer_has_closed() {
                return Err(End::Closed);
            }
        }
        Ok(())
    }

    /// Ends its side without a word of TLS, whatever is still unsaid.
    pub(crate) fn finish(self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// Cuts the connection: the other side sees a reset.
    pub(crate) fn reset(self) {
        drop(SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)));
    }

    /// Says goodbye as a player does who leaves.
    pub(crate) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        drop(self.flush());
    }
}

fn cut(part: &mut Vec<u8>, input: &[u8], take: &mut impl FnMut(Heard<'_>)) -> Result<(), End> {
    part.extend_from_slice(input);
    let mut begins = 0;
    while let Some([l0, l1, l2, l3, i0, i1, ..]) = part.get(begins..) {
        let counted = u32::from_be_bytes([*l0, *l1, *l2, *l3]);
        let length = 4 + usize::try_from(counted).unwrap_or(usize::MAX - 4);
        if !(6..=LONGEST).contains(&length) {
            return Err(End::Garbled);
        }
        let is_notice = u16::from_be_bytes([*i0, *i1]) == NOTICE;
        let Some(frame) = part.get(begins..begins + length) else { break };
        if is_notice {
            take(Heard::Notice(frame.get(6..).unwrap_or_default()));
        } else {
            take(Heard::Game(frame));
        }
        begins += length;
    }
    part.drain(..begins);
    Ok(())
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the system's")]
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Self::Reset,
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl End {
    /// For a person.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Garbled => "garbled",
            Self::Broken(why) => why,
        }
    }
}
