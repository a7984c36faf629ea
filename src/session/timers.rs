//! The deadlines of one session, by name. The task sleeps for the earliest one only.

use std::time::{Duration, Instant};

/// What a session can be waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timer {
    /// The end of what comes before frames: PROXY header, TLS, upgrade.
    Handshake,
    /// The rest of a frame.
    Frame,
    /// The next whole frame; of a session that ends, all of its end.
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

/// When each of them is over, in milliseconds of the session's life, rounded up: every session holds nine of them.
#[derive(Clone, Debug)]
pub struct Timers {
    began: Instant,
    at: [u32; 9],
}

/// The place of a timer that does not run.
const OFF: u32 = u32::MAX;
/// More than any timer runs: no duration of the configuration is longer than a day.
const LONGEST: Duration = Duration::from_hours(7 * 24);

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
    /// Of a session that begins now: none runs.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { began: now, at: [OFF; 9] }
    }

    /// Starts a timer or moves its end.
    pub fn set(&mut self, timer: Timer, end: Instant) {
        let age = |began| millis_up(end.saturating_duration_since(began));
        let mut at = age(self.began);
        if at >= u64::from(OFF) {
            self.begin_anew(end);
            at = age(self.began);
        }
        if let Some(slot) = self.at.get_mut(timer as usize) {
            *slot = u32::try_from(at).unwrap_or(OFF - 1).min(OFF - 1);
        }
    }

    /// A session is older than the milliseconds reach, 49 days: they count from a moment that has been, since no timer
    /// runs for as long as [`LONGEST`]. What has ended before it has ended there.
    fn begin_anew(&mut self, end: Instant) {
        let began = end.checked_sub(LONGEST).unwrap_or(self.began);
        let passed = u32::try_from(millis(began.saturating_duration_since(self.began))).unwrap_or(OFF);
        self.at.iter_mut().filter(|at| **at != OFF).for_each(|at| *at = at.saturating_sub(passed));
        self.began = began;
    }

    /// Stops a timer.
    pub fn clear(&mut self, timer: Timer) {
        if let Some(slot) = self.at.get_mut(timer as usize) {
            *slot = OFF;
        }
    }

    /// Stops all of them.
    pub fn clear_all(&mut self) {
        self.at = [OFF; 9];
    }

    /// Whether a timer runs.
    #[must_use]
    pub fn runs(&self, timer: Timer) -> bool {
        self.at.get(timer as usize).is_some_and(|at| *at != OFF)
    }

    /// The end of the one that ends first.
    #[must_use]
    pub fn earliest(&self) -> Option<Instant> {
        let at = self.at.iter().copied().min().filter(|at| *at != OFF)?;
        Some(self.began + Duration::from_millis(at.into()))
    }

    /// Stops and names the one that ended first, if any has ended by `now`.
    pub fn take_expired(&mut self, now: Instant) -> Option<Timer> {
        let age = millis(now.saturating_duration_since(self.began));
        let (at, timer) = self.at.iter().zip(ALL).min_by_key(|(at, _)| **at)?;
        if *at == OFF || u64::from(*at) > age {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_secs() * 1000 + u64::from(duration.subsec_millis())
}

/// A part of a millisecond counts as a whole one.
fn millis_up(duration: Duration) -> u64 {
    duration.as_secs() * 1000 + u64::from(duration.subsec_nanos().div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an origin for a stepped clock")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn the_earliest_comes_first_and_only_once() {
        let start = start();
        let at = |secs| start + Duration::from_secs(secs);
        let mut timers = Timers::new(start);
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

    #[test]
    fn none_ends_before_its_time_and_none_a_whole_millisecond_behind_it() {
        let start = start();
        let mut timers = Timers::new(start);
        timers.set(Timer::Idle, start + Duration::from_micros(10_500));
        assert_eq!(timers.earliest(), Some(start + Duration::from_millis(11)));
        assert_eq!(timers.take_expired(start + Duration::from_micros(10_999)), None);
        assert_eq!(timers.take_expired(start + Duration::from_millis(11)), Some(Timer::Idle));
    }

    #[test]
    fn a_session_may_last_for_months_and_none_of_its_timers_ends_before_its_time() {
        let start = start();
        let mut timers = Timers::new(start);
        for minute in 0..200 * 24 * 60 {
            let now = start + Duration::from_mins(minute);
            let at = |secs| now + Duration::from_secs(secs);
            timers.set(Timer::Write, at(15));
            timers.set(Timer::Idle, at(90));
            timers.set(Timer::Login, at(86_400));
            assert_eq!(timers.take_expired(now), None, "minute {minute}");
            assert_eq!(timers.take_expired(at(14)), None, "minute {minute}");
            assert_eq!(timers.earliest(), Some(at(15)), "minute {minute}");
            assert_eq!(timers.take_expired(at(15)), Some(Timer::Write), "minute {minute}");
            assert_eq!(timers.earliest(), Some(at(90)), "minute {minute}");
        }
    }

    #[test]
    fn what_has_ended_before_the_milliseconds_count_anew_has_ended_behind_it_too() {
        let start = start();
        let mut timers = Timers::new(start);
        timers.set(Timer::Write, start + Duration::from_secs(15));
        let now = start + Duration::from_millis(OFF.into());
        timers.set(Timer::Idle, now + Duration::from_secs(90));
        assert_eq!(timers.take_expired(now), Some(Timer::Write));
        assert_eq!(timers.take_expired(now), None);
        assert_eq!(timers.earliest(), Some(now + Duration::from_secs(90)));
    }
}
