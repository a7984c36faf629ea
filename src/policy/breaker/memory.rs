//! What is worth keeping of a breaker when another process goes on in its place.
//!
//! Times count from the moment of asking. Frames in flight and the counts of the window stay behind: they belong
//! to sessions that the other process does not have.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::standing::{Life, Phase, Standing};
use super::{Breaker, millis};

/// A breaker in a few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerMemory {
    /// It lets frames in.
    Closed {
        /// Failures in a row.
        row: u32,
        /// How long it still lets only a share in.
        ramp: Duration,
        /// Failed trials before it closed; they count until the ramp is over.
        failed_trials: u32,
    },
    /// It lets nothing in. One that waits for its trial is open with no time left: that frame's result will never
    /// be known, so the next one is the trial.
    Open {
        /// How long until a trial may go.
        left: Duration,
        /// Failed trials so far.
        failed_trials: u32,
    },
}

impl BreakerMemory {
    /// Whether a new breaker is the same.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Closed { row: 0, ramp: Duration::ZERO, .. })
    }
}

impl Breaker {
    /// What is worth keeping of it.
    #[must_use]
    pub fn remember(&self, now: Duration) -> BreakerMemory {
        let seen = self.standing(Ordering::Acquire);
        let left = Duration::from_millis(seen.until.saturating_sub(millis(now)));
        let failed_trials = seen.failed_trials;
        match seen.phase {
            Phase::Closed => BreakerMemory::Closed { row: self.counts.row(), ramp: left, failed_trials },
            Phase::Open => BreakerMemory::Open { left, failed_trials },
            Phase::Trying => BreakerMemory::Open { left: Duration::ZERO, failed_trials },
        }
    }

    /// A breaker that goes on from there.
    #[must_use]
    pub fn recall(memory: &BreakerMemory, now: Duration) -> Self {
        let breaker = Self::default();
        let (phase, left, failed_trials) = match *memory {
            BreakerMemory::Closed { row, ramp, failed_trials } => {
                breaker.counts.set_row(row);
                (Phase::Closed, ramp, failed_trials)
            }
            BreakerMemory::Open { left, failed_trials } => (Phase::Open, left, failed_trials),
        };
        let until = if left.is_zero() && phase == Phase::Closed {
            0
        } else {
            millis(now).saturating_add(millis(left))
        };
        let failed_trials = failed_trials.min(Standing::MOST_TRIALS);
        let standing = Standing { phase, life: Life::default(), failed_trials, until };
        Self { standing: AtomicU64::new(standing.pack()), ..breaker }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::policy::{BreakerRules, BreakerState, Pass, Shut};

    const RULES: BreakerRules = BreakerRules {
        consecutive: 3,
        failure_rate: 50,
        min_frames: 20,
        window: Duration::from_secs(10),
        open: Duration::from_secs(8),
        max_open: Duration::from_secs(60),
        max_in_flight: 100,
    };
    const OLD: Duration = Duration::from_secs(1000);
    const NEW: Duration = Duration::from_secs(3);

    fn fail(breaker: &Breaker, now: Duration, dice: &mut SmallRng) -> Option<BreakerState> {
        let pass = (0..1000).find_map(|_| breaker.enter(&RULES, now, dice).ok()).expect("lets in");
        breaker.failed(pass, &RULES, now, dice)
    }

    fn opened(dice: &mut SmallRng) -> Breaker {
        let breaker = Breaker::default();
        assert_eq!((0..3).find_map(|_| fail(&breaker, OLD, dice)), Some(BreakerState::Open));
        breaker
    }

    #[test]
    fn an_open_one_stays_open_for_what_was_left_and_then_has_its_trial() {
        let mut dice = SmallRng::seed_from_u64(5);
        let old = opened(&mut dice);
        let later = OLD + Duration::from_secs(1);
        let remaining = old.remaining(later).expect("open");
        let new = Breaker::recall(&old.remember(later), NEW);
        assert_eq!(new.enter(&RULES, NEW, &mut dice), Err(Shut::Open { remaining }));
        assert_eq!(new.enter(&RULES, NEW + remaining, &mut dice), Ok(Pass::Trial));
        assert_eq!(new.failed(Pass::Trial, &RULES, NEW, &mut dice), Some(BreakerState::Open));
        assert!(new.remaining(NEW).expect("open") >= RULES.open, "the second failed trial doubles the time");
    }

    #[test]
    fn one_whose_trial_is_out_tries_again_at_once() {
        let mut dice = SmallRng::seed_from_u64(5);
        let old = opened(&mut dice);
        let later = OLD + RULES.open;
        assert_eq!(old.enter(&RULES, later, &mut dice), Ok(Pass::Trial));
        let new = Breaker::recall(&old.remember(later), NEW);
        assert_eq!(new.enter(&RULES, NEW, &mut dice), Ok(Pass::Trial));
    }

    #[test]
    fn failures_in_a_row_go_on_and_so_does_the_ramp() {
        let mut dice = SmallRng::seed_from_u64(5);
        let old = Breaker::default();
        assert!(old.remember(OLD).is_nothing());
        assert_eq!((fail(&old, OLD, &mut dice), fail(&old, OLD, &mut dice)), (None, None));
        let new = Breaker::recall(&old.remember(OLD), NEW);
        assert_eq!(fail(&new, NEW, &mut dice), Some(BreakerState::Open), "the third");

        let old = opened(&mut dice);
        let closed_at = OLD + RULES.open;
        let trial = old.enter(&RULES, closed_at, &mut dice).expect("the trial");
        assert_eq!(old.succeeded(trial, &RULES, closed_at), Some(BreakerState::Closed));
        let new = Breaker::recall(&old.remember(closed_at + Duration::from_secs(4)), NEW);
        let ramping = |now: Duration, dice: &mut SmallRng| {
            (0..100).any(|_| match new.enter(&RULES, now, dice) {
                Ok(pass) => {
                    new.forgotten(pass);
                    false
                }
                Err(shut) => shut == Shut::Ramping,
            })
        };
        assert!(ramping(NEW + Duration::from_secs(3), &mut dice));
        assert!(!ramping(NEW + Duration::from_secs(6), &mut dice));
    }
}
