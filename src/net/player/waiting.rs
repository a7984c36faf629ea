//! A player who has logged in and waits in line: what it is told, and when it comes in or is sent away.

use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use super::conduct::{Conduct, in_millis};
use crate::base::ProtocolId;
use crate::config::Login;
use crate::net::lobby::Ticket;
use crate::net::world::{Lane, World};
use crate::session::{EndReason, Membership};
use crate::telemetry::LineRefusal;
use crate::wire::{Notice, NoticeCode};

/// A place in the line, and what the player knows of it.
#[derive(Debug)]
pub(super) struct Waiting {
    ticket: Arc<Ticket>,
    told: Told,
}

/// The last notice `queued`.
#[derive(Clone, Copy, Debug)]
struct Told {
    place: u32,
    estimate_ms: u32,
    at: Instant,
}

/// Who found the line full is asked to wait for so long, and up to twice as long.
const FULL_AGAIN: Duration = Duration::from_secs(10);

impl Conduct {
    /// The player has a place in the line.
    pub(super) fn line_up(&mut self, ticket: Arc<Ticket>, now: Instant) {
        self.session.becomes(Membership::Queued, now);
        let (place, estimate_ms) = ticket.outlook();
        self.entrance.waiting =
            Some(Box::new(Waiting { ticket, told: Told { place, estimate_ms, at: now } }));
        self.tell_queued(None, now);
    }

    /// Whether this is its place already.
    pub(super) fn holds(&self, ticket: &Arc<Ticket>) -> bool {
        self.entrance.waiting.as_ref().is_some_and(|waiting| Arc::ptr_eq(&waiting.ticket, ticket))
    }

    /// To be asked in every turn, behind all that may have put the player in line: who is called comes in.
    pub(super) fn hear_call(&mut self, cx: &Context<'_>, world: &World, now: Instant) {
        let Some(waiting) = &self.entrance.waiting else { return };
        if waiting.ticket.is_called(cx) && self.session.leaving().is_none() {
            self.admit(world, now);
        }
    }

    /// The player may hear of its place again, and does if that is another one now or will take much longer.
    pub(super) fn tell_place(&mut self, now: Instant) {
        let Some(waiting) = &self.entrance.waiting else { return };
        let (place, estimate_ms) = waiting.ticket.outlook();
        if waiting.told.is_old(place, estimate_ms) {
            self.tell_queued(None, now);
        } else {
            self.session.tell_place_in(self.hub.commons.lobby.told_every(), now);
        }
    }

    /// A frame of a player who waits goes nowhere. It hears so as often as it may hear of its place.
    pub(super) fn refuse_queued(&mut self, lane: &Lane, id: ProtocolId, now: Instant) {
        let every = self.hub.commons.lobby.told_every();
        if self.entrance.waiting.as_ref().is_some_and(|waiting| waiting.told.at + every <= now) {
            self.tell_queued(Some((lane, id)), now);
        }
    }

    fn tell_queued(&mut self, about: Option<(&Lane, ProtocolId)>, now: Instant) {
        let Some(waiting) = &mut self.entrance.waiting else { return };
        let (place, estimate_ms) = waiting.ticket.outlook();
        waiting.told = Told { place, estimate_ms, at: now };
        self.notice(&Notice {
            route: about.map(|(lane, _)| &*lane.name),
            id: about.map(|(_, id)| id),
            numbers: &[("place", place.into()), ("estimate_ms", estimate_ms.into())],
            ..Notice::new(NoticeCode::Queued)
        });
        self.session.tell_place_in(self.hub.commons.lobby.told_every(), now);
    }

    /// The line is full: another gateway takes the player, or it comes back later.
    pub(super) fn send_away(&mut self, world: &World, now: Instant) {
        let queue = world.plan().login().and_then(Login::queue);
        let redirect: Vec<&str> =
            queue.iter().flat_map(|queue| queue.redirect()).map(String::as_str).collect();
        let (end, why) = match redirect.is_empty() {
            true => (EndReason::QueueFull, LineRefusal::Overloaded),
            false => (EndReason::Redirected, LineRefusal::Redirected),
        };
        if !self.session.leave(end, now) {
            return;
        }
        if let Some(counter) = self.hub.meter.not_queued(why) {
            counter.add(1);
        }
        if let Some(code) = end.notice() {
            let again = FULL_AGAIN + self.spread(FULL_AGAIN);
            let retry_after_ms = redirect.is_empty().then(|| in_millis(again));
            self.notice(&Notice { retry_after_ms, redirect: &redirect, ..Notice::new(code) });
        }
        self.part_all(end.reason());
    }

    /// Whether a player whose session ends in this way may be back and finds its place in the line kept: not who was
    /// told to stay away, or lost its place to another session of its own.
    pub(super) fn may_return(&self) -> bool {
        let told = self.entrance.told.or_else(|| self.session.leaving()?.notice());
        told.is_none_or(NoticeCode::may_reconnect)
    }
}

impl Told {
    /// Whether the player should know better: its place is another one, or it will take twice as long or half.
    fn is_old(&self, place: u32, estimate_ms: u32) -> bool {
        let (before, now) = (u64::from(self.estimate_ms), u64::from(estimate_ms));
        self.place != place || now > 2 * before || 2 * now < before
    }
}
