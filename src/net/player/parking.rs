//! Sessions that outlive their connection: what is kept for a player who may come back, what it has to show, and what it
//! is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::conduct::{Conduct, in_millis};
use crate::base::{ProtocolId, SessionId};
use crate::net::tokens::Token;
use crate::net::world::{Door, World};
use crate::session::{EndReason, Membership};
use crate::telemetry::Resumption;
use crate::wire::{Frame, Notice, NoticeCode};

/// What a session knows of coming back.
#[derive(Debug, Default)]
pub(super) struct Comeback {
    /// `None` for a session that nobody was ever offered to come back to.
    keys: Option<Box<Keys>>,
    /// The session that the player of this connection wants instead of this one.
    pub(super) claim: Option<Box<Claim>>,
}

/// What opens a session.
#[derive(Debug, Default)]
struct Keys {
    /// What its player shows to come back to it; without one it cannot.
    token: Option<Token>,
    /// What it showed last: good until it shows the one it was given for it, since that one may not have arrived.
    former: Option<Token>,
}

/// A token that was good.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) session: SessionId,
    pub(super) shown: Shown,
}

/// What a player shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    token: Token,
    /// How many frames of the game it says it has had.
    received: Option<u64>,
}

/// How a player has come back.
#[derive(Debug)]
pub(super) struct Return {
    pub(super) door: Arc<Door>,
    pub(super) address: SocketAddr,
    pub(super) shown: Shown,
}

impl Comeback {
    /// Whether its player has something to show.
    fn may_be_shown(&self) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.token.is_some())
    }
}

/// A token and a number: more than this is neither.
const LONGEST_CLAIM: usize = 256;

impl Conduct {
    /// Tells a player who has come in, and what it shows to come back if its connection breaks. Each `admitted` says from
    /// which number on the player counts frames of the game; this one from 0.
    pub(super) fn tell_admitted(&mut self, world: &World) {
        let offer = self.offer(world);
        self.seat.outbox.borrow_mut().start_count();
        self.notice(&Notice {
            resume: offer.as_ref().map(|(token, _)| token.as_str()),
            numbers: &offer.iter().map(|(_, within)| ("resume_ms", *within)).collect::<Vec<_>>(),
            ..Notice::new(NoticeCode::Admitted)
        });
    }

    /// A new token in place of the one that it had, and for how long it is good once the connection is gone.
    fn offer(&mut self, world: &World) -> Option<(String, u64)> {
        let token = self.comeback.keys.as_mut().and_then(|keys| keys.token.take());
        self.revoke(token);
        let within = world.resume()?;
        let layout = self.door.listener.layout();
        if layout.notice.is_none() || !layout.is_stream() && !self.door.is_websocket() {
            return None; // it could not be told, or nobody could say where a frame was cut
        }
        let token = self.hub.commons.tokens.issue(self.seat.id, layout, self.door.is_websocket())?;
        self.comeback.keys.get_or_insert_default().token = Some(token);
        Some((token.text(), in_millis(within).into()))
    }

    /// Nobody can come back to this session from now on.
    pub(super) fn forget_tokens(&mut self) {
        if let Some(keys) = self.comeback.keys.take() {
            [keys.token, keys.former].into_iter().for_each(|token| self.revoke(token));
        }
    }

    fn revoke(&self, token: Option<Token>) {
        if let Some(token) = token {
            self.hub.commons.tokens.revoke(token);
        }
    }

    /// The player has shown this token: one of before it means nothing any more.
    fn keep_shown(&mut self, shown: Token) {
        let keys = self.comeback.keys.as_mut().filter(|keys| keys.token == Some(shown));
        let former = keys.and_then(|keys| std::mem::replace(&mut keys.former, keys.token.take()));
        self.revoke(former);
    }

    /// The player's connection is gone: the session waits for another one where it may, and ends otherwise.
    pub(super) fn disconnected(&mut self, world: &World, end: EndReason, now: Instant) {
        if self.parks(world, now) {
            return;
        }
        if end == EndReason::PlayerLeft {
            self.leave(end, now);
        } else {
            self.broken(end, now);
        }
    }

    /// Sessions whose players are away take no more than a listener's connections: else one who comes and goes could fill
    /// the gateway with them.
    pub(super) fn parks(&mut self, world: &World, now: Instant) -> bool {
        let has_room = self.door.meter.away() < self.door.listener.limits().connections();
        let within = world.resume().filter(|_| has_room && self.comeback.may_be_shown());
        let parks = within.is_some_and(|within| self.session.park(within, now));
        if parks {
            self.seat.outbox.borrow_mut().cut();
            self.hub.meter.parked.add(1);
            self.counts_as_away = true;
            self.door.meter.goes_away();
            self.set_away(true);
        }
        parks
    }

    /// The world is another one: where nobody can come back any more, nothing is kept.
    pub(super) fn settle_parked(&mut self, world: &World, now: Instant) {
        if self.session.is_parked() && world.resume().is_none() {
            self.broken(EndReason::NotResumed, now);
        }
    }

    /// The session waits no longer for its player: it is over, or the player is back.
    pub(super) fn unpark(&mut self) {
        if std::mem::take(&mut self.counts_as_away) {
            self.hub.meter.unparked.add(1);
            self.door.meter.comes_back();
            self.set_away(false);
        }
    }

    /// Whether a frame shows a token instead of being one of the game.
    pub(super) fn shows_claim(&self, world: &World, id: ProtocolId) -> bool {
        self.door.listener.layout().notice == Some(id) && world.resume().is_some()
    }

    /// A frame that shows a token: a guest goes over to the session that it leads to, or hears that it has to log in.
    pub(super) fn take_claim(&mut self, frame: &Frame<'_>, now: Instant) {
        let layout = self.door.listener.layout();
        let missed = match (self.session.membership(), read_claim(layout.body_of(frame.bytes))) {
            (Membership::Queued | Membership::In, _) => Resumption::LoggedIn,
            (Membership::Guest, None) => Resumption::Malformed,
            (Membership::Guest, Some(shown)) => {
                if let Some(session) =
                    self.hub.commons.tokens.find(shown.token, layout, self.door.is_websocket())
                {
                    self.comeback.claim = Some(Box::new(Claim { session, shown }));
                    return;
                }
                Resumption::Unknown
            }
        };
        self.count_resumption(missed);
        if self.session.makes_no_sense(now) {
            return self.leave(EndReason::Malformed, now);
        }
        let code = match missed {
            Resumption::LoggedIn => NoticeCode::UnknownId, // it has nothing to come back for
            Resumption::Resumed | Resumption::Unknown | Resumption::Malformed | Resumption::Gone => {
                NoticeCode::LoginRequired
            }
        };
        self.notice(&Notice { id: Some(frame.id), ..Notice::new(code) });
    }

    /// The player is back by another connection: it hears what it has missed, and then what was kept for it.
    pub(super) fn return_by(&mut self, world: &World, back: Return, now: Instant) {
        self.unpark();
        self.seat.outbox.borrow_mut().cut();
        self.keep_shown(back.shown.token);
        let dropped = self.seat.outbox.borrow().lost();
        let handed = self.seat.outbox.borrow().handed() + dropped;
        let lost = back.shown.received.map_or(dropped, |received| handed.saturating_sub(received));
        self.session.comes_back(Arc::clone(back.door.listener.limits()), now);
        self.door = back.door;
        self.seat.comes_from(back.address);
        let offer = self.offer(world);
        let mut numbers = vec![("frames", handed), ("lost", lost)];
        numbers.extend(offer.iter().map(|(_, within)| ("resume_ms", *within)));
        let notice = Notice {
            resume: offer.as_ref().map(|(token, _)| token.as_str()),
            numbers: &numbers,
            ..Notice::new(NoticeCode::Admitted)
        };
        let mut first = Vec::new();
        if self.door.listener.layout().append_notice(&notice, &mut first)
            && let Some(counter) = self.hub.meter.notice(notice.code)
        {
            counter.add(1);
        }
        self.seat.outbox.borrow_mut().connect(first);
        self.count_resumption(Resumption::Resumed);
    }

    fn count_resumption(&self, result: Resumption) {
        if let Some(counter) = self.hub.meter.resumption(result) {
            counter.add(1);
        }
    }
}

/// What `{"resume": TOKEN, "received": N}` says.
fn read_claim(body: &[u8]) -> Option<Shown> {
    let body = Some(body).filter(|body| body.len() <= LONGEST_CLAIM)?;
    let claim: serde_json::Value = serde_json::from_slice(body).ok()?;
    let token = Token::parse(claim.get("resume")?.as_str()?)?;
    let received = match claim.get("received") {
        None | Some(serde_json::Value::Null) => None,
        Some(received) => Some(received.as_u64()?),
    };
    Some(Shown { token, received })
}
