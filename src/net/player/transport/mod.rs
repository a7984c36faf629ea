//! The player's socket: plain bytes in and out, whether TLS is between or not.

mod deflating;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::net::hub::{Buffers, ENCRYPT_CHUNK, LEAD};
use crate::net::outbox::{Outbox, SLICES};
use crate::net::pool::Pool;
use crate::net::stream::poll_read_into;
use crate::net::tls::{Plain, TlsError, TlsSession, TlsVersion, encrypted_size};
use crate::wire::Gap;

/// A connected player.
#[derive(Debug)]
pub(super) struct Transport {
    stream: TcpStream,
    tls: Option<Box<TlsSession>>,
    /// Nothing may be read or written yet.
    is_shut: bool,
    /// What was read already and comes first.
    ahead: Vec<u8>,
    /// Bytes in their last form that the socket did not take yet.
    pending: Vec<u8>,
    sent: usize,
    end: WriteEnd,
    read_ended: bool,
    /// Whether messages may go out deflated.
    deflates: bool,
}

/// A connected player without an event loop: on its way from one to another.
#[derive(Debug)]
pub(super) struct Packed {
    stream: std::net::TcpStream,
    tls: Option<Box<TlsSession>>,
    pending: Vec<u8>,
    sent: usize,
    end: WriteEnd,
    read_ended: bool,
    deflates: bool,
}

/// How far the writing side is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteEnd {
    Open,
    /// TLS has said goodbye; what waits goes out first.
    Closing,
    Closed,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// So many plain bytes; none when TLS alone moved on.
    Bytes(usize),
    /// The player will send nothing more.
    End,
}

/// The connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// By the socket.
    Reset,
    /// By TLS; an alert may wait in `pending`.
    Tls,
}

/// What became of what waited.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    /// The socket took something.
    pub(super) took: bool,
    /// Nothing waits any more.
    pub(super) done: bool,
    /// So many bytes of what was taken from the outbox were not sent: it was deflated.
    pub(super) saved: usize,
}

/// What is read at once of what comes before everything else: room for the longest PROXY header, and little more.
const FRONT: usize = 8 * 1024;

impl Transport {
    /// A connection that is open, or shut until [`Transport::open`] or [`Transport::shake_hands`].
    pub(super) fn new(stream: TcpStream, is_shut: bool) -> Self {
        Self {
            stream,
            tls: None,
            is_shut,
            ahead: Vec::new(),
            pending: Vec::new(),
            sent: 0,
            end: WriteEnd::Open,
            read_ended: false,
            deflates: false,
        }
    }

    /// Whether the player understands deflated messages.
    pub(super) fn deflates(&mut self, agreed: bool) {
        self.deflates = agreed;
    }

    /// Plain bytes come and go from now on.
    pub(super) fn open(&mut self) {
        self.is_shut = false;
    }

    /// TLS begins.
    pub(super) fn shake_hands(&mut self, config: Arc<ServerConfig>) -> Result<(), Broken> {
        self.tls = Some(Box::new(TlsSession::new(config).map_err(|_| Broken::Tls)?));
        self.is_shut = false;
        Ok(())
    }

    /// Whether the player has said anything, or has gone; nothing is read.
    pub(super) fn poll_first_byte(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.ahead.is_empty() {
            return Poll::Ready(());
        }
        self.stream.poll_read_ready(cx).map(drop) // an error is met by the read that follows
    }

    /// One read of what comes before everything else, whatever it is; false: nothing more will come.
    pub(super) fn poll_front(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
    ) -> Poll<Result<bool, Broken>> {
        let mut read = ReadBuf::new(buffers.scratch.get_mut(..FRONT).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)).map_err(|_| Broken::Reset)?;
        self.ahead.extend_from_slice(read.filled());
        Poll::Ready(Ok(!read.filled().is_empty()))
    }

    /// What was read so and is not used yet: it comes before what the socket gives.
    pub(super) fn front(&self) -> &[u8] {
        &self.ahead
    }

    /// So many bytes of it were the proxy's.
    pub(super) fn skip(&mut self, length: usize) {
        self.ahead.drain(..length);
    }

    /// Says this before all that waits: the answer of a handshake, or the last words to somebody who has gone.
    pub(super) fn say(&mut self, words: &[u8]) -> Result<(), Broken> {
        match &mut self.tls {
            None => self.pending.extend_from_slice(words),
            Some(tls) => {
                tls.tickets_go();
                let mut cipher = vec![0; encrypted_size(words.len())];
                let length = tls.encrypt(words, &mut cipher).map_err(|_| Broken::Tls)?;
                self.pending.extend_from_slice(cipher.get(..length).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Leaves the event loop of this thread.
    pub(super) fn pack(self) -> io::Result<Packed> {
        // Only who has sent a frame is carried: nothing is shut, and nothing is left ahead.
        let Self { stream, tls, pending, sent, end, read_ended, deflates, is_shut: _, ahead: _ } = self;
        Ok(Packed { stream: stream.into_std()?, tls, pending, sent, end, read_ended, deflates })
    }

    /// Brings what waits into its last form: it goes out before everything else, whatever is put in later.
    pub(super) fn absorb(
        &mut self,
        buffers: &mut Buffers,
        outbox: &mut Outbox,
        pool: &Pool,
    ) -> Result<(), Broken> {
        while outbox.waiting() > 0 {
            self.absorb_some(buffers, outbox, pool)?;
        }
        Ok(())
    }

    /// The same with as much as one write takes.
    fn absorb_some(&mut self, buffers: &mut Buffers, outbox: &mut Outbox, pool: &Pool) -> Result<(), Broken> {
        let run = outbox.pending();
        let chunk = run.get(..ENCRYPT_CHUNK.min(run.len())).unwrap_or_default();
        match &mut self.tls {
            None => self.pending.extend_from_slice(chunk),
            Some(tls) => {
                tls.tickets_go();
                let length = tls.encrypt(chunk, &mut buffers.cipher).map_err(|_| Broken::Tls)?;
                self.pending.extend_from_slice(buffers.cipher.get(..length).unwrap_or_default());
            }
        }
        let length = chunk.len();
        outbox.took(length, pool);
        Ok(())
    }

    /// Whether plain bytes can be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.is_shut && self.tls.as_ref().is_none_or(|tls| tls.is_open())
    }

    pub(super) fn tls_version(&self) -> TlsVersion {
        self.tls.as_ref().map_or(TlsVersion::None, |tls| tls.version())
    }

    /// Whether the player has said or shown that it will send nothing more.
    pub(super) fn read_ended(&self) -> bool {
        self.read_ended
    }

    /// One read of the socket. What came is in the worker's block; before that, in the gap if there is one.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        (buffers, pool): (&mut Buffers, &Pool),
        gap: Option<Gap<'_>>,
    ) -> Poll<Result<Received, Broken>> {
        if self.tls.as_ref().is_some_and(|tls| tls.peer_closed()) {
            self.read_ended = true;
            return Poll::Ready(Ok(Received::End));
        }
        let block = buffers.empty_block(pool);
        if !self.ahead.is_empty() {
            return Poll::Ready(self.receive_ahead(block));
        }
        if self.tls.is_some() {
            return self.poll_receive_tls(cx, buffers, gap);
        }
        let came = ready!(poll_read_into(&mut self.stream, cx, block, gap)).map_err(|_| Broken::Reset)?;
        self.read_ended = came == 0;
        Poll::Ready(Ok(if came == 0 { Received::End } else { Received::Bytes(came) }))
    }

    /// What was read already.
    fn receive_ahead(&mut self, block: &mut Vec<u8>) -> Result<Received, Broken> {
        let mut ahead = std::mem::take(&mut self.ahead);
        match &mut self.tls {
            Some(tls) => {
                let mut plain = Plain { straight: None, rest: block, came: 0 };
                tls.receive(&mut ahead, &mut plain, &mut self.pending).map_err(|_| Broken::Tls)?;
            }
            None => block.extend_from_slice(&ahead),
        }
        Ok(Received::Bytes(block.len()))
    }

    /// One read, behind the beginning of the record that the last one ended in.
    fn poll_receive_tls(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        gap: Option<Gap<'_>>,
    ) -> Poll<Result<Received, Broken>> {
        let Some(tls) = &mut self.tls else { return Poll::Pending };
        let held = tls.held().len();
        let Buffers { scratch, block, .. } = buffers;
        let end = scratch.len() - held.min(LEAD);
        let mut read = ReadBuf::new(scratch.get_mut(LEAD..end).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)).map_err(|_| Broken::Reset)?;
        let length = read.filled().len();
        if length == 0 {
            self.read_ended = true;
            return Poll::Ready(Ok(Received::End));
        }
        let mut plain = Plain { straight: gap.map(Gap::room), rest: Arc::make_mut(block), came: 0 };
        let received = match LEAD.checked_sub(held) {
            Some(start) => {
                let input = scratch.get_mut(start..LEAD + length).unwrap_or_default();
                input.get_mut(..held).unwrap_or_default().copy_from_slice(tls.held());
                tls.receive_behind(input, &mut plain, &mut self.pending)
            }
            // Only a handshake holds more than the longest record.
            None => {
                let input = scratch.get_mut(LEAD..LEAD + length).unwrap_or_default();
                tls.receive(input, &mut plain, &mut self.pending)
            }
        };
        match received {
            Ok(()) => Poll::Ready(Ok(Received::Bytes(plain.came))),
            Err(TlsError::Peer | TlsError::Exhausted) => Poll::Ready(Err(Broken::Tls)),
        }
    }

    /// Whether there is nothing to read; the task is woken when there is.
    pub(super) fn is_silent(&self, cx: &mut Context<'_>) -> bool {
        self.ahead.is_empty() && self.stream.poll_read_ready(cx).is_pending()
    }

    /// Throws away what comes; ready when nothing will come any more.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>, buffers: &mut Buffers) -> Poll<()> {
        while !self.read_ended {
            let mut read = ReadBuf::new(&mut buffers.scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {}
                Ok(()) | Err(_) => self.read_ended = true,
            }
        }
        Poll::Ready(())
    }

    /// Writes what waits, as far as the socket takes it; otherwise the task is woken when it takes more.
    pub(super) fn send(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        outbox: &mut Outbox,
        pool: &Pool,
    ) -> Result<Sent, Broken> {
        let mut sent = Sent::default();
        if self.has_only_tickets() {
            // For a later connection: they go out with the first words to the player, in one write.
            if outbox.waiting() == 0 {
                return Ok(Sent { done: true, ..sent });
            }
            self.absorb_some(buffers, outbox, pool)?;
        }
        loop {
            if !self.send_pending(cx, &mut sent, pool)? {
                return Ok(sent);
            }
            if outbox.waiting() == 0 || !self.is_open() || self.end != WriteEnd::Open {
                sent.done = outbox.waiting() == 0 || self.end != WriteEnd::Open;
                return Ok(sent);
            }
            if self.deflates {
                self.deflate_some(buffers, outbox, (&mut sent, pool))?;
                continue;
            }
            match self.send_some(cx, buffers, outbox, pool) {
                Poll::Ready(Ok(())) => sent.took = true,
                Poll::Ready(Err(broken)) => return Err(broken),
                Poll::Pending => return Ok(sent),
            }
        }
    }

    /// The same with nothing but what was said before all that waits. Tickets alone wait for the first words here, too.
    pub(super) fn send_ahead(&mut self, cx: &mut Context<'_>, pool: &Pool) -> Result<Sent, Broken> {
        let mut sent = Sent::default();
        if self.has_only_tickets() {
            return Ok(Sent { done: true, ..sent });
        }
        sent.done = self.send_pending(cx, &mut sent, pool)?;
        Ok(sent)
    }

    /// Whether nothing was said yet, and what waits is for a later connection.
    fn has_only_tickets(&self) -> bool {
        self.end == WriteEnd::Open && self.tls.as_ref().is_some_and(|tls| tls.tickets_wait())
    }

    /// Whether everything of `pending` is out.
    fn send_pending(&mut self, cx: &mut Context<'_>, sent: &mut Sent, pool: &Pool) -> Result<bool, Broken> {
        while let Some(rest) = self.pending.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(_)) => return Err(Broken::Reset),
                Poll::Pending => return Ok(false),
            }
            sent.took = true;
        }
        if self.pending.capacity() > 0 {
            self.sent = 0;
            pool.give(std::mem::take(&mut self.pending));
        }
        Ok(true)
    }

    /// One write from the outbox.
    fn send_some(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut Buffers,
        outbox: &mut Outbox,
        pool: &Pool,
    ) -> Poll<Result<(), Broken>> {
        let Some(tls) = &mut self.tls else {
            let count = ready!(write_plain(Pin::new(&mut self.stream), cx, outbox));
            outbox.took(count.map_err(|_| Broken::Reset)?, pool);
            return Poll::Ready(Ok(()));
        };
        let waiting = outbox.pending();
        let chunk = waiting.get(..ENCRYPT_CHUNK.min(waiting.len())).unwrap_or_default();
        let length = tls.encrypt(chunk, &mut buffers.cipher).map_err(|_| Broken::Tls)?;
        outbox.took(chunk.len(), pool);
        let cipher = buffers.cipher.get(..length).unwrap_or_default();
        let written = match Pin::new(&mut self.stream).poll_write(cx, cipher) {
            Poll::Ready(count) => count.map_err(|_| Broken::Reset)?,
            Poll::Pending => 0,
        };
        let rest = cipher.get(written..).unwrap_or_default();
        if !rest.is_empty() {
            self.pending = pool.take();
            self.pending.extend_from_slice(rest);
        }
        if written == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    /// Ends the writing side in order once everything is out; ready when that is done.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>, pool: &Pool) -> Poll<Result<(), Broken>> {
        if self.end == WriteEnd::Open {
            if let Some(tls) = &mut self.tls {
                tls.close(&mut self.pending);
            }
            self.end = WriteEnd::Closing;
        }
        if self.end == WriteEnd::Closing {
            if !self.send_pending(cx, &mut Sent::default(), pool)? {
                return Poll::Pending;
            }
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx)).map_err(|_| Broken::Reset)?;
            self.end = WriteEnd::Closed;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the writing side is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.end == WriteEnd::Closed
    }

    /// Makes the coming drop an abrupt end for the player.
    pub(super) fn abort(&self) {
        drop(socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)));
    }
}

impl Packed {
    /// Joins the event loop of this thread.
    pub(super) fn unpack(self) -> io::Result<Transport> {
        let Self { stream, tls, pending, sent, end, read_ended, deflates } = self;
        let stream = TcpStream::from_std(stream)?;
        let (is_shut, ahead) = (false, Vec::new());
        Ok(Transport { stream, tls, is_shut, ahead, pending, sent, end, read_ended, deflates })
    }
}

/// One write of what waits, all runs of it at once.
fn write_plain(
    stream: Pin<&mut TcpStream>,
    cx: &mut Context<'_>,
    outbox: &Outbox,
) -> Poll<io::Result<usize>> {
    if outbox.is_one_run() {
        return stream.poll_write(cx, outbox.pending());
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = outbox.runs(&mut slices);
    stream.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
}
