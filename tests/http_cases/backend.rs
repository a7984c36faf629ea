//! A backend that reads requests by the letter and writes down what it sees. It shares no code with the gateway.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::case::Seen;

/// Listens for as long as the test's runtime lives.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// What is said to a request for this target, and whether the connection ends then.
pub(crate) type Scripts = HashMap<String, (Vec<u8>, bool)>;

impl Backend {
    /// `closes`: behind each answer.
    pub(crate) async fn start(closes: bool, scripts: Scripts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let backend = Self { address, seen: Arc::default() };
        let (seen, scripts) = (Arc::clone(&backend.seen), Arc::new(scripts));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&seen), closes, Arc::clone(&scripts)));
            }
        });
        backend
    }

    /// What was seen since the last time.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What this backend says to a request without a script.
pub(crate) fn echo(seen: &Seen) -> String {
    format!("{} {}\n", seen.method, seen.target)
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, closes: bool, scripts: Arc<Scripts>) {
    let mut bytes = Vec::new();
    loop {
        while let Some((request, length)) = read(&bytes) {
            bytes.drain(..length);
            let script = scripts.get(&request.target).cloned();
            let (answer, ends) = script.unwrap_or_else(|| (answer(&echo(&request), closes), closes));
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            if stream.write_all(&answer).await.is_err() || ends {
                return drop(stream.shutdown().await);
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

fn answer(body: &str, closes: bool) -> Vec<u8> {
    let connection = if closes { "Connection: close\r\n" } else { "" };
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nX-Recorded: 1\r\n{connection}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The first request in some bytes and its length; `None`: it is not whole. What breaks a rule becomes a request that no
/// test expects.
fn read(bytes: &[u8]) -> Option<(Seen, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    match read_whole(&bytes[..head], &bytes[head + 4..]) {
        Ok(None) => None,
        Ok(Some((seen, body))) => Some((seen, head + 4 + body)),
        Err(rule) => {
            let head = String::from_utf8_lossy(&bytes[..head]).into_owned();
            Some((Seen { method: rule.to_owned(), target: head, body: Vec::new() }, bytes.len()))
        }
    }
}

fn read_whole(head: &[u8], rest: &[u8]) -> Result<Option<(Seen, usize)>, &'static str> {
    let text: String = head.iter().copied().map(char::from).collect();
    let mut lines = text.split("\r\n");
    let words: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = words.as_slice() else { return Err("a bad line") };
    let mut fields: Vec<(String, &str)> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or("no field")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty()
            || !name.chars().all(plain)
            || value.chars().any(|c| c != '\t' && c.is_control() && c.is_ascii())
        {
            return Err("a bad field");
        }
        fields.push((name.to_ascii_lowercase(), value.trim()));
    }
    let all = |name: &str| -> Vec<&str> {
        // As those read it who make variables of names.
        let same = |known: &str| known == name || known.replace('_', "-") == name;
        fields.iter().filter(|(known, _)| same(known)).map(|(_, value)| *value).collect()
    };
    for name in ["host", "x-forwarded-for", "x-forwarded-proto", "forwarded", "x-request-id"] {
        if all(name).len() != 1 {
            return Err("not one of those of which there is one");
        }
    }
    for name in ["x-realmgate-partner", "upgrade", "keep-alive", "proxy-connection", "http2-settings"] {
        if !all(name).is_empty() {
            return Err("a field that goes no further");
        }
    }
    let body = match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        ([], []) => Some((Vec::new(), 0)),
        ([length], []) => {
            let length: usize = length.parse().map_err(|_| "a bad length")?;
            rest.get(..length).map(|body| (body.to_vec(), length))
        }
        ([], ["chunked"]) => read_chunks(rest)?,
        _ => return Err("two lengths"),
    };
    let seen = |body| Seen { method: (*method).to_owned(), target: (*target).to_owned(), body };
    Ok(body.map(|(body, length)| (seen(body), length)))
}

/// Chunks without extensions and trailers, which the gateway does not send.
fn read_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = bytes[at..].windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&bytes[at..at + end]).map_err(|_| "a bad size")?;
        let size = usize::from_str_radix(size, 16).map_err(|_| "a bad size")?;
        at += end + 2;
        let Some(data) = bytes.get(at..at + size + 2) else { return Ok(None) };
        if &data[size..] != b"\r\n" {
            return Err("a chunk without its end");
        }
        body.extend_from_slice(&data[..size]);
        at += size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}
