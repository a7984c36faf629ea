//! The short turn: bytes were left for the sockets of a session, and nothing else has happened. They are written, and that
//! is all.
//!
//! Frames of one turn of the event loop are read first and written then, session by session: whoever is at the other end
//! is woken once for many of them, and the kernel does the same thing over and over. Over a shared link that comes by
//! itself, since the link is a task of its own between two players' turns. With dedicated connections a turn leaves what it
//! has read, if that is little and its worker has many to serve, to the short turn that it asks for.

use std::task::Context;

use super::Player;
use super::conduct::Conduct;
use super::porch::Porch;
use super::upstream::{LATER, Upstream};
use crate::net::hub;

impl Player {
    /// Writes what was left for the sockets, for which alone it was called. False where a whole turn is due: something else
    /// has happened, or not everything could be written.
    pub(super) fn only_passes_on(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_undisturbed() {
            return false;
        }
        // A write would take the error of a socket that has broken; a read has to find it.
        let Self { connection, conduct, .. } = self;
        let hears_player = connection.as_ref().is_none_or(|connection| !connection.transport.is_silent(cx));
        if hears_player || !conduct.upstreams.iter().all(|upstream| upstream.is_silent(cx)) {
            return false;
        }
        let pool = &conduct.hub.pool;
        conduct.upstreams.iter_mut().all(|upstream| upstream.empties(cx, pool))
            && matches!(self.send(cx), Some(Ok(sent)) if sent.done)
    }

    /// Whether the last turn left nothing to wait for but its sockets, what is left for them, and the alarm, which is not
    /// due yet.
    fn is_undisturbed(&self) -> bool {
        let is_inside = self.connection.as_ref().is_some_and(|it| matches!(it.porch, Porch::Inside));
        is_inside && self.conduct.only_carries() && !self.alarm.is_due(hub::now())
    }

    /// Leaves what its backends have said in this turn to a short one; false where that is not worth it, or cannot be any
    /// more.
    pub(super) fn writes_later(&self) -> bool {
        let waits = self.conduct.seat.outbox.borrow().waiting();
        let later =
            !self.conduct.upstreams.is_empty() && (1..=LATER).contains(&waits) && self.is_undisturbed();
        if later {
            self.conduct.seat.call_for_bytes();
        }
        later
    }
}

impl Conduct {
    /// Whether there is nothing to do for the session but to carry bytes.
    pub(super) fn only_carries(&self) -> bool {
        let session = &self.session;
        session.is_playing()
            && !(session.is_behind() || session.is_paused())
            && !(self.closed || self.much_waits || self.backend_ended)
            && self.entrance.waiting.is_none()
            && self.comeback.claim.is_none()
            && self.upstreams.iter().all(Upstream::only_carries)
            && !self.seat.outbox.borrow().is_high()
    }

    /// Writes what the last turn left to a short one: what a whole turn does first may end the session.
    pub(super) fn write_left(&mut self, cx: &mut Context<'_>) {
        let pool = &self.hub.pool;
        for upstream in self.upstreams.iter_mut().filter(|upstream| upstream.only_carries()) {
            upstream.empties(cx, pool);
        }
    }
}
