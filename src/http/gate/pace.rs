//! How fast each partner may ask: one limiter for the process, found by the partner's name. A reload with the same rate
//! keeps it, and what was begun before a reload with another one is counted under the new rate.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::policy::RateLimit;

/// The limiters of all partners.
#[derive(Debug, Default)]
pub(super) struct Paces(Mutex<HashMap<String, InForce>>);

/// The limiter of one partner, and the newest world that asked for it.
#[derive(Debug)]
struct InForce {
    generation: u64,
    pace: Arc<Pace>,
}

/// The limiter of one partner.
#[derive(Debug)]
pub(super) struct Pace {
    rules: RateLimit,
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>,
}

/// What is left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// The most at once.
    pub(super) limit: u32,
    /// How many more may come now.
    pub(super) remaining: u32,
}

impl Paces {
    /// One more request of a partner, under the rules of the world with this number or of a newer one.
    ///
    /// # Errors
    /// When the next one may come.
    pub(super) fn take(&self, partner: &str, rules: &RateLimit, world: u64) -> Result<Allowance, Duration> {
        self.of(partner, rules, world).take()
    }

    fn of(&self, partner: &str, rules: &RateLimit, world: u64) -> Arc<Pace> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = paces.get_mut(partner)
            && (world < known.generation || known.pace.rules == *rules)
        {
            known.generation = known.generation.max(world);
            return Arc::clone(&known.pace);
        }
        let pace = Arc::new(Pace::new(rules));
        paces.insert(partner.to_owned(), InForce { generation: world, pace: Arc::clone(&pace) });
        pace
    }
}

impl Pace {
    fn new(rules: &RateLimit) -> Self {
        let period = Duration::try_from_secs_f64(1.0 / rules.per_second).unwrap_or(Duration::MAX);
        let burst = NonZeroU32::new(rules.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period.max(SHORTEST)).map(|quota| quota.allow_burst(burst));
        let quota = quota.expect("a period above zero");
        let limiter = RateLimiter::direct_with_clock(quota, MonotonicClock);
        Self { rules: *rules, limiter: limiter.with_middleware() }
    }

    fn take(&self) -> Result<Allowance, Duration> {
        match self.limiter.check() {
            Ok(state) => {
                Ok(Allowance { limit: self.rules.burst, remaining: state.remaining_burst_capacity() })
            }
            Err(later) => Err(later.wait_time_from(self.limiter.clock().now())),
        }
    }
}

/// No rate of a file is faster.
const SHORTEST: Duration = Duration::from_nanos(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// One in an hour: no test takes so long.
    const SLOW: RateLimit = RateLimit { per_second: 1.0 / 3600.0, burst: 3 };

    #[test]
    fn a_partner_has_its_burst_and_then_has_to_wait_and_the_other_has_its_own() {
        let paces = Paces::default();
        for remaining in [2, 1, 0] {
            assert_eq!(paces.take("adnet", &SLOW, 1), Ok(Allowance { limit: 3, remaining }));
        }
        for _ in 0..1000 {
            let wait = paces.take("adnet", &SLOW, 1).expect_err("the burst is over");
            assert!(wait > Duration::from_secs(3500) && wait <= Duration::from_hours(1), "{wait:?}");
        }
        assert_eq!(paces.take("paynet", &SLOW, 1), Ok(Allowance { limit: 3, remaining: 2 }));
    }

    #[test]
    fn only_another_rate_begins_anew() {
        let paces = Paces::default();
        for _ in 0..3 {
            paces.take("adnet", &SLOW, 1).expect("the burst");
        }
        assert!(paces.take("adnet", &SLOW.clone(), 2).is_err(), "a reload has the same rate");
        let other = RateLimit { burst: 4, ..SLOW };
        assert_eq!(paces.take("adnet", &other, 3), Ok(Allowance { limit: 4, remaining: 3 }));
    }

    #[test]
    fn what_was_begun_in_an_older_world_is_counted_in_the_newer_one() {
        let paces = Paces::default();
        let newer = RateLimit { burst: 2, ..SLOW };
        assert_eq!(paces.take("adnet", &SLOW, 1), Ok(Allowance { limit: 3, remaining: 2 }));
        assert_eq!(paces.take("adnet", &newer, 2), Ok(Allowance { limit: 2, remaining: 1 }));
        assert_eq!(paces.take("adnet", &SLOW, 1), Ok(Allowance { limit: 2, remaining: 0 }));
        for (rules, world) in [(&newer, 2), (&SLOW, 1), (&newer, 3), (&SLOW, 2)] {
            assert!(paces.take("adnet", rules, world).is_err(), "no burst more: {world}");
        }
        assert_eq!(paces.take("adnet", &SLOW, 4), Ok(Allowance { limit: 3, remaining: 2 }), "it is back");
    }

    #[test]
    fn the_fastest_and_the_slowest_rates_are_rates() {
        let paces = Paces::default();
        for (name, per_second) in [("fast", 4e9), ("slow", 1.0 / 3600.0)] {
            assert!(paces.take(name, &RateLimit { per_second, burst: 1 }, 1).is_ok(), "{name}");
        }
    }
}
