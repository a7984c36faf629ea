//! A session's way: a player arrives, a gateway picks, a backend takes it or not.

use rand::RngExt;

use super::backends::Reception;
use super::events::Event;
use super::players::Standing;
use super::time::{NO_ANSWER, SECOND, Tick, WAY, since_start};
use super::world::World;

impl World {
    /// A player wants a backend, for the first time or again.
    pub(super) fn arrive(&mut self, number: u32) {
        let player = &mut self.players[number as usize];
        if player.standing == Standing::Away {
            player.standing = Standing::Waiting;
            player.since = self.now;
            self.waiting += 1;
        }
        match self.gateways[player.gateway].choose(since_start(self.now)) {
            Some(place) => self.send(number, place),
            None => {
                self.outcome.misses += 1;
                self.try_again(number);
            }
        }
    }

    fn send(&mut self, number: u32, place: usize) {
        let player = &mut self.players[number as usize];
        let life = self.gateways[player.gateway].links[place].life;
        player.standing = Standing::Sent { place, life };
        let reach = Event::Reach { player: number, turn: player.turn };
        self.calendar.enter(self.now + WAY, reach);
        self.outcome.sent += u64::from(self.now >= self.incident);
        self.backends[place].sent(life, self.now);
        self.note_load(place);
    }

    /// A session reaches the backend.
    pub(super) fn reach(&mut self, number: u32, turn: u32) {
        let player = &self.players[number as usize];
        let Standing::Sent { place, life } = player.standing else { return };
        if player.turn != turn {
            return;
        }
        let reception = self.backends[place].receive(life, self.now);
        self.count_received(place);
        match reception {
            Reception::Taken => self.enter(number, place, life),
            Reception::Refused => self.answer(WAY, Event::Refused { player: number, turn }),
            Reception::Failed => self.answer(WAY, Event::Failed { player: number, turn }),
            Reception::Silence => self.answer(NO_ANSWER, Event::Failed { player: number, turn }),
        }
    }

    fn answer(&mut self, after: Tick, event: Event) {
        self.calendar.enter(self.now + after, event);
    }

    fn count_received(&mut self, place: usize) {
        if self.now < self.incident || !self.special().any(|special| special == place) {
            return;
        }
        self.outcome.received += 1;
        let first = *self.first_received.get_or_insert(self.now);
        if self.now < first + 3 * SECOND {
            self.outcome.received_first += 1;
            self.outcome.capacity_first = self.backends[place].capacity(first + 3 * SECOND);
        }
    }

    fn enter(&mut self, number: u32, place: usize, life: u32) {
        let player = &mut self.players[number as usize];
        player.standing = Standing::Playing { place, life };
        let waited = self.now - player.since;
        let waits = if player.moved { &mut self.outcome.move_wait } else { &mut self.outcome.wait };
        waits.add(waited);
        player.since = self.now;
        let end = Event::End { player: number, turn: player.turn };
        self.calendar.enter(self.now + player.plays, end);
        self.waiting -= 1;
    }

    /// The gateway learns that the backend has no room.
    pub(super) fn refused(&mut self, number: u32, turn: u32) {
        if self.is_back(number, turn).is_some() {
            self.outcome.refused += 1;
            self.try_again(number);
        }
    }

    /// The gateway learns that the session failed.
    pub(super) fn failed(&mut self, number: u32, turn: u32) {
        if let Some(place) = self.is_back(number, turn) {
            let gateway = &self.gateways[self.players[number as usize].gateway];
            self.outcome.ejections += u64::from(gateway.failed(place, since_start(self.now)));
            self.outcome.failures += 1;
            self.try_again(number);
        }
    }

    /// Takes back a session that was sent; where it was sent to.
    fn is_back(&mut self, number: u32, turn: u32) -> Option<usize> {
        let player = &mut self.players[number as usize];
        let Standing::Sent { place, .. } = player.standing else { return None };
        if player.turn != turn {
            return None;
        }
        player.standing = Standing::Waiting;
        player.turn += 1;
        self.gateways[player.gateway].close(place);
        Some(place)
    }

    fn try_again(&mut self, player: u32) {
        let after = self.dice.random_range(SECOND..3 * SECOND);
        self.calendar.enter(self.now + after, Event::Arrive { player });
    }

    /// A player has played enough.
    pub(super) fn end(&mut self, number: u32, turn: u32) {
        let player = &mut self.players[number as usize];
        let Standing::Playing { place, life } = player.standing else { return };
        if player.turn != turn {
            return;
        }
        player.standing = Standing::Away;
        let gateway = &self.gateways[player.gateway];
        gateway.close(place);
        gateway.succeeded(place);
        self.calendar.enter(self.now + WAY, Event::Left { place, life });
    }

    /// The sessions that a gateway had at a lost backend: each asks for another at its next frame.
    pub(super) fn move_all(&mut self, gateway: usize, lost: usize) {
        for (number, player) in (0..).zip(&mut self.players) {
            let playing = match player.standing {
                Standing::Playing { place, .. } if place == lost => true,
                Standing::Sent { place, .. } if place == lost => false,
                Standing::Playing { .. } | Standing::Sent { .. } | Standing::Away | Standing::Waiting => {
                    continue;
                }
            };
            if player.gateway != gateway {
                continue;
            }
            if playing {
                player.plays = (player.plays + player.since).saturating_sub(self.now).max(1);
                player.since = self.now;
                player.moved = true;
                self.outcome.moves += 1;
                self.waiting += 1;
            }
            player.standing = Standing::Waiting;
            player.turn += 1;
            self.gateways[gateway].close(lost);
            let at = self.now + self.dice.random_range(1..2 * SECOND);
            self.calendar.enter(at, Event::Arrive { player: number });
        }
    }
}
