//! When a worker turns: at once while it is quiet, and no more often than every so long while it is busy, so that one
//! turn of its event loop reads and writes for many sessions.

use std::time::Duration;

/// What a worker has done lately, and whether it gathers because of that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gathering {
    gathers: bool,
    /// When the worker last went to sleep: the end of what was counted so far.
    slept: Duration,
    /// When the turn under way began.
    woke: Duration,
    /// What was counted since the last decision: time, and how much of it the worker was awake.
    counted: Duration,
    awake: Duration,
}

/// Over how much time the decision is made: long enough to see hundreds of turns, short beside what a player notices.
const WINDOW: Duration = Duration::from_millis(20);
/// A worker that is awake for more than this part of its time begins to gather: one third.
const BUSY: u32 = 3;
/// One that is awake for less than this part of it stops: one eighth. Gathering saves less than half of the time
/// (`docs/performance.md`), so what keeps a worker awake for an eighth with it takes less than a quarter without.
const QUIET: u32 = 8;

impl Gathering {
    /// The worker has something to do.
    pub fn wakes(&mut self, now: Duration) {
        self.woke = now;
    }

    /// The worker has nothing to do; for how long it should not even look for something, so that this turn and the next
    /// begin `delay` apart at least.
    #[must_use]
    pub fn sleeps(&mut self, now: Duration, delay: Duration) -> Duration {
        self.awake += now.saturating_sub(self.woke);
        self.counted += now.saturating_sub(self.slept);
        self.slept = now;
        if self.counted >= WINDOW {
            self.gathers = self.awake * if self.gathers { QUIET } else { BUSY } > self.counted;
            (self.counted, self.awake) = (Duration::ZERO, Duration::ZERO);
        }
        if self.gathers { (self.woke + delay).saturating_sub(now) } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_micros(500);

    /// A worker whose every turn takes `busy` and then waits for `idle` if it is not told to nap longer.
    struct Worker {
        gathering: Gathering,
        now: Duration,
    }

    impl Worker {
        fn new() -> Self {
            Self { gathering: Gathering::default(), now: Duration::from_secs(5) }
        }

        fn turn(&mut self, busy: Duration, idle: Duration) -> Duration {
            self.gathering.wakes(self.now);
            self.now += busy;
            let nap = self.gathering.sleeps(self.now, DELAY);
            self.now += nap.max(idle);
            nap
        }

        fn turns(&mut self, count: u32, busy: u64, idle: u64) -> Duration {
            let (busy, idle) = (Duration::from_micros(busy), Duration::from_micros(idle));
            (0..count).map(|_| self.turn(busy, idle)).last().unwrap_or_default()
        }
    }

    #[test]
    fn a_quiet_worker_waits_for_nothing() {
        let mut worker = Worker::new();
        for _ in 0..10_000 {
            assert_eq!(worker.turns(1, 30, 70), Duration::ZERO, "30 % is not a third");
        }
        assert!(!worker.gathering.gathers);
    }

    #[test]
    fn a_busy_one_keeps_the_beginnings_of_its_turns_apart() {
        let mut worker = Worker::new();
        let nap = worker.turns(1_000, 70, 30);
        assert_eq!(nap, Duration::from_micros(430), "the turn took 70 of 500");
        assert_eq!(worker.turns(1, 499, 0), Duration::from_micros(1));
        assert_eq!(worker.turns(1, 700, 0), Duration::ZERO, "a long turn is followed by the next at once");
    }

    #[test]
    fn it_gathers_on_with_less_than_a_third_and_stops_when_there_is_little() {
        let mut worker = Worker::new();
        worker.turns(1_000, 70, 30);
        worker.turns(1_000, 100, 0);
        assert!(worker.gathering.gathers, "100 of 500 us is a fifth");
        worker.turns(1_000, 50, 450);
        assert!(!worker.gathering.gathers, "50 of 500 us is a tenth");
    }

    #[test]
    fn one_long_turn_is_no_load() {
        let mut worker = Worker::new();
        worker.turns(1, 6_000, 0);
        worker.turns(1_000, 1, 99);
        assert!(!worker.gathering.gathers);
    }

    #[test]
    fn a_long_sleep_counts_as_time() {
        let mut worker = Worker::new();
        worker.turns(1_000, 90, 10);
        assert!(worker.gathering.gathers);
        assert_eq!(worker.turns(1, 90, 60_000_000), Duration::from_micros(410));
        assert_eq!(worker.turns(1, 90, 0), Duration::ZERO, "a minute of sleep is behind it");
    }
}
