//! Forwarding over dedicated connections: dialing, failing over, passing ends on.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use super::conduct::Conduct;
use super::upstream::{Step, Upstream};
use crate::base::BackendKey;
use crate::cluster::Backend;
use crate::config::{LinkKind, ProxyHeader};
use crate::net::stream::Dial;
use crate::net::world::{ClusterView, Lane, World};
use crate::session::EndReason;
use crate::telemetry::{self, Refusal};
use crate::wire::{Frame, FrameDecoder, Notice, NoticeCode, append_proxy_v1, append_proxy_v2};

impl Conduct {
    /// Puts a frame on the session's own connection to the cluster; makes one if there is none.
    pub(super) fn forward_dedicated(
        &mut self,
        cluster: &ClusterView,
        lane: &Lane,
        frame: &Frame<'_>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let place = self.upstream_for(cluster, now).ok_or(Refusal::Unavailable)?;
        let upstream = self.upstreams.get_mut(place).ok_or(Refusal::Unavailable)?;
        if !upstream.admits(lane.class, frame.bytes.len()) {
            return Err(Refusal::Overloaded);
        }
        upstream.put(frame.bytes, &self.hub.pool);
        Ok(())
    }

    /// Gives an opaque session the one backend it will ever have.
    pub(super) fn connect_opaque(&mut self, world: &World, now: Instant) {
        let lane = world.router.opaque().and_then(|route| {
            self.tally.uses(route);
            world.lane(route)
        });
        let connected = lane.and_then(|(_, cluster)| self.upstream_for(cluster, now));
        if connected.is_none() {
            self.leave(EndReason::BackendLost, now);
        }
    }

    /// Bytes of an opaque session.
    pub(super) fn forward_opaque(&mut self, bytes: &[u8]) {
        if let Some(upstream) = self.upstreams.first_mut() {
            upstream.put(bytes, &self.hub.pool);
        }
    }

    fn upstream_for(&mut self, cluster: &ClusterView, now: Instant) -> Option<usize> {
        let kept = self.upstreams.iter().position(|upstream| upstream.cluster == cluster.key());
        if cluster.plan.sticky() && kept.is_some() {
            return kept;
        }
        let backend = self.pick_dedicated(cluster, &[], now)?;
        let same = |upstream: &Upstream| upstream.backend.key() == backend.key();
        if let Some(known) = self.upstreams.iter().position(same) {
            return Some(known);
        }
        let LinkKind::Dedicated { layout, .. } = cluster.plan.link() else { return None };
        let mut upstream =
            Upstream::new(cluster.key(), backend, Arc::clone(layout), cluster.plan.send_buffer());
        self.dial(&mut upstream, cluster);
        self.upstreams.push(upstream);
        Some(self.upstreams.len() - 1)
    }

    fn pick_dedicated(
        &self,
        cluster: &ClusterView,
        tried: &[BackendKey],
        now: Instant,
    ) -> Option<Arc<Backend>> {
        let since_start = self.hub.since_start(now);
        self.hub.pick(cluster, |backend| backend.may_be_tried(since_start) && !tried.contains(&backend.key()))
    }

    fn dial(&self, upstream: &mut Upstream, cluster: &ClusterView) {
        let mut preface = Vec::new();
        let (source, destination) = (self.tally.address, self.tally.local);
        match cluster.plan.link() {
            LinkKind::Shared | LinkKind::Dedicated { proxy: ProxyHeader::Off, .. } => {}
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
        upstream.dial(dial, preface);
    }

    /// Moves every dedicated connection on.
    pub(super) fn turn_upstreams(&mut self, cx: &mut Context<'_>, world: &World, now: Instant) {
        let mut place = 0;
        while let Some(upstream) = self.upstreams.get_mut(place) {
            let seat = Rc::clone(&self.seat);
            let before = seat.outbox.borrow().waiting();
            let step = upstream.turn(cx, &self.hub, world, &mut seat.outbox.borrow_mut());
            if self.is_opaque() && seat.outbox.borrow().waiting() > before {
                self.session.touched(now);
            }
            if self.act(world, place, step, now) {
                place += 1;
            }
        }
    }

    /// Acts on what came of a turn; false when the connection is gone from its place or must move again.
    fn act(&mut self, world: &World, place: usize, step: Step, now: Instant) -> bool {
        match step {
            Step::Waits => return true,
            Step::Unreachable(error) => self.dial_another(world, place, &error, now),
            Step::Ended if self.is_opaque() => {
                self.backend_ended = true;
                return true;
            }
            Step::Ended => self.upstream_ended(world, place, EndReason::BackendClosed, now),
            Step::Lost if self.is_opaque() => self.broken(EndReason::BackendLost, now),
            Step::Lost => self.upstream_ended(world, place, EndReason::BackendLost, now),
            Step::Malformed(error) => {
                self.hub.meter.bad_backend_frames.add(1);
                if let Some(upstream) = self.upstreams.get(place) {
                    let text = format!("{error:?}");
                    telemetry::backend_error(
                        "",
                        upstream.backend.address(),
                        "sent what is no frame of its layout",
                        &text,
                    );
                }
                self.upstream_ended(world, place, EndReason::BackendLost, now);
            }
        }
        false
    }

    fn upstream_ended(&mut self, world: &World, place: usize, end: EndReason, now: Instant) {
        let upstream = self.upstreams.remove(place);
        let cluster = world.clusters.iter().find(|cluster| cluster.key() == upstream.cluster);
        let closes = cluster.is_none_or(|cluster| cluster.closes_on_loss());
        drop(upstream);
        let half_closed = self.session.leaving().is_none() && !self.session.is_playing();
        if closes || half_closed && self.upstreams.is_empty() {
            self.leave(if half_closed { EndReason::PlayerLeft } else { end }, now);
        }
    }

    /// A backend could not be reached: the next one gets what waits. With nobody left the player is told for
    /// each frame that waited.
    fn dial_another(&mut self, world: &World, place: usize, error: &std::io::Error, now: Instant) {
        let mut upstream = self.upstreams.swap_remove(place);
        let cluster = world.clusters.iter().find(|cluster| cluster.key() == upstream.cluster);
        upstream.backend.connect_failed(self.hub.since_start(now));
        let name = cluster.map_or("", |cluster| cluster.name());
        telemetry::unreachable_backend(name, upstream.backend.address(), &error.to_string());
        upstream.tried.push(upstream.backend.key());
        let next =
            cluster.and_then(|cluster| Some((cluster, self.pick_dedicated(cluster, &upstream.tried, now)?)));
        match next {
            Some((cluster, backend)) => {
                upstream.turn_to(backend);
                self.dial(&mut upstream, cluster);
                self.upstreams.push(upstream);
            }
            None if self.is_opaque() => self.broken(EndReason::BackendLost, now),
            None => self.refuse_waiting(world, upstream.unsent()),
        }
    }

    /// Tells the player of each whole frame in `bytes` that nobody serves its route.
    fn refuse_waiting(&self, world: &World, bytes: &[u8]) {
        let layout = Arc::clone(self.door.listener.layout());
        let mut decoder = FrameDecoder::new();
        let mut frames = decoder.frames(&layout, bytes);
        while let Some(Ok(frame)) = frames.next() {
            let lane = world.router.route(frame.id).and_then(|route| world.lane(route));
            let Some((lane, _)) = lane else { continue };
            if let Some(counts) = lane.meter.of(self.hub.worker) {
                counts.refused(Refusal::Unavailable).add(1);
            }
            self.notice(&Notice {
                route: Some(&lane.name),
                id: Some(frame.id),
                ..Notice::new(NoticeCode::Unavailable)
            });
        }
    }
}
