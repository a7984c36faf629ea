//! How long things took, counted in fixed buckets: constant memory, however much is counted.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets: in microseconds, and in seconds as a metrics page writes them.
const BOUNDS: [(u64, &str); 13] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (5_000_000, "5"),
];
const BUCKETS: usize = BOUNDS.len() + 1;

/// Durations from half a millisecond to five seconds; any thread may count, any may read.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    micros: AtomicU64,
}

/// What a histogram, or several together, counted up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramCounts {
    /// Each bucket by itself; the last one has no bound.
    buckets: [u64; BUCKETS],
    micros: u64,
}

impl Histogram {
    /// Counts one that took so long; a duration at a bound is below it.
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.iter().position(|(bound, _)| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
            self.micros.fetch_add(micros, Ordering::Relaxed);
        }
    }

    /// What it counted so far.
    #[must_use]
    pub fn counts(&self) -> HistogramCounts {
        let count = |bucket: &AtomicU64| bucket.load(Ordering::Relaxed);
        HistogramCounts { buckets: self.buckets.each_ref().map(count), micros: count(&self.micros) }
    }
}

impl HistogramCounts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let pairs = self.buckets.into_iter().zip(other.buckets);
        let mut sums = pairs.map(|(one, two)| one.wrapping_add(two));
        Self {
            buckets: array::from_fn(|_| sums.next().unwrap_or(0)),
            micros: self.micros.wrapping_add(other.micros),
        }
    }

    /// How many there were up to each bound, in seconds; `+Inf` last, which is all.
    pub fn up_to(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let bounds = BOUNDS.into_iter().map(|(_, seconds)| seconds).chain(["+Inf"]);
        bounds.zip(self.buckets).scan(0_u64, |sum, (bound, count)| {
            *sum = sum.wrapping_add(count);
            Some((bound, *sum))
        })
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// How long all of them took together, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        Duration::from_micros(self.micros).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: &[u64]) -> HistogramCounts {
        let histogram = Histogram::default();
        millis.iter().for_each(|millis| histogram.record(Duration::from_millis(*millis)));
        histogram.counts()
    }

    #[test]
    fn each_is_counted_up_to_every_bound_it_is_not_above() {
        let counts = of(&[1, 2, 300, 9000]);
        let up_to: Vec<_> = counts.up_to().collect();
        assert_eq!(up_to[..3], [("0.0005", 0), ("0.001", 1), ("0.0025", 2)]);
        assert_eq!(up_to[8..10], [("0.25", 2), ("0.5", 3)]);
        assert_eq!(up_to[12..], [("5", 3), ("+Inf", 4)]);
        assert_eq!((counts.count(), counts.seconds()), (4, 9.303));
    }

    #[test]
    fn two_add_up_bucket_by_bucket() {
        assert_eq!(of(&[1, 2]).and(of(&[300, 9000])), of(&[1, 2, 300, 9000]));
        assert_eq!(HistogramCounts::default().count(), 0);
    }

    #[test]
    fn bounds_rise_and_say_the_same_in_both_units() {
        assert!(BOUNDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (micros, seconds) in BOUNDS {
            assert_eq!(Ok(micros as f64 / 1e6), seconds.parse());
        }
    }
}
