//! What a row of probes says of a backend, and when the next one is due.
//!
//! Plain counting, owned by whoever sends the probes. It promises that one odd answer changes nothing by itself
//! and that backends in doubt are asked more often; it knows nothing of how a probe is made.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The numbers of `[cluster.NAME.health]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthRules {
    /// The time between two probes of a backend whose state is clear.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// So many failures in a row make it down.
    pub fall: u32,
    /// So many successes in a row make it up.
    pub rise: u32,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), timeout: Duration::from_secs(1), fall: 3, rise: 2 }
    }
}

impl HealthRules {
    /// How long to wait before the first probe: drawn evenly from the interval, so that the probes of thousands of
    /// backends do not start together.
    pub fn first_delay(&self, dice: &mut impl Rng) -> Duration {
        dice.random_range(Duration::ZERO..=self.interval)
    }
}

/// A change of a backend's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It may be sent traffic again.
    WentUp,
    /// It may not be sent traffic.
    WentDown,
}

/// One backend's health by its probes.
#[derive(Clone, Debug)]
pub struct HealthCount {
    standing: Standing,
}

/// The state, with the results in a row that contradict it.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Up {
        failures: u32,
    },
    Down {
        successes: u32,
    },
    /// Down because it has never been up: its first success is enough.
    New,
}

impl HealthCount {
    /// Starts as up, or as down until one success, however many the rules ask for later.
    #[must_use]
    pub const fn new(up: bool) -> Self {
        Self { standing: if up { Standing::Up { failures: 0 } } else { Standing::New } }
    }

    /// Starts as down until so many successes in a row as the rules ask for: it has been called down before.
    #[must_use]
    pub const fn down() -> Self {
        Self { standing: DOWN }
    }

    /// Counts one probe, and says what it changed.
    pub fn record(&mut self, success: bool, rules: &HealthRules) -> Option<Change> {
        let (standing, change) = self.standing.after(success, rules);
        self.standing = standing;
        change
    }

    /// Whether it may be sent traffic.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.standing, Standing::Up { .. })
    }

    /// How long to wait for the next probe: the interval while it is clearly up, twice that while it is clearly
    /// down, a quarter while the last results contradict the state; each up to a tenth longer or shorter.
    pub fn next_interval(&self, rules: &HealthRules, dice: &mut impl Rng) -> Duration {
        let wait = match self.standing {
            Standing::Up { failures: 0 } => rules.interval,
            Standing::Up { .. } | Standing::Down { successes: 1.. } => rules.interval / 4,
            Standing::Down { successes: 0 } | Standing::New => rules.interval.saturating_mul(2),
        };
        wait.mul_f64(dice.random_range(0.9..=1.1))
    }
}

impl Standing {
    fn after(self, success: bool, rules: &HealthRules) -> (Self, Option<Change>) {
        match (self, success) {
            (Self::Up { .. }, true) => (UP, None),
            (Self::Up { failures }, false) if failures + 1 >= rules.fall => (DOWN, Some(Change::WentDown)),
            (Self::Up { failures }, false) => (Self::Up { failures: failures + 1 }, None),
            (Self::Down { .. }, false) => (DOWN, None),
            (Self::Down { successes }, true) if successes + 1 >= rules.rise => (UP, Some(Change::WentUp)),
            (Self::Down { successes }, true) => (Self::Down { successes: successes + 1 }, None),
            (Self::New, true) => (UP, Some(Change::WentUp)),
            (Self::New, false) => (Self::New, None),
        }
    }
}

const UP: Standing = Standing::Up { failures: 0 };
const DOWN: Standing = Standing::Down { successes: 0 };

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    const RULES: HealthRules =
        HealthRules { interval: Duration::from_secs(2), timeout: Duration::from_secs(1), fall: 3, rise: 2 };

    /// What each of a row of probes changed; `+` is a success.
    fn changes(health: &mut HealthCount, probes: &str) -> Vec<Option<Change>> {
        probes.chars().map(|probe| health.record(probe == '+', &RULES)).collect()
    }

    #[test]
    fn only_results_in_a_row_change_the_state() {
        let mut health = HealthCount::new(true);
        assert_eq!(changes(&mut health, "--+--+"), [None; 6]);
        assert_eq!(changes(&mut health, "---"), [None, None, Some(Change::WentDown)]);
        assert!(!health.is_up());
        assert_eq!(changes(&mut health, "+-+-"), [None; 4]);
        assert_eq!(changes(&mut health, "++"), [None, Some(Change::WentUp)]);
        assert!(health.is_up());
    }

    #[test]
    fn one_that_was_never_up_needs_one_success_and_later_as_many_as_the_rules_say() {
        let mut health = HealthCount::new(false);
        assert!(!health.is_up());
        assert_eq!(changes(&mut health, "--+"), [None, None, Some(Change::WentUp)]);
        assert_eq!(changes(&mut health, "---")[2], Some(Change::WentDown));
        assert_eq!(changes(&mut health, "++"), [None, Some(Change::WentUp)]);
        assert_eq!(
            changes(&mut HealthCount::down(), "++"),
            [None, Some(Change::WentUp)],
            "as one that went down"
        );
    }

    #[test]
    fn who_is_in_doubt_is_asked_soon_and_who_is_down_seldom() {
        let mut dice = SmallRng::seed_from_u64(1);
        let histories = [(true, "", 2000), (true, "--", 500), (true, "---", 4000), (true, "---+", 500)];
        let new = [(false, "", 4000), (false, "-", 4000), (false, "+", 2000)];
        for (up, probes, middle) in histories.into_iter().chain(new) {
            let mut health = HealthCount::new(up);
            changes(&mut health, probes);
            let waits: Vec<_> = (0..1000).map(|_| health.next_interval(&RULES, &mut dice)).collect();
            let (least, most) =
                (Duration::from_millis(middle / 10 * 9), Duration::from_millis(middle / 10 * 11));
            assert!(waits.iter().all(|wait| (least..=most).contains(wait)), "{probes:?}");
            assert!(waits.iter().any(|&wait| wait < least + most / 50), "{probes:?}");
            assert!(waits.iter().any(|&wait| wait > most - most / 50), "{probes:?}");
        }
    }

    #[test]
    fn first_probes_are_spread_over_the_interval() {
        let mut dice = SmallRng::seed_from_u64(1);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let delay = RULES.first_delay(&mut dice);
            assert!(delay <= RULES.interval);
            tenths[usize::try_from(delay.as_millis() / 200).expect("small").min(9)] += 1;
        }
        assert!(tenths.iter().all(|&count| (850..1150).contains(&count)), "{tenths:?}");
    }
}
