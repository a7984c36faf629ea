//! The numbers of a breaker.

use std::time::Duration;

/// `[route.NAME.breaker]`: when a route stops sending to a backend, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// So many failures in a row open it.
    pub consecutive: u32,
    /// So many percent of failures within the window open it, 1..=100.
    pub failure_rate: u8,
    /// The rate counts from so many results within the window on.
    pub min_frames: u32,
    /// How far back the rate looks.
    pub window: Duration,
    /// How long it stays open the first time; doubles at each failed trial.
    pub open: Duration,
    /// The longest time it stays open.
    pub max_open: Duration,
    /// The most frames without a result yet.
    pub max_in_flight: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            consecutive: 7,
            failure_rate: 50,
            min_frames: 20,
            window: Duration::from_secs(10),
            open: Duration::from_secs(1),
            max_open: Duration::from_secs(60),
            max_in_flight: 10_000,
        }
    }
}
