//! Which backend gets an errand. It has no session that could keep one: each is picked anew.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::run::Run;
use super::{ErrandWay, Mishap};
use crate::base::BackendKey;
use crate::cluster::{Ask, Backend, Fit, Miss};
use crate::net::guard::{Guard, Promise};
use crate::net::hub::Hub;
use crate::net::player::{Keyed, balance_key};
use crate::policy::Shut;

/// Who gets it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) place: usize,
    pub(super) promise: Promise,
}

/// How many members are tried for one errand when the first ones turn it away at the last moment.
const TRIES: usize = 4;

impl Run {
    /// Picks a member, takes a place there and passes the route's breaker.
    pub(super) fn choose(&self, now: Duration) -> Result<Choice, Mishap> {
        let way = &self.errand.way;
        if way.cluster.is_hot_standby() {
            let first = way.cluster.entry.live(now, |backend| self.may_open_at(backend)).next();
            return first.map_or_else(|| Err(self.nobody(now)), |place| self.take(place, now));
        }
        let ask = Ask { key: self.key(), critical: false, now };
        let tried = RefCell::new(Vec::new());
        let is_full = Cell::new(false);
        let fit = |place: usize| {
            let is_free = |guard: &&Arc<Guard>| {
                let backend = guard.backend();
                backend.excepts(way.id, now).is_none()
                    && self.may_have(backend)
                    && !tried.borrow().contains(&place)
            };
            let Some(guard) = way.guards.get(place).filter(is_free) else { return Fit::No };
            let serves = || way.cluster.entry.keeps(place, now) && way.cluster.entry.takes_sessions(place);
            is_full.set(is_full.get() || guard.is_crowded() && serves());
            if guard.may_enter(now) { Fit::New } else { Fit::No }
        };
        for _ in 0..TRIES {
            match self.hub.pick(&way.cluster, &ask, fit) {
                Ok(place) => match self.take(place, now) {
                    Ok(choice) => return Ok(choice),
                    Err(why) => {
                        is_full.set(is_full.get() || why == Mishap::Overloaded);
                        tried.borrow_mut().push(place);
                    }
                },
                Err(Miss::Full) => return Err(Mishap::Overloaded),
                Err(Miss::Nobody) => break,
            }
        }
        Err(if is_full.get() { Mishap::Overloaded } else { self.nobody(now) })
    }

    /// Takes a place at a member; overloaded where it has as much as it takes.
    fn take(&self, place: usize, now: Duration) -> Result<Choice, Mishap> {
        let way = &self.errand.way;
        let is_free = |guard: &&Arc<Guard>| guard.backend().excepts(way.id, now).is_none();
        let guard = way.guards.get(place).filter(is_free).ok_or_else(|| self.nobody(now))?;
        let promise = guard.enter(now, &mut *self.hub.dice.borrow_mut());
        let promise = promise.map_err(|shut| match shut {
            Shut::Crowded => Mishap::Overloaded,
            Shut::Open { .. } | Shut::Trying | Shut::Ramping => self.nobody(now),
        })?;
        let opened = way.cluster.entry.open_session(place, now);
        if opened { Ok(Choice { place, promise }) } else { Err(Mishap::Overloaded) }
    }

    fn nobody(&self, now: Duration) -> Mishap {
        Mishap::Nobody(self.opens_in(now))
    }

    /// Whether a backend can be reached and has not said no.
    pub(super) fn may_have(&self, backend: &Backend) -> bool {
        !self.refused.contains(&backend.key()) && is_up(&self.hub, backend.key())
    }

    /// Whether one of a hot standby may have it, too: an errand is a new session to everybody.
    pub(super) fn may_open_at(&self, backend: &Backend) -> bool {
        backend.state().takes_sessions() && self.may_have(backend)
    }

    /// What a keyed balance goes by: an errand has no account and no other errand before it.
    fn key(&self) -> u64 {
        let Self { errand, hole, .. } = self;
        let way: &ErrandWay = &errand.way;
        if !way.cluster.entry.balance().needs_key() {
            return 0;
        }
        let ip = errand.sender.address.ip();
        balance_key(
            way.cluster.plan.hash_on(),
            &Keyed { session: hole.session, account: None, ip, bytes: &errand.frame },
        )
    }

    /// When a member takes errands again, if that is why none does.
    fn opens_in(&self, now: Duration) -> Option<Duration> {
        let way = &self.errand.way;
        let opens = |guard: &Arc<Guard>| guard.remaining(now).max(guard.backend().excepts(way.id, now));
        way.guards.iter().filter_map(opens).min()
    }
}

fn is_up(hub: &Hub, backend: BackendKey) -> bool {
    hub.link(backend).is_some_and(|link| link.is_up())
}
