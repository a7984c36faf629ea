//! Clients that say exactly what a test wants to say.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::fakes::within;

/// Anything that bytes go over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A client of HTTP/1.1 that writes bytes and reads answers.
pub(crate) struct Asker {
    wire: Box<dyn Wire>,
    read: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A client of HTTP/2.
pub(crate) struct Http2 {
    sender: http2::SendRequest<Empty<Bytes>>,
    pub(crate) connection: tokio::task::JoinHandle<hyper::Result<()>>,
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: open.test\r\n\r\n")
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A TLS connection to the host `game.test` that offers these protocols.
pub(crate) async fn tls(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    offered: &[&str],
) -> io::Result<TlsStream<TcpStream>> {
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("game.test").expect("a name");
    within("a TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

impl Asker {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the door"))
    }

    pub(crate) fn over(wire: impl Wire + 'static) -> Self {
        Self { wire: Box::new(wire), read: Vec::new() }
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_say(bytes).await.expect("a connection that takes bytes");
    }

    pub(crate) async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.write_all(bytes.as_ref()).await?;
        self.wire.flush().await
    }

    /// Says it and reads one answer.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.say(bytes).await;
        self.reply().await
    }

    /// The next answer, which has a length.
    pub(crate) async fn reply(&mut self) -> Reply {
        within("an answer", async {
            loop {
                if let Some(reply) = self.whole() {
                    return reply;
                }
                assert!(
                    self.more().await,
                    "an answer before the end: {:?}",
                    String::from_utf8_lossy(&self.read)
                );
            }
        })
        .await
    }

    /// What comes until the gate ends the connection, in order or not.
    pub(crate) async fn end(&mut self) -> Vec<u8> {
        within("the end of the connection", async { while self.more().await {} }).await;
        std::mem::take(&mut self.read)
    }

    async fn more(&mut self) -> bool {
        let mut buffer = vec![0; 16 * 1024];
        let read = self.wire.read(&mut buffer).await.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }

    fn whole(&mut self) -> Option<Reply> {
        let end = self.read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.read[..end].to_vec()).expect("a head of text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        let mut reply = Reply { status, headers: lines.map(header).collect(), body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        reply.body = self.read.get(end..end + length)?.to_vec();
        self.read.drain(..end + length);
        Some(reply)
    }
}

impl Http2 {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the door")).await
    }

    pub(crate) async fn over(wire: impl Wire + 'static) -> Self {
        let shaken = within("HTTP/2", http2::handshake(TokioExecutor::new(), TokioIo::new(wire))).await;
        let (sender, connection) = shaken.expect("HTTP/2");
        Self { sender, connection: tokio::spawn(connection) }
    }

    pub(crate) async fn ask(&mut self, request: Request<Empty<Bytes>>) -> Reply {
        self.try_ask(request).await.expect("an answer")
    }

    pub(crate) async fn try_ask(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Reply> {
        within("a stream", self.sender.ready()).await?;
        let answer = within("an answer", self.sender.send_request(request)).await?;
        Ok(whole(answer).await)
    }

    /// `GET` of a whole URI, beside others on the same connection.
    pub(crate) fn beside(&self, uri: &str) -> impl Future<Output = Reply> + Send + use<> {
        let mut sender = self.sender.clone();
        let request = Request::get(uri).body(Empty::new()).expect("a request");
        async move {
            within("a stream", sender.ready()).await.expect("a connection");
            whole(within("an answer", sender.send_request(request)).await.expect("an answer")).await
        }
    }

    /// `GET` of a whole URI.
    pub(crate) async fn get(&mut self, uri: &str) -> Reply {
        self.ask(Request::get(uri).body(Empty::new()).expect("a request")).await
    }
}

async fn whole(answer: Response<hyper::body::Incoming>) -> Reply {
    let text = |value: &hyper::header::HeaderValue| value.to_str().expect("text").to_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = answer.status().as_u16();
    let body = within("a body", answer.into_body().collect()).await.expect("a body").to_bytes().to_vec();
    Reply { status, headers, body }
}
