//! A backend that speaks HTTP/1.1 by the letter: it keeps what it was asked, byte for byte, and does what its test
//! wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::within;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The head, with its empty line.
    pub(crate) head: String,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    /// The trailers, as they came.
    pub(crate) trailers: String,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl Asked {
    /// The method and the target.
    pub(crate) fn line(&self) -> &str {
        self.head.split(" HTTP/1.1\r\n").next().expect("a request")
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    /// The value of a header that is there once.
    pub(crate) fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [one] => one,
            many => panic!("{name}: {many:?} in\n{}", self.head),
        }
    }
}

/// Every value of a header in a head.
pub(crate) fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

/// What a backend does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Answers with these bytes and listens on.
    Say(Vec<u8>),
    /// Answers with these bytes and ends the connection in order.
    SayAndLeave(Vec<u8>),
    /// Answers with these bytes and breaks the connection.
    SayAndBreak(Vec<u8>),
    /// Breaks the connection at once.
    Break,
    /// Says nothing.
    Wait,
    /// Says nothing for so long, and then breaks the connection.
    WaitAndBreak(Duration),
}

/// An answer with a body.
pub(crate) fn ok(body: &str) -> Deed {
    said(200, "", body)
}

/// An answer with this status and these lines.
pub(crate) fn said(status: u16, lines: &str, body: &str) -> Deed {
    Deed::Say(
        format!("HTTP/1.1 {status} Word\r\nContent-Length: {}\r\n{lines}\r\n{body}", body.len()).into_bytes(),
    )
}

/// A running backend.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    asked: mpsc::Receiver<Asked>,
    connections: Arc<AtomicUsize>,
    serving: AbortHandle,
}

type Manner = Arc<dyn Fn(&Asked) -> Deed + Send + Sync>;

impl Origin {
    /// One that does with every request what `manner` says.
    pub(crate) async fn start(manner: impl Fn(&Asked) -> Deed + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), manner).await
    }

    /// The same at an address.
    pub(crate) async fn start_at(
        address: SocketAddr,
        manner: impl Fn(&Asked) -> Deed + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (tell, asked) = mpsc::channel(100_000);
        let connections = Arc::new(AtomicUsize::new(0));
        let serving = tokio::spawn(serve(listener, Arc::new(manner), tell, Arc::clone(&connections)));
        Self { address, asked, connections, serving: serving.abort_handle() }
    }

    /// Says its name to everybody.
    pub(crate) async fn named(name: &'static str) -> Self {
        Self::start(move |_| ok(name)).await
    }

    /// The next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        within("a request at the backend", self.asked.recv()).await.expect("a backend that runs")
    }

    /// Whether there was no request since.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }

    /// Connections so far on which something was asked.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Dies as a process does that is killed: nobody listens there any more, and every connection breaks.
    pub(crate) fn die(&self) {
        self.serving.abort();
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The next connection that says something: a probe breaks its own without a word.
pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    within("a connection that says something", async {
        loop {
            let (stream, _) = listener.accept().await.expect("the gate comes");
            if stream.peek(&mut [0]).await.is_ok_and(|length| length > 0) {
                return stream;
            }
        }
    })
    .await
}

async fn serve(listener: TcpListener, manner: Manner, tell: mpsc::Sender<Asked>, count: Arc<AtomicUsize>) {
    // Ends all of its connections when it is ended itself.
    let mut served = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
        served.spawn(converse(stream, Arc::clone(&count), Arc::clone(&manner), tell.clone()));
    }
}

async fn converse(mut stream: TcpStream, count: Arc<AtomicUsize>, manner: Manner, tell: mpsc::Sender<Asked>) {
    let mut read = Vec::new();
    // A probe says nothing and breaks its connection.
    if !stream.read_buf(&mut read).await.is_ok_and(|length| length > 0) {
        return;
    }
    let connection = count.fetch_add(1, Ordering::Relaxed);
    while let Some(asked) = next(&mut stream, &mut read, connection).await {
        let deed = manner(&asked);
        tell.try_send(asked).expect("room for every request");
        let (bytes, end) = match deed {
            Deed::Say(bytes) => (bytes, None),
            Deed::SayAndLeave(bytes) => (bytes, Some(None)),
            Deed::SayAndBreak(bytes) => (bytes, Some(Some(Duration::ZERO))),
            Deed::Break => (Vec::new(), Some(Some(Duration::ZERO))),
            Deed::Wait => std::future::pending().await,
            Deed::WaitAndBreak(time) => {
                tokio::time::sleep(time).await;
                (Vec::new(), Some(Some(Duration::ZERO)))
            }
        };
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        if let Some(linger) = end {
            SockRef::from(&stream).set_linger(linger).expect("a socket");
            return;
        }
    }
}

/// Reads until the bytes of the buffer pass, and takes so many as `whole` says.
async fn until(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
    whole: impl Fn(&[u8]) -> Option<usize>,
) -> Option<Vec<u8>> {
    loop {
        if let Some(length) = whole(read) {
            return Some(read.drain(..length).collect());
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

/// The length of what ends with these bytes.
pub(crate) fn ending(bytes: &[u8], with: &[u8]) -> Option<usize> {
    bytes.windows(with.len()).position(|window| window == with).map(|at| at + with.len())
}

async fn next(stream: &mut TcpStream, read: &mut Vec<u8>, connection: usize) -> Option<Asked> {
    let head = until(stream, read, |bytes| ending(bytes, b"\r\n\r\n")).await?;
    let head = String::from_utf8(head).expect("a head is text");
    let (mut body, mut trailers) = (Vec::new(), String::new());
    if values(&head, "expect") == ["100-continue"] && values(&head, "x-doubt").is_empty() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    } else if values(&head, "expect") == ["100-continue"] {
        return Some(Asked { head, body, trailers, connection });
    }
    if let Some(length) = values(&head, "content-length").first() {
        let length = length.parse().expect("a number");
        body = until(stream, read, |bytes| (bytes.len() >= length).then_some(length)).await?;
    } else if values(&head, "transfer-encoding") == ["chunked"] {
        loop {
            let line = until(stream, read, |bytes| ending(bytes, b"\r\n")).await?;
            let line = String::from_utf8(line).expect("text");
            let length = usize::from_str_radix(line.trim(), 16).expect("a length");
            if length == 0 {
                break;
            }
            let piece =
                until(stream, read, |bytes| (bytes.len() >= length + 2).then_some(length + 2)).await?;
            body.extend_from_slice(&piece[..length]);
        }
        loop {
            let line = until(stream, read, |bytes| ending(bytes, b"\r\n")).await?;
            if line == b"\r\n" {
                break;
            }
            trailers += std::str::from_utf8(&line).expect("text");
        }
    }
    Some(Asked { head, body, trailers, connection })
}
