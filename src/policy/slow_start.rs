//! How much a backend that has just come gets: its caches are cold, and all players at once would end it again.

use std::time::Duration;

/// The share of its weight and of its `max_sessions` that a backend has, `since` it joined or recovered:
/// max(10 %, since / slow_start), and all of it when `slow_start` is over or zero.
#[must_use]
pub fn slow_start_factor(since: Duration, slow_start: Duration) -> f64 {
    if since >= slow_start { 1.0 } else { since.div_duration_f64(slow_start).max(LEAST) }
}

/// What it begins with. The first sessions are what warms it, so nothing would mean never; Envoy's default
/// (`min_weight_percent`) is 10 % too.
const LEAST: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_at_first_then_in_step_with_time_then_all() {
        let slow_start = Duration::from_secs(60);
        let factor = |seconds| slow_start_factor(Duration::from_secs(seconds), slow_start);
        assert_eq!([0, 3, 6, 30, 45, 60, 61].map(factor), [0.1, 0.1, 0.1, 0.5, 0.75, 1.0, 1.0]);
    }

    #[test]
    fn without_a_slow_start_it_has_all_at_once() {
        assert_eq!(slow_start_factor(Duration::ZERO, Duration::ZERO), 1.0);
        assert_eq!(slow_start_factor(Duration::from_secs(1), Duration::ZERO), 1.0);
    }
}
