//! The bytes of a connection: what was read before comes first, TLS may be between, and its pulse is felt.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::pulse::Pulse;
use crate::net::now;

/// A socket of which something was read already.
#[derive(Debug)]
pub(in crate::http) struct Front {
    socket: TcpStream,
    ahead: Vec<u8>,
    /// How much of that was read again.
    given: usize,
}

/// Plain, or with TLS between.
#[derive(Debug)]
pub(in crate::http) enum Secured {
    /// As it is.
    Plain(Front),
    /// With TLS.
    Tls(Box<TlsStream<Front>>),
}

/// What HTTP is spoken over.
#[derive(Debug)]
pub(in crate::http) struct Stream {
    secured: Secured,
    ahead: Vec<u8>,
    given: usize,
    pulse: Arc<Pulse>,
}

impl Front {
    pub(in crate::http) fn new(socket: TcpStream, ahead: Vec<u8>) -> Self {
        Self { socket, ahead, given: 0 }
    }

    /// Waits for the first byte without reading it.
    pub(in crate::http) async fn first_byte(&self) -> io::Result<()> {
        if self.given < self.ahead.len() { Ok(()) } else { self.socket.readable().await }
    }
}

impl Secured {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(front) => &front.socket,
            Self::Tls(tls) => &tls.get_ref().0.socket,
        }
    }
}

impl Stream {
    /// Everything that comes and goes is felt by the pulse.
    pub(in crate::http) fn new(secured: Secured, pulse: Arc<Pulse>) -> Self {
        Self { secured, ahead: Vec::new(), given: 0, pulse }
    }

    /// These bytes come before what the connection gives.
    pub(in crate::http) fn put_back(&mut self, bytes: Vec<u8>) {
        (self.ahead, self.given) = (bytes, 0);
    }
}

/// Gives what was read ahead; `None`: there is nothing of it left.
fn read_ahead(ahead: &mut Vec<u8>, given: &mut usize, into: &mut ReadBuf<'_>) -> Option<()> {
    let left = ahead.get(*given..).filter(|left| !left.is_empty())?;
    let piece = left.get(..into.remaining().min(left.len())).unwrap_or_default();
    into.put_slice(piece);
    *given += piece.len();
    if *given == ahead.len() {
        (*ahead, *given) = (Vec::new(), 0);
    }
    Some(())
}

impl AsyncRead for Front {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match read_ahead(&mut this.ahead, &mut this.given, into) {
            Some(()) => Poll::Ready(Ok(())),
            None => Pin::new(&mut this.socket).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Front {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let read = match read_ahead(&mut this.ahead, &mut this.given, into) {
            Some(()) => Poll::Ready(Ok(())),
            None => match &mut this.secured {
                Secured::Plain(front) => Pin::new(front).poll_read(cx, into),
                Secured::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, into),
            },
        };
        if into.filled().len() > before {
            this.pulse.hears(now());
        }
        read
    }
}

impl Stream {
    fn felt(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(_)) => self.pulse.writes(now()),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pulse.blocks(now()),
        }
        written
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.secured {
            Secured::Plain(front) => Pin::new(front).poll_write(cx, bytes),
            Secured::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        };
        this.felt(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.secured {
            Secured::Plain(front) => Pin::new(front).poll_write_vectored(cx, slices),
            Secured::Tls(tls) => Pin::new(tls.as_mut()).poll_write_vectored(cx, slices),
        };
        this.felt(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.secured {
            Secured::Plain(front) => front.is_write_vectored(),
            Secured::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.secured {
            Secured::Plain(front) => Pin::new(front).poll_flush(cx),
            Secured::Tls(tls) => {
                let flushed = Pin::new(tls.as_mut()).poll_flush(cx);
                this.felt(flushed.map_ok(|()| 0)).map_ok(drop) // what TLS holds back is out now, or waits
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().secured {
            Secured::Plain(front) => Pin::new(front).poll_shutdown(cx),
            Secured::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.pulse.aborts() {
            drop(SockRef::from(self.secured.socket()).set_linger(Some(Duration::ZERO)));
        }
    }
}
