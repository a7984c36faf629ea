//! One frame for many: whom it is for, on this worker and on the others, and how it reaches them. A worker gives it to
//! so many at a time that nobody else waits long, and in the order in which it was said.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;

use super::hub::{self, Hub};
use super::link;
use super::outbox::{Outbox, SHARED_FROM};
use super::seat::Seat;
use super::world::World;
use crate::base::{BackendKey, ProtocolId, Reason, SessionId};
use crate::players::{Crowded, Rooms};
use crate::telemetry::Fate;
use crate::wire::FrameLayout;

/// What a backend says to many, or of a room, in a form that every worker can take.
#[derive(Clone, Debug)]
pub(super) enum Publication {
    /// A frame.
    Frame(Frame),
    /// A room ends.
    CloseRoom(Arc<str>),
}

/// One frame for many.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Who says it.
    pub(super) from: BackendKey,
    pub(super) whom: Whom,
    pub(super) bytes: Arc<[u8]>,
}

/// For whom it is.
#[derive(Clone, Debug)]
pub(super) enum Whom {
    /// These, and the backend hears of each one that it does not reach.
    Listed(Vec<SessionId>),
    /// Those in a room.
    Room(Arc<str>),
    /// Those of a release group.
    Group(Arc<str>),
    /// All.
    All,
}

/// What one link has said and not all have yet. Until then the link is not read on, so that what it says next comes
/// behind it, and a backend is not faster than the gateway.
pub(super) struct Publishing {
    own: Option<Delivery>,
    others: Vec<Pin<Box<dyn Future<Output = ()>>>>,
}

/// A frame on its way to the sessions of this worker.
#[derive(Debug)]
struct Delivery {
    frame: Frame,
    receivers: Rc<Vec<SessionId>>,
    next: usize,
    /// What the frame is in the layouts seen so far, and how many players have got it as that.
    readings: Vec<Reading>,
    /// It in a message, once a WebSocket player gets it; only where it is referred to.
    message: Option<Arc<[u8]>>,
}

#[derive(Debug)]
struct Reading {
    layout: Arc<FrameLayout>,
    id: Option<ProtocolId>,
    given: u64,
}

/// To how many sessions a frame is given before others have their turn.
pub(super) const AT_A_TURN: usize = 512;

/// Takes what other workers' backends say to sessions of this one.
pub(super) async fn serve(hub: Rc<Hub>, mut inbox: mpsc::Receiver<Publication>) {
    let mut budget = AT_A_TURN;
    while let Some(publication) = inbox.recv().await {
        let mut delivery = Delivery::begin(&hub, publication);
        while !delivery.as_mut().is_none_or(|delivery| delivery.go_on(&hub, &mut budget)) {
            tokio::task::yield_now().await;
            budget = AT_A_TURN;
        }
        if budget == 0 {
            tokio::task::yield_now().await;
            budget = AT_A_TURN;
        }
    }
}

/// What a frame is for players of this layout: its ID if it is exactly one whole frame.
pub(super) fn whole_frame(layout: &FrameLayout, frame: &[u8]) -> Option<ProtocolId> {
    layout.measure_message(frame).ok()
}

impl Publishing {
    /// Says it to the other workers as far as it concerns them, and begins with this one.
    pub(super) fn begin(hub: &Hub, publication: &Publication) -> Self {
        let mut others = Vec::new();
        let switchboard = &hub.commons.switchboard;
        for (worker, inbox) in switchboard.publications().iter().enumerate() {
            if worker == hub.worker {
                continue;
            }
            let theirs = publication.only(|session| switchboard.worker_of(session) == worker);
            if let Some(Err(mpsc::error::TrySendError::Full(waits))) =
                theirs.map(|theirs| inbox.try_send(theirs))
            {
                let inbox = inbox.clone();
                others.push(Box::pin(async move { drop(inbox.send(waits).await) }) as Pin<Box<_>>);
            }
        }
        let own = publication.only(|session| switchboard.worker_of(session) == hub.worker);
        Self { own: own.and_then(|own| Delivery::begin(hub, own)), others }
    }

    /// Goes on with it; ready when all have it. The task is woken when there is more to do.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, hub: &Hub, budget: &mut usize) -> Poll<()> {
        self.others.retain_mut(|other| other.as_mut().poll(cx).is_pending());
        if self.own.as_mut().is_none_or(|own| own.go_on(hub, budget)) {
            self.own = None;
        } else {
            cx.waker().wake_by_ref();
        }
        if self.own.is_none() && self.others.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Goes on until all have it.
    pub(super) async fn finish(mut self, hub: Rc<Hub>) {
        poll_fn(|cx| self.poll(cx, &hub, &mut { AT_A_TURN })).await;
    }
}

impl Publication {
    /// The same for some sessions only; `None` where it names sessions and none of these.
    fn only(&self, here: impl Fn(SessionId) -> bool) -> Option<Self> {
        let Self::Frame(Frame { whom: Whom::Listed(sessions), from, bytes }) = self else {
            return Some(self.clone());
        };
        let sessions: Vec<_> = sessions.iter().copied().filter(|session| here(*session)).collect();
        let bytes = Arc::clone(bytes);
        let frame = || Self::Frame(Frame { whom: Whom::Listed(sessions.clone()), from: *from, bytes });
        if sessions.is_empty() { None } else { Some(frame()) }
    }
}

impl Delivery {
    /// `None` where nothing is to be given to anybody; a room is closed at once.
    fn begin(hub: &Hub, publication: Publication) -> Option<Self> {
        let mut frame = match publication {
            Publication::Frame(frame) => frame,
            Publication::CloseRoom(room) => {
                hub.close_room(&room);
                return None;
            }
        };
        let receivers = match &mut frame.whom {
            Whom::Listed(sessions) => Rc::new(std::mem::take(sessions)),
            Whom::Room(room) => hub.rooms.borrow().members(room),
            Whom::Group(_) | Whom::All => Rc::new(hub.all_sessions()),
        };
        Some(Self { frame, receivers, next: 0, readings: Vec::new(), message: None })
    }

    /// Gives it to some more; whether all have it.
    fn go_on(&mut self, hub: &Hub, budget: &mut usize) -> bool {
        let world = hub.world.load();
        let now = hub.since_start(hub::now());
        let link = hub.link(self.frame.from);
        let mut fates = [0; Fate::ALL.len()];
        let receivers = Rc::clone(&self.receivers);
        let rest = receivers.get(self.next..).unwrap_or_default();
        let some = rest.get(..*budget).unwrap_or(rest);
        for session in some {
            let fate = self.give(hub, &world, *session, now);
            fate.and_then(|fate| fates.get_mut(fate as usize)).into_iter().for_each(|count| *count += 1);
            if let Some(link) = &link
                && let Some(reason) = fate.and_then(reason_of)
                && matches!(self.frame.whom, Whom::Listed(_))
            {
                link::undelivered(hub, link, *session, reason);
            }
        }
        *budget = budget.saturating_sub(some.len().max(1)); // one that reaches nobody costs something too
        self.next += some.len();
        for (fate, count) in Fate::ALL.into_iter().zip(fates) {
            hub.meter.published(fate).into_iter().for_each(|counter| counter.add(count));
        }
        for reading in &mut self.readings {
            let given = std::mem::take(&mut reading.given);
            reading
                .id
                .into_iter()
                .for_each(|id| hub.count_many_out(&world, id, given, self.frame.bytes.len()));
        }
        self.next >= receivers.len()
    }

    /// What becomes of it at one session; `None` where it is not for that one.
    fn give(&mut self, hub: &Hub, world: &World, session: SessionId, now: Duration) -> Option<Fate> {
        let Some(seat) = hub.seat(session).filter(|seat| seat.is_taken()) else { return Some(Fate::Gone) };
        if !self.is_for(world, &seat) {
            return None;
        }
        let bytes = self.form_for(&seat);
        let from = self.frame.from;
        let reading = self.read(&seat.layout);
        let Some(id) = reading.id else { return Some(Fate::Misfit) };
        seat.answered(from, id, now);
        if seat.deliver_shared(&bytes, id, &hub.pool).is_err() {
            seat.overflowed();
            return Some(Fate::TooSlow);
        }
        reading.given += 1;
        Some(Fate::Delivered)
    }

    fn is_for(&self, world: &World, seat: &Seat) -> bool {
        let plays = || seat.plays.get() || world.plan().login().is_none() && seat.greeted.get();
        match &self.frame.whom {
            Whom::Listed(_) | Whom::Room(_) => true,
            Whom::Group(name) => plays() && seat.is_of_group(name),
            Whom::All => plays(),
        }
    }

    /// The frame as a player gets it; a short one is copied, and gets its form with that.
    fn form_for(&mut self, seat: &Seat) -> Arc<[u8]> {
        let frame = &self.frame.bytes;
        if !seat.is_websocket || frame.len() < SHARED_FROM {
            return Arc::clone(frame);
        }
        Arc::clone(self.message.get_or_insert_with(|| Outbox::shared_message(frame)))
    }

    /// What the frame is for players of a layout. A gateway has few layouts, and each is measured once.
    fn read(&mut self, layout: &Arc<FrameLayout>) -> &mut Reading {
        let known = self.readings.iter().position(|reading| Arc::ptr_eq(&reading.layout, layout));
        let place = known.unwrap_or_else(|| {
            let id = whole_frame(layout, &self.frame.bytes);
            self.readings.push(Reading { layout: Arc::clone(layout), id, given: 0 });
            self.readings.len() - 1
        });
        self.readings.get_mut(place).expect("found or just pushed")
    }
}

/// What a backend hears of a session that its frame did not reach.
fn reason_of(fate: Fate) -> Option<Reason> {
    match fate {
        Fate::Delivered => None,
        Fate::Gone => Some(Reason::PlayerLeft),
        Fate::Misfit => Some(Reason::Malformed),
        Fate::TooSlow => Some(Reason::TooSlow),
    }
}

impl Hub {
    /// A session enters a room.
    pub(super) fn join_room(&self, session: SessionId, room: &str) -> Result<(), Crowded> {
        self.with_rooms(|rooms| rooms.join(session, room))
    }

    /// A session leaves a room.
    pub(super) fn leave_room(&self, session: SessionId, room: &str) {
        self.with_rooms(|rooms| rooms.leave(session, room));
    }

    /// A session is over: it leaves all rooms.
    pub(super) fn leave_rooms(&self, session: SessionId) {
        self.with_rooms(|rooms| rooms.forget(session));
    }

    fn close_room(&self, room: &str) {
        self.with_rooms(|rooms| rooms.close(room));
    }

    fn with_rooms<T>(&self, change: impl FnOnce(&mut Rooms) -> T) -> T {
        let mut rooms = self.rooms.borrow_mut();
        let changed = change(&mut rooms);
        self.meter.rooms.set(rooms.count());
        self.meter.room_members.set(rooms.memberships());
        changed
    }
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing").field("own", &self.own).finish_non_exhaustive()
    }
}
