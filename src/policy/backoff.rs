//! When to try again what failed.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Exponential waiting with full jitter in its upper half: a wait is drawn from `[step/2, step]`, and the step
/// doubles up to its limit, so that many gateways do not return to a backend in the same instant.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    step: Duration,
}

impl Backoff {
    /// Starts at `first` and never waits longer than `limit`.
    #[must_use]
    pub const fn new(first: Duration, limit: Duration) -> Self {
        Self { first, limit, step: first }
    }

    /// The next wait.
    pub fn next(&mut self, dice: &mut impl Rng) -> Duration {
        let step = self.step;
        self.step = (step * 2).min(self.limit);
        step.mul_f64(dice.random_range(0.5..=1.0))
    }

    /// It worked: the next failure waits from the start again.
    pub fn reset(&mut self) {
        self.step = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn waits_double_up_to_the_limit_within_their_upper_half() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut dice = SmallRng::seed_from_u64(3);
        for step in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next(&mut dice);
            let step = Duration::from_millis(step);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.next(&mut dice) <= Duration::from_millis(100));
    }

    #[test]
    fn two_that_failed_together_do_not_return_together() {
        let mut dice = SmallRng::seed_from_u64(3);
        let waits: std::collections::HashSet<_> = (0..100)
            .map(|_| Backoff::new(Duration::from_secs(1), Duration::from_secs(1)).next(&mut dice))
            .collect();
        assert!(waits.len() > 95, "{} different waits", waits.len());
    }
}
