//! Which backend gets a request: the one that the client's cookie names, while that serves; else the one that the
//! balance gives.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderMap;

use super::sticky;
use super::ticket::Ticket;
use crate::cluster::{Ask, Fit, Miss};
use crate::http::line::Caller;
use crate::http::thread::Thread;
use crate::net::{self, ClusterView, WebLane};
use crate::policy::Shut;

/// A request that wants a backend, and who has had it already.
#[derive(Debug)]
pub(super) struct Wanted {
    thread: Rc<Thread>,
    lane: Arc<WebLane>,
    cluster: Arc<ClusterView>,
    /// What keyed balances go by.
    key: u64,
    /// The mark of the backend that the client keeps by the gateway's cookie.
    kept: Option<u64>,
    tried: Vec<usize>,
    /// Whether who was chosen last stands in, since the route's breaker let nothing in at the client's own backend.
    stands_in: Cell<bool>,
}

/// Why nobody gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turned {
    /// Whether those who serve have as many requests as they may have.
    pub(super) is_full: bool,
    /// How long until a breaker lets somebody try.
    pub(super) retry_after: Option<Duration>,
}

/// How many backends are asked for a place when the first ones turn a request away at the last moment.
const TRIES: usize = 4;

impl Wanted {
    pub(super) fn new(
        thread: &Rc<Thread>,
        lane: &Arc<WebLane>,
        cluster: &Arc<ClusterView>,
        request: (&HeaderMap, &Uri),
        caller: &Caller,
    ) -> Self {
        let hash_on = cluster.plan().hash_on();
        let (headers, uri) = request;
        let address = caller.line.address.ip();
        let keyed = cluster.entry().balance().needs_key();
        Self {
            key: if keyed { sticky::key(hash_on, headers, uri, address) } else { 0 },
            kept: hash_on.given_cookie().and_then(|name| sticky::kept(headers, name)),
            thread: Rc::clone(thread),
            lane: Arc::clone(lane),
            cluster: Arc::clone(cluster),
            tried: Vec::new(),
            stands_in: Cell::new(false),
        }
    }

    /// The backend at this place has had it, and is not asked again.
    pub(super) fn had(&mut self, place: usize) {
        self.tried.push(place);
    }

    /// How many have had it.
    pub(super) fn tries(&self) -> usize {
        self.tried.len()
    }

    /// Whether the client keeps this backend already.
    pub(super) fn keeps(&self, ticket: &Ticket) -> bool {
        self.kept == Some(sticky::mark(ticket.backend().address()))
    }

    /// Whether the backend that was chosen last is the client's from now on. One that stands in is not: the client is to
    /// go back to its own. What has become of that since then does not count.
    pub(super) fn moves_to(&self, ticket: &Ticket) -> bool {
        !self.keeps(ticket) && !self.stands_in.get()
    }

    /// Chooses, and takes a place.
    pub(super) fn choose(&self) -> Result<Ticket, Turned> {
        let now = self.thread.since_start(net::now());
        let own = self.kept.and_then(|mark| self.own_place(mark, now));
        if let Some(place) = own.filter(|place| self.passes(*place, now)) {
            // A client that was moved would have lost what it has there.
            return self.take(place, now).map_err(|is_full| self.turned(is_full, now));
        }
        self.stands_in.set(own.is_some());
        let ask = Ask { key: self.key, critical: false, now };
        let refused: RefCell<Vec<usize>> = RefCell::default();
        let is_full = Cell::new(false);
        let fit = |place| {
            let is_out = self.tried.contains(&place) || refused.borrow().contains(&place);
            if is_out || !self.passes(place, now) {
                return Fit::No;
            }
            let is_crowded = self.is_crowded(place);
            is_full.set(is_full.get() || is_crowded && self.cluster.entry().keeps(place, now));
            if is_crowded { Fit::No } else { Fit::New }
        };
        for _ in 0..TRIES {
            let picked = self.pick(&ask, fit);
            let place = picked.map_err(|miss| self.turned(is_full.get() || miss == Miss::Full, now))?;
            match self.take(place, now) {
                Ok(ticket) => return Ok(ticket),
                Err(full) => is_full.set(is_full.get() || full),
            }
            refused.borrow_mut().push(place);
        }
        Err(self.turned(is_full.get(), now))
    }

    /// The place of the cluster's next member among those that fit.
    fn pick(&self, ask: &Ask, fit: impl Fn(usize) -> Fit) -> Result<usize, Miss> {
        let mut picks = self.thread.picks.borrow_mut();
        picks.pick(self.cluster.entry(), ask, &mut *self.thread.dice.borrow_mut(), fit)
    }

    /// The place of the backend with this mark, where it still serves those who have it.
    fn own_place(&self, mark: u64, now: Duration) -> Option<usize> {
        let members = self.cluster.entry().members();
        let (place, backend) =
            members.enumerate().find(|(_, backend)| sticky::mark(backend.address()) == mark)?;
        let serves = self.cluster.entry().keeps(place, now) && backend.may_be_tried(now);
        (serves && !self.tried.contains(&place)).then_some(place)
    }

    /// Whether a backend may be tried, and the route's breaker there lets requests in, if not too many are there.
    fn passes(&self, place: usize, now: Duration) -> bool {
        self.lane.guards().get(place).is_some_and(|guard| {
            (guard.may_enter(now) || guard.is_crowded()) && guard.backend().may_be_tried(now)
        })
    }

    /// Whether a backend has as many requests of the route as it may have.
    fn is_crowded(&self, place: usize) -> bool {
        self.lane.guards().get(place).is_some_and(|guard| guard.is_crowded())
    }

    /// Takes a place; whether it is for want of one if it fails.
    fn take(&self, place: usize, now: Duration) -> Result<Ticket, bool> {
        let guard = self.lane.guards().get(place).ok_or(false)?;
        let promise = guard.enter(now, &mut *self.thread.dice.borrow_mut());
        let promise = promise.map_err(|shut| shut == Shut::Crowded)?;
        if !self.cluster.entry().open_session(place, now) {
            return Err(true);
        }
        Ok(Ticket::new(&self.thread, &self.cluster, guard.backend(), place, promise))
    }

    fn turned(&self, is_full: bool, now: Duration) -> Turned {
        let retry_after = self.lane.guards().iter().filter_map(|guard| guard.remaining(now)).min();
        Turned { is_full, retry_after: retry_after.filter(|_| !is_full) }
    }
}
