//! A game server that gets one connection per session.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Frame, within};

/// A listening server whose connections the test serves by hand.
pub(crate) struct Dedicated {
    listener: TcpListener,
}

/// One connection from the gateway.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
}

impl Dedicated {
    pub(crate) async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a port") }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("bound")
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Connection {
        let (stream, _) =
            within("a connection from the gateway", self.listener.accept()).await.expect("accepting");
        stream.set_nodelay(true).expect("a socket");
        Connection { stream }
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
