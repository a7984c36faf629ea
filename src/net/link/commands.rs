//! What backends want of sessions beyond frames and logins: KICK, MOVE, ATTRIBUTES, rooms, and frames for many.

use std::time::Duration;

use super::dispatch::{answer, order, undelivered};
use super::shared::SharedLink;
use crate::base::{Reason, SessionId};
use crate::net::hub::Hub;
use crate::net::publish::{Frame, Publication, Whom};
use crate::net::seat::{Kick, Order};
use crate::net::world::{ClusterView, World};
use crate::players::{Crowded, Unfit};
use crate::telemetry::Audience;
use crate::wire::Framing;
use crate::wire::link::{self, LINK, Message, Scope, Sessions};

/// The player has to go, after what was sent before.
pub(super) fn kick(hub: &Hub, link: &SharedLink, session: SessionId, kick: &link::Kick<'_>) {
    let kick = Kick {
        reason: kick.reason,
        text: kick.text.map(str::to_owned),
        retry_after_ms: kick.retry_after_ms,
        redirect: kick.redirect.iter().map(str::to_owned).collect(),
    };
    order(hub, link, session, Order::Kick(Box::new(kick)));
}

/// The session's frames of a cluster go to another backend.
pub(super) fn go(hub: &Hub, link: &SharedLink, world: &World, session: SessionId, to: (&str, &str)) {
    let Some(seat) = hub.seat(session).filter(|seat| seat.is_taken()) else {
        return undelivered(hub, link, session, Reason::PlayerLeft);
    };
    let (cluster, backend) = to;
    let Some(view) = seat.view(world, |known| known.name() == cluster) else {
        return wrong(
            hub,
            link,
            session,
            Reason::Malformed,
            "MOVE to a cluster that the gateway does not have",
        );
    };
    let member = view.entry.members().find(|member| member.address() == backend);
    match member {
        None => {
            let text =
                "MOVE to a backend that the cluster does not have, or not for this session's release group";
            wrong(hub, link, session, Reason::Malformed, text);
        }
        Some(_) if view.is_hot_standby() => {
            wrong(
                hub,
                link,
                session,
                Reason::Malformed,
                "MOVE in a hot standby, where the first that lives serves",
            );
        }
        Some(_) if seat.layout.framing == Framing::Opaque => {
            wrong(
                hub,
                link,
                session,
                Reason::Malformed,
                "MOVE of a session that is not read, and goes whole to one backend",
            );
        }
        Some(member) => seat.order(Order::Move(view.key(), member.key())),
    }
}

/// Something that backends know of the player has changed.
pub(super) fn change(hub: &Hub, link: &SharedLink, world: &World, session: SessionId, change: &str) {
    let Some(seat) = hub.seat(session).filter(|seat| seat.is_taken()) else {
        return undelivered(hub, link, session, Reason::PlayerLeft);
    };
    match seat.change(world, change) {
        Ok(()) => seat.order(Order::Changed(link.backend().key(), change.into())),
        Err(Unfit::NoObject) => {
            wrong(hub, link, session, Reason::Malformed, "ATTRIBUTES that are no JSON object")
        }
        Err(Unfit::TooLong) => {
            wrong(hub, link, session, Reason::Overloaded, "ATTRIBUTES beyond 4,096 bytes of one session");
        }
    }
}

/// The session enters a room.
pub(super) fn join(hub: &Hub, link: &SharedLink, session: SessionId, room: &str) {
    if hub.seat(session).filter(|seat| seat.is_taken()).is_none() {
        return undelivered(hub, link, session, Reason::PlayerLeft);
    }
    let text = match hub.join_room(session, room) {
        Ok(()) => return,
        Err(Crowded::Session) => "JOIN beyond 64 rooms of one session",
        Err(Crowded::Rooms) => "JOIN beyond 65,536 rooms of one worker",
    };
    wrong(hub, link, session, Reason::Overloaded, text);
}

/// The session leaves a room.
pub(super) fn leave(hub: &Hub, link: &SharedLink, session: SessionId, room: &str) {
    match hub.seat(session) {
        Some(_) => hub.leave_room(session, room),
        None => undelivered(hub, link, session, Reason::PlayerLeft),
    }
}

/// A frame for sessions that the backend names.
pub(super) fn multicast(
    hub: &Hub,
    link: &SharedLink,
    world: &World,
    (sessions, frame): (&Sessions<'_>, &[u8]),
    now: Duration,
) -> Option<Publication> {
    let listed = Whom::Listed(sessions.iter().filter(|session| *session != LINK).collect());
    let heard = speaks(hub, link, world, now);
    heard.then(|| publication(hub, link, (listed, Audience::Listed), frame))
}

/// A frame for all of a kind; `None` where that is nobody here.
pub(super) fn broadcast(
    hub: &Hub,
    link: &SharedLink,
    world: &World,
    (scope, frame): (&Scope<'_>, &[u8]),
    now: Duration,
) -> Option<Publication> {
    if !speaks(hub, link, world, now) {
        return None;
    }
    let whom = match scope {
        Scope::All => (Whom::All, Audience::All),
        Scope::Room(room) => (Whom::Room((*room).into()), Audience::Room),
        Scope::Group(group) => (Whom::Group((*group).into()), Audience::Group),
        Scope::Zone(zone) if *zone == world.plan().gateway().zone() => (Whom::All, Audience::Zone),
        Scope::Zone(_) => return None,
    };
    Some(publication(hub, link, whom, frame))
}

/// A room ends, on every worker.
pub(super) fn close_room(
    hub: &Hub,
    link: &SharedLink,
    world: &World,
    room: &str,
    now: Duration,
) -> Option<Publication> {
    speaks(hub, link, world, now).then(|| Publication::CloseRoom(room.into()))
}

fn publication(hub: &Hub, link: &SharedLink, whom: (Whom, Audience), frame: &[u8]) -> Publication {
    let (whom, audience) = whom;
    hub.meter.published_to(audience).into_iter().for_each(|counter| counter.add(1));
    link.backend().succeeded();
    Publication::Frame(Frame { from: link.backend().key(), whom, bytes: frame.into() })
}

/// Whether what the backend says to many counts: not while it is one of a hot standby and the first for nobody.
fn speaks(hub: &Hub, link: &SharedLink, world: &World, now: Duration) -> bool {
    let (key, own) = (link.cluster().key(), link.backend().key());
    let is_first = |view: &ClusterView| {
        let first = view.entry.live(now, |backend| hub.is_reachable(view, backend, now)).next();
        first.and_then(|place| view.entry.at(place)).is_some_and(|first| first.key() == own)
    };
    let speaks = !link.cluster().is_hot_standby() || world.views_of(key).any(is_first);
    if !speaks {
        hub.meter.standby_dropped.add(1);
    }
    speaks
}

/// Tells the backend what was wrong with its envelope.
fn wrong(hub: &Hub, link: &SharedLink, session: SessionId, reason: Reason, text: &str) {
    answer(hub, link, session, Message::Error { reason: reason.code(), text: Some(text) });
}
