//! A backend's connection as hyper reads it. Answers before the answer (1xx) are nothing that hyper bounds: a backend that
//! says them without end would keep a thread busy with nothing, so from some number on it is not read any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::BackendStream;

/// What hyper reads and writes.
#[derive(Debug)]
pub(super) struct Socket {
    stream: BackendStream,
    preludes: Preludes,
}

/// How many answers came before the answer of the request that is on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Preludes(Arc<AtomicU32>);

/// So many are read. A backend says one when it wants a body, and one or two when it hints at what to load.
const MOST: u32 = 16;

impl Preludes {
    /// The next request goes out.
    pub(super) fn begin(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// One more has come.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nobody waits any longer for what comes behind them.
    pub(super) fn are_too_many(&self) -> bool {
        self.0.load(Ordering::Relaxed) > MOST
    }
}

impl Socket {
    pub(super) fn new(stream: BackendStream, preludes: Preludes) -> Self {
        Self { stream, preludes }
    }

    /// The connection itself, when HTTP is over on it.
    pub(super) fn into_inner(self) -> BackendStream {
        self.stream
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.preludes.are_too_many() {
            return Poll::Ready(Err(io::Error::other("too many answers before the answer")));
        }
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
