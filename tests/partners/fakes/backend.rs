//! A web server of the game: it writes down what comes, and answers when it may.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{BOUND, until};

/// A running backend.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    held: bool,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Backend {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let theirs = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&theirs);
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { address, state }
    }

    /// What came so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }

    /// Answers wait until they are let go.
    pub(crate) fn hold(&self) {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).held = true;
    }

    pub(crate) fn let_go(&self) {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).held = false;
        self.state.1.notify_all();
    }

    /// Waits until so many requests have come.
    pub(crate) fn has_seen(&self, count: usize) {
        until("requests at the backend", || self.seen().len() >= count);
        assert_eq!(self.seen().len(), count);
    }
}

fn serve(stream: &TcpStream, (state, free): &(Mutex<State>, Condvar)) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        let upgrades = seen.header("upgrade").is_some();
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen.push(seen);
        let waited = free.wait_timeout_while(state, BOUND, |state| state.held);
        drop(waited);
        let answer: &[u8] = if upgrades {
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
        };
        if (&mut &*stream).write_all(answer).is_err() {
            return;
        }
        if upgrades {
            return echo(reader, stream);
        }
    }
}

fn echo(mut from: BufReader<&TcpStream>, mut to: &TcpStream) {
    let mut bytes = [0; 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Seen> {
    let line = line(reader).filter(|line| !line.is_empty())?;
    let mut headers = Vec::new();
    loop {
        let header = self::line(reader)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen { line, headers, body: Vec::new() };
    if let Some(length) = seen.header("content-length").and_then(|length| length.parse().ok()) {
        seen.body = vec![0; length];
        reader.read_exact(&mut seen.body).ok()?;
    }
    Some(seen)
}

fn line(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    Some(line.trim_end().to_owned())
}
