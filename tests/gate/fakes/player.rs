//! A player's client.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{frame, within};

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connected player.
pub(crate) struct Player {
    pub(super) stream: Box<dyn Stream>,
    pub(crate) address: SocketAddr,
    /// Of TLS: the gate's certificate, and whether the session was resumed.
    tls: Option<(Vec<u8>, bool)>,
}

/// What a player reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) id: u16,
    pub(crate) body: Vec<u8>,
}

impl Player {
    pub(crate) async fn connect(gate: SocketAddr) -> Self {
        let stream = TcpStream::connect(gate).await.expect("the gate listens");
        stream.set_nodelay(true).expect("a socket");
        let address = stream.local_addr().expect("connected");
        Self { stream: Box::new(stream), address, tls: None }
    }

    /// Connects with room for so few bytes that nobody reads, as on a slow line.
    pub(crate) async fn connect_narrow(gate: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a socket option");
        let stream = socket.connect(gate).await.expect("the gate listens");
        let address = stream.local_addr().expect("connected");
        Self { stream: Box::new(stream), address, tls: None }
    }

    /// Connects, with a socket whose drop breaks the connection as a crash does.
    pub(crate) async fn connect_to_break(gate: SocketAddr) -> Self {
        let stream = TcpStream::connect(gate).await.expect("the gate listens");
        stream.set_nodelay(true).expect("a socket");
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
        let address = stream.local_addr().expect("connected");
        Self { stream: Box::new(stream), address, tls: None }
    }

    /// Connects from another address of this machine.
    pub(crate) async fn connect_from(from: &str, gate: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind(SocketAddr::new(from.parse().expect("an address"), 0))
            .expect("an address of this machine");
        let stream = socket.connect(gate).await.expect("the gate listens");
        stream.set_nodelay(true).expect("a socket");
        let address = stream.local_addr().expect("connected");
        Self { stream: Box::new(stream), address, tls: None }
    }

    /// Connects, sends this first, and then shakes hands.
    pub(crate) async fn connect_tls_behind(
        first: &[u8],
        gate: SocketAddr,
        config: Arc<rustls::ClientConfig>,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(gate).await?;
        stream.set_nodelay(true)?;
        stream.write_all(first).await?;
        Self::over_tls(stream, "game.test", config).await
    }

    /// Connects with TLS; `name` is what the certificate must be for.
    pub(crate) async fn connect_tls(
        gate: SocketAddr,
        name: &str,
        config: Arc<rustls::ClientConfig>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(gate).await?;
        stream.set_nodelay(true)?;
        Self::over_tls(stream, name, config).await
    }

    async fn over_tls(stream: TcpStream, name: &str, config: Arc<rustls::ClientConfig>) -> io::Result<Self> {
        let address = stream.local_addr()?;
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        let (_, session) = stream.get_ref();
        let certificate =
            session.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec());
        let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        let tls = Some((certificate.unwrap_or_default(), resumed));
        Ok(Self { stream: Box::new(stream), address, tls })
    }

    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.tls.as_ref().expect("a TLS player").0.clone()
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.tls.as_ref().expect("a TLS player").1
    }

    pub(crate) async fn send(&mut self, id: u16, body: &[u8]) {
        self.send_raw(&frame(id, body)).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).await.expect("the gate takes bytes");
    }

    pub(crate) async fn try_send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("the gate to take bytes", async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    /// The next frame.
    pub(crate) async fn recv(&mut self) -> Frame {
        self.try_recv().await.expect("a whole frame")
    }

    /// The next frame, or what the connection ended with.
    pub(crate) async fn try_recv(&mut self) -> io::Result<Frame> {
        within("a frame for the player", async {
            let length = self.stream.read_u32().await?;
            let id = self.stream.read_u16().await?;
            let mut body = vec![0; (length as usize).checked_sub(2).expect("a length that counts the ID")];
            self.stream.read_exact(&mut body).await?;
            Ok(Frame { id, body })
        })
        .await
    }

    /// At most so many bytes of what comes, wherever frames end.
    pub(crate) async fn read_some(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let length = within("bytes for the player", self.stream.read(&mut bytes)).await;
        bytes.truncate(length.expect("bytes, or an end in order"));
        bytes
    }

    /// The next frame, which is a notice: its JSON.
    pub(crate) async fn notice(&mut self) -> String {
        let frame = self.recv().await;
        assert_eq!(frame.id, 9000, "a notice, not {frame:?}");
        String::from_utf8(frame.body).expect("JSON")
    }

    /// One frame there and its echo back.
    pub(crate) async fn echo(&mut self, id: u16, body: &[u8]) {
        self.send(id, body).await;
        assert_eq!(self.recv().await, Frame { id, body: body.to_vec() });
    }

    /// Waits until the gate has closed in order; nothing may come before that.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let read = within("the gate to close", self.stream.read_to_end(&mut rest)).await;
        assert_eq!(read.expect("an end in order"), 0, "{rest:?} came before the end");
    }

    /// Everything until the end, in order or not.
    pub(crate) async fn read_to_end(&mut self) -> (Vec<u8>, io::Result<usize>) {
        let mut rest = Vec::new();
        let read = within("the end", self.stream.read_to_end(&mut rest)).await;
        (rest, read)
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("a half-close");
    }
}
