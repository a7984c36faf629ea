//! Taking a backend out of its cluster for what real traffic says of it.

use std::time::Duration;

/// `[cluster.NAME.outlier]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierRules {
    /// So many failures in a row eject a backend.
    pub consecutive: u32,
    /// How long it is out, times the ejections in a row.
    pub eject: Duration,
    /// The longest time it is out.
    pub max_eject: Duration,
    /// At most so many percent of a cluster's backends are out at one time, but always one may be; 0..=100.
    pub max_percent: u8,
}

impl Default for OutlierRules {
    fn default() -> Self {
        Self {
            consecutive: 7,
            eject: Duration::from_secs(5),
            max_eject: Duration::from_secs(300),
            max_percent: 30,
        }
    }
}
