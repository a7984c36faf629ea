//! What the gateway does about a session's frames and orders: forwards, answers, refuses, says goodbye.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::channel::Offer;
use super::choose::Turned;
use super::entry::Entrance;
use super::messages::Farewell;
use super::parking::Comeback;
use super::tally::Tally;
use super::upstream::{Parting, Upstream};
use crate::base::{ProtocolId, Reason};
use crate::net::hub::{self, Hub};
use crate::net::recovery::Refused;
use crate::net::seat::Seat;
use crate::net::world::{Closed, ClusterView, Door, Lane, World};
use crate::policy::RouteClass;
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
    pub(super) entrance: Entrance,
    /// The backend of an opaque session will send nothing more.
    pub(super) backend_ended: bool,
    /// The session is told to go, and until then it still gets the answers that are on their way.
    answers_until: Option<Instant>,
    /// Whether the backends were told last that much waits for the player.
    pub(super) much_waits: bool,
    /// The world that the tally's places are of.
    generation: u64,
    /// The session is over and nothing more is written.
    pub(super) closed: bool,
    pub(super) comeback: Comeback,
    /// Whether the session is counted as one that waits for its player.
    pub(super) counts_as_away: bool,
    /// What a WebSocket player asked for, where its backend has to hear of it.
    pub(super) offer: Option<Box<Offer>>,
    /// How the player of an opaque session has closed: its backend hears the same.
    pub(super) parting: Option<Box<Farewell>>,
    /// What a WebSocket player reads last, where the end of the session does not tell it.
    pub(super) farewell: Option<Box<Farewell>>,
}

/// How long a session waits for a full link that still moves before its frames are judged by their class.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How many frames of one session may wait for their replies: more is no game, and each is looked at in every turn.
const MOST_AWAITED: usize = 256;
/// How long a player is asked to wait where nothing says when it will be better: from here to twice as long.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the answers to what was sent before may still come when a session is told to go: a round trip to the
/// backends and their work.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

impl Conduct {
    pub(super) fn new(hub: Rc<Hub>, seat: Rc<Seat>, door: Arc<Door>, session: Session, tally: Tally) -> Self {
        hub.meter.sessions.add(1);
        Self {
            hub,
            seat,
            door,
            session,
            tally,
            upstreams: Vec::new(),
            entrance: Entrance::default(),
            backend_ended: false,
            answers_until: None,
            much_waits: false,
            generation: 0,
            closed: false,
            comeback: Comeback::default(),
            counts_as_away: false,
            offer: None,
            parting: None,
            farewell: None,
        }
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
        if self.seat.last_frame.replace(now) != now {
            self.session.touched(now); // all frames of a turn have one moment
        }
        if self.seat.is_to_move(now) {
            return self.move_away(Some(frame.id), now);
        }
        let gate = world.gatekeeper.as_ref().filter(|gate| gate.reads(frame.id));
        let shows_claim = self.shows_claim(world, frame.id);
        let verdict = match gate.is_some() || shows_claim {
            false => self.session.frame(frame.id, &rules, now),
            // For the gateway itself: it takes its turn as any other, and is not asked where it goes.
            true => match (self.session.comes(now), gate) {
                (Some(verdict), _) => verdict,
                (None, Some(gate)) => return self.take_token(world, gate, frame, now),
                (None, None) => return self.take_claim(frame, now),
            },
        };
        match verdict {
            Verdict::Forward(route) => self.forward(world, route, frame, now),
            Verdict::Answer(_) => self.answer_heartbeat(),
            Verdict::Refuse(code) => {
                self.hub.meter.unknown_ids.add(1);
                self.notice(&Notice { id: Some(frame.id), ..Notice::new(code) });
            }
            Verdict::NotYet(route, code) => self.refuse_guest(world, route, code, frame.id, now),
            Verdict::TooMany(told) => self.too_many(frame.id, told),
            Verdict::Drop => self.hub.meter.unknown_ids.add(1),
            Verdict::Leave(end) => {
                let is_rate = end == EndReason::RateLimited;
                let counter = if is_rate { &self.hub.meter.over_rate } else { &self.hub.meter.unknown_ids };
                counter.add(1);
                self.leave(end, now);
            }
            Verdict::Ignore => {}
        }
    }

    /// A frame of somebody who has not come in yet.
    fn refuse_guest(
        &mut self,
        world: &World,
        route: RouteIndex,
        code: NoticeCode,
        id: ProtocolId,
        now: Instant,
    ) {
        let Some(lane) = world.any_lane(route) else { return };
        let refusal = if code == NoticeCode::Queued { Refusal::Queued } else { Refusal::LoginRequired };
        if let Some(counts) = lane.meter.of(self.hub.worker) {
            counts.refused(refusal).add(1);
        }
        if code == NoticeCode::Queued {
            return self.refuse_queued(lane, id, now);
        }
        self.notice(&Notice { route: Some(&lane.name), id: Some(id), ..Notice::new(code) });
    }

    pub(super) fn forward(&mut self, world: &World, route: RouteIndex, frame: &Frame<'_>, now: Instant) {
        let Some((lane, cluster)) = self.lane(world, route) else { return };
        self.tally.uses(route, &lane.name);
        if let Some(closed) = lane.closed(self.hub.since_start(now)) {
            return self.refuse_closed(world, lane, closed, frame.id, now);
        }
        if lane.class == RouteClass::Optional && self.hub.commons.pressure.sheds_optional() {
            let turned = Turned::from(Refusal::Pressure);
            return self.turn_away(world, lane, frame.id, &turned, self.hub.since_start(now));
        }
        if !self.is_within(lane, frame.id, now) {
            return;
        }
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
            // The end of the session has been told.
            (Err(turned), counts) if self.session.leaving().is_some() => {
                counts.into_iter().for_each(|counts| counts.refused(turned.refusal).add(1));
            }
            (Err(turned), _) => self.turn_away(world, lane, frame.id, &turned, self.hub.since_start(now)),
        }
    }

    /// A route as it is for this session, with what serves the session there.
    pub(super) fn lane<'w>(
        &self,
        world: &'w World,
        route: RouteIndex,
    ) -> Option<(&'w Lane, &'w Arc<ClusterView>)> {
        let group = self.seat.group_at(world, world.any_lane(route)?.cluster);
        world.lane(group, route)
    }

    /// Whether what the session knows by places is of this world.
    pub(super) fn is_settled(&self, world: &World) -> bool {
        self.generation == world.generation()
    }

    /// The world is another one: what the session knows by places is found again.
    pub(super) fn settle(&mut self, world: &World, now: Instant) {
        if !self.is_settled(world) {
            self.generation = world.generation();
            self.tally.world_changed();
            self.settle_entrance(world, now);
            self.settle_parked(world, now);
            self.leave_unused(world, now);
            self.session.paces.keep_routes(|route| world.has_limit(route));
        }
        if !self.seat.is_settled(world) {
            self.seat.settle(world);
        }
    }

    /// The session's release group is no longer the one it would enter now: it is told and closed, and its next
    /// connection enters that one.
    pub(super) fn move_away(&mut self, id: Option<ProtocolId>, now: Instant) {
        if self.session.leave(EndReason::Moved, now) {
            self.notice(&Notice { id, retry_after_ms: Some(0), ..Notice::new(NoticeCode::Moved) });
            self.answers_until = Some(now + LAST_ANSWERS);
        }
    }

    /// Tells the player that the route is under maintenance; it hears once when that is over.
    fn refuse_closed(&self, world: &World, lane: &Lane, closed: &Closed, id: ProtocolId, now: Instant) {
        if let Some(counts) = lane.meter.of(self.hub.worker) {
            counts.refused(Refusal::Maintenance).add(1);
        }
        self.notice(&Notice {
            route: Some(&lane.name),
            id: Some(id),
            message: Some(&closed.words.message),
            retry_after_ms: closed.retry_after(self.hub.since_start(now)).map(in_millis),
            ..Notice::new(NoticeCode::Maintenance)
        });
        let group = world.name_at(self.seat.group_at(world, lane.cluster));
        let refused = Refused { route: Arc::clone(&lane.name), group, id: None, only: None, is_new: false };
        self.hub.waiting_room.enter(&self.seat, refused);
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
            group: world.name_at(self.seat.group_at(world, lane.cluster)),
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
        self.notice(&Notice {
            route: Some(&lane.name),
            id: Some(id),
            retry_after_ms: retry_after.map(in_millis),
            ..Notice::new(turned.refusal.notice())
        });
        if waits {
            self.hub.waiting_room.enter(&self.seat, refused);
        }
    }

    /// When to try again what has no time of its own: players that wait for places come back spread out.
    fn soon(&self, refusal: Refusal) -> Option<Duration> {
        match refusal {
            Refusal::Full | Refusal::Unavailable | Refusal::Pressure => Some(AGAIN + self.spread(AGAIN)),
            Refusal::Overloaded
            | Refusal::Maintenance
            | Refusal::LoginRequired
            | Refusal::Queued
            | Refusal::RateLimited => None,
        }
    }

    /// Up to so long, drawn anew each time: who was refused together does not come back together.
    pub(super) fn spread(&self, most: Duration) -> Duration {
        most.mul_f64(self.hub.dice.borrow_mut().random_range(0.0..1.0))
    }

    /// When something is due for which nobody else wakes the session.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let reply = self.seat.awaited.borrow().deadline();
        let own = self.session.next_deadline();
        let left = self.upstreams.iter().filter_map(Upstream::ends_at).min();
        own.into_iter()
            .chain(self.answers_until)
            .chain(reply)
            .chain(left)
            .chain([self.session.began() + self.tally.due()])
            .min()
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

    /// The player will send nothing more. Dedicated backends hear of it in the same way and may still answer;
    /// shared ones are told that it left.
    pub(super) fn player_ended(&mut self, world: &World, now: Instant) {
        if self.upstreams.is_empty() || self.session.is_handshaking() {
            return self.disconnected(world, EndReason::PlayerLeft, now);
        }
        self.session.half_close();
        self.part_shared(Reason::PlayerLeft.code());
        let words = self.last_words();
        self.upstreams.iter_mut().for_each(|upstream| upstream.finish(&words));
    }

    /// Ends the session with its last words.
    pub(super) fn leave(&mut self, end: EndReason, now: Instant) {
        if self.session.leave(end, now) {
            if let Some(code) = end.notice() {
                self.notice(&Notice::new(code));
            }
            match end.is_planned() {
                true => self.answers_until = Some(now + LAST_ANSWERS),
                false => self.part_all(end.reason()),
            }
        }
    }

    /// Ends a session that has lost its backend where the cluster closes for that; what its frame hears.
    pub(super) fn lose(&mut self, now: Instant) -> Turned {
        self.leave(EndReason::BackendLost, now);
        Refusal::Unavailable.into()
    }

    /// Ends a session whose player has gone; what it sent last goes out, and its dedicated backends may answer.
    pub(super) fn leave_with_answers(&mut self, end: EndReason, now: Instant) {
        if self.upstreams.is_empty() {
            return self.leave(end, now);
        }
        if self.session.leave(end, now) {
            self.part_shared(end.reason().code());
            let words = self.last_words();
            self.upstreams.iter_mut().for_each(|upstream| upstream.finish(&words));
            self.answers_until = Some(now + LAST_ANSWERS);
        }
    }

    /// No more answers come to a session that waits for them.
    pub(super) fn last_answer_came(&mut self, now: Instant) {
        self.leave(EndReason::BackendClosed, now);
        self.answers_until = self.answers_until.map(|_| now);
    }

    /// Whether answers may still come before a session that was told to go is closed.
    pub(super) fn may_be_answered(&self, now: Instant) -> bool {
        self.answers_until.is_some_and(|until| now < until)
    }

    /// Whether answers are still awaited before a session that was told to go is closed. Its backends hear of it then.
    pub(super) fn awaits_last_answers(&mut self, now: Instant) -> bool {
        if self.answers_until.is_none_or(|until| now < until) {
            return self.answers_until.is_some();
        }
        self.answers_until = None;
        if let Some(end) = self.session.leaving() {
            self.part_all(end.reason());
        }
        false
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

    fn part_shared(&mut self, reason: u16) {
        self.seat.awaited.borrow_mut().clear();
        let bindings: Vec<Binding> = self.session.bindings.drain().collect();
        bindings.into_iter().for_each(|binding| self.part(binding, reason));
    }

    /// Tells every backend; from here on nothing more is delivered behind the last words.
    pub(super) fn part_all(&mut self, reason: Reason) {
        self.part_all_by(reason.code());
    }

    /// The same by a number that a backend has said, whether it is a reason of ours or not.
    pub(super) fn part_all_by(&mut self, reason: u16) {
        self.hub.leave_seat(self.seat.id);
        self.leave_entrance();
        self.forget_tokens();
        self.part_shared(reason);
        let abrupt = matches!(self.session.leaving(), Some(EndReason::PlayerReset | EndReason::TlsFailed));
        let words = self.last_words();
        let parting = if abrupt { Parting::Abrupt } else { Parting::InOrder(&words) };
        let pool = &self.hub.pool;
        self.upstreams.drain(..).for_each(|upstream| upstream.part(parting, pool));
    }

    /// Whether the player's socket may be read: not while a link that the session uses is full and still moves,
    /// and not while much waits for the player, so that answers to a player that reads none stay within bounds. Bytes of
    /// an opaque session cannot be refused: it waits for a backend that is stuck, too, but that is no sign of life.
    pub(super) fn wants_input(&mut self, now: Instant) -> bool {
        if !self.session.is_playing() && !self.session.is_handshaking() {
            return false;
        }
        let deaf = self.seat.outbox.borrow().is_high();
        let is_awaited = |it: &Upstream| it.is_full() && !it.is_stuck(self.hub.since_start(now));
        let moves = deaf || self.upstreams.iter().any(is_awaited) || self.waits_for_link(now);
        let full = moves || self.is_opaque() && self.upstreams.iter().any(Upstream::is_full);
        match (full, self.session.is_paused()) {
            (true, false) if moves => self.session.pause(LONGEST_PAUSE, now),
            (true, false) => self.session.stop_reading(LONGEST_PAUSE, now),
            (false, true) => self.session.resume(),
            (true, true) | (false, false) => {}
        }
        !full
    }

    fn waits_for_link(&self, now: Instant) -> bool {
        let backends = self.session.bindings.iter().map(|binding| binding.backend);
        self.hub.full_link(backends, now).inspect(|link| link.wait(&self.seat)).is_some()
    }
}

pub(super) fn in_millis(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}

impl Drop for Conduct {
    /// Whatever ended the task: the seat is free, the backends know, and the access log has its line.
    fn drop(&mut self) {
        self.forget_tokens();
        self.unpark();
        let end = self.session.leaving().unwrap_or(EndReason::Bug);
        self.part_all(end.reason());
        if let Some(counter) = self.hub.meter.ended(end) {
            counter.add(1);
        }
        if self.door.is_tls() {
            self.tally.handshake_over(end, &self.hub.meter);
        }
        self.tally.log(&self.told(Some(end), hub::now()));
    }
}
