//! Who leaves when, at a stop.

use std::time::Duration;

/// When the `place`th of `count` sessions is told to leave, counted from the start of the spread: evenly, the
/// first at once and the last within `spread`. Callers order idle sessions first.
#[must_use]
pub fn leave_at(place: usize, count: usize, spread: Duration) -> Duration {
    if count == 0 {
        return Duration::ZERO;
    }
    let nanos = spread.as_nanos() * place as u128 / count as u128;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departures_are_even_and_end_within_the_spread() {
        let spread = Duration::from_secs(30);
        let times: Vec<_> = (0..20_000).map(|place| leave_at(place, 20_000, spread)).collect();
        assert_eq!(times[0], Duration::ZERO);
        assert!(times[19_999] < spread);
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.into_iter().all(|gap| gap == Duration::from_micros(1500)));
    }

    #[test]
    fn no_spread_is_at_once() {
        assert_eq!(leave_at(9, 10, Duration::ZERO), Duration::ZERO);
        assert_eq!(leave_at(0, 0, Duration::from_secs(1)), Duration::ZERO);
    }
}
