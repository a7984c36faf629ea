//! What goes over the links beside sessions: greetings, PINGs, reports; and what probes say.

use rand::RngExt;
use realmgate::cluster::Report;

use super::backends::Condition;
use super::events::Event;
use super::time::{SECOND, WAY, since_start};
use super::world::World;

/// What a link carries each second at the same moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    gateway: usize,
    place: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Ping,
    Report,
}

impl World {
    /// A backend's links carry a PING and a report once a second, each link at its own moments.
    pub(super) fn keep(&mut self, place: usize) {
        for gateway in 0..self.gateways.len() {
            let (ping, report) = (self.dice.random_range(0..SECOND), self.dice.random_range(0..SECOND));
            self.timetable[ping as usize].push(Due { gateway, place, what: What::Ping });
            self.timetable[report as usize].push(Due { gateway, place, what: What::Report });
        }
    }

    /// What links carry at this moment of the second.
    pub(super) fn keep_links(&mut self) {
        let moment = (self.now % SECOND) as usize;
        for turn in 0..self.timetable[moment].len() {
            let Due { gateway, place, what } = self.timetable[moment][turn];
            match what {
                What::Ping => self.ping(gateway, place),
                What::Report => self.tell(gateway, place),
            }
        }
    }

    fn ping(&mut self, gateway: usize, place: usize) {
        let at = &mut self.gateways[gateway];
        if at.links[place].up {
            at.ask(place);
            let pong = Event::Pong { gateway, place, life: at.links[place].life };
            self.calendar.enter(self.now + WAY + self.case.report_delay(), pong);
        }
    }

    /// The backend tells one gateway how it stands.
    fn tell(&mut self, gateway: usize, place: usize) {
        let (link, backend) = (&self.gateways[gateway].links[place], &self.backends[place]);
        if link.up && backend.is_in(link.life) {
            let (sessions, capacity) = (backend.sessions, backend.capacity(self.now));
            let report = Event::Report { gateway, place, life: link.life, sessions, capacity };
            self.calendar.enter(self.now + self.case.report_delay(), report);
        }
    }

    pub(super) fn pong(&mut self, gateway: usize, place: usize, life: u32) {
        let at = &mut self.gateways[gateway];
        if at.links[place].life == life && self.backends[place].is_in(life) {
            at.answered(place);
        }
    }

    pub(super) fn report(&mut self, gateway: usize, place: usize, life: u32, said: (u32, u32)) {
        let at = &mut self.gateways[gateway];
        if !at.links[place].up || at.links[place].life != life {
            return;
        }
        let (sessions, capacity) = said;
        let load = f64::from(sessions) / f64::from(capacity);
        let report = Report { load: Some(load), sessions: Some(sessions), capacity: Some(capacity) };
        at.report(place, report, since_start(self.now));
    }

    /// A link came up; the backend greets with its capacity alone.
    pub(super) fn greeted(&mut self, gateway: usize, place: usize) {
        let backend = &self.backends[place];
        if backend.condition == Condition::Dead {
            return;
        }
        let (life, now) = (backend.life, since_start(self.now));
        let capacity = self.policy.hears().then(|| backend.capacity(self.now));
        self.gateways[gateway].greeted(place, life, capacity, now);
    }

    /// A row of probes came to its conclusion. A backend that is down loses its links too.
    pub(super) fn probed(&mut self, gateway: usize, place: usize, up: bool) {
        self.gateways[gateway].probed(place, up, since_start(self.now));
        if !up {
            self.gateways[gateway].lost(place);
            self.move_all(gateway, place);
        }
    }
}
