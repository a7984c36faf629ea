//! What the links of a worker see of a session: a place to leave frames and orders, and a bell.

mod identity;

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use self::identity::Identity;
use super::guard::Promise;
use super::outbox::Full;
pub(super) use super::outbox::Outbox;
use super::player::Carried;
use super::pool::Pool;
use super::roll::Roll;
use super::standing::Standing;
use crate::base::{BackendKey, ClusterKey, ProtocolId, Reason, SessionId};
use crate::config::Listener;
use crate::players::Attributes;
use crate::session::{Awaited, EndReason, Lockstep};
use crate::wire::{FrameLayout, Lent};

/// A session's mailbox on its worker. What every frame needs comes first and lies together: with thousands of players
/// nothing of it is in the processor's caches, and each line that has to come there costs as much as a hundred instructions.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Seat {
    pub(super) id: SessionId,
    /// The player's frames; what backends send must be whole frames of it.
    pub(super) layout: Arc<FrameLayout>,
    bell: Bell,
    /// Whoever sets it rings the bell, and the first turn comes by itself: until it is taken, nobody has to ring for less.
    call: Cell<CalledFor>,
    /// Whether an order ends the session: what comes after it is not delivered any more.
    closing: Cell<bool>,
    /// More than half of what may wait was waiting when the last frame was left, and never little since.
    has_risen: Cell<bool>,
    /// A backend may have forgotten the session with a link that was lost.
    pub(super) is_forgotten: Cell<bool>,
    /// Whether the connection's handshakes are through: until then nothing may be said, and an opaque session has no backend.
    pub(super) greeted: Cell<bool>,
    /// Whether the player has come in through the login.
    pub(super) plays: Cell<bool>,
    /// Whether its frames stand in messages.
    pub(super) is_websocket: bool,
    pub(super) outbox: RefCell<Outbox>,
    /// Frames that a backend has to answer in time.
    pub(super) awaited: RefCell<Awaited<Promise>>,
    /// What backends of hot standbys have said.
    pub(super) lockstep: RefCell<Lockstep>,
    /// When the player last sent a whole frame, or came: the order of a drain.
    pub(super) last_frame: Cell<Instant>,
    /// From then on its next frame is answered by `moved`.
    pub(super) move_at: Cell<Option<Instant>>,
    /// In which order the gateway accepted its latest connection.
    pub(super) arrival: Cell<u64>,
    orders: RefCell<Vec<Order>>,
    /// Links that will ring when they have room again: a handful.
    pub(super) waits_for: RefCell<Vec<BackendKey>>,
    /// Routes that the player was told are unavailable.
    refused: RefCell<Vec<Arc<str>>>,
    /// Where the session began: what release rules look at.
    address: Cell<IpAddr>,
    /// Where its connection comes from.
    peer: Cell<SocketAddr>,
    /// A connection that is to be this session's.
    carried: RefCell<Option<Box<Carried>>>,
    identity: RefCell<Identity>,
    standing: RefCell<Standing>,
    /// What backends say of the player to each other.
    attributes: RefCell<Option<Box<Attributes>>>,
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
    /// This backend is down by its probes, and its cluster closes for that.
    BackendDown(BackendKey),
    /// These backends are no longer in force: what still binds the session to them ends.
    Forget(Arc<[BackendKey]>),
    /// Somebody asks how it is.
    Describe(Rc<Roll>),
    /// A route that the player was told is unavailable works again.
    Recovered(Arc<str>),
    /// A backend says whose session it is.
    Bind(Box<Bind>),
    /// A newer login of its account has its seat.
    Replaced,
    /// The frames of a cluster go to this backend from now on.
    Move(ClusterKey, BackendKey),
    /// A backend has changed attributes of the session: the others hear of it.
    Changed(BackendKey, Arc<str>),
    /// The session ends for a reason of the gateway.
    Leave(EndReason),
}

/// A BIND that is to be judged.
#[derive(Clone, Debug)]
pub(super) struct Bind {
    pub(super) account: Box<str>,
    pub(super) epoch: u64,
    /// Who said it.
    pub(super) backend: BackendKey,
}

/// The words of a KICK.
#[derive(Clone, Debug)]
pub(super) struct Kick {
    /// As a number of the link.
    pub(super) reason: u16,
    pub(super) text: Option<String>,
    pub(super) retry_after_ms: Option<u32>,
    pub(super) redirect: Vec<String>,
}

/// What a session was called for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CalledFor {
    /// By nobody: a socket or a deadline woke it.
    #[default]
    Nothing,
    /// Bytes were left for its sockets, and nothing else.
    Bytes,
    /// It has to look at everything: an order or another connection came, or something new is known of it.
    Turn,
}

/// Wakes one task of the same thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    waker: RefCell<Option<Waker>>,
}

impl Default for Kick {
    fn default() -> Self {
        Self { reason: Reason::Kicked.code(), text: None, retry_after_ms: None, redirect: Vec::new() }
    }
}

impl Seat {
    pub(super) fn new(
        id: SessionId,
        arrival: u64,
        address: SocketAddr,
        listener: &Listener,
        now: Instant,
    ) -> Rc<Self> {
        Rc::new(Self {
            id,
            arrival: Cell::new(arrival),
            layout: Arc::clone(listener.layout()),
            outbox: RefCell::new(Outbox::of(
                listener.layout(),
                listener.websocket().is_some(),
                listener.limits().send_buffer(),
            )),
            is_websocket: listener.websocket().is_some(),
            orders: RefCell::default(),
            closing: Cell::new(false),
            has_risen: Cell::new(false),
            is_forgotten: Cell::new(false),
            waits_for: RefCell::default(),
            awaited: RefCell::default(),
            lockstep: RefCell::default(),
            refused: RefCell::default(),
            bell: Bell::default(),
            call: Cell::new(CalledFor::Turn),
            last_frame: Cell::new(now),
            address: Cell::new(address.ip()),
            peer: Cell::new(address),
            carried: RefCell::default(),
            identity: RefCell::default(),
            standing: RefCell::default(),
            attributes: RefCell::default(),
            greeted: Cell::new(false),
            plays: Cell::new(false),
            move_at: Cell::new(None),
        })
    }

    /// Keeps the task that serves the session.
    pub(super) fn listen(&self, waker: &Waker) {
        self.bell.listen(waker);
    }

    /// Wakes the session for a whole turn.
    pub(super) fn ring(&self) {
        self.call.set(CalledFor::Turn);
        self.bell.ring();
    }

    /// Wakes the session to write what waits for its sockets, unless it was called already.
    pub(super) fn call_for_bytes(&self) {
        if self.call.get() == CalledFor::Nothing {
            self.call.set(CalledFor::Bytes);
            self.bell.ring();
        }
    }

    /// What it was called for since the last time this was asked.
    pub(super) fn take_call(&self) -> CalledFor {
        self.call.take()
    }

    /// Leaves an order and wakes the session.
    pub(super) fn order(&self, order: Order) {
        match &order {
            Order::Leave(end) if end.is_planned() => {}
            Order::Kick(_) | Order::Leave(_) => self.closing.set(true),
            Order::Refused(_)
            | Order::BackendLost(_)
            | Order::BackendDown(_)
            | Order::Forget(_)
            | Order::Describe(_)
            | Order::Recovered(_)
            | Order::Bind(_)
            | Order::Replaced
            | Order::Move(..)
            | Order::Changed(..) => {}
        }
        self.orders.borrow_mut().push(order);
        self.ring();
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

    /// A frame with this ID came from a backend: what it answers was answered in time.
    pub(super) fn answered(&self, backend: BackendKey, id: ProtocolId, now: Duration) {
        if self.awaited.borrow().is_empty() {
            return;
        }
        if let Some(promise) = self.awaited.borrow_mut().answered(backend, id) {
            promise.succeeded(now);
        }
    }

    /// Leaves a whole frame and wakes the session. Whether that is as much as should wait before the session has its turn.
    pub(super) fn deliver(&self, frame: &Lent<'_>, id: ProtocolId, pool: &Pool) -> Result<bool, Full> {
        self.put(id, |outbox| outbox.put_lent(frame, pool))
    }

    /// Leaves a whole frame in the outbox by `put` and wakes the session.
    fn put(&self, id: ProtocolId, put: impl FnOnce(&mut Outbox) -> Result<(), Full>) -> Result<bool, Full> {
        let mut outbox = self.outbox.borrow_mut();
        let was_high = self.has_risen.get() && !outbox.is_low();
        let counts = !self.layout.is_of_gateway(id);
        match put(&mut outbox) {
            Ok(()) if counts => {}
            Ok(()) => outbox.uncount(),
            Err(full) => {
                if counts {
                    outbox.lose();
                }
                return Err(full);
            }
        }
        self.call_for_bytes();
        self.has_risen.set(was_high || outbox.is_high());
        Ok(!was_high && self.has_risen.get())
    }

    /// Leaves a whole frame that others get too, and wakes the session.
    pub(super) fn deliver_shared(
        &self,
        frame: &Arc<[u8]>,
        id: ProtocolId,
        pool: &Pool,
    ) -> Result<bool, Full> {
        self.put(id, |outbox| outbox.put_shared(frame, pool))
    }

    /// The outbox could not take a frame: the session ends for it, unless it has no connection that could be too slow.
    pub(super) fn overflowed(&self) {
        if !self.outbox.borrow().is_cut() {
            self.order(Order::Leave(EndReason::TooSlow));
        }
    }

    /// Another connection came for this session.
    pub(super) fn hand(&self, carried: Box<Carried>) {
        *self.carried.borrow_mut() = Some(carried);
        self.ring();
    }

    /// The connection that came.
    pub(super) fn take_carried(&self) -> Option<Box<Carried>> {
        self.carried.borrow_mut().take()
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
