//! The task of one player: each wake-up is one turn that takes orders, reads, forwards, writes and looks at the
//! deadlines, all without waiting. What the rules say is asked of `session`; the bytes are moved here.

mod choose;
mod conduct;
mod dedicated;
mod orders;
mod shared;
mod tally;
mod transport;
mod upstream;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::Sleep;

use self::conduct::Conduct;
use self::tally::Tally;
use self::transport::{Broken, Received, Transport};
use super::accept::Admission;
use super::hub::{self, Hub};
use super::seat::Seat;
use super::world::{Door, World};
use crate::session::{EndReason, Expired, Session};
use crate::wire::{FrameDecoder, FrameLayout, Framing};

/// A connection as the accept loop hands it over.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    /// The gateway's address that the player connected to.
    pub(super) local: SocketAddr,
    pub(super) door: Arc<Door>,
    pub(super) admission: Admission,
}

/// Serves a player until the session is over.
pub(super) async fn serve(hub: Rc<Hub>, seat: Rc<Seat>, arrival: Arrival) {
    let tls = arrival.door.tls.as_ref().map(super::tls::ServerTls::config);
    let Arrival { stream, address, local, door, admission } = arrival;
    let Ok(transport) = Transport::new(stream, tls) else {
        hub.leave_seat(seat.id);
        return;
    };
    let now = hub::now();
    let session = Session::new(*door.listener.limits(), transport.is_tls(), now);
    let layout = Arc::clone(door.listener.layout());
    let conduct = Conduct::new(hub, seat, door, session, Tally::new(address, local, now));
    let mut player = Player {
        transport,
        decoder: FrameDecoder::new(),
        layout,
        conduct,
        alarm: Alarm::new(now),
        greeted: false,
        _admission: admission,
    };
    poll_fn(|cx| player.turn(cx)).await;
}

/// Everything of one player.
#[derive(Debug)]
struct Player {
    transport: Transport,
    decoder: FrameDecoder,
    layout: Arc<FrameLayout>,
    conduct: Conduct,
    alarm: Alarm,
    /// Whether an opaque session has its backend already.
    greeted: bool,
    _admission: Admission,
}

/// How many reads one wake-up makes at most, so that a busy player does not starve the rest.
const READS_PER_TURN: usize = 4;

impl Player {
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = hub::now();
        let hub = Rc::clone(&self.conduct.hub);
        let world = hub.world.load();
        self.conduct.seat.bell.listen(cx.waker());
        self.expire(now);
        self.conduct.log_long(now);
        self.conduct.expire_replies(&world, now);
        self.conduct.take_orders(&world, now);
        self.conduct.settle(&world, now); // behind the orders: a lost backend may mean the end
        self.greet(&world, now);
        self.read(cx, &world, now);
        self.conduct.turn_upstreams(cx, &world, now);
        self.write(cx, now);
        let ended = self.finish(cx, now);
        if ended.is_pending() {
            self.alarm.set(cx, self.conduct.next_deadline(), now);
        }
        ended
    }

    /// What the deadlines that have passed mean.
    fn expire(&mut self, now: Instant) {
        while let Some(expired) = self.conduct.session.expired(now) {
            match expired {
                Expired::Leave(end) => self.conduct.leave(end, now),
                Expired::Resume => {}
                Expired::Close => self.conduct.closed = true,
            }
        }
    }

    /// An opaque session needs its backend before the player has said a word: the server may speak first.
    fn greet(&mut self, world: &World, now: Instant) {
        if !self.greeted && self.transport.is_open() && self.conduct.session.leaving().is_none() {
            self.greeted = true;
            self.conduct.session.handshake_done(now);
            self.conduct.tally.handshake_done(self.transport.tls_version(), &self.conduct.hub.meter, now);
            if self.conduct.is_opaque() {
                self.conduct.connect_opaque(world, now);
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, world: &World, now: Instant) {
        for _ in 0..READS_PER_TURN {
            if !self.conduct.wants_input(now) || self.transport.read_ended() {
                return;
            }
            if self.read_once(cx, world, now).is_pending() {
                return;
            }
        }
        cx.waker().wake_by_ref();
    }

    fn read_once(&mut self, cx: &mut Context<'_>, world: &World, now: Instant) -> Poll<()> {
        let hub = Rc::clone(&self.conduct.hub);
        let mut buffers = hub.buffers.borrow_mut();
        match std::task::ready!(self.transport.poll_receive(cx, &mut buffers)) {
            Ok(Received::Bytes(bytes)) => {
                self.greet(world, now); // the last words of a handshake may have frames behind them
                self.conduct.tally.bytes_in += bytes.len() as u64;
                take_bytes(&mut self.conduct, &mut self.decoder, &self.layout, world, bytes, now);
            }
            Ok(Received::End) => self.conduct.player_ended(now),
            Err(Broken::Reset) => self.conduct.broken(EndReason::PlayerReset, now),
            Err(Broken::Tls) => self.conduct.leave(EndReason::TlsFailed, now),
        }
        Poll::Ready(())
    }

    fn write(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Self { transport, conduct, .. } = self;
        let hub = &conduct.hub;
        let mut outbox = conduct.seat.outbox.borrow_mut();
        let was_high = outbox.is_high();
        let before = outbox.waiting();
        let sent = transport.send(cx, &mut hub.buffers.borrow_mut(), &mut outbox, &hub.pool);
        conduct.tally.bytes_out += before.saturating_sub(outbox.waiting()) as u64;
        let is_high = outbox.is_high();
        drop(outbox);
        match sent {
            Ok(sent) => conduct.session.waits(!sent.done, sent.took, now),
            Err(broken) => {
                let end = if broken == Broken::Tls { EndReason::TlsFailed } else { EndReason::PlayerReset };
                conduct.broken(end, now);
            }
        }
        if was_high && !is_high {
            cx.waker().wake_by_ref(); // what was not read because of the mark is read again
        }
    }

    /// Closes what is to be closed; ready when nothing is left to do.
    fn finish(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let Self { transport, conduct, .. } = self;
        if conduct.closed {
            if conduct.is_abrupt() {
                transport.abort();
            }
            return Poll::Ready(());
        }
        let last_words_out = conduct.seat.outbox.borrow().waiting() == 0;
        let half = conduct.backend_ended && last_words_out;
        if conduct.session.leaving().is_none() && !half || conduct.awaits_last_answers(now) {
            return Poll::Pending;
        }
        if last_words_out || !transport.is_open() {
            match transport.poll_close(cx, &conduct.hub.pool) {
                Poll::Ready(Ok(())) | Poll::Pending => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
        if half && transport.read_ended() {
            conduct.leave(EndReason::BackendClosed, now);
        }
        if conduct.session.leaving().is_none() || !transport.is_closed() {
            return Poll::Pending;
        }
        // The player's own end is awaited, so that unread bytes do not turn the last words into a reset.
        transport.poll_discard(cx, &mut conduct.hub.buffers.borrow_mut())
    }
}

/// Carries what the player sent through the rules.
fn take_bytes(
    conduct: &mut Conduct,
    decoder: &mut FrameDecoder,
    layout: &FrameLayout,
    world: &World,
    bytes: &[u8],
    now: Instant,
) {
    if bytes.is_empty() {
        return;
    }
    if layout.framing == Framing::Opaque {
        if conduct.seat.is_to_move(now) {
            return conduct.move_away(None, now); // nobody can be told in a protocol that is not read
        }
        conduct.session.touched(now);
        conduct.forward_opaque(bytes);
        return;
    }
    let mut frames = decoder.frames(layout, bytes);
    while let Some(frame) = frames.next() {
        match frame {
            Ok(frame) => conduct.frame(world, &frame, now),
            Err(error) => conduct.leave(Session::bad_frame(&error), now),
        }
    }
    drop(frames);
    conduct.session.holds_part(!decoder.is_idle(), now);
}

/// One sleep for the earliest deadline.
#[derive(Debug)]
struct Alarm {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Alarm {
    fn new(now: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(now.into())), at: now }
    }

    /// Wakes the task at `deadline` or earlier. A deadline that moves away is met by waking too early once.
    fn set(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>, now: Instant) {
        let deadline = deadline.unwrap_or(now + Duration::from_secs(3600));
        if self.at > now && self.at <= deadline {
            return;
        }
        self.at = deadline;
        self.sleep.as_mut().reset(deadline.into());
        if self.sleep.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests;
