//! A schedule that goes on whatever happens (an open loop), and how far behind it the program was.

use std::time::{Duration, Instant};

/// So many a second, evenly spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    start: Instant,
    per_second: f64,
    done: u64,
    latest: Duration,
}

impl Pace {
    /// The first is due at once.
    pub(crate) fn new(per_second: f64, start: Instant) -> Self {
        Self { start, per_second, done: 0, latest: Duration::ZERO }
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.done as f64 / self.per_second)
    }

    /// The number of the next one, from 0, and when it was due, if that time has come: it counts as done.
    pub(crate) fn due(&mut self, now: Instant) -> Option<(u64, Instant)> {
        let due = self.next();
        let late = now.checked_duration_since(due)?;
        self.latest = self.latest.max(late);
        self.done += 1;
        Some((self.done - 1, due))
    }

    /// How many were done.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// The longest that one was done after its time.
    pub(crate) fn latest(&self) -> Duration {
        self.latest
    }
}
