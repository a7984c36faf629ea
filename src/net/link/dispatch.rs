//! What an envelope of a backend does.

use std::rc::Rc;

use super::shared::SharedLink;
use crate::base::{Reason, SessionId};
use crate::net::hub::Hub;
use crate::net::seat::{Kick, Order};
use crate::net::world::World;
use crate::session::EndReason;
use crate::telemetry;
use crate::wire::Measured;
use crate::wire::link::{self, EnvelopeError, LoadReport, Message, RawEnvelope};

/// Carries one envelope out. An error closes the link.
pub(super) fn envelope(
    hub: &Rc<Hub>,
    link: &Rc<SharedLink>,
    world: &World,
    raw: &RawEnvelope<'_>,
) -> Result<(), EnvelopeError> {
    if let Some((session, frame)) = raw.frame() {
        deliver(hub, link, world, session, frame);
        return Ok(());
    }
    let envelope = raw.decode()?;
    let session = envelope.session;
    match envelope.message {
        Message::Frame { payload } => deliver(hub, link, world, session, payload),
        Message::Ping { payload } => {
            answer(hub, link, session, Message::Pong { payload, report: LoadReport::default() });
        }
        Message::Kick(kick) => order(hub, link, session, kick_order(&kick)),
        Message::Refuse { .. } => order(hub, link, session, Order::Refused(link.backend().key())),
        Message::State { state, text: _ } => link.state.set(state),
        Message::Error { reason: _, text } => {
            let cluster = link.cluster.name();
            telemetry::backend_error(
                cluster,
                link.backend().address(),
                "says that the gateway erred",
                text.unwrap_or_default(),
            );
        }
        Message::Pong { .. } => {}
        Message::Load(_)
        | Message::Exception(_)
        | Message::Bind { .. }
        | Message::Move { .. }
        | Message::Attributes { .. }
        | Message::Multicast { .. }
        | Message::Broadcast { .. }
        | Message::Join { .. }
        | Message::Leave { .. }
        | Message::RoomClose { .. }
        | Message::Unknown { .. }
        | Message::Hello(_)
        | Message::HelloAck(_)
        | Message::GoAway { .. }
        | Message::Open(_)
        | Message::Close { .. }
        | Message::Pause
        | Message::Resume
        | Message::Undelivered { .. } => hub.meter.ignored_envelopes.add(1),
    }
    Ok(())
}

/// Leaves a frame at its player's seat, if it is one whole frame of the player's layout: anything else would make
/// the player misread all that follows.
fn deliver(hub: &Hub, link: &SharedLink, world: &World, session: SessionId, frame: &[u8]) {
    let Some(seat) = hub.seat(session).filter(|seat| seat.is_taken()) else {
        undelivered(hub, link, session, Reason::PlayerLeft);
        return;
    };
    let id = match seat.layout.measure(frame) {
        Ok(Measured::Frame { length, id }) if length == frame.len() => id,
        Ok(_) | Err(_) => {
            hub.meter.bad_backend_frames.add(1);
            undelivered(hub, link, session, Reason::Malformed);
            return;
        }
    };
    if seat.deliver(frame, &hub.pool).is_err() {
        seat.order(Order::Leave(EndReason::TooSlow));
        undelivered(hub, link, session, Reason::TooSlow);
        return;
    }
    hub.count_out(world, id, frame.len());
}

fn order(hub: &Hub, link: &SharedLink, session: SessionId, order: Order) {
    match hub.seat(session).filter(|seat| seat.is_taken()) {
        Some(seat) => seat.order(order),
        None => undelivered(hub, link, session, Reason::PlayerLeft),
    }
}

fn undelivered(hub: &Hub, link: &SharedLink, session: SessionId, reason: Reason) {
    hub.meter.undelivered.add(1);
    answer(hub, link, session, Message::Undelivered { reason: reason.code() });
}

fn answer(hub: &Hub, link: &SharedLink, session: SessionId, message: Message<'_>) {
    if !link.answer(session, message) {
        hub.meter.unsaid.add(1);
    }
}

fn kick_order(kick: &link::Kick<'_>) -> Order {
    Order::Kick(Box::new(Kick {
        text: kick.text.map(str::to_owned),
        retry_after_ms: kick.retry_after_ms,
        redirect: kick.redirect.iter().map(str::to_owned).collect(),
    }))
}
