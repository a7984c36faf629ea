//! Bytes on their way from one connection to another, as they come: what was read in one piece is written in one piece
//! where the socket takes it, an end of a side is passed on as the end of that side, and nothing is read while
//! something waits to be written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// One direction of a tunnel. Idle, it owns no buffer.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Read and not yet written, from `at` on.
    waiting: Vec<u8>,
    at: usize,
    /// Whether something was written since the last flush.
    is_dirty: bool,
    stage: Stage,
    /// Whether bytes moved since somebody asked.
    moved: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The source has ended, and the other side is to be told.
    Ending,
    Over,
}

/// Which side broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The one that is read.
    Source,
    /// The one that is written.
    Target,
}

/// One wake-up reads at most so often, so that a busy tunnel leaves the others their turn.
const READS: usize = 8;

impl Flow {
    /// One with bytes that were read before the tunnel began.
    pub(super) fn holding(bytes: &[u8]) -> Self {
        Self { waiting: bytes.to_vec(), ..Self::default() }
    }

    /// Whether something was read that the other side does not take.
    pub(super) fn is_stuck(&self) -> bool {
        self.at < self.waiting.len()
    }

    /// Whether bytes moved since the last time it was asked.
    pub(super) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Moves what can be moved; ready when the source has ended and the target knows.
    pub(super) fn poll<S, T>(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut S,
        target: &mut T,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Broken>>
    where
        S: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        for _ in 0..READS {
            if let Err(broken) = ready!(self.poll_write(cx, target)) {
                return Poll::Ready(Err(broken));
            }
            match self.stage {
                Stage::Over => return Poll::Ready(Ok(())),
                Stage::Ending => {
                    let told = ready!(Pin::new(&mut *target).poll_shutdown(cx));
                    self.stage = Stage::Over;
                    return Poll::Ready(told.map_err(|_| Broken::Target));
                }
                Stage::Open => {}
            }
            let mut read = ReadBuf::new(scratch);
            match Pin::new(&mut *source).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => self.stage = Stage::Ending,
                Poll::Ready(Ok(())) => {
                    self.moved = true;
                    if let Err(broken) = self.write_through(cx, target, read.filled()) {
                        return Poll::Ready(Err(broken));
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::Source)),
                Poll::Pending => return self.poll_flush(cx, target),
            }
        }
        cx.waker().wake_by_ref();
        self.poll_flush(cx, target)
    }

    /// Writes at once what the target takes, and keeps the rest.
    fn write_through(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut (impl AsyncWrite + Unpin),
        bytes: &[u8],
    ) -> Result<(), Broken> {
        let written = match Pin::new(target).poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(_)) => return Err(Broken::Target),
            Poll::Pending => 0,
        };
        self.is_dirty |= written > 0;
        self.waiting.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    /// Writes what waits; ready when nothing does.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        while let Some(rest) = self.waiting.get(self.at..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *target).poll_write(cx, rest)) {
                Ok(written) if written > 0 => {
                    self.at += written;
                    (self.moved, self.is_dirty) = (true, true);
                }
                Ok(_) | Err(_) => return Poll::Ready(Err(Broken::Target)),
            }
        }
        if !self.waiting.is_empty() {
            (self.waiting, self.at) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends on what was written; always pending, as there is more to come.
    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<Result<(), Broken>> {
        if !self.is_dirty {
            return Poll::Pending;
        }
        let flushed: io::Result<()> = ready!(Pin::new(target).poll_flush(cx));
        self.is_dirty = false;
        if flushed.is_err() { Poll::Ready(Err(Broken::Target)) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn bytes_go_through_and_the_end_behind_them() {
        let (mut client, mut source) = duplex(64);
        let (mut target, mut backend) = duplex(8);
        let mut flow = Flow::holding(b"before ");
        let told = async {
            client.write_all(b"and what comes then").await.expect("room");
            drop(client);
            let mut all = String::new();
            backend.read_to_string(&mut all).await.expect("text");
            all
        };
        let mut scratch = [0; 16];
        let flowing = poll_fn(|cx| flow.poll(cx, &mut source, &mut target, &mut scratch));
        let (told, ended) = tokio::join!(told, flowing);
        assert_eq!((told.as_str(), ended), ("before and what comes then", Ok(())));
        assert!(flow.has_moved() && !flow.has_moved() && !flow.is_stuck());
        assert_eq!(flow.waiting.capacity(), 0, "nothing is kept that is not needed");
    }

    #[tokio::test]
    async fn what_the_target_does_not_take_waits_and_nothing_more_is_read() {
        let (mut client, mut source) = duplex(64);
        let (mut target, _backend) = duplex(4);
        client.write_all(&[7; 40]).await.expect("room");
        let mut flow = Flow::default();
        let mut scratch = [0; 16];
        poll_fn(|cx| {
            assert!(flow.poll(cx, &mut source, &mut target, &mut scratch).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(flow.is_stuck());
        assert_eq!(flow.waiting.len(), 12, "of 16 bytes 4 were taken");
    }

    #[tokio::test]
    async fn a_target_that_is_gone_is_told_apart_from_a_source_that_is() {
        let (mut client, mut source) = duplex(64);
        let (mut target, backend) = duplex(4);
        drop(backend);
        client.write_all(b"lost").await.expect("room");
        let mut flow = Flow::default();
        let mut scratch = [0; 16];
        let ended = poll_fn(|cx| flow.poll(cx, &mut source, &mut target, &mut scratch)).await;
        assert_eq!(ended, Err(Broken::Target));
    }
}
