//! A client that writes a request exactly as it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::BOUND;

/// A pause between two looks.
const WHILE: Duration = Duration::from_millis(50);

/// A request to be.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) host: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// An open connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str, body: &str) -> Self {
        let (method, target, body) = (method.to_owned(), target.to_owned(), body.to_owned());
        Self { method, target, host: "open.test".to_owned(), headers: Vec::new(), body }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let Self { method, target, host, .. } = self;
        let (length, head) =
            (self.body.len(), format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}"));
        format!("{head}Content-Length: {length}\r\n\r\n{}", self.body).into_bytes()
    }
}

/// Sends a request on a connection of its own.
pub(crate) fn answer_of(address: SocketAddr, request: &Request) -> Answer {
    Client::connect(address).ask(request)
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
        Self { stream }
    }

    /// From an address of this machine.
    pub(crate) fn connect_from(from: &str, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let from = SocketAddr::new(from.parse().expect("an address"), 0);
        socket.bind(&from.into()).expect("an address of this machine");
        socket.connect(&address.into()).expect("a connection");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(BOUND)).expect("a bound");
        Self { stream }
    }

    /// Whether an answer is there, or comes in a short while.
    pub(crate) fn answered(&self) -> bool {
        self.stream.set_read_timeout(Some(WHILE)).expect("a bound");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(BOUND)).expect("a bound");
        peeked.is_ok()
    }
}

impl<S: Read + Write> Client<S> {
    /// Sends a request and waits for its answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Answer {
        self.send(&request.bytes());
        self.answer()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the gate reads");
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte());
        }
        let head = String::from_utf8(head).expect("text");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).expect("a status");
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let mut answer = Answer { status, headers: lines.filter_map(header).collect(), body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        let body = (0..length).map(|_: usize| self.byte()).collect();
        answer.body = String::from_utf8(body).expect("text");
        answer
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).expect("the gate answers");
        byte[0]
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A number in a header.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let value = self.header(name).unwrap_or_else(|| panic!("no {name}: {self:?}"));
        value.parse().unwrap_or_else(|_| panic!("{name}: {value}"))
    }

    /// Its body, which is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
