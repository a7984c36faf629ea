//! How near the process is to what it has of memory, time and descriptors: noted by one, read by every thread.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::policy::{self, Level, Resource};
use crate::telemetry;

/// The pressure now.
#[derive(Debug, Default)]
pub struct Pressure {
    noted: Mutex<policy::Pressure>,
    /// A [`Level`] by its number, so that a frame asks without a lock.
    level: AtomicU8,
}

impl Pressure {
    /// Notes one more sample of a resource, from 0, plenty, to 1, gone.
    pub fn report(&self, resource: Resource, sample: f64) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = noted.level();
        noted.note(resource, sample);
        let level = noted.level();
        self.level.store(level as u8, Ordering::Relaxed);
        if level != before {
            let (worst, pressure) = noted.worst();
            telemetry::pressure_changed(level, worst, pressure);
        }
    }

    /// Each resource by its word, and its pressure from 0 to 1.
    #[must_use]
    pub fn each(&self) -> [(&'static str, f64); Resource::ALL.len()] {
        let now = self.now();
        Resource::ALL.map(|resource| (resource.as_str(), now.of(resource)))
    }

    /// The resource that is nearest to its end, and its pressure.
    #[must_use]
    pub fn worst(&self) -> (&'static str, f64) {
        let (resource, pressure) = self.now().worst();
        (resource.as_str(), pressure)
    }

    /// What is given up now: `calm`, `shedding` or `refusing`.
    #[must_use]
    pub fn level(&self) -> &'static str {
        self.now().level().as_str()
    }

    /// Whether new sessions are kept out.
    #[must_use]
    pub fn refuses_sessions(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= Level::Refusing as u8
    }

    /// Whether frames of optional routes are kept out.
    #[must_use]
    pub fn sheds_optional(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= Level::Shedding as u8
    }

    fn now(&self) -> policy::Pressure {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_without_a_lock_follows_what_is_noted() {
        let pressure = Pressure::default();
        let told = |sample, times| {
            (0..times).for_each(|_| pressure.report(Resource::Memory, sample));
            (pressure.sheds_optional(), pressure.refuses_sessions())
        };
        assert_eq!(told(0.0, 1), (false, false));
        assert_eq!(told(0.75, 100), (true, false));
        assert_eq!(told(1.0, 100), (true, true));
        assert_eq!((pressure.worst().0, pressure.level()), ("memory", "refusing"));
        assert_eq!(told(0.0, 100), (false, false));
    }
}
