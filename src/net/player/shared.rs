//! Forwarding over shared links.

use std::rc::Rc;
use std::time::Instant;

use super::choose::{Choice, Turned, Wanted};
use super::conduct::Conduct;
use crate::base::{BackendKey, Reason};
use crate::cluster::{Backend, Fit};
use crate::net::guard::Promise;
use crate::net::link::SharedLink;
use crate::net::world::{ClusterView, Lane};
use crate::session::{Binding, Opening};
use crate::telemetry::Refusal;
use crate::wire::Frame;

impl Conduct {
    /// Puts a frame on the link of the backend that serves it.
    pub(super) fn forward_shared(
        &mut self,
        cluster: &ClusterView,
        lane: &Lane,
        frame: &Frame<'_>,
        now: Instant,
    ) -> Result<(), Turned> {
        let since_start = self.hub.since_start(now);
        self.leave_full(cluster, now)?;
        let kept = self.kept_shared(cluster, now)?;
        let wanted = Wanted {
            cluster,
            lane,
            id: frame.id,
            lent: frame.lent(),
            kept,
            guarded: lane.reply.is_some(),
            now: since_start,
        };
        let mut promised = None;
        let fit = |backend: &Backend| self.fit_shared(cluster, backend);
        let pair = cluster.is_hot_standby().then(|| self.pair(&wanted, fit));
        let choice = match pair {
            Some([first, _]) => self.choose_first(&wanted, first, &mut promised, fit),
            None => self.choose(&wanted, &mut promised, fit),
        }?;
        if let Some(pair) = pair {
            self.leave_others(cluster, pair);
        }
        let epoch = self.send(&wanted, choice, now)?;
        if let Some(promise) = promised {
            self.await_reply(&wanted, promise.carried_by(epoch), now);
        }
        if let Some([_, Some(second)]) = pair {
            self.send_to_standby(&wanted, second, now);
        }
        Ok(())
    }

    /// Who is neither first nor second of a hot standby now does not hear the frame. It has the session no more: should it
    /// come back, it begins anew. One whose link is lost keeps its place until the link is back.
    fn leave_others(&mut self, cluster: &ClusterView, pair: [Option<usize>; 2]) {
        let pair = pair.map(|place| cluster.entry.at(place?).map(|backend| backend.key()));
        self.seat.lockstep.borrow_mut().heard_by(cluster.key(), pair);
        while let Some(backend) = self.other_than(cluster, &pair) {
            self.unbind(backend, Reason::Moved);
        }
    }

    fn other_than(&self, cluster: &ClusterView, pair: &[Option<BackendKey>; 2]) -> Option<BackendKey> {
        let is_out = |binding: &&Binding| {
            binding.cluster == cluster.key()
                && !pair.contains(&Some(binding.backend))
                && self.hub.of_link(binding.backend, SharedLink::is_up).unwrap_or(false)
        };
        self.session.bindings.iter().find(is_out).map(|binding| binding.backend)
    }

    /// The member that the session keeps. One that does not serve any more is forgotten, or ends the session that it had
    /// where its cluster closes for that.
    fn kept_shared(&mut self, cluster: &ClusterView, now: Instant) -> Result<Option<usize>, Turned> {
        if cluster.is_hot_standby() {
            return Ok(None);
        }
        let bindings = &self.session.bindings;
        let pinned = || cluster.plan.sticky().then(|| bindings.pinned(cluster.key())).flatten();
        let Some(kept) = bindings.assigned(cluster.key()).or_else(pinned) else { return Ok(None) };
        let is_up = self.hub.of_link(kept, SharedLink::is_up).unwrap_or(false);
        let since_start = self.hub.since_start(now);
        let serves = |place: &usize| is_up && cluster.keeps_sessions(*place, since_start);
        let place = cluster.entry.place_of(kept).filter(serves);
        if place.is_none() {
            if cluster.closes_on_loss() && self.session.bindings.knows(kept) && self.is_lost(cluster, kept) {
                return Err(self.lose(now));
            }
            self.unbind(kept, Reason::Moved);
        }
        Ok(place)
    }

    /// The session is over for a backend that has lost its link. Where that has no room for it now, the session leaves it
    /// and is served as a new one; what is assigned there stays so.
    fn leave_full(&mut self, cluster: &ClusterView, now: Instant) -> Result<(), Turned> {
        if !self.seat.is_forgotten.get() || cluster.is_hot_standby() {
            return Ok(());
        }
        self.seat.is_forgotten.set(!self.session.bindings.iter().all(|binding| self.is_known_by(binding)));
        while let Some(backend) = self.forgot_and_is_full(cluster, now) {
            if cluster.closes_on_loss() && self.is_lost(cluster, backend) {
                return Err(self.lose(now));
            }
            self.seat.awaited.borrow_mut().forget(backend);
            if let Some(binding) = self.session.bindings.forget(backend) {
                self.part(binding, Reason::Moved.code());
            }
        }
        Ok(())
    }

    fn forgot_and_is_full(&self, cluster: &ClusterView, now: Instant) -> Option<BackendKey> {
        let is_up = |backend| self.hub.of_link(backend, SharedLink::is_up).unwrap_or(false);
        let is_out = |binding: &&Binding| {
            binding.cluster == cluster.key()
                && is_up(binding.backend)
                && !self.is_known_by(binding)
                && cluster
                    .entry
                    .place_of(binding.backend)
                    .is_some_and(|place| !cluster.entry.reopens(place, self.hub.since_start(now)))
        };
        self.session.bindings.iter().find(is_out).map(|binding| binding.backend)
    }

    /// Whether the backend was told of the session in this life of its link.
    fn is_known_by(&self, binding: &Binding) -> bool {
        let is_told = |link: &SharedLink| link.is_up() && link.epoch() == binding.epoch;
        self.hub.of_link(binding.backend, is_told).unwrap_or(false)
    }

    fn fit_shared(&self, cluster: &ClusterView, backend: &Backend) -> Fit {
        let (key, bindings) = (backend.key(), &self.session.bindings);
        match self.hub.of_link(key, |link| link.is_up().then(|| link.epoch())).flatten() {
            Some(epoch) if bindings.has_refused(key, epoch) => Fit::No,
            Some(epoch) => match bindings.told_in(key) {
                Some(told) if told == epoch => Fit::Known,
                _ if cluster.is_hot_standby() && !backend.state().takes_sessions() => Fit::No,
                // It gets back what it had, whatever its room.
                Some(_) if cluster.is_hot_standby() => Fit::Known,
                Some(_) => Fit::Again,
                None => Fit::New,
            },
            None => Fit::No,
        }
    }

    /// Puts the frame on the chosen one's link; in which life of it.
    fn send(&mut self, wanted: &Wanted<'_>, choice: Choice, now: Instant) -> Result<u32, Turned> {
        let Choice { place, fit, stands_in } = choice;
        let backend = wanted.cluster.entry.at(place);
        let link = backend.and_then(|backend| self.hub.link(backend.key()));
        let fits = |link: &Rc<SharedLink>| link.admits(wanted.lane.class, wanted.lent.bytes.len());
        let Some(link) = link.filter(fits) else {
            backend.into_iter().for_each(|backend| backend.take_back(fit));
            return Err(Turned::from(Refusal::Overloaded));
        };
        if !self.tell(wanted.cluster, &link, stands_in) {
            return Err(Turned::from(Refusal::Overloaded));
        }
        link.frame(self.seat.id, &wanted.lent, now);
        Ok(link.epoch())
    }

    /// The second of a hot standby hears what the first one hears; what it cannot take it misses.
    fn send_to_standby(&mut self, wanted: &Wanted<'_>, place: usize, now: Instant) {
        let Some(backend) = wanted.cluster.entry.at(place) else { return };
        let fit = self.fit_shared(wanted.cluster, backend);
        let link = self
            .hub
            .link(backend.key())
            .filter(|link| link.admits(wanted.lane.class, wanted.lent.bytes.len()));
        let Some(link) = link.filter(|_| fit != Fit::No) else { return };
        let cluster = &wanted.cluster.entry;
        let may_come = fit == Fit::Known || cluster.takes_sessions(place);
        let has_place = may_come && cluster.let_in(place, fit, wanted.now);
        if has_place && self.tell(wanted.cluster, &link, true) {
            link.frame(self.seat.id, &wanted.lent, now);
        }
    }

    /// Tells a backend of the session before its first frame there. Where it cannot be told, it keeps no place for the
    /// session; false then.
    fn tell(&mut self, cluster: &ClusterView, link: &SharedLink, stands_in: bool) -> bool {
        let (backend, epoch) = (link.backend().key(), link.epoch());
        match self.session.bindings.bind(Binding { cluster: cluster.key(), backend, epoch, stands_in }) {
            Opening::Known => {
                if cluster.is_hot_standby() && !self.seat.lockstep.borrow().follows(backend) {
                    self.seat.lockstep.borrow_mut().joins(cluster.key(), backend);
                }
                return true;
            }
            Opening::Open => {}
            Opening::OpenAgain => {
                self.seat.awaited.borrow_mut().forget(backend); // it was lost with the link
                if cluster.is_hot_standby() {
                    link.backend().reopen_session();
                }
            }
        }
        if !link.open(&self.seat, &self.door) {
            self.session.bindings.unbind(backend);
            link.backend().take_back_session();
            return false;
        }
        if self.much_waits {
            link.waits(self.seat.id, true);
        }
        if cluster.is_hot_standby() {
            self.seat.lockstep.borrow_mut().joins(cluster.key(), backend);
        }
        true
    }

    /// The frame is on its way: it must be answered in time, or has succeeded by that alone.
    pub(super) fn await_reply(&self, wanted: &Wanted<'_>, promise: Promise, now: Instant) {
        match &wanted.lane.reply {
            Some(reply) => {
                let until = now + reply.within();
                self.seat.awaited.borrow_mut().push(promise.backend().key(), reply.id(), until, promise);
            }
            None => promise.succeeded(wanted.now),
        }
    }

    /// Forgets a backend of a shared link and tells it so, if it can be told.
    pub(super) fn unbind(&mut self, backend: BackendKey, reason: Reason) {
        self.seat.awaited.borrow_mut().forget(backend);
        if let Some(binding) = self.session.bindings.unbind(backend) {
            self.part(binding, reason.code());
        }
    }

    pub(super) fn part(&self, binding: Binding, reason: u16) {
        let Some(link) = self.hub.link(binding.backend) else { return };
        link.backend().close_session();
        if link.is_up() && link.epoch() == binding.epoch {
            link.close(self.seat.id, reason);
        }
    }
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, retry_after: None, only: None, is_new: false }
    }
}
