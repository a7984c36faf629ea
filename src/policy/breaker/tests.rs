//! A breaker on a stepped clock, rule by rule.

use super::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

const RULES: BreakerRules = BreakerRules {
    consecutive: 3,
    failure_rate: 50,
    min_frames: 20,
    window: Duration::from_secs(10),
    open: Duration::from_secs(1),
    max_open: Duration::from_secs(60),
    max_in_flight: 100,
};

/// A breaker with its dice and the steps that every test takes.
struct Bench {
    breaker: Breaker,
    dice: SmallRng,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self { breaker: Breaker::default(), dice: SmallRng::seed_from_u64(5), now: Duration::from_secs(100) }
    }

    fn opened() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.fail(), None);
        assert_eq!(bench.fail(), None);
        assert_eq!(bench.fail(), Some(BreakerState::Open));
        bench
    }

    fn enter(&mut self) -> Result<Pass, Shut> {
        self.breaker.enter(&RULES, self.now, &mut self.dice)
    }

    fn pass(&mut self) -> Pass {
        self.enter().expect("lets in")
    }

    /// Asks until the ramp lets one in.
    fn patient_pass(&mut self) -> Pass {
        (0..1000).find_map(|_| self.enter().ok()).expect("a tenth is let in")
    }

    fn fail(&mut self) -> Option<BreakerState> {
        let pass = self.patient_pass();
        self.breaker.failed(pass, &RULES, self.now, &mut self.dice)
    }

    fn succeed(&mut self) -> Option<BreakerState> {
        let pass = self.patient_pass();
        self.breaker.succeeded(pass, &RULES, self.now)
    }

    fn remaining(&self) -> Duration {
        self.breaker.remaining(self.now).expect("open")
    }

    fn wait_until_trial(&mut self) {
        self.now += self.remaining();
    }
}

#[test]
fn failures_in_a_row_open_it_and_a_success_between_does_not() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        assert_eq!((bench.fail(), bench.fail(), bench.succeed()), (None, None, None));
        bench.now += RULES.window;
    }
    assert_eq!((bench.fail(), bench.fail(), bench.fail()), (None, None, Some(BreakerState::Open)));
    assert_eq!((bench.breaker.state(), bench.breaker.in_flight()), (BreakerState::Open, 0));
    let remaining = bench.remaining();
    assert!(remaining >= RULES.open / 2 && remaining <= RULES.open, "{remaining:?}");
    assert_eq!(bench.enter(), Err(Shut::Open { remaining }));
}

#[test]
fn a_rate_opens_it_from_the_least_number_of_results_on() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        assert_eq!((bench.succeed(), bench.fail()), (None, None));
    }
    assert_eq!((bench.succeed(), bench.fail()), (None, Some(BreakerState::Open)));
}

#[test]
fn results_older_than_the_window_do_not_count_towards_the_rate() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        assert_eq!((bench.succeed(), bench.fail()), (None, None));
    }
    bench.now += RULES.window;
    assert_eq!((bench.succeed(), bench.fail()), (None, None));
}

#[test]
fn one_trial_decides_and_the_time_doubles_up_to_its_limit() {
    let mut bench = Bench::opened();
    for most in [2, 4, 8, 16, 32, 60, 60] {
        bench.wait_until_trial();
        let trial = bench.pass();
        assert_eq!((bench.breaker.state(), bench.enter()), (BreakerState::HalfOpen, Err(Shut::Trying)));
        let again = bench.breaker.failed(trial, &RULES, bench.now, &mut bench.dice);
        assert_eq!(again, Some(BreakerState::Open));
        let (most, remaining) = (Duration::from_secs(most), bench.remaining());
        assert!(remaining >= most / 2 && remaining <= most, "{remaining:?} of {most:?}");
    }
    bench.wait_until_trial();
    assert_eq!(bench.succeed(), Some(BreakerState::Closed));
}

#[test]
fn a_forgotten_trial_makes_the_next_frame_the_trial_at_once() {
    let mut bench = Bench::opened();
    bench.wait_until_trial();
    let trial = bench.pass();
    assert!(!bench.breaker.may_enter(&RULES, bench.now));
    bench.breaker.forgotten(trial);
    assert!(bench.breaker.may_enter(&RULES, bench.now));
    assert_eq!((bench.enter(), bench.breaker.in_flight()), (Ok(Pass::Trial), 1));
}

#[test]
fn after_a_trial_a_growing_share_is_let_in() {
    let mut bench = Bench::opened();
    bench.wait_until_trial();
    assert_eq!(bench.succeed(), Some(BreakerState::Closed));
    for (second, share) in [(0, 100), (1, 100), (5, 500), (9, 900), (10, 1000)] {
        let now = bench.now + Duration::from_secs(second);
        let mut passes = Vec::new();
        for _ in 0..1000 {
            let answer =
                bench.breaker.enter(&BreakerRules { max_in_flight: 9999, ..RULES }, now, &mut bench.dice);
            passes.extend(answer.ok());
        }
        // Five standard deviations of the widest share are 79.
        assert!(passes.len().abs_diff(share) < 80, "{} after {second} s", passes.len());
        passes.into_iter().for_each(|pass| bench.breaker.forgotten(pass));
    }
}

#[test]
fn opening_during_the_ramp_goes_on_and_after_it_starts_anew() {
    for (after, most) in [(9_999, 2), (10_000, 1)] {
        let mut bench = Bench::opened();
        bench.wait_until_trial();
        assert_eq!(bench.succeed(), Some(BreakerState::Closed));
        bench.now += Duration::from_millis(after);
        assert_eq!((bench.fail(), bench.fail(), bench.fail()), (None, None, Some(BreakerState::Open)));
        let (most, remaining) = (Duration::from_secs(most), bench.remaining());
        assert!(remaining >= most / 2 && remaining <= most, "{remaining:?} of {most:?}");
    }
}

#[test]
fn a_late_result_frees_its_place_and_changes_nothing_else() {
    let mut bench = Bench::new();
    let late: Vec<Pass> = (0..50).map(|_| bench.pass()).collect();
    assert_eq!((bench.fail(), bench.fail(), bench.fail()), (None, None, Some(BreakerState::Open)));
    bench.wait_until_trial();
    assert_eq!((bench.succeed(), bench.breaker.in_flight()), (Some(BreakerState::Closed), 50));
    for pass in late {
        assert_eq!(bench.breaker.failed(pass, &RULES, bench.now, &mut bench.dice), None);
    }
    assert_eq!((bench.breaker.state(), bench.breaker.in_flight()), (BreakerState::Closed, 0));
    assert_eq!((bench.fail(), bench.fail(), bench.fail()), (None, None, Some(BreakerState::Open)));
}

#[test]
fn beyond_the_most_in_flight_it_is_crowded_but_the_trial_goes() {
    let mut bench = Bench::new();
    let mut passes: Vec<Pass> = (0..RULES.max_in_flight).map(|_| bench.pass()).collect();
    assert_eq!((bench.enter(), bench.breaker.may_enter(&RULES, bench.now)), (Err(Shut::Crowded), false));
    assert!(bench.breaker.is_crowded(&RULES));
    for _ in 0..RULES.consecutive {
        bench.breaker.failed(passes.pop().expect("one"), &RULES, bench.now, &mut bench.dice);
        passes.extend(bench.enter());
    }
    assert!(!bench.breaker.is_crowded(&RULES), "it is open");
    bench.wait_until_trial();
    assert_eq!(bench.enter(), Ok(Pass::Trial));
}

#[test]
fn a_clock_that_is_behind_another_threads_does_no_harm() {
    let mut bench = Bench::opened();
    bench.wait_until_trial();
    assert_eq!(bench.succeed(), Some(BreakerState::Closed));
    bench.now -= Duration::from_secs(20);
    assert_eq!((bench.fail(), bench.succeed(), bench.fail()), (None, None, None));
    assert_eq!(bench.breaker.remaining(bench.now), None);
}

#[test]
fn numbers_without_sense_do_not_panic() {
    let none = BreakerRules {
        consecutive: 0,
        failure_rate: 0,
        min_frames: 0,
        window: Duration::ZERO,
        open: Duration::ZERO,
        max_open: Duration::MAX,
        max_in_flight: 1,
    };
    let most = BreakerRules { window: Duration::MAX, open: Duration::MAX, ..none };
    let mut dice = SmallRng::seed_from_u64(1);
    for rules in [none, most] {
        let breaker = Breaker::default();
        for now in [Duration::ZERO, Duration::MAX] {
            let pass = breaker.enter(&rules, now, &mut dice).expect("a place");
            breaker.failed(pass, &rules, now, &mut dice);
        }
        assert_eq!(breaker.in_flight(), 0);
    }
}
