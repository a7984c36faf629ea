//! What the links of a worker see of a session: a place to leave frames and orders, and a bell.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::guard::Promise;
use super::roll::Roll;
use super::standing::Standing;
use super::world::World;
use crate::base::{BackendKey, ProtocolId, SessionId};
use crate::config::Listener;
use crate::router::Who;
use crate::session::{Awaited, EndReason, Lockstep};
use crate::wire::FrameLayout;

/// A session's mailbox on its worker.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) id: SessionId,
    /// The player's frames; what backends send must be whole frames of it.
    pub(super) layout: Arc<FrameLayout>,
    pub(super) outbox: RefCell<Outbox>,
    orders: RefCell<Vec<Order>>,
    /// Whether an order ends the session: what comes after it is not delivered any more.
    closing: Cell<bool>,
    /// Links that will ring when they have room again: a handful.
    pub(super) waits_for: RefCell<Vec<BackendKey>>,
    /// Frames that a backend has to answer in time.
    pub(super) awaited: RefCell<Awaited<Promise>>,
    /// What backends of hot standbys have said.
    pub(super) lockstep: RefCell<Lockstep>,
    /// Routes that the player was told are unavailable.
    refused: RefCell<Vec<Arc<str>>>,
    pub(super) bell: Bell,
    /// When the player last sent a whole frame, or came: the order of a drain.
    pub(super) last_frame: Cell<Instant>,
    address: SocketAddr,
    player: RefCell<Player>,
    standing: RefCell<Standing>,
    /// From then on its next frame is answered by `moved`.
    pub(super) move_at: Cell<Option<Instant>>,
}

/// Who plays, as far as backends have said.
#[derive(Debug, Default)]
struct Player {
    account: Option<Arc<str>>,
    /// Counts the logins of the account.
    epoch: u64,
    /// The client's version.
    version: Option<Arc<str>>,
}

/// What a session is told by others.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// A backend wants the player gone, after what was sent before.
    Kick(Box<Kick>),
    /// A backend does not take the session.
    Refused(BackendKey),
    /// The link to this backend is gone and its cluster closes for that.
    BackendLost(BackendKey),
    /// These backends are no longer in force: what still binds the session to them ends.
    Forget(Arc<[BackendKey]>),
    /// Somebody asks how it is.
    Describe(Rc<Roll>),
    /// A route that the player was told is unavailable works again.
    Recovered(Arc<str>),
    /// The session ends for a reason of the gateway.
    Leave(EndReason),
}

/// The words of a KICK.
#[derive(Clone, Debug, Default)]
pub(super) struct Kick {
    pub(super) text: Option<String>,
    pub(super) retry_after_ms: Option<u32>,
    pub(super) redirect: Vec<String>,
}

/// Whole plain frames that wait for the player's socket.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    taken: usize,
    limit: usize,
    frames: u64,
}

/// The outbox cannot take a frame: the player does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Wakes one task of the same thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    waker: RefCell<Option<Waker>>,
}

/// Buffers that go round among the sessions and links of a worker, so that idle ones own none.
#[derive(Debug, Default)]
pub(super) struct Pool {
    spare: RefCell<Vec<Vec<u8>>>,
    /// The capacity of all of them together.
    bytes: Cell<usize>,
}

/// How much capacity a worker keeps spare, and how large one buffer may be: what waits for a player of the default
/// `send_buffer`, doubled by its growth.
const SPARE_BYTES: usize = 16 * 1024 * 1024;
const SPARE_CAPACITY: usize = 512 * 1024;
/// An outbox moves its bytes to the front when so many in front of them are out.
const MOVE_AT: usize = 64 * 1024;

impl Seat {
    pub(super) fn new(id: SessionId, address: SocketAddr, listener: &Listener, now: Instant) -> Rc<Self> {
        Rc::new(Self {
            id,
            layout: Arc::clone(listener.layout()),
            outbox: RefCell::new(Outbox { limit: listener.limits().send_buffer(), ..Outbox::default() }),
            orders: RefCell::default(),
            closing: Cell::new(false),
            waits_for: RefCell::default(),
            awaited: RefCell::default(),
            lockstep: RefCell::default(),
            refused: RefCell::default(),
            bell: Bell::default(),
            last_frame: Cell::new(now),
            address,
            player: RefCell::default(),
            standing: RefCell::default(),
            move_at: Cell::new(None),
        })
    }

    /// Leaves an order and wakes the session.
    pub(super) fn order(&self, order: Order) {
        match &order {
            Order::Leave(end) if end.is_planned() => {}
            Order::Kick(_) | Order::Leave(_) => self.closing.set(true),
            Order::Refused(_)
            | Order::BackendLost(_)
            | Order::Forget(_)
            | Order::Describe(_)
            | Order::Recovered(_) => {}
        }
        self.orders.borrow_mut().push(order);
        self.bell.ring();
    }

    /// Whether the session takes frames and orders.
    pub(super) fn is_taken(&self) -> bool {
        !self.closing.get()
    }

    /// The orders that came since the last call.
    pub(super) fn take_orders(&self) -> Vec<Order> {
        std::mem::take(&mut *self.orders.borrow_mut())
    }

    /// Notes that the player was told of an unavailable route; false if it waits for that one already.
    pub(super) fn waits_to_recover(&self, route: &Arc<str>) -> bool {
        let mut refused = self.refused.borrow_mut();
        let is_new = !refused.contains(route);
        if is_new {
            refused.push(Arc::clone(route));
        }
        is_new
    }

    /// The player hears that a route works again; false if it was not told otherwise.
    pub(super) fn recovers(&self, route: &Arc<str>) -> bool {
        let mut refused = self.refused.borrow_mut();
        let place = refused.iter().position(|known| known == route);
        place.map(|place| refused.swap_remove(place)).is_some()
    }

    /// The account, once a backend has said whose session it is.
    pub(super) fn account(&self) -> Option<Arc<str>> {
        self.player.borrow().account.clone()
    }

    /// The client's version, once a backend has said it.
    pub(super) fn version(&self) -> Option<Arc<str>> {
        self.player.borrow().version.clone()
    }

    /// A backend says whose session it is; false if it is behind what is known.
    pub(super) fn log_in(&self, world: &World, account: &str, epoch: u64) -> bool {
        if epoch < self.player.borrow().epoch {
            return false;
        }
        self.player.borrow_mut().epoch = epoch;
        self.learn(world, |player| player.account = Some(account.into()));
        true
    }

    /// A backend says what the client's version is.
    pub(super) fn runs(&self, world: &World, version: &str) {
        self.learn(world, |player| player.version = Some(version.into()));
    }

    /// Something new is known of the player: if it would enter another release group for that, it does.
    fn learn(&self, world: &World, what: impl FnOnce(&mut Player)) {
        let decide = || world.groups.decide(&self.player.borrow().who(self.address));
        let before = decide();
        what(&mut self.player.borrow_mut());
        if decide() != before {
            self.standing.borrow_mut().leave();
        }
    }

    /// Whether the player's address is this one.
    pub(super) fn is_from(&self, address: IpAddr) -> bool {
        self.address.ip().to_canonical() == address.to_canonical()
    }

    /// Whether its release groups are those of this world.
    pub(super) fn is_settled(&self, world: &World) -> bool {
        self.standing.borrow().is_settled(world)
    }

    /// Finds its release groups in a world that is new to it; whether it has to move.
    pub(super) fn settle(&self, world: &World) -> bool {
        let player = self.player.borrow();
        let moves = self.standing.borrow_mut().settle(world, &player.who(self.address));
        if !moves {
            self.move_at.set(None);
        }
        moves
    }

    /// The release group in which it meets a cluster, by its place.
    pub(super) fn group_at(&self, world: &World, cluster: usize) -> usize {
        if world.has_groups() { self.standing.borrow_mut().at(world, cluster) } else { 0 }
    }

    /// The release group it entered.
    pub(super) fn group(&self) -> Option<Arc<str>> {
        self.standing.borrow().name()
    }

    /// Whether its next frame is answered by `moved`.
    pub(super) fn is_to_move(&self, now: Instant) -> bool {
        self.move_at.get().is_some_and(|at| at <= now)
    }

    /// A frame with this ID came from a backend: what it answers was answered in time.
    pub(super) fn answered(&self, backend: BackendKey, id: ProtocolId, now: Duration) {
        let mut awaited = self.awaited.borrow_mut();
        if !awaited.is_empty()
            && let Some(promise) = awaited.answered(backend, id)
        {
            promise.succeeded(now);
        }
    }

    /// Leaves a whole frame and wakes the session.
    pub(super) fn deliver(&self, frame: &[u8], pool: &Pool) -> Result<(), Full> {
        self.outbox.borrow_mut().put(frame, pool)?;
        self.bell.ring();
        Ok(())
    }
}

impl Player {
    /// What release rules look at.
    fn who(&self, address: SocketAddr) -> Who<'_> {
        Who { account: self.account.as_deref(), version: self.version.as_deref(), address: address.ip() }
    }
}

impl Outbox {
    /// Adds a whole frame unless that would pass the limit.
    pub(super) fn put(&mut self, frame: &[u8], pool: &Pool) -> Result<(), Full> {
        if self.waiting() + frame.len() > self.limit {
            return Err(Full);
        }
        self.append(frame, pool);
        self.frames += 1;
        Ok(())
    }

    /// Adds bytes whatever waits already: for what is only read while little waits.
    pub(super) fn append(&mut self, bytes: &[u8], pool: &Pool) {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds what `write` appends, whatever waits already; for the few frames the gateway itself writes.
    pub(super) fn append_with(&mut self, pool: &Pool, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        let wrote = write(&mut self.bytes);
        self.frames += u64::from(wrote);
        wrote
    }

    /// Counts frames that [`Outbox::append`] brought.
    pub(super) fn count_frames(&mut self, frames: u64) {
        self.frames += frames;
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Whether enough waits that reading more for this player should stop: half of the limit.
    pub(super) fn is_high(&self) -> bool {
        self.waiting() > self.limit / 2
    }

    /// The bytes that wait, first come first.
    pub(super) fn pending(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// The socket took this many; an emptied buffer goes back to the pool.
    pub(super) fn took(&mut self, count: usize, pool: &Pool) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            self.taken = 0;
            pool.give(std::mem::take(&mut self.bytes));
        } else if self.taken >= MOVE_AT {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// Frames put in over the session's life.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }
}

impl Bell {
    /// Keeps the task to wake.
    pub(super) fn listen(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        match &mut *kept {
            Some(old) => old.clone_from(waker),
            None => *kept = Some(waker.clone()),
        }
    }

    /// Wakes it; ringing twice before it runs costs nothing more than the first time.
    pub(super) fn ring(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Pool {
    /// An empty buffer, with room if one is spare.
    pub(super) fn take(&self) -> Vec<u8> {
        let buffer = self.spare.borrow_mut().pop().unwrap_or_default();
        self.bytes.set(self.bytes.get().saturating_sub(buffer.capacity()));
        buffer
    }

    /// Takes a buffer back, or frees it when enough are spare or it has grown large.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        let bytes = self.bytes.get() + buffer.capacity();
        if bytes <= SPARE_BYTES && (1..=SPARE_CAPACITY).contains(&buffer.capacity()) {
            buffer.clear();
            self.bytes.set(bytes);
            self.spare.borrow_mut().push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_ends_at_its_limit_and_empties_in_order() {
        let pool = Pool::default();
        let mut outbox = Outbox { limit: 10, ..Outbox::default() };
        assert_eq!(outbox.put(b"abcdef", &pool), Ok(()));
        assert_eq!(outbox.put(b"12345", &pool), Err(Full));
        assert_eq!(outbox.put(b"1234", &pool), Ok(()));
        outbox.took(3, &pool);
        assert_eq!(outbox.pending(), b"def1234");
        outbox.took(7, &pool);
        assert_eq!(outbox.bytes.capacity(), 0, "an empty outbox owns no buffer");
        assert_eq!(outbox.frames(), 2);
    }

    #[test]
    fn a_pool_gives_back_what_it_was_given_and_keeps_nothing_large() {
        let pool = Pool::default();
        pool.give(Vec::with_capacity(1000));
        assert!(pool.take().capacity() >= 1000);
        assert_eq!(pool.take().capacity(), 0);
        pool.give(Vec::with_capacity(SPARE_CAPACITY + 1));
        assert_eq!(pool.take().capacity(), 0);
    }
}
