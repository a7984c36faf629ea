//! Sessions that were told `unavailable` or `maintenance` and are to hear once when their route works again.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::guard::Guard;
use super::hub::{self, Hub};
use super::seat::{Bell, Order, Seat};
use super::world::World;
use crate::base::{BackendKey, ProtocolId};
use crate::cluster::Backend;
use crate::policy::RouteClass;

/// The sessions of one worker that wait, by what they wait for.
#[derive(Debug, Default)]
pub(super) struct WaitingRoom {
    groups: RefCell<Vec<Group>>,
    bell: Bell,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) route: Arc<str>,
    /// The release group of the session there.
    pub(super) group: Option<Arc<str>>,
    /// The protocol ID of the frame, if that is why: the backend makes an exception of it.
    pub(super) id: Option<ProtocolId>,
    /// The only backend that can serve the session, if its cluster moves none.
    pub(super) only: Option<BackendKey>,
    /// Whether the session would be new to whoever serves it.
    pub(super) is_new: bool,
}

/// Sessions that wait for the same.
#[derive(Debug)]
struct Group {
    refused: Refused,
    seats: Vec<Weak<Seat>>,
}

/// How often the routes are looked at while somebody waits.
const LOOK: Duration = Duration::from_millis(20);
/// How many sessions are told at one look, so that telling them delays nobody.
const TOLD_AT_ONCE: usize = 500;

impl WaitingRoom {
    /// The session was told `unavailable`. It waits for each route once.
    pub(super) fn enter(&self, seat: &Rc<Seat>, refused: Refused) {
        if !seat.waits_to_recover(&refused.route) {
            return;
        }
        let mut groups = self.groups.borrow_mut();
        match groups.iter_mut().find(|group| group.refused == refused) {
            Some(group) => group.seats.push(Rc::downgrade(seat)),
            None => groups.push(Group { refused, seats: vec![Rc::downgrade(seat)] }),
        }
        self.bell.ring();
    }

    fn is_empty(&self) -> bool {
        self.groups.borrow().is_empty()
    }

    /// Tells those whose route works again.
    fn look(&self, hub: &Hub, world: &World, now: Duration) {
        let mut groups = self.groups.borrow_mut();
        let mut budget = TOLD_AT_ONCE;
        for group in groups.iter_mut() {
            group.seats.retain(|seat| seat.strong_count() > 0);
            if hub.serves(world, &group.refused, now) {
                let rest = group.seats.len().saturating_sub(budget);
                budget -= group.seats.len() - rest;
                let seats = group.seats.drain(rest..).filter_map(|seat| seat.upgrade());
                seats.for_each(|seat| seat.order(Order::Recovered(Arc::clone(&group.refused.route))));
            }
        }
        groups.retain(|group| !group.seats.is_empty());
    }
}

/// Looks at the routes while somebody waits; sleeps without a timer while nobody does.
pub(super) async fn watch(hub: Rc<Hub>) {
    loop {
        poll_fn(|cx| {
            hub.waiting_room.bell.listen(cx.waker());
            if hub.waiting_room.is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        tokio::time::sleep(LOOK).await;
        hub.waiting_room.look(&hub, &hub.world.load(), hub.since_start(hub::now()));
    }
}

impl Hub {
    /// Whether a frame like the one that was refused would be let through: some backend that may serve it (of a hot
    /// standby the first) lives, its breaker is closed and it makes no exception of the ID.
    pub(super) fn serves(&self, world: &World, refused: &Refused, now: Duration) -> bool {
        let Some((lane, cluster)) = world.lane_named(refused.group.as_deref(), &refused.route) else {
            return true;
        };
        if lane.closed().is_some() {
            return false;
        }
        if lane.class == RouteClass::Critical && cluster.entry.is_in_panic(now) {
            return false;
        }
        let may_serve = |backend: &Backend| {
            self.is_reachable(cluster, backend, now) && (!refused.is_new || backend.state().takes_sessions())
        };
        let first = cluster.is_hot_standby().then(|| cluster.entry.live(now, may_serve).next());
        let serves = |(place, guard): (usize, &Arc<Guard>)| {
            let backend = guard.backend();
            first.is_none_or(|first| first == Some(place))
                && refused.only.is_none_or(|only| only == backend.key())
                && may_serve(backend)
                && (!refused.is_new || cluster.entry.is_wanted(place))
                && cluster.entry.keeps(place, now)
                && guard.is_closed()
                && refused.id.is_none_or(|id| backend.excepts(id, now).is_none())
        };
        lane.guards.iter().enumerate().any(serves)
    }
}
