//! The task of one player: each wake-up is one turn that looks at the deadlines, takes orders if it was called for them,
//! reads, forwards and writes, all without waiting. What the rules say is asked of `session`; the bytes are moved here.
//! A session outlives its connection where its player may come back: then the task goes on without one.

mod approach;
mod carry;
mod channel;
mod choose;
mod closes;
mod conduct;
mod dedicated;
mod delivery;
mod entry;
mod marks;
mod messages;
mod orders;
mod parking;
mod parting;
mod passing;
mod porch;
mod rates;
mod shared;
mod talk;
mod tally;
mod transport;
mod upstream;
mod waiting;

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::net::TcpStream;

pub(super) use self::carry::{Carried, adopt};
use self::channel::Channel;
pub(super) use self::choose::{Keyed, balance_key};
use self::conduct::Conduct;
use self::parting::WaitsFor;
use self::porch::{HEADER_WITHIN, Porch};
use self::tally::Tally;
use self::transport::{Broken, Received, Sent, Transport};
use self::upstream::Upstream;
use super::accept::{Admission, ConnectionPlace, SessionPlace};
use super::alarm::Alarm;
use super::hub::{self, Buffers, Hub};
use super::seat::{CalledFor, Seat};
use super::turns;
use super::world::{Door, World};
use crate::session::{EndReason, Expired, Session};
use crate::wire::{FrameLayout, Frames, Framing, Torn};

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

/// What serves a player until the session is over.
pub(super) fn serve(hub: Rc<Hub>, seat: Rc<Seat>, arrival: Arrival) -> impl Future<Output = ()> {
    let Arrival { stream, address, local, door, admission } = arrival;
    let porch = Porch::new(&door, address.ip());
    let is_shut = door.is_tls() || porch.awaits_header();
    let now = hub::now();
    let shakes_hands = is_shut || door.is_websocket();
    let mut session = Session::new(Arc::clone(door.listener.limits()), shakes_hands, now);
    if porch.awaits_header() {
        session.header_within(HEADER_WITHIN, now);
    }
    let channel = Channel::new(&door);
    let conduct = Conduct::new(hub, seat, door, session, Tally::new(local));
    let layout = Arc::clone(conduct.door.listener.layout());
    let (transport, place) = (Transport::new(stream, is_shut), admission.connection);
    let connection = Connection { transport, porch, channel, layout, place };
    Player::new(conduct, connection, admission.session, now)
}

/// Everything of one player. It is the task itself: an `async fn` around it would hold it twice, once as its argument and
/// once where it is awaited.
#[derive(Debug)]
struct Player {
    /// `None` while the session waits for its player to come back.
    connection: Option<Connection>,
    conduct: Conduct,
    alarm: Alarm,
    _place: SessionPlace,
}

/// A player's socket, and what was read of it but is no whole frame yet.
#[derive(Debug)]
struct Connection {
    transport: Transport,
    porch: Porch,
    channel: Channel,
    /// The player's frames.
    layout: Arc<FrameLayout>,
    /// Held as long as the socket is.
    place: ConnectionPlace,
}

/// How many reads one wake-up makes at most, so that a busy player does not starve the rest.
const READS_PER_TURN: usize = 4;

impl Future for Player {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let player = self.get_mut();
        let called_for = player.conduct.seat.take_call();
        if called_for == CalledFor::Bytes && player.only_passes_on(cx) {
            return Poll::Pending;
        }
        ready!(player.turn(cx, called_for));
        if let (Some(connection), Some(end)) = (&player.connection, player.conduct.session.leaving()) {
            connection.place.ended(end, hub::now());
        }
        player.turn_away();
        Poll::Ready(())
    }
}

impl Player {
    fn new(conduct: Conduct, connection: Connection, place: SessionPlace, now: Instant) -> Self {
        Self { connection: Some(connection), conduct, alarm: Alarm::new(now), _place: place }
    }

    fn turn(&mut self, cx: &mut Context<'_>, called_for: CalledFor) -> Poll<()> {
        let now = hub::now();
        let hub = Rc::clone(&self.conduct.hub);
        let world = hub.world.load();
        self.conduct.seat.listen(cx.waker());
        self.conduct.write_left(cx);
        if self.alarm.is_due(now) {
            self.expire(&world, now);
            self.conduct.log_long(now);
            self.conduct.expire_replies(&world, now);
        }
        if called_for == CalledFor::Turn || !self.conduct.is_settled(&world) {
            self.conduct.take_orders(&world, now);
            self.conduct.settle(&world, now); // behind the orders: a lost backend may mean the end
            self.welcome(&world, now);
        }
        self.greet(&world, now);
        self.read(cx, &world, now);
        self.hand_over(now);
        let waited = self.conduct.seat.outbox.borrow().waiting();
        let may_wait = turns::is_one_of_many() && self.conduct.only_carries();
        self.conduct.turn_upstreams(cx, (&world, now), may_wait);
        self.conduct.hear_call(cx, &world, now);
        self.tend(now);
        if !may_wait || waited > 0 || !self.writes_later() {
            self.write(cx, &world, now);
        }
        if self.conduct.session.is_parked() {
            self.drop_connection(cx);
        }
        self.conduct.show();
        let ended = self.finish(cx, now);
        if ended.is_pending() {
            let deadline = self.next_deadline();
            self.alarm.set(cx, deadline, now);
        }
        ended
    }

    /// What the deadlines that have passed mean.
    fn expire(&mut self, world: &World, now: Instant) {
        while let Some(expired) = self.conduct.session.expired(now) {
            match expired {
                Expired::Leave(EndReason::LoginTimeout) if world.gatekeeper.is_none() => {}
                Expired::Leave(end) if self.refuse_late(end, now) => {}
                Expired::Leave(end) => self.conduct.leave(end, now),
                Expired::Resume => {}
                Expired::TellPlace => self.conduct.tell_place(now),
                Expired::Close => self.conduct.has_lingered(now),
            }
        }
    }

    /// An opaque session needs its backend before the player has said a word: the server may speak first.
    fn greet(&mut self, world: &World, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        let Connection { transport, porch, channel, .. } = connection;
        if self.conduct.seat.greeted.get() || !transport.is_open() || self.conduct.session.leaving().is_some()
        {
            return;
        }
        if matches!(porch, Porch::Handshaking { .. }) {
            *porch = Porch::Inside; // the next one's turn
            let age = self.conduct.session.age(now);
            self.conduct.tally.handshake_done(transport.tls_version(), &self.conduct.hub.meter, age);
        }
        if channel.is_upgrading() {
            return;
        }
        self.conduct.seat.greeted.set(true);
        self.conduct.session.handshake_done(now);
        self.conduct.expect_login(world, now);
        if self.conduct.is_opaque() {
            self.conduct.connect_opaque(world, now);
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, world: &World, now: Instant) {
        if self.come_in(cx, world, now).is_pending() {
            return;
        }
        self.greet(world, now);
        for _ in 0..READS_PER_TURN {
            let goes_over = self.conduct.comeback.claim.is_some(); // what comes now is the other session's
            if goes_over || !self.conduct.pace_reading(now) {
                return;
            }
            if self.conduct.comes_behind_a_link() {
                break;
            }
            if self.read_once(cx, world, now).is_pending() {
                return;
            }
        }
        self.conduct.seat.ring(); // behind all who are ready now
    }

    fn read_once(&mut self, cx: &mut Context<'_>, world: &World, now: Instant) -> Poll<()> {
        let hub = Rc::clone(&self.conduct.hub);
        let mut buffers = hub.buffers.borrow_mut();
        let Some(connection) = self.connection.as_mut().filter(|it| !it.transport.read_ended()) else {
            return Poll::Pending;
        };
        let gap = connection.channel.gap();
        match ready!(connection.transport.poll_receive(cx, (&mut buffers, &hub.pool), gap)) {
            Ok(Received::Bytes(count)) => {
                self.greet(world, now); // the last words of a handshake may have frames behind them
                self.conduct.tally.bytes_in += count as u64;
                self.take_block(world, &mut buffers, now);
            }
            Ok(Received::End) if !self.conduct.door.is_websocket() => self.conduct.player_ended(world, now),
            // A WebSocket ends with a close: without one, its connection broke.
            Ok(Received::End) if self.conduct.is_opaque() => {
                self.conduct.disconnected(world, EndReason::PlayerReset, now);
            }
            Ok(Received::End) => self.conduct.gone(world, now),
            Err(Broken::Reset) => self.conduct.disconnected(world, EndReason::PlayerReset, now),
            Err(Broken::Tls) => self.conduct.leave(EndReason::TlsFailed, now),
        }
        Poll::Ready(())
    }

    /// Carries what is in the worker's block through the rules.
    fn take_block(&mut self, world: &World, buffers: &mut Buffers, now: Instant) {
        let Some(Connection { channel: Channel::Stream(decoder), layout, .. }) = &mut self.connection else {
            return self.take_messages(world, Arc::make_mut(&mut buffers.block).as_mut_slice(), now);
        };
        if layout.framing == Framing::Opaque {
            return take_opaque(&mut self.conduct, &buffers.block, now);
        }
        let frames = decoder.frames_in(layout, &buffers.block);
        if let Some(torn) = take_frames(&mut self.conduct, frames, world, now) {
            decoder.adopt(buffers.part_with(torn, &self.conduct.hub.pool));
        }
        self.conduct.session.holds_part(!decoder.is_idle(), now);
    }

    /// Carries what a player that speaks WebSocket sent through the rules.
    fn take_messages(&mut self, world: &World, bytes: &mut [u8], now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        let Connection { channel, layout, .. } = connection;
        if let Channel::Messages(socket) = channel {
            socket.take(&mut self.conduct, (layout, world), bytes, now);
        } else if let Some(mut behind) = connection.upgrade(&mut self.conduct, bytes, now) {
            self.greet(world, now);
            self.take_messages(world, &mut behind, now);
        }
    }

    /// Carries on with what came behind the token that led the connection here.
    fn take_behind(&mut self, world: &World, now: Instant) {
        let Some(Connection { channel, layout, .. }) = &mut self.connection else { return };
        match channel {
            Channel::Stream(decoder) => {
                let torn = take_frames(&mut self.conduct, decoder.frames(layout, &[]), world, now);
                debug_assert!(torn.is_none(), "only what lies in a block is given back");
                self.conduct.session.holds_part(!decoder.is_idle(), now);
            }
            Channel::Messages(socket) => socket.take_behind(&mut self.conduct, (layout, world), now),
            Channel::Upgrading(_) => {}
        }
    }

    fn tend(&mut self, now: Instant) {
        if let Some(socket) = self.connection.as_mut().and_then(|connection| connection.channel.websocket()) {
            socket.tend(&self.conduct, now);
        }
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        let socket = self.connection.as_mut().and_then(|connection| connection.channel.websocket());
        let asks_at = socket.and_then(|socket| socket.asks_at(&self.conduct));
        self.conduct.next_deadline().into_iter().chain(asks_at).min()
    }

    /// The session goes on without a connection. Who closed in order is answered so, if its socket takes it at once.
    fn drop_connection(&mut self, cx: &mut Context<'_>) {
        let Some(mut connection) = self.connection.take() else { return };
        let answer = connection.channel.websocket().and_then(|socket| socket.parting_answer());
        let said = answer.is_some_and(|answer| connection.transport.say(&answer).is_ok());
        if said && connection.transport.poll_close(cx, &self.conduct.hub.pool).is_pending() {
            connection.transport.abort(); // nobody waits for the rest of it to go out
        }
    }

    fn write(&mut self, cx: &mut Context<'_>, world: &World, now: Instant) {
        if self.conduct.session.is_parked() {
            return;
        }
        let was_high = self.conduct.seat.outbox.borrow().is_high();
        let sent = self.send(cx);
        let conduct = &mut self.conduct;
        match sent {
            None => {}
            Some(Ok(sent)) => conduct.session.waits(!sent.done, sent.took, now),
            // It had closed before: its backends have their time for what it said all the same.
            Some(Err(_)) if matches!(conduct.waits_for, WaitsFor::LastWords) => self.connection = None,
            Some(Err(Broken::Tls)) => conduct.broken(EndReason::TlsFailed, now),
            Some(Err(Broken::Reset)) => conduct.disconnected(world, EndReason::PlayerReset, now),
        }
        if self.connection.is_none() {
            conduct.drop_unheard();
        }
        if was_high && !conduct.seat.outbox.borrow().is_high() {
            conduct.seat.ring(); // what was not read because of the mark is read again
        }
    }

    /// Writes what waits, as far as the socket takes it; `None` without a connection.
    fn send(&mut self, cx: &mut Context<'_>) -> Option<Result<Sent, Broken>> {
        let Self { connection, conduct, .. } = self;
        let hub = &conduct.hub;
        let mut outbox = conduct.seat.outbox.borrow_mut();
        let before = outbox.waiting();
        let Connection { transport, channel, .. } = connection.as_mut()?;
        if channel.is_upgrading() {
            return Some(transport.send_ahead(cx, &hub.pool)); // only the answer of HTTP is understood
        }
        let sent = transport.send(cx, &mut hub.buffers.borrow_mut(), &mut outbox, &hub.pool);
        let saved = sent.as_ref().map_or(0, |sent| sent.saved);
        conduct.tally.bytes_out += before.saturating_sub(outbox.waiting() + saved) as u64;
        Some(sent)
    }

    /// Closes what is to be closed; ready when nothing is left to do.
    fn finish(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let Self { connection, conduct, .. } = self;
        let Some(Connection { transport, porch, channel, .. }) = connection else {
            // Nobody is there to hear last words, but the player's own may still be on their way.
            let is_leaving = conduct.session.leaving().is_some();
            let ends = conduct.closed || is_leaving && !conduct.awaits_last_answers(now);
            return if ends { Poll::Ready(()) } else { Poll::Pending };
        };
        if conduct.session.leaving().is_some() && matches!(porch, Porch::Handshaking { .. }) {
            *porch = Porch::Inside; // its last words take nobody's turn
        }
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
        if last_words_out || !transport.is_open() || channel.is_upgrading() {
            match transport.poll_close(cx, &conduct.hub.pool) {
                Poll::Ready(Ok(())) | Poll::Pending => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
        if half && transport.read_ended() && conduct.upstreams.iter().all(Upstream::has_all) {
            conduct.leave(EndReason::BackendClosed, now);
        }
        if conduct.session.leaving().is_none() || !transport.is_closed() {
            return Poll::Pending;
        }
        // The player's own end is awaited, so that unread bytes do not turn the last words into a reset.
        transport.poll_discard(cx, &mut conduct.hub.buffers.borrow_mut())
    }
}

/// Carries what the player sent in a protocol that is not read through the rules.
fn take_opaque(conduct: &mut Conduct, bytes: &[u8], now: Instant) {
    if bytes.is_empty() {
        return;
    }
    if conduct.seat.is_to_move(now) {
        return conduct.move_away(None, now); // nobody can be told in a protocol that is not read
    }
    conduct.session.touched(now);
    conduct.forward_opaque(bytes);
}

/// Carries whole frames through the rules; what of the last one has to be adopted.
fn take_frames(conduct: &mut Conduct, mut frames: Frames<'_>, world: &World, now: Instant) -> Option<Torn> {
    // By reference, here and wherever frames are gone through: a copy would wait for what `next` has just written.
    while let Some(frame) = &frames.next() {
        match frame {
            Ok(frame) => conduct.frame(world, frame, now),
            Err(error) => conduct.leave(Session::bad_frame(error), now),
        }
        if conduct.comeback.claim.is_some() {
            return None; // what comes behind is the other session's
        }
    }
    frames.finish(conduct.hub.pool.least())
}

#[cfg(test)]
mod tests;
