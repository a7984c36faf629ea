//! How fast the frames of one session come: all of them, those of each route that has a limit, and those that make
//! no sense. What is beyond a rate is told at most once a second.

use std::time::{Duration, Instant};

use crate::policy::{Pace, RateLimit};

/// The paces of a session. Only routes with a limit have one of their own.
#[derive(Debug)]
pub struct Paces {
    began: Instant,
    all: Told,
    senseless: Pace,
    routes: Vec<(u32, Told)>,
}

/// A pace, and when the player last heard that it is too fast.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    pace: Pace,
    at: Option<Instant>,
}

/// How often a player hears that it is too fast, for each thing it is too fast in.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Frames that make no sense: an ID that no route has, or more frames than the listener takes. One a second is
/// forgiven, and the 200th of a heap ends the session.
const SENSELESS: RateLimit = RateLimit { per_second: 1.0, burst: 199 };

impl Paces {
    /// Of a session that has just begun.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { began: now, all: Told::default(), senseless: Pace::default(), routes: Vec::new() }
    }

    /// When the session began.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// One more frame, whatever its route.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn frame(&mut self, limit: &RateLimit, now: Instant) -> Result<(), Duration> {
        self.all.pace.take(limit, since(self.began, now))
    }

    /// Whether the player hears now that it sends too many frames.
    pub fn tells(&mut self, now: Instant) -> bool {
        self.all.tells(now)
    }

    /// One more frame that makes no sense; whether that was one too many.
    pub fn makes_no_sense(&mut self, now: Instant) -> bool {
        self.senseless.take(&SENSELESS, since(self.began, now)).is_err()
    }

    /// One more frame of a route, by the route's number. What all sessions take together is asked by `total` where this
    /// one may send it.
    ///
    /// # Errors
    /// How long it has to wait; it counts as if it had not come.
    pub fn route(
        &mut self,
        route: u32,
        limit: &RateLimit,
        now: Instant,
        total: impl FnOnce() -> Result<(), Duration>,
    ) -> Result<(), Duration> {
        let since = since(self.began, now);
        let told = self.of(route);
        let mut pace = told.pace;
        pace.take(limit, since)?;
        total()?;
        told.pace = pace;
        Ok(())
    }

    /// Whether the player hears now that it sends too many frames of a route.
    pub fn tells_of(&mut self, route: u32, now: Instant) -> bool {
        self.of(route).tells(now)
    }

    /// Forgets the routes that are no more.
    pub fn keep_routes(&mut self, is_there: impl Fn(u32) -> bool) {
        self.routes.retain(|(route, _)| is_there(*route));
    }

    fn of(&mut self, route: u32) -> &mut Told {
        let place = self.routes.iter().position(|(known, _)| *known == route).unwrap_or_else(|| {
            self.routes.push((route, Told::default()));
            self.routes.len() - 1
        });
        &mut self.routes.get_mut(place).expect("found or just pushed").1
    }
}

impl Told {
    fn tells(&mut self, now: Instant) -> bool {
        let is_due = self.at.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY);
        if is_due {
            self.at = Some(now);
        }
        is_due
    }
}

fn since(began: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(began)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: RateLimit = RateLimit { per_second: 10.0, burst: 20 };

    #[expect(clippy::disallowed_methods, reason = "an origin for a stepped clock")]
    fn paces() -> (Paces, Instant) {
        let start = Instant::now();
        (Paces::new(start), start)
    }

    fn free() -> Result<(), Duration> {
        Ok(())
    }

    #[test]
    fn what_all_together_may_not_send_counts_for_no_session() {
        let (mut paces, now) = paces();
        let wait = Duration::from_secs(9);
        assert!((0..50).all(|_| paces.route(7, &TEN, now, || Err(wait)) == Err(wait)));
        assert_eq!((0..50).filter(|_| paces.route(7, &TEN, now, free).is_ok()).count(), 20);
        assert!(paces.route(7, &TEN, now, || unreachable!("the session may not send it itself")).is_err());
    }

    #[test]
    fn routes_and_the_whole_have_paces_of_their_own() {
        let (mut paces, now) = paces();
        assert_eq!((0..50).filter(|_| paces.route(7, &TEN, now, free).is_ok()).count(), 20);
        assert_eq!((0..50).filter(|_| paces.route(9, &TEN, now, free).is_ok()).count(), 20);
        assert_eq!((0..50).filter(|_| paces.frame(&TEN, now).is_ok()).count(), 20);
        let later = now + Duration::from_millis(100);
        assert!(paces.route(7, &TEN, later, free).is_ok());
        assert_eq!(paces.route(7, &TEN, later, free), Err(Duration::from_millis(100)));
        paces.keep_routes(|route| route == 7);
        assert!(paces.route(7, &TEN, later, free).is_err(), "it is kept");
        assert!(paces.route(9, &TEN, later, free).is_ok(), "it began anew");
        assert_eq!(paces.routes.len(), 2);
    }

    #[test]
    fn each_is_told_once_a_second() {
        let (mut paces, start) = paces();
        let told = |what: &mut dyn FnMut(Instant) -> bool| -> Vec<u64> {
            (0..2500).filter(|millis| what(start + Duration::from_millis(*millis))).collect()
        };
        assert_eq!(told(&mut |now| paces.tells(now)), [0, 1000, 2000]);
        assert_eq!(told(&mut |now| paces.tells_of(7, now)), [0, 1000, 2000]);
        assert_eq!(told(&mut |now| paces.tells_of(9, now)), [0, 1000, 2000]);
    }

    #[test]
    fn one_senseless_frame_a_second_is_forgiven_and_the_two_hundredth_of_a_heap_is_not() {
        let (mut paces, start) = paces();
        assert_eq!((1..=500).find(|_| paces.makes_no_sense(start)), Some(200));
        let second = Duration::from_secs(1);
        assert!((1..=10_000).all(|second_of| !paces.makes_no_sense(start + second * second_of)));
    }
}
