//! What sessions see of a link: whether it can take a frame, and the buffer they write into.

use std::cell::{Cell, Ref, RefCell};
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::base::SessionId;
use crate::cluster::{Backend, Mark};
use crate::net::hub::{self, Hub};
use crate::net::queue::Queue;
use crate::net::seat::{Bell, Seat};
use crate::net::stream::Dial;
use crate::net::world::{ClusterView, Door};
use crate::policy::{Marks, RouteClass, STUCK};
use crate::telemetry;
use crate::wire::Lent;
use crate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, HEADER_LENGTH, LENGTH_FIELD, LINK, Message, Open, append_frame_envelope,
    frame_head,
};

/// A backend that leaves so many questions without an answer reports only to its own harm.
const MOST_ASKED: usize = 64;

/// One worker's link to one backend, whether it is up or not.
#[derive(Debug)]
pub(in crate::net) struct SharedLink {
    /// The cluster with all its members, as the world in force has it.
    cluster: RefCell<Arc<ClusterView>>,
    /// Why it goes on no more: its backend is not in force any longer.
    retired: Cell<bool>,
    backend: Arc<Backend>,
    marks: Cell<Marks>,
    up: Cell<bool>,
    /// When the process began.
    started: Instant,
    /// How often it came up; sessions that were opened in another life are unknown to the backend.
    epoch: Cell<u32>,
    /// A moment before every report that comes now, and one that becomes so with the next PONG.
    mark: Cell<Mark>,
    /// One for each question that waits for its answer.
    asked: RefCell<VecDeque<Mark>>,
    /// The longest envelope that the backend takes.
    max_envelope: Cell<u32>,
    /// Whole envelopes that wait for the next write.
    out: RefCell<Queue>,
    /// Bytes that the task took out of `out` and the socket did not take yet.
    pub(super) in_writing: Cell<usize>,
    /// Whether the connection holds back what it took: only TLS does.
    held_back: Cell<bool>,
    /// When the socket last took something, or nothing waited.
    pub(super) progress: Cell<Instant>,
    /// Bytes that the backend's sum over all links has of this one.
    told: Cell<usize>,
    pub(super) bell: Bell,
    /// Players' sessions that the backend was told of in this life and not yet told to forget.
    told_of: RefCell<HashSet<SessionId, RandomState>>,
    /// Sessions that wait until the buffer is below its low mark.
    waiting: RefCell<Vec<Rc<Seat>>>,
    flushed: Bell,
    /// Much waits for a player: its session has a turn before the link is read on.
    pub(super) rests: Cell<bool>,
}

/// The longest answer: a PONG with a full payload.
const ANSWER: usize = HEADER_LENGTH + 64;

/// So many copied bytes of a link are written before more sessions are read. From 32 to 192 KiB it makes no difference;
/// with 384 KiB a third of the gain is lost (docs/performance.md).
const LADEN: usize = 64 * 1024;

impl SharedLink {
    /// One that is not connected yet, in a process that began at `started`.
    pub(in crate::net) fn new(
        cluster: Arc<ClusterView>,
        backend: Arc<Backend>,
        started: Instant,
        now: Instant,
    ) -> Rc<Self> {
        Rc::new(Self {
            marks: Cell::new(Marks::new(cluster.plan.send_buffer())),
            cluster: RefCell::new(cluster),
            retired: Cell::new(false),
            backend,
            started,
            up: Cell::new(false),
            epoch: Cell::new(0),
            mark: Cell::default(),
            asked: RefCell::default(),
            max_envelope: Cell::new(DEFAULT_MAX_ENVELOPE),
            out: RefCell::default(),
            in_writing: Cell::new(0),
            held_back: Cell::new(false),
            progress: Cell::new(now),
            told: Cell::new(0),
            bell: Bell::default(),
            told_of: RefCell::default(),
            waiting: RefCell::default(),
            flushed: Bell::default(),
            rests: Cell::new(false),
        })
    }

    /// The cluster that it belongs to.
    pub(in crate::net) fn cluster(&self) -> Ref<'_, ClusterView> {
        Ref::map(self.cluster.borrow(), |cluster| &**cluster)
    }

    /// The world in force has its cluster like this; a connection that stands is not touched.
    pub(in crate::net) fn belongs_to(&self, cluster: &Arc<ClusterView>) {
        self.marks.set(Marks::new(cluster.plan.send_buffer()));
        *self.cluster.borrow_mut() = Arc::clone(cluster);
    }

    /// Ends it for good.
    pub(in crate::net) fn retire(&self) {
        self.retired.set(true);
        self.bell.ring();
    }

    pub(in crate::net) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    pub(in crate::net) fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    pub(in crate::net) fn is_up(&self) -> bool {
        self.up.get()
    }

    pub(in crate::net) fn epoch(&self) -> u32 {
        self.epoch.get()
    }

    /// Whether a frame of this class and length still goes into the buffer.
    pub(in crate::net) fn admits(&self, class: RouteClass, length: usize) -> bool {
        let envelope = HEADER_LENGTH + length;
        envelope - LENGTH_FIELD <= self.max_envelope.get() as usize
            && self.marks.get().admits(class, self.buffered(), envelope)
    }

    /// Whether those who can wait should: much is buffered, and the backend is taking it.
    pub(in crate::net) fn is_full(&self, now: Instant) -> bool {
        self.buffered() > self.marks.get().high()
            && now.saturating_duration_since(self.progress.get()) < STUCK
    }

    /// Whether so much was copied into the buffer that no session should add to it before the link's turn, in which it is
    /// written: what lies there longer leaves the processor's cache.
    pub(in crate::net) fn is_laden(&self) -> bool {
        self.in_writing.get() == 0 && self.out.borrow().copied() >= LADEN
    }

    /// Wakes the session when the buffer is below its low mark.
    pub(in crate::net) fn wait(&self, seat: &Rc<Seat>) {
        let mut waits_for = seat.waits_for.borrow_mut();
        if !waits_for.contains(&self.backend.key()) {
            waits_for.push(self.backend.key());
            self.waiting.borrow_mut().push(Rc::clone(seat));
        }
    }

    /// Tells the backend of a session, before its first frame. False where that is longer than it takes: then it must
    /// not get the frame.
    pub(in crate::net) fn open(&self, seat: &Seat, door: &Door) -> bool {
        let (account, version, group) = (seat.account(), seat.version(), seat.group());
        let attributes = seat.attributes();
        let open = Open {
            client_address: seat.peer(),
            transport: door.transport(),
            listener: door.listener().name(),
            account: account.as_deref(),
            version: version.as_deref(),
            group: group.as_deref(),
            attributes: attributes.as_deref(),
        };
        let is_told = self.open_for(seat.id, open);
        if is_told {
            self.told_of.borrow_mut().insert(seat.id);
        }
        is_told
    }

    /// Whether the backend has a player's session now, on this link: what it says of others is not taken.
    pub(in crate::net) fn has_told_of(&self, session: SessionId) -> bool {
        self.told_of.borrow().contains(&session)
    }

    /// The backend does not have a player's session any more, and knows that by itself.
    pub(in crate::net) fn forget(&self, session: SessionId) {
        self.told_of.borrow_mut().remove(&session);
    }

    /// Tells the backend of a session as it is described here; false as in [`SharedLink::open`].
    pub(in crate::net) fn open_for(&self, session: SessionId, open: Open<'_>) -> bool {
        self.say(session, Message::Open(open))
    }

    /// Tells the backend that a session is over, and the number of the reason.
    pub(in crate::net) fn close(&self, session: SessionId, reason: u16) {
        self.forget(session);
        self.say(session, Message::Close { reason, text: None });
    }

    /// Tells the backend that another one has changed attributes of a session, unless more waits than may.
    /// False then.
    pub(in crate::net) fn changed(&self, session: SessionId, attributes: &str) -> bool {
        self.offer(session, Message::Attributes { attributes }, HEADER_LENGTH + attributes.len())
    }

    /// Tells the backend that much waits for a player, or little again.
    pub(in crate::net) fn waits(&self, session: SessionId, much: bool) {
        self.say(session, if much { Message::Pause } else { Message::Resume });
    }

    /// Passes a player's frame on. A large one is not copied, but held until it is written.
    pub(in crate::net) fn frame(&self, session: SessionId, frame: &Lent<'_>, now: Instant) {
        if self.buffered() == 0 {
            self.progress.set(now);
        }
        let mut out = self.out.borrow_mut();
        let was_empty = out.is_empty();
        let put = match frame.keep() {
            None => append_frame_envelope(session, frame.bytes, out.tail()),
            Some(part) => frame_head(session, frame.bytes.len()).map(|head| {
                out.tail().extend_from_slice(&head);
                out.push(part);
            }),
        };
        if put.is_ok() && was_empty {
            self.bell.ring();
        }
    }

    /// Writes any other envelope; [`LINK`] as the session means the link itself. False where the backend would refuse
    /// it.
    pub(super) fn say(&self, session: SessionId, message: Message<'_>) -> bool {
        let envelope = Envelope { session, message };
        let written = envelope.encode(self.max_envelope.get(), self.out.borrow_mut().tail());
        if let Err(error) = written
            && self.backend.may_be_told(hub::now().saturating_duration_since(self.started))
        {
            let (cluster, backend) = (self.cluster(), self.backend.address());
            telemetry::backend_error(cluster.name(), backend, "cannot be told", error.as_str());
        }
        self.bell.ring();
        written.is_ok()
    }

    /// Answers what the backend sent, unless it lets so many answers lie that no more may wait. False then.
    pub(in crate::net) fn answer(&self, session: SessionId, message: Message<'_>) -> bool {
        self.offer(session, message, ANSWER)
    }

    /// Writes an envelope of about this length if there is room for it; whether there was.
    fn offer(&self, session: SessionId, message: Message<'_>, length: usize) -> bool {
        self.marks.get().admits(RouteClass::Critical, self.buffered(), length) && self.say(session, message)
    }

    /// The gateway leaves, and why.
    pub(in crate::net) fn say_goodbye(&self, why: &str) {
        if self.up.get() {
            self.say(LINK, Message::GoAway { text: Some(why) });
        }
    }

    /// Whether nothing waits to be written.
    pub(in crate::net) fn is_flushed(&self) -> bool {
        !self.up.get() || self.buffered() == 0 && !self.held_back.get()
    }

    /// Wakes this task when everything is written.
    pub(in crate::net) fn watch(&self, waker: &Waker) {
        self.flushed.listen(waker);
    }

    /// Bytes that wait.
    fn buffered(&self) -> usize {
        self.out.borrow().waiting() + self.in_writing.get()
    }

    /// Says how much waits, for the metrics page: once a turn.
    pub(super) fn tell_buffered(&self) {
        let now = self.buffered();
        let before = self.told.replace(now);
        if now != before {
            self.backend.events().buffered(before as u64, now as u64);
        }
    }

    /// Takes what waits for the next write, in exchange for an empty queue.
    pub(super) fn take_out(&self, empty: &mut Queue) {
        self.out.borrow_mut().swap(empty);
        self.in_writing.set(empty.waiting());
    }

    /// The socket took bytes: those who waited may go on if it is enough.
    pub(super) fn wrote(&self, left: usize, now: Instant) {
        self.in_writing.set(left);
        self.progress.set(now);
        let buffered = self.buffered();
        if buffered <= self.marks.get().low() {
            self.wake_waiting();
        }
        if buffered == 0 {
            self.flushed.ring();
        }
    }

    /// Whether the connection holds back some of what it took.
    pub(super) fn holds_back(&self, some: bool) {
        if self.held_back.replace(some) && !some {
            self.flushed.ring();
        }
    }

    /// The backend is asked something: whatever it reports after its answer, it reports of a later time. Answers
    /// come in the order of the questions, and a late one answers an early question: so each has its own mark.
    pub(super) fn ask(&self) {
        let mut asked = self.asked.borrow_mut();
        if asked.len() < MOST_ASKED {
            asked.push_back(self.backend.mark());
        }
    }

    /// A new connection greets: what an earlier one asked is never answered.
    pub(super) fn greet(&self) {
        self.asked.borrow_mut().clear();
        self.ask();
    }

    /// The backend has answered.
    pub(super) fn answered(&self) {
        if let Some(mark) = self.asked.borrow_mut().pop_front() {
            self.mark.set(mark);
        }
    }

    /// A moment before every report that comes now.
    pub(super) fn mark(&self) -> Mark {
        self.mark.get()
    }

    /// The backend greeted: sessions may come. Whether it is the first link.
    pub(super) fn came_up(&self, max_envelope: u32, boot: u64, now: Duration) -> bool {
        self.answered();
        self.max_envelope.set(max_envelope);
        self.epoch.set(self.epoch.get() + 1);
        self.up.set(true);
        if self.epoch.get() > 1 {
            self.backend.events().reconnected();
        }
        self.backend.link_came(boot, now)
    }

    /// The connection is gone, and what was in the buffer with it; whether it was the backend's last.
    pub(super) fn went_down(&self, hub: &Hub) -> bool {
        let was_last = self.up.replace(false) && self.backend.link_went();
        self.out.take();
        let forgotten = self.told_of.take();
        forgotten
            .into_iter()
            .filter_map(|session| hub.seat(session))
            .for_each(|seat| seat.is_forgotten.set(true));
        self.in_writing.set(0);
        self.held_back.set(false);
        self.tell_buffered();
        self.wake_waiting();
        self.flushed.ring();
        was_last
    }

    fn wake_waiting(&self) {
        for seat in self.waiting.borrow_mut().drain(..) {
            seat.waits_for.borrow_mut().retain(|backend| *backend != self.backend.key());
            seat.ring();
        }
    }

    /// What its connection is made with.
    pub(super) fn dial(&self) -> Dial {
        Dial {
            address: self.backend.address().to_owned(),
            timeout: self.cluster().plan.connect_timeout(),
            tls: self.cluster().tls.clone(),
        }
    }
}
