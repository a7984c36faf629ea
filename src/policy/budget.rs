//! How many requests may be asked anew: a share of those of the last seconds. A backend that fails under its load
//! must not get more load for it, so retries end where they would be a second wave.

use std::time::Duration;

/// What was asked and what was asked anew in the last ten seconds; of one thread and one cluster. Times are counted
/// from one origin, which is the same at every call.
#[derive(Clone, Debug, Default)]
pub struct RetryBudget {
    seconds: [Second; WINDOW],
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Which one it is.
    number: u64,
    requests: u32,
    retries: u32,
}

/// So many seconds count.
const WINDOW: usize = 10;
/// One retry for so many requests: 20 percent.
const REQUESTS_FOR_ONE: u64 = 5;
/// So many retries are always free, so that a quiet cluster has some.
const ALWAYS: u64 = 3;

impl RetryBudget {
    /// A request came.
    pub fn asked(&mut self, now: Duration) {
        if let Some(second) = self.second(now) {
            second.requests = second.requests.saturating_add(1);
        }
    }

    /// Takes one retry out of the budget; false when there is none left.
    #[must_use]
    pub fn may_retry(&mut self, now: Duration) -> bool {
        let first = (now.as_secs() + 1).saturating_sub(WINDOW as u64);
        let counts = |second: &&Second| (first..=now.as_secs()).contains(&second.number);
        let (requests, retries) =
            self.seconds.iter().filter(counts).fold((0, 0), |(requests, retries), one| {
                (requests + u64::from(one.requests), retries + u64::from(one.retries))
            });
        if retries >= (requests / REQUESTS_FOR_ONE).max(ALWAYS) {
            return false;
        }
        if let Some(second) = self.second(now) {
            second.retries = second.retries.saturating_add(1);
        }
        true
    }

    /// The count of this second, begun anew where it still holds an older one.
    fn second(&mut self, now: Duration) -> Option<&mut Second> {
        let number = now.as_secs();
        let place = usize::try_from(number % WINDOW as u64).unwrap_or(0);
        let second = self.seconds.get_mut(place)?;
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        Some(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn granted(budget: &mut RetryBudget, now: Duration) -> usize {
        (0..10_000).take_while(|_| budget.may_retry(now)).count()
    }

    #[test]
    fn a_fifth_of_the_requests_may_be_asked_anew() {
        let mut budget = RetryBudget::default();
        (0..1000).for_each(|_| budget.asked(at(100)));
        assert_eq!(granted(&mut budget, at(100)), 200);
        (0..50).for_each(|_| budget.asked(at(101)));
        assert_eq!(granted(&mut budget, at(101)), 10, "1050 requests, and 200 of 210 are spent");
    }

    #[test]
    fn a_few_are_always_free() {
        let mut budget = RetryBudget::default();
        assert_eq!(granted(&mut budget, at(0)), 3);
        (0..19).for_each(|_| budget.asked(at(1)));
        assert_eq!(granted(&mut budget, at(1)), 0, "a fifth of 19 is no more than what is free");
        (0..1).for_each(|_| budget.asked(at(1)));
        assert_eq!(granted(&mut budget, at(1)), 1);
    }

    #[test]
    fn what_is_ten_seconds_old_counts_no_more() {
        let mut budget = RetryBudget::default();
        (0..100).for_each(|_| budget.asked(at(100)));
        assert_eq!(granted(&mut budget, at(109)), 20);
        assert_eq!(granted(&mut budget, at(110)), 0, "the requests are forgotten, their retries are not");
        assert_eq!(granted(&mut budget, at(119)), 3);
    }

    #[test]
    fn a_second_is_not_taken_for_the_one_ten_seconds_before() {
        let mut budget = RetryBudget::default();
        (0..100).for_each(|_| budget.asked(at(5)));
        budget.asked(at(15));
        assert_eq!(granted(&mut budget, at(15)), 3);
    }
}
