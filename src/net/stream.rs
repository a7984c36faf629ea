//! A connection to a backend, plain or TLS, made within one deadline.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::liveness::watch_backend;
use super::tls::BackendConnector;
use crate::wire::Gap;

/// A connected backend.
#[derive(Debug)]
pub enum BackendStream {
    /// As it is.
    Plain(TcpStream),
    /// Enciphered.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Everything a connection attempt needs, owned, so that it can run on its own.
#[derive(Clone, Debug)]
pub struct Dial {
    /// `host:port`.
    pub address: String,
    /// For all of it.
    pub timeout: Duration,
    /// TLS where the cluster wants it.
    pub tls: Option<BackendConnector>,
}

impl Dial {
    /// Connects, writes `preface` (a PROXY header, or nothing), and shakes hands if the cluster says TLS.
    ///
    /// # Errors
    /// When there is no connection in time, or not with whom it should be.
    pub async fn connect(self, preface: Vec<u8>) -> io::Result<BackendStream> {
        let limit = self.timeout;
        tokio::time::timeout(limit, self.open(preface)).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "not connected within connect_timeout"))
        })
    }

    /// As [`Dial::connect`], for whoever keeps the time.
    pub(super) async fn open(self, preface: Vec<u8>) -> io::Result<BackendStream> {
        let Self { address, timeout: _, tls } = self;
        let mut stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        watch_backend(&stream)?;
        if !preface.is_empty() {
            stream.write_all(&preface).await?;
        }
        match tls {
            None => Ok(BackendStream::Plain(stream)),
            Some(connector) => {
                let stream = connector.connect(&address, stream).await?;
                Ok(BackendStream::Tls(Box::new(stream)))
            }
        }
    }
}

/// One read into the gap if there is one, otherwise into the empty block, of no more bytes than there is room for.
pub(super) fn poll_read_into<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    block: &mut Vec<u8>,
    gap: Option<Gap<'_>>,
) -> Poll<io::Result<usize>> {
    match gap {
        None => pin!(stream.read_buf(block)).poll(cx),
        Some(gap) => {
            let (into, most) = gap.room();
            pin!(stream.take(most as u64).read_buf(into)).poll(cx)
        }
    }
}

impl BackendStream {
    /// Makes the coming drop an abrupt end for the peer.
    pub fn abort(&self) {
        let tcp = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        drop(socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO)));
    }
}

impl AsyncRead for BackendStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for BackendStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
