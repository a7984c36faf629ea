//! What is going to happen, in a calendar of one page for each step.

use std::mem;

use super::time::Tick;

/// Something that happens at one moment. `life` is the life of the backend that it is about: what an earlier life
/// said or was sent is lost with it. `turn` is the player's: what was meant for an earlier turn is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A player wants a backend, for the first time or again.
    Arrive { player: u32 },
    /// A session reaches the backend it was sent to.
    Reach { player: u32, turn: u32 },
    /// The gateway learns that the backend has no room.
    Refused { player: u32, turn: u32 },
    /// The gateway learns that the session failed there.
    Failed { player: u32, turn: u32 },
    /// A player has played enough.
    End { player: u32, turn: u32 },
    /// The backend learns that a session is over.
    Left { place: usize, life: u32 },
    /// A link came up.
    Greeted { gateway: usize, place: usize },
    /// A row of probes has said whether the backend lives.
    Probed { gateway: usize, place: usize, up: bool },
    /// The answer to a PING.
    Pong { gateway: usize, place: usize, life: u32 },
    /// A report of load.
    Report { gateway: usize, place: usize, life: u32, sessions: u32, capacity: u32 },
}

/// The calendar. On one page things happen in the order in which they were entered.
#[derive(Debug)]
pub(crate) struct Calendar {
    pages: Vec<Vec<Event>>,
}

impl Calendar {
    pub(crate) fn new(last: Tick) -> Self {
        Self { pages: (0..=last).map(|_| Vec::new()).collect() }
    }

    /// Enters an event; what lies behind the last page does not happen.
    pub(crate) fn enter(&mut self, at: Tick, event: Event) {
        if let Some(page) = self.pages.get_mut(at as usize) {
            page.push(event);
        }
    }

    /// The events of a page, which is empty from now on.
    pub(crate) fn take(&mut self, now: Tick) -> Vec<Event> {
        self.pages.get_mut(now as usize).map(mem::take).unwrap_or_default()
    }
}
