//! What the gateway does about a session's frames and orders: forwards, answers, refuses, says goodbye.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::choose::Turned;
use super::tally::{Ended, Tally};
use super::upstream::Upstream;
use crate::base::{BackendKey, ProtocolId, Reason};
use crate::net::hub::{self, Hub};
use crate::net::recovery::Refused;
use crate::net::seat::{Kick, Order, Seat};
use crate::net::world::{Door, Lane, World};
use crate::router::RouteIndex;
use crate::session::{Binding, EndReason, Rules, Session, Verdict};
use crate::telemetry::Refusal;
use crate::wire::{Frame, Framing, Notice, NoticeCode};

/// A session with everything it acts on but its own socket.
#[derive(Debug)]
pub(super) struct Conduct {
    pub(super) hub: Rc<Hub>,
    pub(super) seat: Rc<Seat>,
    pub(super) door: Arc<Door>,
    pub(super) session: Session,
    pub(super) tally: Tally,
    pub(super) upstreams: Vec<Upstream>,
    /// The backend of an opaque session will send nothing more.
    pub(super) backend_ended: bool,
    /// The session is over and nothing more is written.
    pub(super) closed: bool,
}

/// How long a session waits for a full link that still moves before its frames are judged by their class.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How many frames of one session may wait for their replies: more is no game, and each is looked at in every turn.
const MOST_AWAITED: usize = 256;
/// How long a player is asked to wait where nothing says when it will be better: from here to twice as long.
const AGAIN: Duration = Duration::from_secs(1);

impl Conduct {
    pub(super) fn new(hub: Rc<Hub>, seat: Rc<Seat>, door: Arc<Door>, session: Session, tally: Tally) -> Self {
        hub.meter.sessions.add(1);
        Self { hub, seat, door, session, tally, upstreams: Vec::new(), backend_ended: false, closed: false }
    }

    pub(super) fn is_opaque(&self) -> bool {
        self.door.listener.layout().framing == Framing::Opaque
    }

    /// One frame of the player, from verdict to link.
    pub(super) fn frame(&mut self, world: &World, frame: &Frame<'_>, now: Instant) {
        let listener = &self.door.listener;
        let rules =
            Rules { layout: listener.layout(), unknown_id: listener.unknown_id(), router: &world.router };
        self.tally.frames_in += 1;
        self.seat.last_frame.set(now);
        match self.session.frame(frame.id, &rules, now) {
            Verdict::Forward(route) => self.forward(world, route, frame, now),
            Verdict::Answer(_) => self.answer_heartbeat(),
            Verdict::Refuse(code) => {
                self.hub.meter.unknown_ids.add(1);
                self.notice(&Notice { id: Some(frame.id), ..Notice::new(code) });
            }
            Verdict::Drop => self.hub.meter.unknown_ids.add(1),
            Verdict::Leave(end) => {
                self.hub.meter.unknown_ids.add(1);
                self.leave(end, now);
            }
            Verdict::Ignore => {}
        }
    }

    fn forward(&mut self, world: &World, route: RouteIndex, frame: &Frame<'_>, now: Instant) {
        let Some((lane, cluster)) = world.lane(route) else { return };
        self.tally.uses(route);
        let awaits_much = lane.reply.is_some() && self.seat.awaited.borrow().len() >= MOST_AWAITED;
        let sent = if awaits_much {
            Err(Refusal::Overloaded.into())
        } else if cluster.is_shared() {
            self.forward_shared(cluster, lane, frame, now)
        } else {
            self.forward_dedicated(cluster, lane, frame, now)
        };
        match (sent, lane.meter.of(self.hub.worker)) {
            (Ok(()), Some(counts)) => {
                counts.frames_in.add(1);
                counts.bytes_in.add(frame.bytes.len() as u64);
            }
            (Ok(()), None) => {}
            (Err(turned), _) => self.turn_away(world, lane, frame.id, &turned, self.hub.since_start(now)),
        }
    }

    /// Tells the player that a frame goes nowhere, and why. Of an unavailable route it hears again when that works;
    /// a route that works and only lets few frames in, it may try again by itself.
    pub(super) fn turn_away(
        &self,
        world: &World,
        lane: &Lane,
        id: ProtocolId,
        turned: &Turned,
        now: Duration,
    ) {
        if let Some(counts) = lane.meter.of(self.hub.worker) {
            counts.refused(turned.refusal).add(1);
        }
        let excepted = lane.guards.iter().any(|guard| guard.backend().excepts(id, now).is_some());
        let refused = Refused {
            route: Arc::clone(&lane.name),
            id: excepted.then_some(id),
            only: turned.only,
            is_new: turned.is_new,
        };
        let waits = turned.refusal == Refusal::Unavailable && !self.hub.serves(world, &refused, now);
        let retry_after = match turned.retry_after {
            Some(wait) => Some(wait + self.spread(wait.min(AGAIN))),
            None if !waits || lane.guards.iter().any(|guard| !guard.is_closed()) => self.soon(turned.refusal),
            None => None,
        };
        let millis = |wait: Duration| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        self.notice(&Notice {
            route: Some(&lane.name),
            id: Some(id),
            retry_after_ms: retry_after.map(millis),
            ..Notice::new(turned.refusal.notice())
        });
        if waits {
            self.hub.waiting_room.enter(&self.seat, refused);
        }
    }

    /// When to try again what has no time of its own: players that wait for places come back spread out.
    fn soon(&self, refusal: Refusal) -> Option<Duration> {
        match refusal {
            Refusal::Full | Refusal::Unavailable => Some(AGAIN + self.spread(AGAIN)),
            Refusal::Overloaded => None,
        }
    }

    /// Up to so long, drawn anew each time: who was refused together does not come back together.
    fn spread(&self, most: Duration) -> Duration {
        most.mul_f64(self.hub.dice.borrow_mut().random_range(0.0..1.0))
    }

    /// When something is due for which nobody else wakes the session.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let reply = self.seat.awaited.borrow().deadline();
        let own = self.session.next_deadline();
        own.into_iter().chain(reply).min()
    }

    /// Frames that were not answered in time speak against their backend, unless they were lost with a link.
    pub(super) fn expire_replies(&self, world: &World, now: Instant) {
        let since_start = self.hub.since_start(now);
        let next = || self.seat.awaited.borrow_mut().overdue(now);
        while let Some(promise) = next() {
            let backend = promise.backend().key();
            let link = self.hub.link(backend).filter(|link| link.is_up() && link.epoch() == promise.epoch);
            let carried =
                link.is_some() || self.upstreams.iter().any(|upstream| upstream.backend.key() == backend);
            let cluster = world.clusters.iter().find(|cluster| cluster.entry.place_of(backend).is_some());
            let (true, Some(cluster)) = (carried, cluster) else { continue };
            self.hub.count_failure(cluster, promise.backend(), since_start);
            promise.failed(since_start, &mut *self.hub.dice.borrow_mut());
        }
    }

    fn answer_heartbeat(&self) {
        let layout = self.door.listener.layout();
        self.hub.meter.heartbeats.add(1);
        self.seat.outbox.borrow_mut().append_with(&self.hub.pool, |out| layout.append_heartbeat_reply(out));
    }

    /// Writes a notice behind what waits for the player.
    pub(super) fn notice(&self, notice: &Notice<'_>) {
        let layout = self.door.listener.layout();
        let mut outbox = self.seat.outbox.borrow_mut();
        if outbox.append_with(&self.hub.pool, |out| layout.append_notice(notice, out))
            && let Some(counter) = self.hub.meter.notice(notice.code)
        {
            counter.add(1);
        }
    }

    /// What others want of the session.
    pub(super) fn take_orders(&mut self, world: &World, now: Instant) {
        for order in self.seat.take_orders() {
            match order {
                Order::Kick(kick) => self.kick(&kick, now),
                Order::Refused(backend) => self.refused(world, backend),
                Order::BackendLost(backend) => {
                    let dedicated = self.upstreams.iter().any(|upstream| upstream.backend.key() == backend);
                    if dedicated || self.session.bindings.knows(backend) {
                        self.leave(EndReason::BackendLost, now);
                    }
                }
                Order::Recovered(route) => self.recovered(&route),
                Order::Leave(EndReason::Cut) => self.broken(EndReason::Cut, now),
                Order::Leave(end) => self.leave(end, now),
            }
        }
    }

    fn kick(&mut self, kick: &Kick, now: Instant) {
        if self.session.leave(EndReason::Kicked, now) {
            let redirect: Vec<&str> = kick.redirect.iter().map(String::as_str).collect();
            self.notice(&Notice {
                message: kick.text.as_deref(),
                retry_after_ms: kick.retry_after_ms,
                redirect: &redirect,
                ..Notice::new(NoticeCode::Kicked)
            });
            self.part_all(Reason::Kicked);
        }
    }

    fn recovered(&self, route: &Arc<str>) {
        if self.seat.recovers(route) && self.session.leaving().is_none() {
            self.notice(&Notice { route: Some(route), ..Notice::new(NoticeCode::Recovered) });
        }
    }

    /// A backend does not take the session: what it was sent is lost, and the player is told so; not of the second
    /// of a hot standby, whose frames the first one got too.
    fn refused(&mut self, world: &World, backend: BackendKey) {
        let Some(binding) = self.session.bindings.refuse(backend) else { return };
        self.seat.awaited.borrow_mut().forget(backend);
        if let Some(link) = self.hub.link(backend) {
            link.backend().close_session();
        }
        let cluster = world.clusters.iter().position(|cluster| cluster.key() == binding.cluster);
        let Some((place, cluster)) = cluster.and_then(|place| Some((place, world.clusters.get(place)?)))
        else {
            return;
        };
        if cluster.is_hot_standby() {
            self.seat.lockstep.borrow_mut().pass_over(backend);
        }
        if !(binding.stands_in && cluster.is_hot_standby()) {
            let route = world.lanes.iter().find(|lane| lane.cluster == place).map(|lane| &*lane.name);
            self.notice(&Notice { route, retry_after_ms: Some(0), ..Notice::new(NoticeCode::Unavailable) });
        }
    }

    /// The player will send nothing more. Dedicated backends hear of it in the same way and may still answer;
    /// shared ones are told that it left.
    pub(super) fn player_ended(&mut self, now: Instant) {
        if self.upstreams.is_empty() || self.session.is_handshaking() {
            self.leave(EndReason::PlayerLeft, now);
            return;
        }
        self.session.half_close();
        self.part_shared(Reason::PlayerLeft);
        self.upstreams.iter_mut().for_each(Upstream::finish);
    }

    /// Ends the session with its last words.
    pub(super) fn leave(&mut self, end: EndReason, now: Instant) {
        if self.session.leave(end, now) {
            if let Some(code) = end.notice() {
                self.notice(&Notice::new(code));
            }
            self.part_all(end.reason());
        }
    }

    /// Ends the session without last words: nobody could read them.
    pub(super) fn broken(&mut self, end: EndReason, now: Instant) {
        self.session.leave(end, now);
        self.part_all(end.reason());
        self.closed = true;
    }

    /// Whether the other side's connection broke, so that this side's must too.
    pub(super) fn is_abrupt(&self) -> bool {
        match self.session.leaving() {
            Some(EndReason::BackendLost) => self.is_opaque(),
            Some(EndReason::TooSlow | EndReason::Cut) => true,
            Some(_) | None => false,
        }
    }

    fn part_shared(&mut self, reason: Reason) {
        self.seat.awaited.borrow_mut().clear();
        let bindings: Vec<Binding> = self.session.bindings.drain().collect();
        bindings.into_iter().for_each(|binding| self.part(binding, reason));
    }

    /// Tells every backend; from here on nothing more is delivered behind the last words.
    fn part_all(&mut self, reason: Reason) {
        self.hub.leave_seat(self.seat.id);
        self.part_shared(reason);
        let abrupt = matches!(self.session.leaving(), Some(EndReason::PlayerReset | EndReason::TlsFailed));
        for upstream in self.upstreams.drain(..) {
            upstream.part(abrupt);
        }
    }

    /// Whether the player's socket may be read: not while a link that the session uses is full and still moves,
    /// and not while much waits for the player, so that answers to a player that reads none stay within bounds.
    pub(super) fn wants_input(&mut self, now: Instant) -> bool {
        if !self.session.is_playing() && !self.session.is_handshaking() {
            return false;
        }
        let deaf = self.seat.outbox.borrow().is_high();
        let full = deaf || self.upstreams.iter().any(Upstream::is_full) || self.waits_for_link(now);
        match (full, self.session.is_paused()) {
            (true, false) => self.session.pause(LONGEST_PAUSE, now),
            (false, true) => self.session.resume(),
            (true, true) | (false, false) => {}
        }
        !full
    }

    fn waits_for_link(&self, now: Instant) -> bool {
        let link = |binding: &Binding| self.hub.link(binding.backend);
        let mut full = self.session.bindings.iter().filter_map(link).filter(|link| link.is_full(now));
        full.next().inspect(|link| link.wait(&self.seat)).is_some()
    }
}

impl Drop for Conduct {
    /// Whatever ended the task: the seat is free, the backends know, and the access log has its line.
    fn drop(&mut self) {
        let end = self.session.leaving().unwrap_or(EndReason::Bug);
        self.part_all(end.reason());
        if let Some(counter) = self.hub.meter.ended(end) {
            counter.add(1);
        }
        let ended = Ended {
            session: self.seat.id,
            listener: self.door.listener.name(),
            tls: self.door.is_tls(),
            frames_out: self.seat.outbox.try_borrow().map_or(0, |outbox| outbox.frames()),
            end,
        };
        self.tally.log(&ended, &self.hub.world.load(), hub::now());
    }
}
