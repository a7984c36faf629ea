//! How a session ends: who is told what, and who may still answer.

use std::time::{Duration, Instant};

use super::choose::Turned;
use super::conduct::Conduct;
use super::upstream::{Parting, Upstream};
use crate::base::{BackendKey, ProtocolId, Reason};
use crate::net::hub;
use crate::net::world::{ClusterView, World};
use crate::session::{Binding, EndReason};
use crate::telemetry::Refusal;
use crate::wire::{Notice, NoticeCode};

/// How long the answers to what was sent before may still come when a session is told to go: a round trip to the
/// backends and their work.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// What a session that was told to go still waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum WaitsFor {
    Nothing,
    /// Its dedicated backends to take what its player said last, as long as it lingers.
    LastWords,
    /// The answers that are on their way, until then.
    Answers(Instant),
}

impl WaitsFor {
    /// When it is not waited for any more, unless the session's own time is over first.
    pub(super) const fn until(self) -> Option<Instant> {
        match self {
            Self::Nothing | Self::LastWords => None,
            Self::Answers(until) => Some(until),
        }
    }
}

impl Conduct {
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

    /// The session's release group is no longer the one it would enter now: it is told and closed, and its next
    /// connection enters that one.
    pub(super) fn move_away(&mut self, id: Option<ProtocolId>, now: Instant) {
        if self.session.leave(EndReason::Moved, now) {
            self.notice(&Notice { id, retry_after_ms: Some(0), ..Notice::new(NoticeCode::Moved) });
            self.waits_for = WaitsFor::Answers(now + LAST_ANSWERS);
        }
    }

    /// Ends the session with its last words.
    pub(super) fn leave(&mut self, end: EndReason, now: Instant) {
        if self.session.leave(end, now) {
            if let Some(code) = end.notice() {
                self.notice(&Notice::new(code));
            }
            match end.is_planned() {
                true => self.waits_for = WaitsFor::Answers(now + LAST_ANSWERS),
                false => self.part_all(end.reason()),
            }
        }
    }

    /// Whether a backend that does not serve the session any more is lost to it, and not one of another release group now, or
    /// taken out by a reload, which has told those whom it closes.
    pub(super) fn is_lost(&self, view: &ClusterView, backend: BackendKey) -> bool {
        let world = self.hub.world.load();
        let whole = world.cluster(view.key());
        let is_elsewhere = || whole.is_some_and(|whole| whole.entry.place_of(backend).is_some());
        let is_here = view.entry.place_of(backend).is_some();
        (is_here || !is_elsewhere()) && !self.hub.gone.borrow().contains_key(&backend)
    }

    /// Ends a session that has lost its backend where the cluster closes for that; what its frame hears.
    pub(super) fn lose(&mut self, now: Instant) -> Turned {
        self.leave(EndReason::BackendLost, now);
        Refusal::Unavailable.into()
    }

    /// Ends a session whose player has gone; what it sent last goes out, and its dedicated backends may answer. One that is
    /// not connected has its time for that, and who takes nothing has as long as a player.
    pub(super) fn leave_with_answers(&mut self, world: &World, end: EndReason, now: Instant) {
        if self.upstreams.is_empty() {
            return self.leave(end, now);
        }
        if self.session.leave(end, now) {
            self.leave_entrance(); // its place is free for whoever comes next
            self.part_shared(end.reason().code());
            let words = self.last_words();
            self.upstreams.iter_mut().for_each(|upstream| upstream.finish(&words));
            let dialing = self.upstreams.iter().filter(|upstream| !upstream.is_open());
            let clusters = dialing.filter_map(|upstream| world.cluster(upstream.cluster));
            let to_connect = clusters.map(|cluster| cluster.plan.connect_timeout()).max().unwrap_or_default();
            self.waits_for = WaitsFor::LastWords;
            self.session.lingers_from(now + to_connect + self.door.listener.limits().write_timeout(), now);
        }
    }

    /// No more answers come to a session that waits for them.
    pub(super) fn last_answer_came(&mut self, now: Instant) {
        self.leave(EndReason::BackendClosed, now);
        match self.waits_for {
            WaitsFor::Nothing => {}
            WaitsFor::LastWords | WaitsFor::Answers(_) => self.await_answers(Duration::ZERO, now),
        }
    }

    /// The session has lingered as long as it may.
    pub(super) fn has_lingered(&mut self, now: Instant) {
        match self.waits_for {
            WaitsFor::LastWords => self.await_answers(Duration::ZERO, now),
            WaitsFor::Nothing | WaitsFor::Answers(_) => self.closed = true,
        }
    }

    fn await_answers(&mut self, wait: Duration, now: Instant) {
        self.waits_for = WaitsFor::Answers(now + wait);
        self.session.lingers_from(now, now);
    }

    /// Whether answers may still come before a session that was told to go is closed.
    pub(super) fn may_be_answered(&self, now: Instant) -> bool {
        match self.waits_for {
            WaitsFor::Nothing => false,
            WaitsFor::LastWords => true,
            WaitsFor::Answers(until) => now < until,
        }
    }

    /// Whether answers are still awaited before a session that was told to go is closed. Its backends hear of it then.
    pub(super) fn awaits_last_answers(&mut self, now: Instant) -> bool {
        match self.waits_for {
            WaitsFor::LastWords if self.upstreams.iter().all(Upstream::has_all) => {
                self.await_answers(LAST_ANSWERS, now);
            }
            WaitsFor::LastWords | WaitsFor::Nothing | WaitsFor::Answers(_) => {}
        }
        match self.waits_for {
            WaitsFor::Nothing => return false,
            WaitsFor::LastWords => return true,
            WaitsFor::Answers(until) if now < until => return true,
            WaitsFor::Answers(_) => self.waits_for = WaitsFor::Nothing,
        }
        if let Some(end) = self.session.leaving() {
            self.part_all(end.reason());
        }
        false
    }

    /// What backends still say goes nowhere: kept, it would stop them from being read.
    pub(super) fn drop_unheard(&self) {
        let mut outbox = self.seat.outbox.borrow_mut();
        let unheard = outbox.waiting();
        outbox.took(unheard, &self.hub.pool);
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
