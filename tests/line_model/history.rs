//! One random history, walked by the line and by the reference and compared after every step.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use realmgate::base::SessionId;
use realmgate::policy::{Entered, Line, LineRules, Newcomer, Outlook};

use crate::model::{Came, Model, Rules, Slips};

/// How often what has happened, so that a history in which nothing does is not taken for a proof.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    came_in: u32,
    waited: u32,
    full: u32,
    came_back: u32,
    replaced_inside: u32,
    replaced_waiting: u32,
    let_in: u32,
    given_up: u32,
    passed_over: u32,
    taken_away: u32,
}

impl Seen {
    pub(crate) fn everything(&self) -> bool {
        let coming = [self.came_in, self.waited, self.full, self.came_back];
        let going = [self.replaced_inside, self.replaced_waiting, self.let_in, self.given_up];
        let rare = [self.passed_over, self.taken_away];
        coming.into_iter().chain(going).chain(rare).all(|count| count > 500)
    }
}

pub(crate) fn run(seed: u64, slips: Slips, seen: &mut Seen) {
    let mut dice = SmallRng::seed_from_u64(seed);
    let rules = Some(random_rules(&mut dice)).filter(|_| !seed.is_multiple_of(10));
    let mut pair = Pair {
        line: Line::new(rules.map(for_line)),
        model: Model::new(rules, slips),
        now: dice.random_range(100_000..200_000),
        sessions: 0,
        live: HashMap::new(),
        accounts: dice.random_range(1..40),
    };
    for step in 0..dice.random_range(20..300) {
        let context = format!("seed {seed}, step {step}, {rules:?}");
        pair.step(&mut dice, seen, &context);
        assert_eq!(pair.line.inside(), pair.model.inside(), "in, {context}");
        assert_eq!(pair.line.waits(), pair.model.here(), "wait, {context}");
        assert_eq!(pair.line.len() as usize, pair.model.line.len(), "places, {context}");
    }
}

/// What somebody who waits holds: its session, and the place it was told last.
type Ticket = (u64, Rc<Cell<u32>>);

struct Pair {
    line: Line<Ticket>,
    model: Model,
    now: u64,
    sessions: u64,
    /// Sessions that entered and have not left, each with its account.
    live: HashMap<u64, u64>,
    accounts: u64,
}

impl Pair {
    fn step(&mut self, dice: &mut SmallRng, seen: &mut Seen, context: &str) {
        match dice.random_range(0..100) {
            0..40 => self.enter(dice, seen, context),
            40..60 => self.leave(dice),
            60..80 => self.regular_turns(dice.random_range(1..8), seen, context),
            80..81 => self.regular_turns(dice.random_range(20..200), seen, context),
            81..92 => {
                self.now += while_long(dice);
                self.turn(seen, context);
            }
            92..97 => self.rank(context),
            _ => self.follow(dice, seen),
        }
    }

    fn enter(&mut self, dice: &mut SmallRng, seen: &mut Seen, context: &str) {
        let account = dice.random_range(0..self.accounts);
        self.sessions += 1;
        let mut session = self.sessions;
        let mut elders: Vec<u64> =
            self.live.iter().filter(|(_, known)| **known == account).map(|(session, _)| *session).collect();
        elders.sort_unstable();
        match dice.random_range(0..10) {
            0..3 => elders.clear(),
            3 if !elders.is_empty() => session = elders.remove(dice.random_range(0..elders.len())),
            _ => {}
        }
        if session != self.sessions {
            elders.clear(); // a login again of a session that is known
        }
        let before = (self.model.line.len(), self.model.here());
        let (waited, was_in) = (self.model.waiting_sessions(account), self.model.inside());
        let want = self.model.enter(session, account, &elders);
        let got = self.enter_line(session, account, &elders);
        assert_eq!(got, want, "{session} of {account} instead of {elders:?}, {context}");
        self.live.retain(|session, _| !elders.contains(session));
        if want != Came::Full {
            self.live.insert(session, account);
        }
        let replaced_waiting = elders.iter().any(|elder| waited.contains(elder));
        seen.came_in += u32::from(want == Came::In && elders.is_empty());
        seen.full += u32::from(want == Came::Full);
        seen.waited += u32::from(matches!(want, Came::Waits { .. }));
        seen.came_back += u32::from(before.0 == self.model.line.len() && before.1 < self.model.here() as _);
        seen.replaced_inside +=
            u32::from(want == Came::In && !elders.is_empty() && self.model.inside() <= was_in);
        seen.replaced_waiting += u32::from(matches!(want, Came::Waits { .. }) && replaced_waiting);
    }

    fn enter_line(&mut self, session: u64, account: u64, elders: &[u64]) -> Came {
        let account: Arc<str> = account.to_string().into();
        let elders: Vec<_> = elders.iter().copied().map(SessionId::from_raw).collect();
        let newcomer =
            Newcomer { session: SessionId::from_raw(session), account: &account, instead_of: &elders };
        let ticket = |outlook: Outlook| (session, Rc::new(Cell::new(outlook.place)));
        match self.line.enter(&newcomer, Duration::from_millis(self.now), ticket) {
            Entered::In => Came::In,
            Entered::Full => Came::Full,
            Entered::Waits((holder, place)) => {
                assert_eq!(holder, session, "somebody else's ticket");
                Came::Waits { place: place.get() }
            }
        }
    }

    fn leave(&mut self, dice: &mut SmallRng) {
        let mut live: Vec<u64> = self.live.keys().copied().collect();
        if live.is_empty() {
            return;
        }
        live.sort_unstable();
        let session = live[dice.random_range(0..live.len())];
        let returns = dice.random_ratio(3, 4);
        self.live.remove(&session);
        self.line.leave(SessionId::from_raw(session), returns, Duration::from_millis(self.now));
        self.model.leave(session, returns, self.now);
    }

    fn regular_turns(&mut self, count: u32, seen: &mut Seen, context: &str) {
        for _ in 0..count {
            self.now += 50;
            self.turn(seen, context);
        }
    }

    fn turn(&mut self, seen: &mut Seen, context: &str) {
        let mut let_in = Vec::new();
        self.line.turn(Duration::from_millis(self.now), |(session, _)| let_in.push(session));
        let places = self.model.line.len();
        let passes_over = self.model.line.first().is_some_and(|first| first.session.is_none());
        self.model.turn(self.now, &let_in, context);
        seen.let_in += u32::from(!let_in.is_empty());
        seen.given_up += u32::from(places > self.model.line.len() + let_in.len());
        seen.passed_over += u32::from(passes_over && !let_in.is_empty());
    }

    fn rank(&mut self, context: &str) {
        let mut places = Vec::new();
        let tell = |(session, told): &Ticket, outlook: Outlook| {
            told.set(outlook.place);
            places.push((*session, outlook.place));
        };
        self.line.rank(Duration::from_millis(self.now), tell);
        assert_eq!(places, self.model.rank(context), "places, {context}");
    }

    fn follow(&mut self, dice: &mut SmallRng, seen: &mut Seen) {
        let rules = Some(random_rules(dice)).filter(|_| dice.random_ratio(1, 2));
        seen.taken_away += u32::from(rules.is_none() && self.model.here() > 0);
        self.line.follow(rules.map(for_line));
        self.model.follow(rules);
    }
}

/// Milliseconds to the next turn where turns are not regular: short ones, late ones, and the edges of a minute.
fn while_long(dice: &mut SmallRng) -> u64 {
    match dice.random_range(0..10) {
        0..4 => dice.random_range(1..50),
        4..7 => dice.random_range(50..400),
        7 => dice.random_range(900..1_100),
        8 => dice.random_range(1..70_000),
        _ => dice.random_range(59_998..60_002),
    }
}

fn random_rules(dice: &mut SmallRng) -> Rules {
    Rules {
        above: dice.random_range(0..12),
        admit: [1, 2, 3, 7, 20, 100, 200, 1_000][dice.random_range(0..8)],
        length: dice.random_range(0..30),
    }
}

fn for_line(rules: Rules) -> LineRules {
    LineRules { above: rules.above, admit: f64::from(rules.admit), length: rules.length }
}
