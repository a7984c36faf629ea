//! One player's connection: bytes in and out, TLS between if asked for, cut into answers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::{ClientConnection, HandshakeKind};

use super::ledger::Ledger;
use super::tls::Tls;
use crate::frame::Shape;

/// A connected player.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    ledger: Ledger,
    /// The front of an answer whose rest is under way.
    part: Vec<u8>,
    /// Bytes in their last form that the socket did not take yet.
    out: Vec<u8>,
    written: usize,
}

/// Memory that all connections use in turn.
#[derive(Debug)]
pub(super) struct Scratch {
    wire: Vec<u8>,
    plain: Vec<u8>,
    frame: Vec<u8>,
}

/// What one visit to a connection brought.
#[derive(Debug, Default)]
pub(super) struct Visit {
    /// When the answered frames were asked.
    pub(super) answered: Vec<u64>,
    /// Answers that are not what was asked for.
    pub(super) wrong: u64,
    /// The connection is over.
    pub(super) ended: bool,
}

const WIRE: usize = 256 * 1024;
const PLAIN: usize = 64 * 1024;

impl Scratch {
    pub(super) fn new() -> Self {
        Self { wire: vec![0; WIRE], plain: vec![0; PLAIN], frame: Vec::new() }
    }
}

impl Connection {
    /// Connects and starts TLS: its token, which is its slot for tickets, too; and its number in frames.
    pub(super) fn open(
        target: SocketAddr,
        tls: Option<&Tls>,
        (token, number): (usize, usize),
        registry: &Registry,
    ) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, Token(token), Interest::READABLE | Interest::WRITABLE)?;
        let tls = tls.map(|tls| tls.connection(token)).transpose().map_err(io::Error::other)?;
        let ledger = Ledger::new(u32::try_from(number).map_err(io::Error::other)?);
        let tls = tls.map(Box::new);
        let mut connection = Self { stream, tls, ledger, part: Vec::new(), out: Vec::new(), written: 0 };
        connection.flush()?;
        Ok(connection)
    }

    /// Makes the next frame; it leaves with [`Connection::flush`].
    pub(super) fn ask(&mut self, shape: &Shape, at: u64, scratch: &mut Scratch) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            self.ledger.ask(shape, at, &mut self.out);
            return Ok(());
        };
        scratch.frame.clear();
        self.ledger.ask(shape, at, &mut scratch.frame);
        tls.writer().write_all(&scratch.frame)
    }

    /// Writes as far as the socket takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut self.out)?;
            }
        }
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(taken) => self.written += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads until the socket is empty (to its end, if that has come) and checks what came.
    pub(super) fn receive(&mut self, shape: &Shape, scratch: &mut Scratch, ends: bool, visit: &mut Visit) {
        visit.answered.clear();
        visit.wrong = 0;
        visit.ended = false;
        loop {
            let length = match self.stream.read(&mut scratch.wire) {
                Ok(0) => return visit.ended = true,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return visit.ended = true,
            };
            let Scratch { wire, plain, .. } = &mut *scratch;
            let input = wire.get(..length).unwrap_or_default();
            let fine = match &mut self.tls {
                None => cut(&mut self.ledger, &mut self.part, shape, input, visit),
                Some(tls) => decrypt(tls, input, plain, |input| {
                    cut(&mut self.ledger, &mut self.part, shape, input, visit)
                }),
            };
            if !fine {
                visit.wrong += 1;
                return visit.ended = true;
            }
            if length < WIRE && !ends {
                return;
            }
        }
    }

    /// Frames without an answer.
    pub(super) fn unanswered(&self) -> usize {
        self.ledger.unanswered()
    }

    /// Whether TLS went the short way.
    pub(super) fn was_resumed(&self) -> bool {
        let kind = self.tls.as_ref().and_then(|tls| tls.handshake_kind());
        kind == Some(HandshakeKind::Resumed)
    }

    /// Says goodbye as a player does who leaves.
    pub(super) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        drop(self.flush());
    }
}

fn decrypt(
    tls: &mut ClientConnection,
    mut input: &[u8],
    plain: &mut [u8],
    mut take: impl FnMut(&[u8]) -> bool,
) -> bool {
    while !input.is_empty() {
        if tls.read_tls(&mut input).is_err() || tls.process_new_packets().is_err() {
            return false;
        }
        while let Ok(length @ 1..) = tls.reader().read(plain) {
            if !take(plain.get(..length).unwrap_or_default()) {
                return false;
            }
        }
    }
    true
}

/// Goes through whole answers; false when the stream cannot be one of answers any more.
fn cut(ledger: &mut Ledger, part: &mut Vec<u8>, shape: &Shape, mut input: &[u8], visit: &mut Visit) -> bool {
    let size = shape.size();
    if !part.is_empty() {
        let (front, rest) = input.split_at(input.len().min(size - part.len()));
        part.extend_from_slice(front);
        input = rest;
        if part.len() < size {
            return true;
        }
        if !settle(ledger, shape, part, visit) {
            return false;
        }
        part.clear();
    }
    let mut answers = input.chunks_exact(size);
    let fine = answers.by_ref().all(|answer| settle(ledger, shape, answer, visit));
    part.extend_from_slice(answers.remainder());
    fine
}

fn settle(ledger: &mut Ledger, shape: &Shape, answer: &[u8], visit: &mut Visit) -> bool {
    let asked = ledger.settle(shape, answer);
    if asked.is_none() {
        let head: Vec<String> = answer.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
        eprintln!("wrong answer: {} {}", head.join(""), String::from_utf8_lossy(answer));
    }
    visit.answered.extend(asked);
    asked.is_some()
}
