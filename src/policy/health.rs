//! What a row of probes says of a backend, and when the next one is due.

use std::time::Duration;

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
