//! The evening, step by step.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::backends::{Backend, Condition};
use super::cases::{Case, Policy, Scale};
use super::events::{Calendar, Event};
use super::gateways::{Gateway, plan};
use super::links::Due;
use super::outcome::{Outcome, Sample};
use super::players::{EVENING, OPENING, Player, most_at_once, players};
use super::time::{SECOND, Tick, in_seconds};

/// Everything there is.
pub(super) struct World {
    pub(super) case: Case,
    pub(super) policy: Policy,
    pub(super) now: Tick,
    pub(super) calendar: Calendar,
    pub(super) players: Vec<Player>,
    pub(super) backends: Vec<Backend>,
    pub(super) gateways: Vec<Gateway>,
    /// For what happens between gateways and backends, and for players' patience.
    pub(super) dice: SmallRng,
    pub(super) incident: Tick,
    /// A second's page for each step of it.
    pub(super) timetable: Vec<Vec<Due>>,
    pub(super) outcome: Outcome,
    /// What one warm backend can have.
    full: u32,
    pub(super) waiting: u32,
    pub(super) first_received: Option<Tick>,
}

/// Some minutes behind the last arrival, so that those who wait come in.
const LAST: Tick = OPENING + EVENING + 120 * SECOND;
/// A backend that begins to fail does so before the evening is full.
const FAULT: Tick = 200 * SECOND;
const OUTAGE: Tick = 60 * SECOND;
/// Probes notice within this.
const NOTICED: Tick = 6 * SECOND;
const FAULTY: usize = 7;

/// Lives through one evening.
pub(crate) fn run(case: Case, policy: Policy, scale: Scale) -> Outcome {
    let mut world = World::new(case, policy, scale);
    while world.now < LAST {
        world.step();
        world.now += 1;
    }
    world.outcome.left_waiting = u64::from(world.waiting);
    world.outcome
}

impl World {
    fn new(case: Case, policy: Policy, scale: Scale) -> Self {
        let players = players(scale.players, scale.gateways, scale.seed);
        let (most, peak) = most_at_once(&players);
        let full = (f64::from(most) / case.fullness() / scale.backends as f64) as u32;
        let first = plan(policy, scale.backends, case.zones());
        let zone =
            |gateway: usize| case.zones().get(gateway % case.zones().len().max(1)).copied().unwrap_or("");
        let gateway = |number| Gateway::new(&first, zone(number), scale.seed + 1 + number as u64);
        let cold = (case == Case::ColdStart).then_some(0);
        let incident = incident(case, peak);
        let mut world = Self {
            case,
            policy,
            now: 0,
            calendar: Calendar::new(LAST),
            players,
            backends: (0..scale.backends).map(|_| Backend::new(full, cold)).collect(),
            gateways: (0..scale.gateways).map(gateway).collect(),
            dice: SmallRng::seed_from_u64(scale.seed),
            incident,
            timetable: vec![Vec::new(); SECOND as usize],
            outcome: Outcome { incident: in_seconds(incident), ..Outcome::default() },
            full,
            waiting: 0,
            first_received: None,
        };
        world.begin();
        world
    }

    /// Links come up in the first second; players come.
    fn begin(&mut self) {
        for place in 0..self.backends.len() {
            self.links_come(place, SECOND);
            self.keep(place);
        }
        for (number, player) in (0..).zip(&self.players) {
            self.calendar.enter(player.comes, Event::Arrive { player: number });
        }
    }

    fn step(&mut self) {
        if self.now == self.incident {
            self.incident_begins();
        }
        if self.case == Case::ZoneLost && self.now == self.incident + OUTAGE {
            self.zone_returns();
        }
        for event in self.calendar.take(self.now) {
            self.happen(event);
        }
        if self.policy.hears() {
            self.keep_links();
        }
        if self.now.is_multiple_of(SECOND) {
            self.sample();
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { player } => self.arrive(player),
            Event::Reach { player, turn } => self.reach(player, turn),
            Event::Refused { player, turn } => self.refused(player, turn),
            Event::Failed { player, turn } => self.failed(player, turn),
            Event::End { player, turn } => self.end(player, turn),
            Event::Left { place, life } => self.backends[place].left(life),
            Event::Greeted { gateway, place } => self.greeted(gateway, place),
            Event::Probed { gateway, place, up } => self.probed(gateway, place, up),
            Event::Pong { gateway, place, life } => self.pong(gateway, place, life),
            Event::Report { gateway, place, life, sessions, capacity } => {
                self.report(gateway, place, life, (sessions, capacity));
            }
        }
    }

    fn incident_begins(&mut self) {
        match self.case {
            Case::ColdStart => {}
            Case::Added | Case::AddedLate => self.one_joins(),
            Case::Faulty => self.backends[FAULTY].condition = Condition::Faulty,
            Case::ZoneLost => self.zone_dies(),
        }
        self.special().for_each(|place| self.backends[place].peak = 0.0);
    }

    /// Every gateway reads a plan with one more backend, which is down until a probe succeeds.
    fn one_joins(&mut self) {
        let place = self.backends.len();
        self.backends.push(Backend::new(self.full, Some(self.now)));
        let plan = plan(self.policy, self.backends.len(), self.case.zones());
        self.gateways.iter_mut().for_each(|gateway| gateway.reload(&plan));
        self.links_come(place, SECOND / 2);
        self.keep(place);
        self.probes_say(place, true, 0..2 * SECOND);
    }

    fn zone_dies(&mut self) {
        for place in self.special() {
            self.backends[place].dies();
            self.probes_say(place, false, NOTICED - SECOND..NOTICED);
        }
    }

    fn zone_returns(&mut self) {
        for place in self.special() {
            self.backends[place].returns(self.now);
            self.links_come(place, 5 * SECOND);
            self.probes_say(place, true, SECOND / 2..9 * SECOND / 2);
        }
    }

    /// Every gateway's link to a backend comes up within a time.
    fn links_come(&mut self, place: usize, within: Tick) {
        for gateway in 0..self.gateways.len() {
            let at = self.now + self.dice.random_range(1..within);
            self.calendar.enter(at, Event::Greeted { gateway, place });
        }
    }

    /// Every gateway's probes come to a conclusion after a time from this range.
    fn probes_say(&mut self, place: usize, up: bool, after: std::ops::Range<Tick>) {
        for gateway in 0..self.gateways.len() {
            let at = self.now + self.dice.random_range(after.clone());
            self.calendar.enter(at, Event::Probed { gateway, place, up });
        }
    }

    /// The places of the backends that the case is about.
    pub(super) fn special(&self) -> impl Iterator<Item = usize> + use<> {
        let (case, count, first) = (self.case, self.backends.len(), self.first_count());
        (0..count).filter(move |place| match case {
            Case::ColdStart => false,
            Case::Added | Case::AddedLate => *place >= first,
            Case::Faulty => *place == FAULTY,
            Case::ZoneLost => place % 2 == 0,
        })
    }

    /// How many backends the first plan had.
    fn first_count(&self) -> usize {
        let joined = matches!(self.case, Case::Added | Case::AddedLate) && self.now >= self.incident;
        self.backends.len() - usize::from(joined)
    }

    fn sample(&mut self) {
        let loads: Vec<_> = self.backends.iter().map(|backend| backend.load(self.now)).collect();
        let special = self.special().map(|place| loads[place]).reduce(f64::max);
        self.outcome.series.push(Sample {
            at: in_seconds(self.now),
            highest: loads.iter().copied().fold(0.0, f64::max),
            mean: loads.iter().sum::<f64>() / loads.len() as f64,
            special,
            received: self.outcome.received,
            waiting: self.waiting,
        });
    }

    /// Takes note of how full a backend has become.
    pub(super) fn note_load(&mut self, place: usize) {
        let load = self.backends[place].load(self.now);
        self.outcome.highest.see(load, self.now);
        if self.now >= self.incident && self.special().any(|special| special == place) {
            self.outcome.special.see(load, self.now);
        }
    }
}

/// When the backends' fate changes: at the peak of the evening, or on the way to it.
fn incident(case: Case, peak: Tick) -> Tick {
    match case {
        Case::ColdStart => OPENING,
        Case::Added | Case::AddedLate => peak,
        Case::Faulty => FAULT,
        Case::ZoneLost => OPENING + EVENING / 2 - OUTAGE,
    }
}
