//! A client that sends bytes as they are and reads answers by the letter.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::within;

pub(crate) struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
    over: bool,
}

#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Whether a backend's own answer came through.
    pub(crate) recorded: bool,
    pub(crate) body: String,
}

/// Connections so far: each comes from an address of its own, since bad bytes are held against addresses.
static CLIENTS: AtomicU32 = AtomicU32::new(0);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
        let socket = TcpSocket::new_v4().expect("a socket");
        let own = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number);
        socket.bind(SocketAddr::from((own, 0))).expect("a loopback address");
        let stream = within("a connection", socket.connect(address)).await.expect("a connection");
        Self { stream, bytes: Vec::new(), over: false }
    }

    /// Sends bytes; the gate may have closed already.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        if within("bytes to be taken", self.stream.write_all(bytes)).await.is_err() {
            self.over = true;
        }
    }

    /// Reads more; `false` at the end, in whichever way it came.
    pub(crate) async fn read_more(&mut self) -> bool {
        let read = within("an answer or an end", self.stream.read_buf(&mut self.bytes)).await;
        let more = matches!(read, Ok(1..));
        self.over |= !more;
        more
    }

    /// What was read and not taken yet.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The next final answer; `None`: the connection ends before it is whole.
    pub(crate) async fn answer(&mut self) -> Option<Answered> {
        loop {
            if let Some((answered, length)) = read(&self.bytes) {
                self.bytes.drain(..length);
                if answered.status >= 200 {
                    return Some(answered);
                }
                continue;
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// Waits for the end; nothing may come before it.
    pub(crate) async fn ends(&mut self, what: &str) {
        while self.read_more().await {}
        assert!(self.bytes.is_empty(), "{what}: {:?}", String::from_utf8_lossy(&self.bytes));
    }
}

fn read(bytes: &[u8]) -> Option<(Answered, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let status = text.strip_prefix("HTTP/1.1 ").or(text.strip_prefix("HTTP/1.0 ")).expect("an answer");
    let status: u16 = status[..3].parse().expect("a status");
    let all = |name: &str| -> Vec<String> {
        let fields = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    };
    let rest = &bytes[head + 4..];
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    assert!(status != 204 || lengths.is_empty() && codings.is_empty(), "a length of nothing: {text}");
    let (body, length) = match (lengths.as_slice(), codings.as_slice()) {
        _ if status < 200 || status == 204 || status == 304 => (Vec::new(), 0),
        ([length], []) => {
            let length: usize = length.parse().expect("a length");
            (rest.get(..length)?.to_vec(), length)
        }
        ([], [coding]) if coding == "chunked" => read_chunks(rest)?,
        _ => panic!("an answer that could be misread: {text}"),
    };
    let body = String::from_utf8_lossy(&body).into_owned();
    Some((Answered { status, recorded: !all("x-recorded").is_empty(), body }, head + 4 + length))
}

fn read_chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let end = bytes[at..].windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + end])
            .ok()
            .and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.expect("a size");
        at += end + 2;
        let data = bytes.get(at..at + size + 2)?;
        assert_eq!(&data[size..], b"\r\n", "a chunk's end");
        body.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}
