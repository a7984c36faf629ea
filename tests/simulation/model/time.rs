//! Time as the model counts it.

use std::time::Duration;

/// A step of the model: ten milliseconds.
pub(crate) type Tick = u32;

/// The steps of a second.
pub(crate) const SECOND: Tick = 100;
/// From a gateway to a backend, and back.
pub(crate) const WAY: Tick = 5;
/// A gateway that hears nothing of a session it has sent gives it up after this.
pub(crate) const NO_ANSWER: Tick = SECOND;

/// The gateways' time since their start. They have run for a while when the first player comes.
pub(crate) fn since_start(now: Tick) -> Duration {
    Duration::from_secs(60) + Duration::from_millis(u64::from(now) * 10)
}

pub(crate) fn in_seconds(ticks: Tick) -> f64 {
    f64::from(ticks) / f64::from(SECOND)
}
