//! One breaker and many threads: what must hold whatever the order in which they come.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use realmgate::policy::{Breaker, BreakerRules, BreakerState, Pass, Shut};

const THREADS: usize = 8;

const RULES: BreakerRules = BreakerRules {
    consecutive: 3,
    failure_rate: 50,
    min_frames: 20,
    window: Duration::from_millis(100),
    open: Duration::from_millis(10),
    max_open: Duration::from_millis(40),
    max_in_flight: 12,
};

fn opened(dice: &mut SmallRng) -> Breaker {
    let breaker = Breaker::default();
    for _ in 0..RULES.consecutive {
        let pass = breaker.enter(&RULES, Duration::ZERO, dice).expect("closed");
        breaker.failed(pass, &RULES, Duration::ZERO, dice);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    breaker
}

#[test]
fn of_many_that_come_at_one_moment_one_is_the_trial() {
    for round in 0..500 {
        let breaker = opened(&mut SmallRng::seed_from_u64(round));
        let together = Barrier::new(THREADS);
        let come = |seed| {
            let mut dice = SmallRng::seed_from_u64(seed);
            together.wait();
            breaker.enter(&RULES, Duration::from_secs(1), &mut dice)
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS as u64).map(|seed| scope.spawn(move || come(seed))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let trials = answers.iter().filter(|answer| **answer == Ok(Pass::Trial)).count();
        let others = answers.iter().filter(|answer| **answer == Err(Shut::Trying)).count();
        assert_eq!((trials, others, breaker.in_flight()), (1, THREADS - 1, 1), "round {round}");
    }
}

/// What the threads of one run share.
#[derive(Default)]
struct Yard {
    breaker: Breaker,
    now: AtomicU64,
    free: AtomicU32,
    trials: AtomicU32,
    opened: AtomicU32,
    closed: AtomicU32,
}

#[test]
fn places_neither_leak_nor_exceed_their_number_and_trials_stay_single() {
    let (mut opened, mut closed) = (0, 0);
    for run in 0..20 {
        let yard = Yard::default();
        thread::scope(|scope| {
            for thread in 0..THREADS as u64 {
                let yard = &yard;
                scope.spawn(move || yard.work(SmallRng::seed_from_u64(run * 100 + thread)));
            }
        });
        assert_eq!(yard.breaker.in_flight(), 0, "run {run}");
        opened += yard.opened.into_inner();
        closed += yard.closed.into_inner();
        let later = Duration::from_secs(3600);
        assert!(yard.breaker.may_enter(&RULES, later), "run {run} left a breaker that nobody can enter");
    }
    assert!(opened > 100 && closed > 100, "opened {opened} times and closed {closed} times");
}

impl Yard {
    fn work(&self, mut dice: SmallRng) {
        let mut held = Vec::new();
        for _ in 0..2_000 {
            let passed = dice.random_range(0..20) / 19 * dice.random_range(0..2_000);
            let now = Duration::from_millis(self.now.fetch_add(passed, Ordering::Relaxed));
            if dice.random() || held.is_empty() {
                let pass = self.breaker.enter(&RULES, now, &mut dice).ok();
                held.extend(pass.inspect(|pass| self.count(pass)));
            } else {
                let pass = held.swap_remove(dice.random_range(0..held.len()));
                self.give_back(pass, now, &mut dice);
            }
        }
        held.into_iter().for_each(|pass| self.give_back(pass, Duration::from_secs(1800), &mut dice));
    }

    fn count(&self, pass: &Pass) {
        let (counter, most) = match pass {
            Pass::Trial => (&self.trials, 1),
            Pass::Free(_) => (&self.free, RULES.max_in_flight),
        };
        assert!(counter.fetch_add(1, Ordering::AcqRel) < most, "more than {most} of {pass:?}");
    }

    fn give_back(&self, pass: Pass, now: Duration, dice: &mut SmallRng) {
        // Counted out first: the place may be taken again before the call returns.
        match pass {
            Pass::Trial => self.trials.fetch_sub(1, Ordering::AcqRel),
            Pass::Free(_) => self.free.fetch_sub(1, Ordering::AcqRel),
        };
        let changed = match dice.random_range(0..10) {
            0 => {
                self.breaker.forgotten(pass);
                None
            }
            1..5 => self.breaker.failed(pass, &RULES, now, dice),
            _ => self.breaker.succeeded(pass, &RULES, now),
        };
        match changed {
            Some(BreakerState::Open) => self.opened.fetch_add(1, Ordering::Relaxed),
            Some(BreakerState::Closed) => self.closed.fetch_add(1, Ordering::Relaxed),
            Some(BreakerState::HalfOpen) | None => 0,
        };
    }
}
