//! What others want of a session: backends, the operator, the gateway itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conduct::Conduct;
use super::messages::Farewell;
use super::upstream::Upstream;
use crate::base::{BackendKey, ClusterKey, Reason};
use crate::net::facts::SessionFacts;
use crate::net::roll::Roll;
use crate::net::seat::{Kick, Order};
use crate::net::world::World;
use crate::session::{Binding, EndReason};
use crate::wire::{Notice, NoticeCode};

impl Conduct {
    /// What others want of the session.
    pub(super) fn take_orders(&mut self, world: &World, now: Instant) {
        for order in self.seat.take_orders() {
            match order {
                Order::Kick(kick) => self.kick(&kick, now),
                Order::Refused(backend) => self.refused(world, backend),
                Order::BackendLost(backend) if self.is_at(backend) => self.leave(EndReason::BackendLost, now),
                Order::BackendDown(backend) if self.uses(backend) && !self.keeps(world, backend, now) => {
                    self.leave(EndReason::BackendLost, now);
                }
                Order::BackendLost(_) | Order::BackendDown(_) => {}
                Order::Forget(backends) => self.forget(world, &backends, now),
                Order::Describe(roll) => self.describe(world, &roll, now),
                Order::Recovered(route) => self.recovered(&route),
                Order::Bind(bind) => self.bind(world, &bind, now),
                Order::Replaced => self.replaced(now),
                Order::Move(cluster, backend) => self.go(cluster, backend, now),
                Order::Changed(by, change) => {
                    self.pass_on(by, &change);
                    self.check_version(world, now);
                }
                Order::Leave(EndReason::Cut) => self.broken(EndReason::Cut, now),
                Order::Leave(end) => self.leave(end, now),
            }
        }
    }

    /// Whether the session has something at a backend, be it only last answers.
    fn is_at(&self, backend: BackendKey) -> bool {
        let has = |upstream: &Upstream| upstream.backend.key() == backend;
        self.session.bindings.knows(backend) || self.upstreams.iter().any(has)
    }

    /// Whether frames of the session go to a backend.
    fn uses(&self, backend: BackendKey) -> bool {
        self.session.bindings.knows(backend) || self.upstreams.iter().any(|upstream| upstream.is_at(backend))
    }

    /// Whether the session goes on with a backend that is down: where so few are healthy that health is ignored.
    fn keeps(&self, world: &World, backend: BackendKey, now: Instant) -> bool {
        let view = self.seat.view(world, |cluster| cluster.entry.place_of(backend).is_some());
        let now = self.hub.since_start(now);
        view.is_some_and(|view| {
            view.entry.place_of(backend).is_some_and(|place| view.keeps_sessions(place, now))
        })
    }

    fn kick(&mut self, kick: &Kick, now: Instant) {
        let (end, notice) = meaning(kick);
        if end == EndReason::Banned {
            self.ban(kick, now);
        }
        if self.session.leave(end, now) {
            let farewell = Farewell { code: Some(code_of(end, notice)), reason: notice.as_str().into() };
            self.farewell = Some(Box::new(farewell));
            let redirect: Vec<&str> = kick.redirect.iter().map(String::as_str).collect();
            self.notice(&Notice {
                message: kick.text.as_deref(),
                retry_after_ms: kick.retry_after_ms,
                redirect: &redirect,
                ..Notice::new(notice)
            });
            self.entrance.told = Some(notice);
            self.part_all_by(kick.reason);
        }
    }

    /// A backend wants the player kept out: its account, or its address where it has none. A proxy that speaks for nobody
    /// has no address of a player.
    fn ban(&self, kick: &Kick, now: Instant) {
        let now = self.hub.since_start(now);
        let time = kick.retry_after_ms.map_or(BAN, |millis| Duration::from_millis(millis.into()));
        let (bans, address) = (&self.hub.commons.bans, self.seat.peer().ip());
        match self.seat.account() {
            Some(account) => bans.ban_account(&account, now + time, now),
            None if self.door.listener().is_proxy(address) => {}
            None => bans.ban_address(address, now + time, now),
        }
    }

    /// The frames of a cluster go to another backend from now on; who had them before hears that the session has moved.
    fn go(&mut self, cluster: ClusterKey, backend: BackendKey, now: Instant) {
        if self.session.leaving().is_some() {
            return;
        }
        self.session.bindings.assign(cluster, backend);
        let is_former = |binding: &&Binding| binding.cluster == cluster && binding.backend != backend;
        let former: Vec<_> =
            self.session.bindings.iter().filter(is_former).map(|binding| binding.backend).collect();
        former.into_iter().for_each(|former| self.unbind(former, Reason::Moved));
        let stays = |upstream: &&mut Upstream| upstream.cluster == cluster && upstream.left_until.is_none();
        for upstream in self.upstreams.iter_mut().filter(stays) {
            if !upstream.is_at(backend) {
                upstream.leave(now);
            }
        }
    }

    /// Tells the other backends what one of them has changed.
    fn pass_on(&self, by: BackendKey, change: &str) {
        for binding in self.session.bindings.iter().filter(|binding| binding.backend != by) {
            if self.link_of(binding).is_some_and(|link| !link.changed(self.seat.id, change)) {
                self.hub.meter.unsaid.add(1);
            }
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
            link.forget(self.seat.id);
        }
        let cluster = world.clusters.iter().position(|cluster| cluster.key() == binding.cluster);
        let Some((place, cluster)) = cluster.and_then(|place| Some((place, world.clusters.get(place)?)))
        else {
            return;
        };
        if !(binding.stands_in && cluster.is_hot_standby()) {
            let route =
                world.lanes.iter().flatten().find(|lane| lane.cluster == place).map(|lane| &*lane.name);
            self.notice(&Notice { route, retry_after_ms: Some(0), ..Notice::new(NoticeCode::Unavailable) });
        }
    }

    /// These backends are gone from the plan, or are spoken to in another way: what the session still has there ends, but
    /// not what it has there in the new way. An opaque session cannot go elsewhere and stays.
    fn forget(&mut self, world: &World, backends: &[BackendKey], now: Instant) {
        for backend in backends {
            self.unbind(*backend, Reason::Moved);
        }
        if self.is_opaque() {
            return;
        }
        let stays = |upstream: &Upstream| {
            let cluster = world.cluster(upstream.cluster).filter(|cluster| !cluster.is_shared());
            upstream.left_until.is_some() // it ends by itself
                || !backends.contains(&upstream.backend.key())
                || cluster.is_some_and(|cluster| world.may_use(cluster, upstream.backend.key()))
        };
        self.upstreams.retain(stays);
        self.end_with_the_last(now);
    }

    /// How the session is now.
    fn describe(&self, world: &World, roll: &Roll, now: Instant) {
        let shared = self.session.bindings.iter().filter_map(|binding| {
            let cluster = world.cluster(binding.cluster)?;
            let link = self.hub.link(binding.backend)?;
            Some((cluster.name().to_owned(), link.backend().address().to_owned()))
        });
        let dedicated = self.upstreams.iter().filter_map(|upstream| {
            let cluster = world.cluster(upstream.cluster)?;
            Some((cluster.name().to_owned(), upstream.backend.address().to_owned()))
        });
        let outbox = self.seat.outbox.borrow();
        let text = |text: Option<Arc<str>>| text.as_deref().map(str::to_owned);
        roll.answer(SessionFacts {
            id: self.seat.id,
            account: text(self.seat.account()),
            address: self.seat.peer(),
            listener: self.door.listener.name().to_owned(),
            transport: self.door.transport().as_str(),
            group: text(self.seat.group()),
            age: self.session.age(now),
            backends: shared.chain(dedicated).collect(),
            frames: (self.tally.frames_in, outbox.frames()),
            bytes: (self.tally.bytes_in, self.tally.bytes_out),
            buffered: outbox.waiting(),
            away: self.session.is_parked(),
            worker: self.hub.worker,
        });
    }
}

/// The close code of a KICK: the one of the notice, whoever else sends it.
fn code_of(end: EndReason, notice: NoticeCode) -> u16 {
    if matches!(notice, NoticeCode::Maintenance | NoticeCode::Overloaded) {
        return TRY_AGAIN_LATER;
    }
    let others = [EndReason::Idle, EndReason::Draining, EndReason::BackendLost];
    others.into_iter().find(|other| other.notice() == Some(notice)).unwrap_or(end).close_code()
}

const TRY_AGAIN_LATER: u16 = 1013;

/// How long a ban lasts of which a backend does not say how long.
const BAN: Duration = Duration::from_hours(1);

/// What a KICK means for the player: how the session ends, and what the player is told. A client must not come back by
/// itself only where the reason says so.
fn meaning(kick: &Kick) -> (EndReason, NoticeCode) {
    let Some(reason) = Reason::from_code(kick.reason) else {
        let comes_back = kick.reason < Reason::FOR_GOOD;
        let code = if comes_back { NoticeCode::Unavailable } else { NoticeCode::Kicked };
        return (EndReason::Kicked, code);
    };
    match reason {
        Reason::Replaced => (EndReason::Replaced, NoticeCode::Replaced),
        Reason::Unauthorized => (EndReason::Unauthorized, NoticeCode::Unauthorized),
        Reason::UpdateRequired => (EndReason::UpdateRequired, NoticeCode::UpdateRequired),
        Reason::Banned => (EndReason::Banned, NoticeCode::Kicked),
        Reason::Moved if kick.redirect.is_empty() => (EndReason::Moved, NoticeCode::Moved),
        Reason::Moved => (EndReason::Moved, NoticeCode::Redirect),
        Reason::Maintenance => (EndReason::Kicked, NoticeCode::Maintenance),
        Reason::Overloaded | Reason::QueueFull => (EndReason::Kicked, NoticeCode::Overloaded),
        Reason::Idle => (EndReason::Kicked, NoticeCode::Idle),
        Reason::GatewayDraining => (EndReason::Kicked, NoticeCode::ShuttingDown),
        Reason::TooSlow => (EndReason::Kicked, NoticeCode::TooSlow),
        Reason::LoginTimeout => (EndReason::Kicked, NoticeCode::LoginRequired),
        Reason::PlayerLeft | Reason::BackendLost | Reason::RefusedByBackend => {
            (EndReason::Kicked, NoticeCode::Unavailable)
        }
        Reason::Kicked | Reason::Malformed => (EndReason::Kicked, NoticeCode::Kicked),
    }
}
