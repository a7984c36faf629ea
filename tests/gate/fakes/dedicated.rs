//! A game server that gets one connection per session.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::{Frame, within};

/// A listening server whose connections the test serves by hand.
pub(crate) struct Dedicated {
    listener: TcpListener,
    /// Accepted, and perhaps a probe.
    held: Mutex<Option<TcpStream>>,
}

/// One connection from the gateway.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
}

impl Dedicated {
    pub(crate) async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        Self { listener, held: Mutex::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("bound")
    }

    /// The next connection that carries something: a probe breaks its own without a word. May be cancelled.
    pub(crate) async fn accept(&self) -> Connection {
        within("a connection from the gateway", async {
            loop {
                if self.held.lock().expect("no panic").is_none() {
                    let (stream, _) = self.listener.accept().await.expect("accepting");
                    *self.held.lock().expect("no panic") = Some(stream);
                }
                let speaks = poll_fn(|cx| self.poll_speaks(cx)).await;
                let stream = self.held.lock().expect("no panic").take().expect("held");
                if speaks {
                    return Connection::new(stream);
                }
            }
        })
        .await
    }

    /// The next connection, said something or not: for gates that do not probe.
    pub(crate) async fn accept_any(&self) -> Connection {
        let accepted = within("a connection from the gateway", self.listener.accept()).await;
        Connection::new(accepted.expect("accepting").0)
    }

    /// Whether the held connection has brought bytes or an end in order.
    fn poll_speaks(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let held = self.held.lock().expect("no panic");
        let stream = held.as_ref().expect("held");
        stream.poll_peek(cx, &mut ReadBuf::new(&mut [0])).map(|peeked| peeked.is_ok())
    }

    /// Serves every connection by sending back what comes.
    pub(crate) fn echo(self) -> SocketAddr {
        let address = self.address();
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        address
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        Self { stream }
    }

    pub(crate) async fn recv(&mut self) -> Frame {
        within("a frame for the backend", async {
            let length = self.stream.read_u32().await.expect("a length");
            let id = self.stream.read_u16().await.expect("an ID");
            let mut body = vec![0; length as usize - 2];
            self.stream.read_exact(&mut body).await.expect("a body");
            Frame { id, body }
        })
        .await
    }

    pub(crate) async fn read_exact(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        within("bytes for the backend", self.stream.read_exact(&mut bytes)).await.expect("so many bytes");
        bytes
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the gateway takes bytes");
    }

    /// Waits for the gateway's end: in order, or broken.
    pub(crate) async fn end(&mut self) -> std::io::Result<usize> {
        let mut rest = Vec::new();
        within("the gateway to end", self.stream.read_to_end(&mut rest)).await
    }

    /// Breaks the connection once this frame has come.
    pub(crate) async fn lose_after(mut self, body: &[u8]) {
        assert_eq!(self.recv().await.body, body);
        self.reset();
    }

    /// Breaks the connection as a crash does.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
    }
}
