//! How late a worker wakes, and when it last did: whether it keeps up, and whether it turns at all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::millis;

/// One worker's punctuality. The worker writes, every thread may read.
#[derive(Debug, Default)]
pub struct Lag {
    /// The last wake, in milliseconds since the process's start.
    beat: AtomicU64,
    /// The worst delay of this window and of the one before, in microseconds.
    worst: AtomicU64,
    before: AtomicU64,
    /// When this window began, in milliseconds since the process's start.
    began: AtomicU64,
    /// The delays of the last wakes: those of a second.
    last: [AtomicU64; 4],
    /// How often it woke.
    wakes: AtomicU64,
}

impl Lag {
    /// How often a worker wakes to see how late it is.
    pub const EVERY: Duration = Duration::from_millis(250);
    /// A page that is read every 15 seconds misses no delay.
    const WINDOW: Duration = Duration::from_secs(15);

    /// The worker woke at `now`, counted from the process's start, so much later than it wanted.
    pub fn woke(&self, late: Duration, now: Duration) {
        let late = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let (now, began) = (millis(now), self.began.load(Ordering::Relaxed));
        if now.saturating_sub(began) >= millis(Self::WINDOW) {
            self.before.store(self.worst.swap(late, Ordering::Relaxed), Ordering::Relaxed);
            self.began.store(now, Ordering::Relaxed);
        } else {
            self.worst.fetch_max(late, Ordering::Relaxed);
        }
        let wakes = self.wakes.load(Ordering::Relaxed);
        if let Some(slot) = self.last.get(usize::try_from(wakes % 4).unwrap_or(0)) {
            slot.store(late, Ordering::Relaxed);
        }
        self.wakes.store(wakes.wrapping_add(1), Ordering::Relaxed);
        self.beat.store(now, Ordering::Relaxed);
    }

    /// The worst delay of the last second; of a worker that should have woken long ago, the time since. Nothing
    /// before the first wake.
    #[must_use]
    pub fn recent(&self, now: Duration) -> Duration {
        if self.beat().is_zero() {
            return Duration::ZERO;
        }
        let seen = self.last.iter().map(|late| late.load(Ordering::Relaxed)).max();
        Duration::from_micros(seen.unwrap_or(0)).max(now.saturating_sub(self.beat() + Self::EVERY))
    }

    /// When it last woke, counted from the process's start; zero before the first time.
    #[must_use]
    pub fn beat(&self) -> Duration {
        Duration::from_millis(self.beat.load(Ordering::Relaxed))
    }

    /// The worst delay of the last one or two windows; of a worker that should have woken long ago, the time since.
    /// Nothing before the first wake.
    #[must_use]
    pub fn worst(&self, now: Duration) -> Duration {
        if self.beat().is_zero() {
            return Duration::ZERO;
        }
        let seen = [&self.worst, &self.before].map(|late| late.load(Ordering::Relaxed)).into_iter().max();
        let seen = Duration::from_micros(seen.unwrap_or(0));
        seen.max(now.saturating_sub(self.beat() + Self::EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_worst_delay_is_kept_for_one_window_more_and_then_forgotten() {
        let lag = Lag::default();
        lag.woke(ms(1), ms(250));
        lag.woke(ms(80), ms(580));
        lag.woke(ms(2), ms(830));
        assert_eq!(lag.worst(ms(831)), ms(80));
        lag.woke(ms(3), ms(15_100));
        assert_eq!(lag.worst(ms(15_101)), ms(80), "of the window before");
        lag.woke(ms(4), ms(30_200));
        assert_eq!(lag.worst(ms(30_201)), ms(4));
    }

    #[test]
    fn a_delay_is_recent_for_a_second() {
        let lag = Lag::default();
        assert_eq!(lag.recent(ms(9000)), ms(0), "it has not begun");
        lag.woke(ms(80), ms(250));
        for now in [500, 750, 1000] {
            lag.woke(ms(1), ms(now));
            assert_eq!(lag.recent(ms(now)), ms(80));
        }
        lag.woke(ms(1), ms(1250));
        assert_eq!(lag.recent(ms(1250)), ms(1));
        assert_eq!(lag.recent(ms(4500)), ms(3000), "it stands still");
    }

    #[test]
    fn of_a_worker_that_stands_still_the_delay_grows() {
        let lag = Lag::default();
        assert_eq!(lag.worst(ms(900_000)), ms(0), "it has not begun");
        lag.woke(ms(1), ms(1000));
        assert_eq!((lag.beat(), lag.worst(ms(1200))), (ms(1000), ms(1)));
        assert_eq!(lag.worst(ms(5250)), ms(4000));
    }
}
