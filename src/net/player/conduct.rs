//! What the gateway does about a session's frames: forwards, answers, refuses.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;

use super::channel::Offer;
use super::choose::Turned;
use super::entry::Entrance;
use super::messages::Farewell;
use super::parking::Comeback;
use super::parting::WaitsFor;
use super::tally::Tally;
use super::upstream::Upstream;
use crate::base::ProtocolId;
use crate::config::Maintenance;
use crate::net::hub::{self, Hub};
use crate::net::link::SharedLink;
use crate::net::recovery::Refused;
use crate::net::seat::Seat;
use crate::net::world::{ClusterView, Door, Lane, World};
use crate::policy::{RouteClass, STUCK};
use crate::router::RouteIndex;
use crate::session::{EndReason, Rules, Session, Verdict};
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
    /// What the session still waits for since it was told to go.
    pub(super) waits_for: WaitsFor,
    /// Whether the backends were told last that much waits for the player.
    pub(super) much_waits: bool,
    /// The world that the session was settled in last: its tally, entrance, absence, connections and rates go by it.
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

/// What stands in the way of reading a player.
enum Obstacle {
    None,
    /// A full link, which rings when it has room again.
    Link(Rc<SharedLink>),
    /// What is full and still moves: to wait for it is a sign of life.
    Moving,
    /// A backend that takes nothing: to wait for it is none.
    Stuck,
}

/// How many frames of one session may wait for their replies: more is no game, and each is looked at in every turn.
const MOST_AWAITED: usize = 256;
/// How long a player is asked to wait where nothing says when it will be better: from here to twice as long.
const AGAIN: Duration = Duration::from_secs(1);

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
            waits_for: WaitsFor::Nothing,
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
        if let Some(closed) = lane.closed() {
            return self.refuse_closed(world, lane, closed, frame.id);
        }
        if lane.class == RouteClass::Optional && self.hub.commons.pressure.sheds_optional() {
            let turned = Turned::from(Refusal::Pressure);
            return self.turn_away(world, lane, frame.id, &turned, self.hub.since_start(now));
        }
        if !self.take_rate(lane, frame.id, now) {
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
            // The session has ended by it, and the player was told that.
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

    /// Tells the player that the route is under maintenance; it hears once when that is over.
    fn refuse_closed(&self, world: &World, lane: &Lane, closed: &Maintenance, id: ProtocolId) {
        if let Some(counts) = lane.meter.of(self.hub.worker) {
            counts.refused(Refusal::Maintenance).add(1);
        }
        self.notice(&Notice {
            route: Some(&lane.name),
            id: Some(id),
            message: Some(&closed.message),
            retry_after_ms: closed.again(hub::clock).map(in_millis),
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
            .chain(self.waits_for.until())
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

    /// Reads on, or stops for what stands in the way; whether the player's socket is read now.
    pub(super) fn pace_reading(&mut self, now: Instant) -> bool {
        if !self.session.is_playing() && !self.session.is_handshaking() {
            return false;
        }
        let obstacle = self.obstacle(now);
        if let Obstacle::Link(link) = &obstacle {
            link.wait(&self.seat);
        }
        match (&obstacle, self.session.is_paused()) {
            (Obstacle::None, true) => self.session.resume(now),
            (Obstacle::Link(_) | Obstacle::Moving, false) => self.session.pause(STUCK, now),
            (Obstacle::Stuck, false) => self.session.stop_reading(STUCK, now),
            (Obstacle::None, false) | (Obstacle::Link(_) | Obstacle::Moving | Obstacle::Stuck, true) => {}
        }
        matches!(obstacle, Obstacle::None)
    }

    /// Whether a link that the session uses should write before the session is read.
    pub(super) fn comes_behind_a_link(&self) -> bool {
        self.hub.has_laden_link(self.session.bindings.iter().map(|binding| binding.backend))
    }

    /// What stands in the way of reading the player: a link that the session uses and that is full and still moves, or
    /// what waits for the player, so that answers to a player that reads none stay within bounds. Bytes of an opaque
    /// session cannot be refused: it waits for a backend that is stuck, too.
    fn obstacle(&self, now: Instant) -> Obstacle {
        let is_awaited = |it: &Upstream| it.is_full() && !it.is_stuck(self.hub.since_start(now));
        if self.seat.outbox.borrow().is_high() || self.upstreams.iter().any(is_awaited) {
            return Obstacle::Moving;
        }
        let backends = self.session.bindings.iter().map(|binding| binding.backend);
        if let Some(link) = self.hub.full_link(backends, now) {
            return Obstacle::Link(link);
        }
        let is_stuck = self.is_opaque() && self.upstreams.iter().any(Upstream::is_full);
        if is_stuck { Obstacle::Stuck } else { Obstacle::None }
    }
}

pub(super) fn in_millis(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}
