//! How often something may happen: so many in a time, and some more at once. It is told by one number, the time at
//! which all that was let through would have come at an even pace (GCRA): no window that begins anew, no tokens to
//! refill, and nothing to do while nothing comes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many a second on average, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// On average; above zero.
    pub per_second: f64,
    /// At once; at least one.
    pub burst: u32,
}

/// What was let through so far; of one thread. Times are counted from one origin, which is the same at every call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace(u64);

/// The same of all threads.
#[derive(Debug, Default)]
pub struct SharedPace(AtomicU64);

impl RateLimit {
    /// What is noted after one more came at `now`, and whether it passes or how long it has to wait.
    ///
    /// What is noted is never further ahead than this limit itself brings it, so a limit that was changed counts at
    /// once, and nobody waits for what an older one let through.
    fn judge(&self, noted: u64, now: u64) -> (u64, Result<(), Duration>) {
        let (interval, tolerance) = (self.interval(), self.tolerance());
        let furthest = now.saturating_add(tolerance).saturating_add(interval);
        let noted = noted.min(furthest);
        match noted.saturating_sub(now).checked_sub(tolerance) {
            None | Some(0) => (noted.max(now).saturating_add(interval), Ok(())),
            Some(wait) => (noted, Err(Duration::from_nanos(wait))),
        }
    }

    /// The time between two at an even pace, in nanoseconds. Above a hundred million a second it is no longer exact.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float ends at the ends of u64"
    )]
    fn interval(&self) -> u64 {
        ((1e9 / self.per_second) as u64).max(1)
    }

    /// How far ahead of the even pace one may be before the next has to wait, in nanoseconds.
    fn tolerance(&self) -> u64 {
        self.interval().saturating_mul(u64::from(self.burst.saturating_sub(1)))
    }
}

impl From<crate::base::Rate> for RateLimit {
    /// A rate as an operator writes it: twice as many may come at once.
    fn from(rate: crate::base::Rate) -> Self {
        Self { per_second: rate.per_second(), burst: rate.count.saturating_mul(2) }
    }
}

impl fmt::Display for RateLimit {
    /// In the shortest time that makes it a whole number.
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_whole = |count: f64| (count - count.round()).abs() < 1e-6;
        let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        match units.into_iter().find(|(_, seconds)| is_whole(self.per_second * seconds)) {
            Some((unit, seconds)) => write!(into, "{:.0}/{unit}", self.per_second * seconds),
            None => write!(into, "{}/s", self.per_second),
        }
    }
}

impl Pace {
    /// Lets one more through.
    ///
    /// # Errors
    /// How long it has to wait; it counts as if it had not come.
    pub fn take(&mut self, limit: &RateLimit, now: Duration) -> Result<(), Duration> {
        let (noted, passes) = limit.judge(self.0, nanos(now));
        self.0 = noted;
        passes
    }

    /// Whether nothing that was let through counts any more.
    #[must_use]
    pub fn is_over(&self, now: Duration) -> bool {
        self.0 <= nanos(now)
    }
}

impl SharedPace {
    /// Lets one more through.
    ///
    /// # Errors
    /// How long it has to wait; it counts as if it had not come.
    pub fn take(&self, limit: &RateLimit, now: Duration) -> Result<(), Duration> {
        let now = nanos(now);
        let mut noted = self.0.load(Ordering::Relaxed);
        loop {
            let (next, passes) = limit.judge(noted, now);
            if next == noted {
                return passes; // a refusal: nothing is written where everybody writes
            }
            match self.0.compare_exchange_weak(noted, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return passes,
                Err(other) => noted = other,
            }
        }
    }
}

/// Five hundred years fit.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    fn limit(text: &str) -> RateLimit {
        crate::base::parse_rate(text).expect("a rate").into()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// How many of `tries` pass at one moment.
    fn at_once(rate: &mut Pace, limit: &RateLimit, now: Duration, tries: usize) -> usize {
        (0..tries).filter(|_| rate.take(limit, now).is_ok()).count()
    }

    #[test]
    fn the_burst_passes_at_once_and_then_one_at_a_time() {
        let (limit, mut rate) = (limit("10/s"), Pace::default());
        assert_eq!(limit.burst, 20);
        assert_eq!(at_once(&mut rate, &limit, ms(5000), 100), 20);
        assert_eq!(rate.take(&limit, ms(5000)), Err(ms(100)));
        assert_eq!(rate.take(&limit, ms(5040)), Err(ms(60)));
        assert_eq!(rate.take(&limit, ms(5100)), Ok(()));
        assert_eq!(rate.take(&limit, ms(5100)), Err(ms(100)));
        assert_eq!(
            at_once(&mut rate, &limit, ms(60_000), 100),
            20,
            "a pause saves up no more than the burst"
        );
    }

    #[test]
    fn an_even_pace_at_the_rate_is_never_refused_and_one_above_it_is_cut_to_it() {
        for (text, nanos, rounds) in [
            ("1/s", 1_000_000_000, 10),
            ("30/s", 33_333_334, 300),
            ("600/m", 100_000_000, 6000),
            ("100/h", 36_000_000_000, 1000),
        ] {
            let (limit, step) = (limit(text), Duration::from_nanos(nanos));
            let (mut even, mut twice) = (Pace::default(), Pace::default());
            assert!((0..rounds).all(|round| even.take(&limit, step * round).is_ok()), "{limit}");
            let passed = (0..rounds * 2).filter(|half| twice.take(&limit, step * *half / 2).is_ok()).count();
            let most = (rounds + limit.burst) as usize;
            assert!((most - 1..=most).contains(&passed), "{limit}: {passed} of {most}");
        }
    }

    /// A bucket of tokens, in nanoseconds, is the same rule told in another way.
    #[test]
    fn it_passes_what_a_bucket_of_tokens_passes() {
        for seed in 0..300 {
            let mut dice = SmallRng::seed_from_u64(seed);
            let per_second = dice.random_range(1..2000) as f64 / [1.0, 60.0, 3600.0][dice.random_range(0..3)];
            let limit = RateLimit { per_second, burst: dice.random_range(1..50) };
            let (mut rate, shared) = (Pace::default(), SharedPace::default());
            let full = limit.interval() * u64::from(limit.burst);
            let (mut tokens, mut now) = (full, 0_u64);
            for step in 0..500 {
                let pause = dice.random_range(0..limit.interval() * 3) * u64::from(dice.random_bool(0.5));
                now += pause;
                tokens = (tokens + pause).min(full);
                let passes = tokens >= limit.interval();
                tokens -= limit.interval() * u64::from(passes);
                let at = Duration::from_nanos(now);
                let found = rate.take(&limit, at);
                assert_eq!(found.is_ok(), passes, "seed {seed}, step {step}");
                assert_eq!(shared.take(&limit, at), found, "seed {seed}, step {step}");
                if let Err(wait) = found {
                    assert!(rate.clone().take(&limit, at + wait).is_ok(), "it may pass when it was told");
                    let early = at + wait - Duration::from_nanos(1);
                    assert!(rate.clone().take(&limit, early).is_err(), "and not before");
                }
            }
        }
    }

    #[test]
    fn another_limit_counts_at_once_and_nobody_waits_for_what_the_old_one_let_through() {
        let (slow, fast) = (limit("10/h"), limit("1000/s"));
        let mut rate = Pace::default();
        assert_eq!(at_once(&mut rate, &slow, ms(0), 100), 20);
        let wait = rate.take(&fast, ms(0)).expect_err("the burst of the old limit was used up");
        assert!(wait <= ms(1), "{wait:?}");
        assert_eq!(rate.take(&fast, ms(1)), Ok(()));
        assert_eq!(at_once(&mut rate, &slow, ms(2), 100), 19, "and the other way what was used stays used");
    }

    #[test]
    fn many_threads_together_pass_as_many_as_one() {
        let (limit, rate) = (limit("1000/s"), SharedPace::default());
        let passed: usize = std::thread::scope(|scope| {
            let one = || (0..10_000).filter(|_| rate.take(&limit, ms(7)).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(passed, 2000);
    }

    #[test]
    fn the_ends_of_the_scale() {
        let (most, one) = (limit("4294967295/s"), RateLimit { per_second: 1e-300, burst: 0 });
        assert_eq!((most.interval(), most.burst, one.interval()), (1, u32::MAX, u64::MAX));
        let mut rate = Pace::default();
        assert_eq!(rate.take(&one, Duration::MAX), Ok(()));
        assert!(rate.take(&one, Duration::ZERO).is_err(), "a clock that went back is no way around it");
        assert_eq!(at_once(&mut Pace::default(), &most, ms(1), 1000), 1000);
    }

    #[test]
    fn a_limit_is_written_as_people_write_it() {
        for (text, shown) in [("30/s", "30/s"), ("600/m", "10/s"), ("90/m", "90/m"), ("5/h", "5/h")] {
            assert_eq!(limit(text).to_string(), shown);
        }
    }
}
