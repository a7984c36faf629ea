//! What the tasks of one worker share: buffers, seats, links and the memory of picks. All of it belongs to one
//! thread; nothing here is locked, and no borrow is held across an await.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use rand::rngs::SmallRng;

use super::commons::Commons;
use super::errand;
use super::link::SharedLink;
use super::pool::{BLOCK, Pool, WORTH_A_BLOCK};
use super::recovery::WaitingRoom;
use super::seat::{Bell, Order, Seat};
use super::worker::WorkerSetup;
use super::world::{ClusterView, World};
use crate::base::{BackendKey, ProtocolId, SessionId};
use crate::cluster::{Ask, Backend, Fit, Miss, Picks};
use crate::players::Rooms;
use crate::telemetry::{self, RouteCounts, WorkerMeter};
use crate::wire::websocket::{Deflater, Inflater};
use crate::wire::{Begun, Block, Torn};

/// One worker's shared state.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) worker: usize,
    pub(super) world: Arc<ArcSwap<World>>,
    pub(super) buffers: RefCell<Buffers>,
    pub(super) pool: Pool,
    /// What players have deflated comes out here.
    pub(super) inflater: RefCell<Inflater>,
    pub(super) meter: Arc<WorkerMeter>,
    pub(super) dice: RefCell<SmallRng>,
    seats: RefCell<HashMap<SessionId, Rc<Seat>, RandomState>>,
    links: RefCell<Vec<Option<Rc<SharedLink>>>>,
    picks: RefCell<Picks>,
    pub(super) waiting_room: WaitingRoom,
    /// The rooms that its sessions are in.
    pub(super) rooms: RefCell<Rooms>,
    /// What waits for an answer and is no player's.
    pub(super) errands: errand::Board,
    /// A world that is made ready: what it needs is not taken down.
    pub(super) next_world: RefCell<Option<Arc<World>>>,
    /// Backends that are not in force and still have sessions or a link, and since when.
    pub(super) gone: RefCell<HashMap<BackendKey, Instant, RandomState>>,
    /// Links whose first attempt has not ended; the gateway accepts nobody before.
    links_starting: Cell<usize>,
    links_bell: Bell,
    pub(super) started: Instant,
    /// The moment that was asked for last, and how long after the start it is.
    moment: Cell<(Instant, Duration)>,
    pub(super) commons: Arc<Commons>,
}

/// Where every read of a worker lands and every encryption comes out.
#[derive(Debug)]
pub(super) struct Buffers {
    /// What is not plain yet, or is not kept.
    pub(super) scratch: Vec<u8>,
    /// What is plain. Whoever refers to it keeps it; then another takes its place.
    pub(super) block: Block,
    pub(super) cipher: Vec<u8>,
    pub(super) deflater: Deflater,
    /// What was deflated and is to be encrypted.
    pub(super) deflated: Vec<u8>,
}

/// The beginning of a TLS record is put before what is read next: so much room is there.
pub(super) const LEAD: usize = 19 * 1024;
/// The most plain bytes that are encrypted before they are written.
pub(super) const ENCRYPT_CHUNK: usize = 64 * 1024;

impl Hub {
    pub(super) fn new(setup: WorkerSetup, meter: Arc<WorkerMeter>) -> Rc<Self> {
        Rc::new(Self {
            worker: setup.index,
            world: setup.world,
            buffers: RefCell::new(Buffers::new()),
            pool: Pool::default(),
            inflater: RefCell::default(),
            meter,
            dice: RefCell::new(rand::make_rng()),
            seats: RefCell::default(),
            links: RefCell::default(),
            picks: RefCell::default(),
            waiting_room: WaitingRoom::default(),
            rooms: RefCell::default(),
            errands: errand::Board::default(),
            next_world: RefCell::default(),
            gone: RefCell::default(),
            links_starting: Cell::new(0),
            links_bell: Bell::default(),
            started: setup.started,
            moment: Cell::new((setup.started, Duration::ZERO)),
            commons: setup.commons,
        })
    }

    /// The time since the process's start. A turn has one `now` and asks for it with each frame.
    pub(super) fn since_start(&self, now: Instant) -> Duration {
        let (asked, since) = self.moment.get();
        if asked == now {
            return since;
        }
        let since = now.saturating_duration_since(self.started);
        self.moment.set((now, since));
        since
    }

    /// Whether an operator or a backend has banned an account.
    pub(super) fn has_banned(&self, world: &World, account: &str, now: Duration) -> bool {
        world.bans.has_account(account, clock) || self.commons.bans.has_account(account, now)
    }

    pub(super) fn seat(&self, session: SessionId) -> Option<Rc<Seat>> {
        self.seats.borrow().get(&session).cloned()
    }

    pub(super) fn take_seat(&self, seat: &Rc<Seat>) {
        self.seats.borrow_mut().insert(seat.id, Rc::clone(seat));
    }

    pub(super) fn leave_seat(&self, session: SessionId) {
        self.seats.borrow_mut().remove(&session);
        self.leave_rooms(session);
    }

    /// The numbers of all sessions of the worker, in no order.
    pub(super) fn all_sessions(&self) -> Vec<SessionId> {
        self.seats.borrow().keys().copied().collect()
    }

    /// Whether the worker has a session that has not ended.
    pub(super) fn has_seats(&self) -> bool {
        !self.seats.borrow().is_empty()
    }

    /// Every session of the worker, in no order.
    pub(super) fn all_seats(&self) -> Vec<Rc<Seat>> {
        self.seats.borrow().values().cloned().collect()
    }

    /// A newer login has the seat of a session.
    pub(super) fn replaced(&self, session: SessionId) {
        if let Some(seat) = self.seat(session) {
            seat.order(Order::Replaced);
        }
    }

    /// Ends the sessions of a backend that is lost, where its cluster closes for that.
    pub(super) fn close_sessions_of(&self, backend: BackendKey) {
        self.order_all(&Order::BackendLost(backend));
    }

    /// Leaves an order for every session of the worker.
    pub(super) fn order_all(&self, order: &Order) {
        self.all_seats().iter().for_each(|seat| seat.order(order.clone()));
    }

    pub(super) fn link(&self, backend: BackendKey) -> Option<Rc<SharedLink>> {
        self.links.borrow().get(backend.index()).cloned().flatten()
    }

    /// What is to be known of a link, without a share of it.
    pub(super) fn of_link<T>(&self, backend: BackendKey, ask: impl FnOnce(&SharedLink) -> T) -> Option<T> {
        self.links.borrow().get(backend.index())?.as_deref().map(ask)
    }

    /// The first link to one of these backends for whose room a session should wait.
    pub(super) fn full_link(
        &self,
        mut backends: impl Iterator<Item = BackendKey>,
        now: Instant,
    ) -> Option<Rc<SharedLink>> {
        let links = self.links.borrow();
        backends.find_map(|backend| {
            links.get(backend.index())?.as_ref().filter(|link| link.is_full(now)).cloned()
        })
    }

    /// Whether one of these backends has a link that should write what was copied for it.
    pub(super) fn has_laden_link(&self, mut backends: impl Iterator<Item = BackendKey>) -> bool {
        let links = self.links.borrow();
        backends.any(|backend| {
            links.get(backend.index()).and_then(Option::as_ref).is_some_and(|link| link.is_laden())
        })
    }

    pub(super) fn add_link(&self, link: &Rc<SharedLink>) {
        let mut links = self.links.borrow_mut();
        let place = link.backend().key().index();
        if links.len() <= place {
            links.resize(place + 1, None);
        }
        if let Some(slot) = links.get_mut(place) {
            *slot = Some(Rc::clone(link));
        }
        self.links_starting.set(self.links_starting.get() + 1);
    }

    /// The first attempt of a link has ended, well or not.
    pub(super) fn link_tried(&self) {
        self.links_starting.set(self.links_starting.get().saturating_sub(1));
        self.links_bell.ring();
    }

    /// Ready when every link has been tried once.
    pub(super) fn poll_links_tried(&self, cx: &Context<'_>) -> Poll<()> {
        self.links_bell.listen(cx.waker());
        if self.links_starting.get() > 0 { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Forgets a link that was retired, unless another one took its place.
    pub(super) fn remove_link(&self, link: &Rc<SharedLink>) {
        let mut links = self.links.borrow_mut();
        let slot = links.get_mut(link.backend().key().index());
        if let Some(slot) = slot.filter(|slot| slot.as_ref().is_some_and(|known| Rc::ptr_eq(known, link))) {
            *slot = None;
        }
    }

    pub(super) fn all_links(&self) -> Vec<Rc<SharedLink>> {
        self.links.borrow().iter().flatten().cloned().collect()
    }

    /// The place of the cluster's next member among those that fit.
    pub(super) fn pick(
        &self,
        cluster: &ClusterView,
        ask: &Ask,
        fit: impl Fn(usize) -> Fit,
    ) -> Result<usize, Miss> {
        self.picks.borrow_mut().pick(&cluster.entry, ask, &mut *self.dice.borrow_mut(), fit)
    }

    /// The one of a hot standby that a session hears now: the first that lives and has been told of it.
    pub(super) fn first_told(
        &self,
        cluster: &ClusterView,
        session: SessionId,
        now: Duration,
    ) -> Option<usize> {
        let is_told = |link: &SharedLink| link.is_up() && link.has_told_of(session);
        cluster.entry.live(now, |backend| self.of_link(backend.key(), is_told).unwrap_or(false)).next()
    }

    /// Whether a frame could be handed to a backend from this worker: its link is up, or it may be dialed.
    pub(super) fn is_reachable(&self, cluster: &ClusterView, backend: &Backend, now: Duration) -> bool {
        if cluster.is_shared() {
            self.of_link(backend.key(), SharedLink::is_up).unwrap_or(false)
        } else {
            backend.may_be_tried(now)
        }
    }

    /// Counts a failure of real traffic at a backend.
    pub(super) fn count_failure(&self, cluster: &ClusterView, backend: &Backend, now: Duration) {
        if let Some(out) = cluster.entry.failed(backend.key(), now) {
            telemetry::backend_ejected(cluster.name(), backend.address(), out);
        }
    }

    /// Counts a frame of the route that has this ID; frames of no route are not counted by route.
    pub(super) fn count_out(&self, world: &World, id: ProtocolId, bytes: usize) {
        self.count_many_out(world, id, 1, bytes);
    }

    /// Counts so many frames of this length.
    pub(super) fn count_many_out(&self, world: &World, id: ProtocolId, frames: u64, bytes: usize) {
        let lane = world.router.route(id).and_then(|route| world.any_lane(route));
        let counts: Option<&RouteCounts> = lane.and_then(|lane| lane.meter.of(self.worker));
        if let Some(counts) = counts {
            counts.frames_out.add(frames);
            counts.bytes_out.add(frames * bytes as u64);
        }
    }
}

impl Buffers {
    /// The block without what was in it.
    pub(super) fn empty_block(&mut self, pool: &Pool) -> &mut Vec<u8> {
        if Arc::strong_count(&self.block) > 1 {
            self.block = pool.block();
        }
        let block = Arc::get_mut(&mut self.block).expect("a block of the pool is nobody's");
        block.clear();
        block
    }

    /// What was torn off in a block that is nobody else's: this one, where nothing else is in it and much has come.
    pub(super) fn part_with(&mut self, torn: Torn, pool: &Pool) -> Begun {
        let mut block = pool.block();
        let rest = self.block.get(torn.from..).unwrap_or_default();
        let counter = (rest.len() < WORTH_A_BLOCK).then(|| pool.counter());
        if torn.from == 0 && counter.is_none() {
            std::mem::swap(&mut self.block, &mut block);
        } else {
            Arc::make_mut(&mut block).extend_from_slice(rest);
        }
        Begun::new(block, torn.length, counter)
    }

    fn new() -> Self {
        Self {
            scratch: vec![0; LEAD + BLOCK],
            block: Arc::new(Vec::with_capacity(BLOCK)),
            cipher: vec![0; super::tls::encrypted_size(ENCRYPT_CHUNK)],
            deflater: Deflater::default(),
            deflated: Vec::new(),
        }
    }
}

/// The time for people, which tokens go by.
#[expect(clippy::disallowed_methods, reason = "this floor is where time comes from")]
#[must_use]
pub fn clock() -> SystemTime {
    SystemTime::now()
}

/// The same, since 1970.
#[must_use]
pub fn since_1970() -> Duration {
    clock().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The time, read once per wake-up of a task.
#[expect(clippy::disallowed_methods, reason = "this floor is where time comes from")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_torn_off_counts_while_it_holds_a_block_for_little() {
        let (mut buffers, pool) = (Buffers::new(), Pool::default());
        let counted = || Arc::strong_count(&pool.counter());
        let none = counted();
        for (come, counts) in [(WORTH_A_BLOCK - 1, 1), (WORTH_A_BLOCK, 0)] {
            buffers.empty_block(&pool).resize(come, 7);
            let begun = buffers.part_with(Torn { from: 0, length: BLOCK }, &pool);
            assert_eq!(counted() - none, counts, "{come} bytes have come");
            drop(begun);
            assert_eq!(counted(), none, "it has been given up");
        }
    }
}
