//! One connection over any transport: a player's, with the heartbeat that it can say on it, or one that asks over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Outcome;

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TCP.
    Tcp,
    /// WebSocket over TCP.
    Ws,
    /// TLS.
    Tls,
    /// WebSocket over TLS.
    Wss,
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
}

/// A session that has connected.
pub(crate) struct Session {
    stream: Box<dyn Stream>,
    transport: Transport,
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// The name that the gate's certificate is for.
pub(crate) const HOST: &str = "game.test";
/// A handshake that takes longer has failed.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// A heartbeat that is not answered by then is lost.
const PATIENCE: Duration = Duration::from_secs(10);

const HEARTBEAT: [u8; 6] = [0, 0, 0, 2, 0, 1];
const REPLY: [u8; 6] = [0, 0, 0, 2, 0, 2];
/// The same as binary messages (RFC 6455, 5.2): the player's with a mask, here of zeros, which leaves bytes as they are.
const MASKED: [u8; 6] = [0x82, 0x86, 0, 0, 0, 0];
const UNMASKED: [u8; 2] = [0x82, 6];

/// With the key of RFC 6455's own example, and what must be said to it.
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: game.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// What a client asks for again and again, and gets.
const REQUEST: &str = "GET /season HTTP/1.1\r\nHost: game.test\r\n\r\n";
pub(crate) const SEASON: &str = "{\"season\":7}\n";
/// The longest answer to either that is read.
const LONGEST_HEAD: usize = 2048;

impl Transport {
    /// For a person.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ws => "ws",
            Self::Tls => "tls",
            Self::Wss => "wss",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Whether there is TLS in it.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Tls | Self::Wss | Self::Https)
    }

    /// Whether there is WebSocket in it.
    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// Whether it is a client that asks, and no player.
    pub(crate) fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

impl Session {
    /// Connects and shakes hands.
    pub(crate) async fn open(
        transport: Transport,
        gate: SocketAddr,
        client: Arc<ClientConfig>,
    ) -> Outcome<Self> {
        let stream = TcpStream::connect(gate).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if transport.is_secret() {
            let connector = TlsConnector::from(client);
            Box::new(timeout(HANDSHAKE, connector.connect(ServerName::try_from(HOST)?, stream)).await??)
        } else {
            Box::new(stream)
        };
        let mut session = Self { stream, transport };
        if transport.is_websocket() {
            timeout(HANDSHAKE, session.upgrade()).await??;
        }
        Ok(session)
    }

    async fn upgrade(&mut self) -> Outcome<()> {
        self.stream.write_all(UPGRADE.as_bytes()).await?;
        self.stream.flush().await?;
        // Nothing follows the head before the first heartbeat is sent.
        let mut head = Vec::with_capacity(LONGEST_HEAD);
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST_HEAD || self.stream.read_buf(&mut head).await? == 0 {
                return Err(format!("no upgrade, but {:?}", String::from_utf8_lossy(&head)).into());
            }
        }
        let head = String::from_utf8_lossy(&head);
        if head.starts_with("HTTP/1.1 101") && head.contains(ACCEPTED) {
            return Ok(());
        }
        Err(format!("no upgrade, but {head:?}").into())
    }

    /// Says a heartbeat, or asks for the file, and waits for the answer.
    pub(crate) async fn beat(&mut self) -> Outcome<()> {
        if self.transport.is_http() {
            return timeout(PATIENCE, self.ask()).await.map_err(|_| "a request was not answered")?;
        }
        let mut said = Vec::with_capacity(MASKED.len() + HEARTBEAT.len());
        if self.transport.is_websocket() {
            said.extend_from_slice(&MASKED);
        }
        said.extend_from_slice(&HEARTBEAT);
        self.stream.write_all(&said).await?;
        self.stream.flush().await?;
        timeout(PATIENCE, self.hear()).await.map_err(|_| "a heartbeat was not answered")?
    }

    async fn ask(&mut self) -> Outcome<()> {
        self.stream.write_all(REQUEST.as_bytes()).await?;
        self.stream.flush().await?;
        let mut answer = Vec::with_capacity(LONGEST_HEAD);
        while !answer.ends_with(SEASON.as_bytes()) {
            if answer.len() >= LONGEST_HEAD || self.stream.read_buf(&mut answer).await? == 0 {
                return Err(format!("no file, but {:?}", String::from_utf8_lossy(&answer)).into());
            }
        }
        if answer.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err("the file came with no 200".into()) }
    }

    async fn hear(&mut self) -> Outcome<()> {
        if self.transport.is_websocket() {
            let mut head = [0; UNMASKED.len()];
            self.stream.read_exact(&mut head).await?;
            if head != UNMASKED {
                return Err(format!("{head:?} is not the head of an answer").into());
            }
        }
        let mut answer = [0; REPLY.len()];
        self.stream.read_exact(&mut answer).await?;
        if answer == REPLY { Ok(()) } else { Err(format!("{answer:?} is no answer").into()) }
    }
}
