//! One random history, walked by the breaker and by the reference and compared after every step.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use realmgate::policy::{Breaker, BreakerRules, BreakerState, Pass, Shut};

pub(crate) use crate::model::Rules;
use crate::model::{Cause, Model, Slip};
use crate::two_dice;

const MOST_OUTSTANDING: usize = 40;

/// How often what has happened, so that a history in which nothing does is not taken for a proof.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    by_row: u32,
    by_rate: u32,
    by_trial: u32,
    closed: u32,
    reopened_in_ramp: u32,
    forgotten_trials: u32,
    late: u32,
    shut_open: u32,
    trying: u32,
    ramping: u32,
    crowded: u32,
}

impl Seen {
    pub(crate) fn everything(&self) -> bool {
        let rare = [self.by_row, self.by_rate, self.by_trial, self.closed, self.reopened_in_ramp, self.late];
        let refused = [self.forgotten_trials, self.shut_open, self.trying, self.ramping, self.crowded];
        rare.into_iter().chain(refused).all(|count| count > 500)
    }

    fn refused(&mut self, shut: Shut) {
        *match shut {
            Shut::Open { .. } => &mut self.shut_open,
            Shut::Trying => &mut self.trying,
            Shut::Ramping => &mut self.ramping,
            Shut::Crowded => &mut self.crowded,
        } += 1;
    }

    fn opened(&mut self, cause: Option<Cause>, in_ramp: bool) {
        *match cause.expect("what opens has a cause") {
            Cause::Row => &mut self.by_row,
            Cause::Rate => &mut self.by_rate,
            Cause::Trial => &mut self.by_trial,
        } += 1;
        self.reopened_in_ramp += u32::from(in_ramp && cause != Some(Cause::Trial));
    }
}

/// Walks the history of `seed`; the reference goes by what `told` makes of the rules.
pub(crate) fn run(seed: u64, told: impl Fn(Rules) -> Rules, seen: &mut Seen) {
    let mut dice = SmallRng::seed_from_u64(seed);
    let rules = random_rules(&mut dice);
    let mut pair = Pair {
        breaker: Breaker::default(),
        rules: for_breaker(rules),
        model: Model::new(told(rules)),
        window: rules.window,
        now: dice.random_range(0..100_000),
        outstanding: Vec::new(),
        failing: dice.random_range(5..=100),
        forgetting: [0, 0, 10, 40][dice.random_range(0..4)],
    };
    for step in 0..dice.random_range(20..300) {
        let context = format!("seed {seed}, step {step}, {rules:?}");
        pair.step(&mut dice, seen, &context);
        pair.compare(&context);
    }
}

struct Pair {
    breaker: Breaker,
    rules: BreakerRules,
    model: Model,
    window: u64,
    now: u64,
    outstanding: Vec<(Pass, Slip)>,
    /// Percent of failures, now.
    failing: u32,
    /// Percent of results that nobody will know.
    forgetting: u32,
}

impl Pair {
    fn step(&mut self, dice: &mut SmallRng, seen: &mut Seen, context: &str) {
        match dice.random_range(0..100) {
            0..50 => self.enter(dice, seen, context),
            50..86 => self.result(dice, seen, context),
            86..97 => self.now += self.while_long(dice),
            _ => self.failing = dice.random_range(0..=100),
        }
    }

    fn enter(&mut self, dice: &mut SmallRng, seen: &mut Seen, context: &str) {
        if self.outstanding.len() == MOST_OUTSTANDING {
            return;
        }
        let [mut one, mut other] = two_dice(dice.random());
        let got = self.breaker.enter(&self.rules, self.time(dice), &mut one);
        let want = self.model.enter(self.now, &mut other);
        match (got, want) {
            (Ok(pass), Ok(slip)) => {
                assert_eq!(pass == Pass::Trial, slip.is_trial, "{context}");
                self.outstanding.push((pass, slip));
            }
            (Err(got), Err(want)) => {
                assert_eq!(got, want, "{context}");
                seen.refused(want);
            }
            (got, want) => panic!("{got:?} instead of {want:?}, {context}"),
        }
    }

    fn result(&mut self, dice: &mut SmallRng, seen: &mut Seen, context: &str) {
        if self.outstanding.is_empty() {
            return;
        }
        let (pass, slip) = self.outstanding.swap_remove(dice.random_range(0..self.outstanding.len()));
        seen.late += u32::from(!slip.is_trial && self.model.is_late(slip));
        let time = self.time(dice);
        let in_ramp = self.model.ramp(self.now).is_some();
        if dice.random_ratio(self.forgetting, 100) {
            self.breaker.forgotten(pass);
            seen.forgotten_trials += u32::from(slip.is_trial);
            self.model.forgotten(slip);
        } else if dice.random_ratio(self.failing, 100) {
            let [mut one, mut other] = two_dice(dice.random());
            let got = self.breaker.failed(pass, &self.rules, time, &mut one);
            let want = self.model.failed(slip, self.now, &mut other);
            assert_eq!(got, want, "a failure, {context}");
            if want == Some(BreakerState::Open) {
                seen.opened(self.model.last_cause, in_ramp);
            }
        } else {
            let got = self.breaker.succeeded(pass, &self.rules, time);
            let want = self.model.succeeded(slip, self.now);
            assert_eq!(got, want, "a success, {context}");
            seen.closed += u32::from(want == Some(BreakerState::Closed));
        }
    }

    fn compare(&self, context: &str) {
        let time = Duration::from_millis(self.now);
        assert_eq!(self.breaker.state(), self.model.state(), "{context}");
        assert_eq!(self.breaker.in_flight(), self.model.in_flight(), "in flight, {context}");
        let remaining = self.model.remaining(self.now).map(Duration::from_millis);
        assert_eq!(self.breaker.remaining(time), remaining, "{context}");
        let may_enter = self.model.may_enter(self.now);
        assert_eq!(self.breaker.may_enter(&self.rules, time), may_enter, "may enter, {context}");
    }

    /// Now, somewhere within its millisecond.
    fn time(&self, dice: &mut SmallRng) -> Duration {
        Duration::from_millis(self.now) + Duration::from_nanos(dice.random_range(0..1_000_000))
    }

    /// Milliseconds to the next step, mostly to an edge or one beside it.
    fn while_long(&self, dice: &mut SmallRng) -> u64 {
        let slice = (self.window / 10).max(1);
        let to_next_slice = slice - self.now % slice;
        let edges = [0, slice, to_next_slice, to_next_slice + 9 * slice, self.window, 1_000, 5_000, 10_000];
        let open = self.model.remaining(self.now);
        let ramp = self.model.ramp(self.now).map(|elapsed| 10_000 - elapsed);
        let edge = match dice.random_range(0..100) {
            0..10 => return dice.random_range(0..180_000),
            10..25 => return dice.random_range(0..=self.window),
            25..75 => open.or(ramp).unwrap_or(to_next_slice),
            _ => edges[dice.random_range(0..edges.len())],
        };
        (edge + dice.random_range(0..3)).saturating_sub(1)
    }
}

fn random_rules(dice: &mut SmallRng) -> Rules {
    let one_of = |dice: &mut SmallRng, numbers: &[u64]| numbers[dice.random_range(0..numbers.len())];
    Rules {
        consecutive: [dice.random_range(1..6), dice.random_range(5..60)][dice.random_range(0..2)],
        failure_rate: [dice.random_range(1..=100), 50, 100][dice.random_range(0..3)],
        min_frames: dice.random_range(1..20),
        window: one_of(dice, &[7, 10, 100, 333, 1_000, 10_000, 60_000]),
        open: one_of(dice, &[1, 10, 250, 1_000, 1_000, 30_000]),
        max_open: one_of(dice, &[20, 5_000, 60_000, 60_000, 600_000]),
        max_in_flight: [dice.random_range(1..10), dice.random_range(10..45)][dice.random_range(0..2)],
    }
}

fn for_breaker(rules: Rules) -> BreakerRules {
    BreakerRules {
        consecutive: rules.consecutive,
        failure_rate: rules.failure_rate,
        min_frames: rules.min_frames,
        window: Duration::from_millis(rules.window),
        open: Duration::from_millis(rules.open),
        max_open: Duration::from_millis(rules.max_open),
        max_in_flight: rules.max_in_flight,
    }
}
