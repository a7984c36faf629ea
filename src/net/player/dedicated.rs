//! Forwarding over dedicated connections: dialing, failing over, passing ends on.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use super::approach::Approach;
use super::choose::{Promised, Turned, Wanted};
use super::conduct::Conduct;
use super::delivery::{Delivery, each_frame};
use super::messages::Farewell;
use super::upstream::{Parting, Speech, Step, Upstream};
use crate::base::{BackendKey, ProtocolId, Reason};
use crate::cluster::{Ask, Backend, Fit};
use crate::config::{LinkKind, ProxyHeader};
use crate::net::stream::Dial;
use crate::net::world::{ClusterView, Lane, World};
use crate::session::{Binding, EndReason};
use crate::telemetry::{self, Refusal};
use crate::wire::{Frame, Lent, Notice, NoticeCode, append_proxy_v1, append_proxy_v2};

impl Conduct {
    /// Puts a frame on the session's own connection to the cluster; makes one if there is none.
    pub(super) fn forward_dedicated(
        &mut self,
        cluster: &ClusterView,
        lane: &Lane,
        frame: &Frame<'_>,
        now: Instant,
    ) -> Result<(), Turned> {
        self.leave_lost(cluster, now)?;
        let wanted = self.wanted(cluster, lane, Some(frame), now);
        let (place, promise) = self.upstream_for(&wanted)?;
        let one_each = !self.door.is_websocket();
        let upstream = self.upstreams.get_mut(place).ok_or(Refusal::Unavailable)?;
        if !upstream.admits(lane.class, frame.bytes.len()) {
            return Err(Refusal::Overloaded.into());
        }
        upstream.put(&frame.lent(), &self.hub.pool);
        if one_each {
            upstream.seal();
        }
        let promise = promise.and_then(|promise| upstream.promise(promise, lane.reply.is_some()));
        if let Some(promise) = promise {
            self.await_reply(&wanted, promise, now);
        }
        Ok(())
    }

    /// Gives an opaque session the one backend it will ever have.
    pub(super) fn connect_opaque(&mut self, world: &World, now: Instant) {
        let lane = world.router.opaque().and_then(|route| {
            let (lane, cluster) = self.lane(world, route)?;
            self.tally.uses(route, &lane.name);
            Some((lane, cluster))
        });
        let connected = lane.and_then(|(lane, cluster)| {
            let wanted = self.wanted(cluster, lane, None, now);
            self.upstream_for(&wanted).ok()
        });
        match connected.and_then(|(place, promise)| Some((self.upstreams.get_mut(place)?, promise))) {
            Some((upstream, promise)) => drop(promise.map(|promise| upstream.promise(promise, false))),
            None => self.leave(EndReason::BackendLost, now),
        }
    }

    /// Bytes of an opaque session.
    pub(super) fn forward_opaque(&mut self, bytes: &[u8]) {
        if let Some(upstream) = self.upstreams.first_mut() {
            upstream.put(&Lent::alone(bytes), &self.hub.pool);
        }
    }

    /// Leaves backends that are gone, disabled, or out of a hot standby, whose cluster no route leads to any more, or
    /// that are spoken to in another way now. Where the loss of one closes its sessions, that is for an order, or for
    /// their next frame. An opaque session keeps the one it has.
    pub(super) fn leave_unused(&mut self, world: &World, now: Instant) {
        if self.is_opaque() {
            return;
        }
        let is_used = |upstream: &Upstream| {
            let cluster = world.cluster(upstream.cluster).filter(|cluster| !cluster.is_shared());
            cluster.is_some_and(|cluster| {
                cluster.closes_on_loss() || world.may_use(cluster, upstream.backend.key())
            })
        };
        let stays = |upstream: &&mut Upstream| upstream.left_until.is_none();
        for upstream in self.upstreams.iter_mut().filter(stays) {
            if !is_used(upstream) {
                upstream.leave(now);
            }
        }
        let unused = |binding: &&Binding| {
            // Where the cluster is gone an order ends the binding, and the session with it if the cluster closed for that.
            world
                .cluster(binding.cluster)
                .is_some_and(|cluster| !cluster.closes_on_loss() && !world.may_use(cluster, binding.backend))
        };
        let bound: Vec<_> =
            self.session.bindings.iter().filter(unused).map(|binding| binding.backend).collect();
        bound.into_iter().for_each(|backend| self.unbind(backend, Reason::Moved));
    }

    /// Ends connections to members that do not serve any more: the session goes on with another one, or ends where the
    /// cluster closes for that. Who was taken out by the operator may still answer what it was asked.
    fn leave_lost(&mut self, cluster: &ClusterView, now: Instant) -> Result<(), Turned> {
        if let Some(assigned) = self.session.bindings.assigned(cluster.key()) {
            let place = cluster.entry.place_of(assigned);
            if !place.is_some_and(|place| cluster.keeps_sessions(place, self.hub.since_start(now))) {
                self.session.bindings.unassign(assigned);
            }
        }
        let since_start = self.hub.since_start(now);
        let of_cluster =
            |upstream: &Upstream| upstream.cluster == cluster.key() && upstream.left_until.is_none();
        // One that is still being made fails by itself, and then what waits for it goes elsewhere.
        let is_left = |upstream: &Upstream| {
            let place = cluster.entry.place_of(upstream.backend.key());
            of_cluster(upstream)
                && upstream.is_open()
                && !place.is_some_and(|place| cluster.keeps_sessions(place, since_start))
        };
        let mut lost = self.upstreams.iter().filter(|upstream| is_left(upstream));
        if cluster.closes_on_loss() && lost.any(|upstream| self.is_lost(cluster, upstream.backend.key())) {
            return Err(self.lose(now));
        }
        let is_taken_out = |upstream: &Upstream| !cluster.entry.lets_serve(upstream.backend.key());
        let awaited = &self.seat.awaited;
        self.upstreams.retain_mut(|upstream| {
            if !is_left(upstream) {
                return true;
            }
            let may_answer = is_taken_out(upstream);
            match may_answer {
                true => upstream.leave(now),
                false => awaited.borrow_mut().forget(upstream.backend.key()),
            }
            may_answer
        });
        Ok(())
    }

    fn wanted<'a>(
        &self,
        cluster: &'a ClusterView,
        lane: &'a Lane,
        frame: Option<&Frame<'a>>,
        now: Instant,
    ) -> Wanted<'a> {
        let of_cluster = |upstream: &&Upstream| {
            upstream.cluster == cluster.key() && !upstream.stands_in && upstream.left_until.is_none()
        };
        let assigned = self.session.bindings.assigned(cluster.key());
        let kept = match assigned {
            Some(backend) => self.upstreams.iter().find(|upstream| upstream.is_at(backend)),
            None => self.upstreams.iter().find(of_cluster).filter(|_| cluster.plan.sticky()),
        };
        let kept_key = assigned.or_else(|| kept.map(|upstream| upstream.backend.key()));
        Wanted {
            cluster,
            lane,
            id: frame.map_or(ProtocolId(0), |frame| frame.id),
            lent: frame.map_or(Lent::alone(&[]), Frame::lent),
            kept: kept_key.and_then(|backend| cluster.entry.place_of(backend)),
            guarded: lane.reply.is_some() || !kept.is_some_and(Upstream::is_open),
            now: self.hub.since_start(now),
        }
    }

    fn upstream_for(&mut self, wanted: &Wanted<'_>) -> Result<(usize, Promised), Turned> {
        let mut promised = None;
        let fit = |backend: &Backend| self.fit_dedicated(backend, &[], wanted.now);
        let choice = self.choose(wanted, &mut promised, fit)?;
        let cluster = wanted.cluster;
        let backend = cluster.entry.at(choice.place).ok_or(Refusal::Unavailable)?;
        let same = |upstream: &Upstream| upstream.is_at(backend.key());
        if let Some(known) = self.upstreams.iter().position(same) {
            self.upstreams.iter_mut().filter(|it| same(it)).for_each(|it| it.stands_in &= choice.stands_in);
            return Ok((known, promised));
        }
        let LinkKind::Dedicated { layout, websocket, .. } = cluster.plan.link() else {
            return Err(Refusal::Unavailable.into());
        };
        let speech = Speech { layout, websocket: websocket.as_deref() };
        let (send_buffer, ask) = (cluster.plan.send_buffer(), self.ask(wanted));
        let mut upstream = Upstream::new(cluster.key(), Arc::clone(backend), speech, send_buffer, ask);
        upstream.stands_in = choice.stands_in;
        self.dial(&mut upstream, cluster);
        self.upstreams.push(upstream);
        Ok((self.upstreams.len() - 1, promised))
    }

    fn fit_dedicated(&self, backend: &Backend, tried: &[BackendKey], now: Duration) -> Fit {
        let key = backend.key();
        if self.upstreams.iter().any(|upstream| upstream.is_at(key)) {
            Fit::Known
        } else if backend.may_be_tried(now) && !tried.contains(&key) {
            Fit::New
        } else {
            Fit::No
        }
    }

    /// Another member for frames of these routes that could not be handed over: one that the session has a connection
    /// to, or one with a place for it.
    fn pick_instead(
        &self,
        cluster: &ClusterView,
        upstream: &Upstream,
        lanes: &[&Lane],
        now: Instant,
    ) -> Option<Arc<Backend>> {
        let now = self.hub.since_start(now);
        let ask = Ask { now, ..upstream.ask };
        let lets_in =
            |lane: &&Lane, place: usize| lane.guards.get(place).is_some_and(|guard| guard.may_enter(now));
        let is_shut = |key| self.upstreams.iter().any(|known| known.is_at(key) && known.is_shut());
        let fit = |place| match cluster.entry.at(place) {
            Some(backend) if !is_shut(backend.key()) && lanes.iter().all(|lane| lets_in(lane, place)) => {
                self.fit_dedicated(backend, &upstream.tried, now)
            }
            Some(_) | None => Fit::No,
        };
        let place = self.hub.pick(cluster, &ask, fit).ok()?;
        let backend = cluster.entry.at(place)?;
        let has_place = fit(place) == Fit::Known || cluster.entry.open_session(place, now);
        has_place.then(|| Arc::clone(backend))
    }

    /// The routes of what waits for a backend, as far as they still lead to its cluster.
    fn lanes_of<'w>(&self, world: &'w World, upstream: &Upstream) -> Vec<&'w Lane> {
        let mut routes: Vec<_> = world.router.opaque().filter(|_| self.is_opaque()).into_iter().collect();
        if !self.is_opaque() {
            for message in upstream.waiting_messages() {
                let each = each_frame(self.door.listener.layout(), &message, |id, _| {
                    routes.extend(world.router.route(id).filter(|route| !routes.contains(route)));
                });
                each.ok(); // what is no frame at this listener, nobody here has sent
            }
        }
        let lanes = routes.into_iter().filter_map(|route| self.lane(world, route));
        lanes.filter(|(_, cluster)| cluster.key() == upstream.cluster).map(|(lane, _)| lane).collect()
    }

    fn dial(&self, upstream: &mut Upstream, cluster: &ClusterView) {
        let mut preface = Vec::new();
        let (source, destination) = (self.seat.peer(), self.tally.local);
        match cluster.plan.link() {
            LinkKind::Shared | LinkKind::Http | LinkKind::Dedicated { proxy: ProxyHeader::Off, .. } => {}
            LinkKind::Dedicated { proxy: ProxyHeader::V1, .. } => {
                append_proxy_v1(source, destination, &mut preface)
            }
            LinkKind::Dedicated { proxy: ProxyHeader::V2, .. } => {
                append_proxy_v2(source, destination, &mut preface)
            }
        }
        let dial = Dial {
            address: upstream.backend.address().to_owned(),
            timeout: cluster.plan.connect_timeout(),
            tls: cluster.tls.clone(),
        };
        let offer = self.offer.as_deref().cloned().unwrap_or_default();
        let approach =
            upstream.path().map(|path| Approach { path: path.to_owned(), address: source.ip(), offer });
        upstream.dial(dial, preface, approach);
    }

    /// Moves every dedicated connection on; where it `may_wait`, a short turn writes what comes of it.
    pub(super) fn turn_upstreams(
        &mut self,
        cx: &mut Context<'_>,
        (world, now): (&World, Instant),
        may_wait: bool,
    ) {
        let was_full = self.upstreams.iter().any(Upstream::is_full);
        let before = self.upstreams.len();
        self.upstreams.retain(|upstream| upstream.ends_at().is_none_or(|until| until > now));
        if self.upstreams.len() < before {
            self.end_with_the_last(now);
        }
        let mut place = 0;
        while let Some(upstream) = self.upstreams.get_mut(place) {
            let seat = Rc::clone(&self.seat);
            let before = seat.outbox.borrow().waiting();
            let hub = &*self.hub;
            let now_since = hub.since_start(now);
            let step = upstream.turn(cx, &Delivery { hub, world, seat: &seat, now: now_since, may_wait });
            if self.is_opaque() && seat.outbox.borrow().waiting() > before {
                self.session.touched(now);
            }
            match step {
                None => place += 1,
                Some(Step::Ended) if self.is_opaque() && !self.door.is_websocket() => {
                    self.backend_ended = true; // it may still be written to
                    place += 1;
                }
                Some(step) => {
                    // Whatever comes of that, it has no other turn: at its end a read says so again and again.
                    let upstream = self.upstreams.remove(place);
                    self.act(world, upstream, step, now);
                }
            }
        }
        if was_full && !self.upstreams.iter().any(Upstream::is_full) {
            self.seat.ring(); // what was not read because of the mark is read on
        }
    }

    /// Acts on what a connection came to that is taken out of its place.
    fn act(&mut self, world: &World, upstream: Upstream, step: Step, now: Instant) {
        match step {
            Step::Unreachable(error) => return self.dial_another(world, upstream, &error, now),
            Step::Ended if self.is_opaque() => self.last_answer_came(now),
            Step::Closed(farewell) if self.is_opaque() => self.backend_closes(farewell, now),
            Step::Ended | Step::Closed(_) => {
                self.upstream_ended(world, &upstream, EndReason::BackendClosed, now);
            }
            Step::Lost => {
                self.count_lost(world, &upstream, now);
                if self.is_opaque() {
                    self.broken(EndReason::BackendLost, now);
                } else {
                    self.upstream_ended(world, &upstream, EndReason::BackendLost, now);
                }
            }
            Step::Malformed(error) => {
                self.hub.meter.bad_backend_frames.add(1);
                let (address, text) = (upstream.backend.address(), error.to_string());
                telemetry::backend_error("", address, "sent what is no frame of its layout", &text);
                if self.is_opaque() {
                    self.leave(EndReason::BackendLost, now);
                } else {
                    self.upstream_ended(world, &upstream, EndReason::BackendLost, now);
                }
            }
        }
        upstream.part(Parting::InOrder(&Farewell::in_order()), &self.hub.pool);
    }

    fn count_lost(&self, world: &World, upstream: &Upstream, now: Instant) {
        if upstream.left_until.is_none()
            && let Some(cluster) = world.cluster(upstream.cluster)
        {
            self.hub.count_failure(cluster, &upstream.backend, self.hub.since_start(now));
        }
    }

    fn upstream_ended(&mut self, world: &World, upstream: &Upstream, end: EndReason, now: Instant) {
        if upstream.left_until.is_some() {
            return self.end_with_the_last(now);
        }
        self.seat.awaited.borrow_mut().forget(upstream.backend.key());
        let cluster = world.cluster(upstream.cluster);
        let closes = cluster.is_some_and(|cluster| cluster.closes_on_loss());
        let half_closed = self.session.is_half_closed();
        if closes || half_closed && self.upstreams.is_empty() {
            self.leave(if half_closed { EndReason::PlayerLeft } else { end }, now);
        }
    }

    /// A player that sends nothing more waits only for what its backends still say.
    pub(super) fn end_with_the_last(&mut self, now: Instant) {
        let half_closed = self.session.is_half_closed();
        if half_closed && self.upstreams.is_empty() {
            self.leave(EndReason::PlayerLeft, now);
        }
    }

    /// A backend could not be reached: the next one gets what waits. With nobody left the player is told for
    /// each frame that waited.
    fn dial_another(&mut self, world: &World, mut upstream: Upstream, error: &std::io::Error, now: Instant) {
        self.count_lost(world, &upstream, now);
        self.fail_awaited(upstream.backend.key(), now);
        self.session.bindings.unassign(upstream.backend.key());
        let cluster = world.cluster(upstream.cluster);
        upstream.backend.connect_failed(self.hub.since_start(now));
        let name = cluster.map_or("", |cluster| cluster.name());
        telemetry::unreachable_backend(name, upstream.backend.address(), &error.to_string());
        upstream.tried.push(upstream.backend.key());
        let next = cluster.and_then(|cluster| {
            let lanes = self.lanes_of(world, &upstream);
            Some((cluster, self.pick_instead(cluster, &upstream, &lanes, now)?))
        });
        match next {
            Some((_, backend)) if self.upstreams.iter().any(|known| known.is_at(backend.key())) => {
                let known = self.upstreams.iter_mut().find(|known| known.is_at(backend.key()));
                known.into_iter().for_each(|known| known.take_over(&upstream, &self.hub.pool));
                self.seat.ring(); // that one may have had its turn
            }
            Some((cluster, backend)) => {
                upstream.turn_to(backend);
                self.dial(&mut upstream, cluster);
                self.upstreams.push(upstream);
            }
            None if self.is_opaque() && self.door.is_websocket() => self.leave(EndReason::BackendLost, now),
            None if self.is_opaque() => self.broken(EndReason::BackendLost, now),
            None => {
                let since_start = self.hub.since_start(now);
                let messages = upstream.waiting_messages();
                messages.iter().for_each(|frames| self.refuse_waiting(world, frames, since_start));
                self.end_with_the_last(now);
            }
        }
    }

    /// What was to be answered by a backend that could not be reached has failed there.
    fn fail_awaited(&self, backend: BackendKey, now: Instant) {
        let next = || self.seat.awaited.borrow_mut().lost(backend);
        while let Some(promise) = next() {
            promise.failed(self.hub.since_start(now), &mut *self.hub.dice.borrow_mut());
        }
    }

    /// Tells the player of each whole frame in `bytes` that nobody serves its route.
    fn refuse_waiting(&self, world: &World, bytes: &[u8], now: Duration) {
        let told = each_frame(self.door.listener.layout(), bytes, |id, _| {
            let lane = world.router.route(id).and_then(|route| self.lane(world, route));
            match lane {
                Some((lane, _)) => self.turn_away(world, lane, id, &Refusal::Unavailable.into(), now),
                None => self.notice(&Notice { id: Some(id), ..Notice::new(NoticeCode::UnknownId) }),
            }
        });
        told.ok(); // what is no frame at this listener, nobody here has sent
    }
}
