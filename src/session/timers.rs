//! The deadlines of one session, by name. The task sleeps for the earliest one only.

use std::time::Instant;

/// What a session can be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The end of the TLS handshake.
    Handshake,
    /// The rest of a frame.
    Frame,
    /// The next whole frame.
    Idle,
    /// The player to take something of what waits for it.
    Write,
    /// A full link to empty.
    Pause,
    /// The last words to reach the player.
    Linger,
    /// The login.
    Login,
    /// The next word about the place in the waiting line.
    Place,
    /// The player to come back.
    Parked,
}

/// When each of them is over.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    at: [Option<Instant>; 9],
}

const ALL: [Timer; 9] = [
    Timer::Handshake,
    Timer::Frame,
    Timer::Idle,
    Timer::Write,
    Timer::Pause,
    Timer::Linger,
    Timer::Login,
    Timer::Place,
    Timer::Parked,
];

impl Timers {
    /// Starts a timer or moves its end.
    pub fn set(&mut self, timer: Timer, end: Instant) {
        if let Some(slot) = self.at.get_mut(timer as usize) {
            *slot = Some(end);
        }
    }

    /// Stops a timer.
    pub fn clear(&mut self, timer: Timer) {
        if let Some(slot) = self.at.get_mut(timer as usize) {
            *slot = None;
        }
    }

    /// Stops all of them.
    pub fn clear_all(&mut self) {
        self.at = Default::default();
    }

    /// Whether a timer runs.
    #[must_use]
    pub fn runs(&self, timer: Timer) -> bool {
        self.at.get(timer as usize).is_some_and(Option::is_some)
    }

    /// The end of the one that ends first.
    #[must_use]
    pub fn earliest(&self) -> Option<Instant> {
        self.at.iter().flatten().min().copied()
    }

    /// Stops and names the one that ended first, if any has ended by `now`.
    pub fn take_expired(&mut self, now: Instant) -> Option<Timer> {
        let ended = |timer: &Timer| self.at.get(*timer as usize).copied().flatten().filter(|end| *end <= now);
        let timer = ALL.into_iter().filter(|timer| ended(timer).is_some()).min_by_key(ended)?;
        self.clear(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_earliest_comes_first_and_only_once() {
        #[expect(clippy::disallowed_methods, reason = "an origin for a stepped clock")]
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut timers = Timers::default();
        timers.set(Timer::Idle, at(90));
        timers.set(Timer::Frame, at(10));
        timers.set(Timer::Write, at(15));
        assert_eq!(timers.earliest(), Some(at(10)));
        assert_eq!(timers.take_expired(at(9)), None);
        assert_eq!(timers.take_expired(at(20)), Some(Timer::Frame));
        assert_eq!(timers.take_expired(at(20)), Some(Timer::Write));
        assert_eq!(timers.take_expired(at(20)), None);
        timers.clear(Timer::Idle);
        assert_eq!(timers.earliest(), None);
    }
}
