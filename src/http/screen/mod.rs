//! Stands between a socket and hyper's HTTP/1.1 and lets nothing through that two readers might end differently
//! (`wire::request`). Good bytes pass unchanged. From the first bad line on hyper gets bytes that it refuses, too:
//! so what was asked before is answered first, then comes 400, and the connection ends.

mod latch;
mod vet;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::header::HeaderName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

pub(in crate::http) use latch::Latch;
pub(in crate::http) use vet::{vet_answer, vet_request};

use super::connection::MOST_HEADERS;
use crate::wire::{Part, RequestFault, RequestFramer};

/// What is called when something is to be told of what came.
pub(in crate::http) type Alarm = Arc<dyn Fn(Sign) + Send + Sync>;

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Sign {
    /// A bad line.
    Malformed,
    /// A head that is too long: it is hyper that says 431, and no request that anybody else hears of.
    TooLarge,
    /// So far the beginning of a head.
    HalfHead,
    /// All of every head that has begun.
    WholeHeads,
}

/// A connection of which hyper reads only what is plain to everybody.
pub(in crate::http) struct Screen<S> {
    stream: S,
    framer: RequestFramer,
    mode: Mode,
    /// What has come and is not given on yet: bytes behind a wish to go on as WebSocket.
    held: Vec<u8>,
    /// Heads given on so far.
    heads: u64,
    latch: Arc<Latch>,
    alarm: Alarm,
    goodbye: Goodbye,
}

enum Mode {
    /// Requests are looked at.
    Http,
    /// The last head that passed asks to go on as WebSocket; nothing is given on until it is answered.
    Asked,
    /// It goes on as WebSocket; bytes pass as they are.
    Aside,
    /// A bad line has come; what is left of its poison.
    Refused(&'static [u8]),
}

/// How the connection is closed by this side.
enum Goodbye {
    Open,
    /// This side is closed, and what still comes is thrown away: so many bytes so far.
    Lingers(Pin<Box<Sleep>>, usize),
    Over,
}

/// What hyper refuses wherever it is: in a line of a head, of a chunk's size, its extension or a trailer. It ends a head
/// too, since hyper looks at one only when it is whole.
const POISON: &[u8] = b"\0\n\r\n\r\n";
/// A head with one field more than hyper takes: what hyper gets of a head that is only too long, so that it says 431.
static SURFEIT: LazyLock<Vec<u8>> =
    LazyLock::new(|| [FIRST_LINE, &b"a:\r\n".repeat(MOST_HEADERS + 1), b"\r\n"].concat());
const FIRST_LINE: &[u8] = b"GET / HTTP/1.1\r\n";
/// What ends a first line that is too long, and the head with it: hyper has no answer of its own for that, so it is the
/// service that says 414 wherever [`OVERLONG`] is.
const CUT: &[u8] = b"x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Realmgate-Overlong: 1\r\n\r\n";
/// So many bytes of such a line pass at least: hyper has to see a method, and that a target begins.
const METHOD: usize = 64;
/// In a head of which the first line was too long. Whoever says it by itself is believed.
pub(in crate::http) const OVERLONG: HeaderName = HeaderName::from_static("x-realmgate-overlong");

/// What is read while nobody knows what it is, so that it is seen when a client leaves that waits.
const AHEAD: usize = 4096;

/// How long a client may still speak after the last words. Unread bytes would turn them into a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// What some bytes lead to.
enum Verdict {
    All,
    /// So many pass, and then nothing until the answer is known.
    Ask(usize),
    /// So many pass, and then nothing any more but this.
    Refuse(usize, &'static [u8]),
}

impl<S> Screen<S> {
    /// Tells of a bad line once, and of heads behind everything that passes.
    pub(in crate::http) fn new(stream: S, alarm: Alarm) -> Self {
        Self {
            stream,
            framer: RequestFramer::new(),
            mode: Mode::Http,
            held: Vec::new(),
            heads: 0,
            latch: Arc::default(),
            alarm,
            goodbye: Goodbye::Open,
        }
    }

    /// By which the answers are told; every one, in their order.
    pub(in crate::http) fn latch(&self) -> Arc<Latch> {
        Arc::clone(&self.latch)
    }

    /// While the last head is not answered, nothing is known of what follows it.
    fn settle(&mut self, cx: &Context<'_>) {
        if matches!(self.mode, Mode::Asked)
            && let Poll::Ready(aside) = self.latch.poll_aside(self.heads, cx)
        {
            self.mode = if aside { Mode::Aside } else { Mode::Http };
        }
    }

    /// Follows bytes that are about to pass.
    fn judge(&mut self, bytes: &[u8]) -> Verdict {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (is_new, is_at_head) = (self.framer.is_between(), self.framer.is_at_head());
            let torn = self.framer.torn();
            let taken = match self.framer.read(rest) {
                Ok(taken) => taken,
                Err(RequestFault::FirstLineTooLong) => {
                    return Verdict::Refuse(at + METHOD.saturating_sub(torn).min(rest.len()), CUT);
                }
                Err(fault) if fault.is_of_size() && is_at_head => {
                    let begun = if is_new { 0 } else { FIRST_LINE.len() };
                    return Verdict::Refuse(at, SURFEIT.get(begun..).unwrap_or(POISON));
                }
                Err(_) => return Verdict::Refuse(at, POISON),
            };
            at += taken.length;
            if let Part::Head(head) = taken.part {
                self.heads += 1;
                if head.websocket {
                    return Verdict::Ask(at);
                }
            }
        }
        Verdict::All
    }

    /// Lets pass of the bytes behind `before` in `buf` what may; the rest is held.
    fn sift(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let passed = match self.judge(fresh) {
            Verdict::All => {
                let is_half = self.framer.is_at_head() && !self.framer.is_between();
                return (self.alarm)(if is_half { Sign::HalfHead } else { Sign::WholeHeads });
            }
            Verdict::Ask(passed) => {
                self.mode = Mode::Asked;
                (self.alarm)(Sign::WholeHeads);
                let rest = fresh.get(passed..).unwrap_or_default();
                self.held.splice(..0, rest.iter().copied());
                passed
            }
            Verdict::Refuse(passed, poison) => {
                (self.alarm)(Sign::WholeHeads); // no more of it will come
                match poison {
                    POISON => (self.alarm)(Sign::Malformed),
                    CUT => {}
                    _ => (self.alarm)(Sign::TooLarge),
                }
                self.mode = Mode::Refused(poison);
                self.held = Vec::new();
                passed
            }
        };
        buf.set_filled(before + passed);
        self.poison(buf);
    }

    /// Gives on what is left of the poison; `false` when nothing is.
    fn poison(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Mode::Refused(left) = &mut self.mode else { return false };
        let (now, later) = left.split_at_checked(buf.remaining()).unwrap_or((left, &[]));
        buf.put_slice(now);
        *left = later;
        !now.is_empty()
    }

    /// Gives on what was held; `false` when there is nothing.
    fn give_held(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let length = self.held.len().min(buf.remaining());
        let given: Vec<u8> = self.held.drain(..length).collect();
        buf.put_slice(&given);
        length > 0
    }
}

impl<S: AsyncRead + Unpin> Screen<S> {
    /// Holds what comes; ready when the client has ended its side, or broken off. Of whom something is held already no more
    /// is read: what it has asked is answered, as it is where hyper holds it.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            let mut space = [0; AHEAD];
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.held.extend_from_slice(buf.filled());
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Screen<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        this.settle(cx);
        match this.mode {
            Mode::Asked => this.poll_ahead(cx),
            // hyper has what it refuses. An end of the stream would make it forget the answers before.
            Mode::Refused(_) => {
                if this.poison(buf) {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                }
            }
            Mode::Aside => {
                if this.give_held(buf) {
                    Poll::Ready(Ok(()))
                } else {
                    Pin::new(&mut this.stream).poll_read(cx, buf)
                }
            }
            Mode::Http => {
                let before = buf.filled().len();
                if !this.give_held(buf) {
                    ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
                }
                this.sift(buf, before);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Screen<S> {
    /// Throws away what comes until the client has closed too, for a while.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Goodbye::Lingers(sleep, thrown) = &mut self.goodbye else { return Poll::Ready(()) };
        let mut space = [0; 4096];
        while *thrown < LINGER_BYTES && sleep.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => *thrown += buf.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        self.goodbye = Goodbye::Over;
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Screen<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Closes this side; of a connection that is HTTP still, what the client says meanwhile is read away.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.goodbye, Goodbye::Open) {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.goodbye = match this.mode {
                Mode::Aside => Goodbye::Over,
                Mode::Http | Mode::Asked | Mode::Refused(_) => {
                    Goodbye::Lingers(Box::pin(tokio::time::sleep(LINGER)), 0)
                }
            };
        }
        this.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests;
