//! What an envelope of a backend does.

use std::rc::Rc;
use std::time::Duration;

use rand::RngExt;

use super::commands;
use super::shared::SharedLink;
use crate::base::{Reason, SessionId};
use crate::cluster::{Report, ServingState};
use crate::net::errand;
use crate::net::hub::Hub;
use crate::net::outbox::Full;
use crate::net::publish::{Publication, whole_frame};
use crate::net::seat::{Bind, Kick, Order, Seat};
use crate::net::world::World;
use crate::telemetry::{self, LoginResult};
use crate::wire::Lent;
use crate::wire::link::{self, BackendState, EnvelopeError, LoadReport, Message, RawEnvelope};

/// Carries one envelope out; what it says to many comes back, to be brought to them. An error closes the link.
pub(super) fn envelope(
    hub: &Rc<Hub>,
    link: &Rc<SharedLink>,
    world: &World,
    raw: &RawEnvelope<'_>,
    now: Duration,
) -> Result<Option<Publication>, EnvelopeError> {
    if let Some((session, frame)) = raw.frame() {
        deliver(hub, link, world, session, &Lent { bytes: frame, block: raw.block }, now);
        return Ok(None);
    }
    let envelope = raw.decode()?;
    let session = envelope.session;
    if errand::hears(hub, link, session, &envelope.message) {
        return Ok(None);
    }
    match envelope.message {
        Message::Frame { payload } => deliver(hub, link, world, session, &Lent::alone(payload), now),
        Message::Ping { payload } => {
            answer(hub, link, session, Message::Pong { payload, report: LoadReport::default() });
        }
        Message::Kick(_)
        | Message::Bind { .. }
        | Message::Move { .. }
        | Message::Attributes { .. }
        | Message::Join { .. }
        | Message::Leave { .. }
            if !is_taken(hub, link, session, now) => {}
        Message::Kick(kick) => commands::kick(hub, link, session, &kick),
        Message::Refuse { .. } => order(hub, link, session, Order::Refused(link.backend().key())),
        Message::Move { cluster, backend } => commands::go(hub, link, world, session, (cluster, backend)),
        Message::Attributes { attributes } => commands::change(hub, link, world, session, attributes),
        Message::Join { room } => commands::join(hub, link, session, room),
        Message::Leave { room } => commands::leave(hub, link, session, room),
        Message::Multicast { sessions, payload } => {
            return Ok(commands::multicast(hub, link, world, (&sessions, payload), now));
        }
        Message::Broadcast { scope, payload } => {
            return Ok(commands::broadcast(hub, link, world, (&scope, payload), now));
        }
        Message::RoomClose { room } => return Ok(commands::close_room(hub, link, world, room, now)),
        Message::State { state, text } => stands(link, state, text, now),
        Message::Load(load) => report(hub, link, report_of(load), now),
        Message::Exception(exception) => except(link, &exception, now),
        Message::Error { reason: _, text } => complains(link, text, now),
        Message::Pong { payload: _, report } => answered(hub, link, report, now),
        Message::Bind { account, epoch } if world.gatekeeper.is_some() => {
            bind(hub, link, world, session, (account, epoch));
        }
        Message::Bind { account, .. } if hub.has_banned(world, account, now) => {
            order(hub, link, session, Order::Kick(Box::<Kick>::default()));
        }
        Message::Bind { account, epoch } => log_in(hub, link, world, session, (account, epoch)),
        Message::Unknown { .. }
        | Message::Hello(_)
        | Message::HelloAck(_)
        | Message::GoAway { .. }
        | Message::Open(_)
        | Message::Close { .. }
        | Message::Pause
        | Message::Resume
        | Message::Undelivered { .. } => hub.meter.ignored_envelopes.add(1),
    }
    Ok(None)
}

/// The backend says whether it takes sessions.
fn stands(link: &SharedLink, state: BackendState, text: Option<&str>, now: Duration) {
    let state = serving_state(state);
    if link.backend().set_state(state) && link.backend().may_be_told(now) {
        telemetry::backend_state(link.cluster().name(), link.backend().address(), state, text);
    }
}

/// The backend says that the gateway erred.
fn complains(link: &SharedLink, text: Option<&str>, now: Duration) {
    if !link.backend().may_be_told(now) {
        return;
    }
    let (cluster, backend) = (link.cluster(), link.backend().address());
    telemetry::backend_error(
        cluster.name(),
        backend,
        "says that the gateway erred",
        text.unwrap_or_default(),
    );
}

/// The backend answers a PING.
fn answered(hub: &Hub, link: &SharedLink, load: LoadReport, now: Duration) {
    link.answered();
    if load != LoadReport::default() {
        report(hub, link, report_of(load), now);
    }
}

/// The session judges for itself whether it is this account; only who logs players in may say so.
fn bind(hub: &Hub, link: &SharedLink, world: &World, session: SessionId, (account, epoch): (&str, u64)) {
    let login = world.gatekeeper.as_ref();
    if login.is_some_and(|gate| gate.binds(link.cluster().key())) {
        let backend = link.backend().key();
        return order(
            hub,
            link,
            session,
            Order::Bind(Box::new(Bind { account: account.into(), epoch, backend })),
        );
    }
    if let Some(counter) = hub.meter.login(LoginResult::Stranger) {
        counter.add(1);
    }
    let (reason, text) = (Reason::Unauthorized.code(), "BIND from a cluster that does not log players in");
    answer(hub, link, session, Message::Error { reason, text: Some(text) });
}

/// The player is this account, unless a later login is known already.
fn log_in(hub: &Hub, link: &SharedLink, world: &World, session: SessionId, bind: (&str, u64)) {
    let (account, epoch) = bind;
    match hub.seat(session).filter(|seat| seat.is_taken()) {
        Some(seat) if seat.log_in(world, account, epoch) => seat.ring(),
        Some(_) => {
            let text = "BIND with a lower epoch than the one known";
            let reason = Reason::Malformed.code();
            answer(hub, link, session, Message::Error { reason, text: Some(text) });
        }
        None => undelivered(hub, link, session, Reason::PlayerLeft),
    }
}

/// Leaves a frame at its player's seat, if it is one whole frame of the player's layout: anything else would make
/// the player misread all that follows.
fn deliver(hub: &Hub, link: &SharedLink, world: &World, session: SessionId, frame: &Lent<'_>, now: Duration) {
    let Some(seat) = hub.seat(session).filter(|seat| seat.is_taken()) else {
        if !errand::deliver(hub, link, session, frame.bytes) {
            undelivered(hub, link, session, Reason::PlayerLeft);
        }
        return;
    };
    let Some(id) = whole_frame(&seat.layout, frame.bytes) else {
        hub.meter.bad_backend_frames.add(1);
        undelivered(hub, link, session, Reason::Malformed);
        return;
    };
    let is_new = match link.cluster().is_hot_standby() {
        true => is_heard(hub, link, &seat, now),
        false => !seat.lockstep.borrow_mut().repeats(link.backend().key()),
    };
    if !is_new {
        hub.meter.standby_dropped.add(1);
        return;
    }
    seat.answered(link.backend().key(), id, now);
    link.backend().succeeded();
    match seat.deliver(frame, id, &hub.pool) {
        Ok(false) => {}
        Ok(true) => link.rests.set(true),
        Err(Full) => {
            seat.overflowed();
            return undelivered(hub, link, session, Reason::TooSlow);
        }
    }
    hub.count_out(world, id, frame.bytes.len());
}

/// Whether the player hears this frame of a hot standby.
fn is_heard(hub: &Hub, link: &SharedLink, seat: &Seat, now: Duration) -> bool {
    let is_first = is_first(hub, link, seat, now);
    seat.lockstep.borrow_mut().says(link.cluster().key(), link.backend().key(), is_first)
}

/// Whether what a backend wants of a session is done: not where it has left that or never had it, which it is told, nor while
/// it is not the first of a hot standby.
fn is_taken(hub: &Hub, link: &SharedLink, session: SessionId, now: Duration) -> bool {
    if !link.has_told_of(session) || !hub.seat(session).is_some_and(|seat| seat.is_taken()) {
        undelivered(hub, link, session, Reason::PlayerLeft);
        return false;
    }
    let is_standby = is_standby(hub, link, session, now);
    hub.meter.standby_dropped.add(is_standby.into());
    !is_standby
}

/// Whether the backend is one of a hot standby and not the first of a session: then its words do not count.
fn is_standby(hub: &Hub, link: &SharedLink, session: SessionId, now: Duration) -> bool {
    link.cluster().is_hot_standby() && hub.seat(session).is_some_and(|seat| !is_first(hub, link, &seat, now))
}

fn is_first(hub: &Hub, link: &SharedLink, seat: &Seat, now: Duration) -> bool {
    let world = hub.world.load();
    let key = link.cluster().key();
    let view = seat.view(&world, |cluster| cluster.key() == key);
    let first = view.and_then(|view| view.entry.at(hub.first_told(view, seat.id, now)?));
    first.is_some_and(|first| first.key() == link.backend().key())
}

/// Takes in what the backend says of its capacity when it greets.
pub(super) fn greeted(hub: &Hub, link: &SharedLink, capacity: Option<u32>, now: Duration) {
    let drawn = hub.dice.borrow_mut().random_range(0.0..1.0);
    link.backend().greeted(capacity, link.cluster().entry.slow_start(), drawn, now);
}

/// Takes in what the backend says of its load.
fn report(hub: &Hub, link: &SharedLink, report: Report, now: Duration) {
    let drawn = hub.dice.borrow_mut().random_range(0.0..1.0);
    let slow_start = link.cluster().entry.slow_start();
    link.backend().report(report, link.mark(), slow_start, drawn, now);
}

/// What the backend says of its load, in our terms.
pub(in crate::net) fn report_of(load: LoadReport) -> Report {
    let share = |ten_thousandths: u16| f64::from(ten_thousandths) / 10_000.0;
    Report { load: load.load.map(share), sessions: load.sessions, capacity: load.capacity }
}

/// What the backend says of its readiness, in our terms.
pub(in crate::net) fn serving_state(state: BackendState) -> ServingState {
    match state {
        BackendState::Ok => ServingState::Ok,
        BackendState::Degraded => ServingState::Degraded,
        BackendState::Refusing => ServingState::Refusing,
        BackendState::Draining | BackendState::Stopping => ServingState::Leaving,
    }
}

/// Protocol IDs that fail at the backend: they go elsewhere until it says otherwise or the time is over.
fn except(link: &SharedLink, exception: &link::Exception<'_>, now: Duration) {
    let length = Duration::from_millis(exception.for_ms.into());
    let (first, last) = (exception.first_id, exception.last_id);
    let is_new = link.backend().except(first, last, length, now) && !length.is_zero();
    if is_new && link.backend().may_be_told(now) {
        let (cluster, backend) = (link.cluster(), link.backend().address());
        telemetry::backend_exception(cluster.name(), backend, (first, last), length, exception.text);
    }
}

pub(super) fn order(hub: &Hub, link: &SharedLink, session: SessionId, order: Order) {
    match hub.seat(session).filter(|seat| seat.is_taken()) {
        Some(seat) => seat.order(order),
        None => undelivered(hub, link, session, Reason::PlayerLeft),
    }
}

/// Tells the backend that what it sent did not reach a session.
pub(in crate::net) fn undelivered(hub: &Hub, link: &SharedLink, session: SessionId, reason: Reason) {
    hub.meter.undelivered.add(1);
    answer(hub, link, session, Message::Undelivered { reason: reason.code() });
}

pub(in crate::net) fn answer(hub: &Hub, link: &SharedLink, session: SessionId, message: Message<'_>) {
    if !link.answer(session, message) {
        hub.meter.unsaid.add(1);
    }
}
