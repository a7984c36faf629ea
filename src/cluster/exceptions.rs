//! Protocol IDs that a backend has said it fails for: a handful at most, looked at for every frame.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::{ProtocolId, millis};

/// The ranges that are in force. A backend that says more than [`PLACES`] at one time overwrites those that end
/// first.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    /// When the last of them ends, in milliseconds since the gateway's start; before that the places are read.
    last_end: AtomicU64,
    places: [Place; PLACES],
}

/// First and last ID (32 bits each), and the end.
#[derive(Debug, Default)]
struct Place {
    ids: AtomicU64,
    end: AtomicU64,
}

/// Ranges that are kept of one backend.
const PLACES: usize = 8;

impl Exceptions {
    /// The backend fails for these IDs, ends included, until `end`; where that is no later than `now`, no more.
    pub(super) fn add(&self, first: u32, last: u32, end: Duration, now: Duration) {
        let ids = u64::from(first) << 32 | u64::from(last);
        let same = self.places.iter().find(|place| place.ids.load(Ordering::Relaxed) == ids);
        if same.is_none() && end <= now {
            return; // one that is not kept is not to take the place of one that is
        }
        let soonest = self.places.iter().min_by_key(|place| place.end.load(Ordering::Relaxed));
        let Some(place) = same.or(soonest) else { return };
        place.ids.store(ids, Ordering::Relaxed);
        place.end.store(millis(end), Ordering::Relaxed);
        self.last_end.fetch_max(millis(end), Ordering::Relaxed);
    }

    /// Until when it fails for this ID; `None` if it does not.
    #[inline]
    pub(super) fn until(&self, id: ProtocolId, now: Duration) -> Option<Duration> {
        if self.last_end.load(Ordering::Relaxed) == 0 { None } else { self.find(id, millis(now)) }
    }

    fn find(&self, id: ProtocolId, now: u64) -> Option<Duration> {
        if now >= self.last_end.load(Ordering::Relaxed) {
            return None;
        }
        let ends =
            self.places.iter().filter(|place| place.has(id)).map(|place| place.end.load(Ordering::Relaxed));
        ends.max().filter(|end| *end > now).map(Duration::from_millis)
    }

    /// The backend has started anew and said nothing yet.
    pub(super) fn clear(&self) {
        self.last_end.store(0, Ordering::Relaxed);
        self.places.iter().for_each(|place| place.end.store(0, Ordering::Relaxed));
    }
}

impl Place {
    fn has(&self, id: ProtocolId) -> bool {
        let ids = self.ids.load(Ordering::Relaxed);
        (ids >> 32..=ids & 0xFFFF_FFFF).contains(&id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_range_fails_from_its_first_to_its_last_id_until_its_end() {
        let exceptions = Exceptions::default();
        exceptions.add(1000, 1005, at(10), at(0));
        let fails = |id, now| exceptions.until(ProtocolId(id), at(now)).is_some();
        assert!(fails(1000, 0) && fails(1005, 9));
        assert!(!fails(999, 0) && !fails(1006, 0) && !fails(1000, 10));
        assert!(!fails(1000 + (1 << 32), 0), "an ID of more than 32 bits is never meant");
    }

    #[test]
    fn saying_it_again_moves_the_end_and_takes_no_second_place() {
        let exceptions = Exceptions::default();
        (1..=100).for_each(|second| exceptions.add(7, 7, at(second), at(0)));
        exceptions.add(8, 8, at(5), at(0));
        assert_eq!(exceptions.until(ProtocolId(7), at(50)), Some(at(100)));
        assert_eq!(exceptions.until(ProtocolId(8), at(4)), Some(at(5)));
    }

    #[test]
    fn too_many_overwrite_those_that_end_first() {
        let exceptions = Exceptions::default();
        (0..9).for_each(|place| exceptions.add(place, place, at(u64::from(place) + 10), at(0)));
        assert_eq!(exceptions.until(ProtocolId(0), at(1)), None);
        assert_eq!(exceptions.until(ProtocolId(8), at(1)), Some(at(18)));
        exceptions.clear();
        assert_eq!(exceptions.until(ProtocolId(8), at(1)), None);
    }

    #[test]
    fn to_end_a_range_ends_no_other() {
        let exceptions = Exceptions::default();
        (0..8).for_each(|place| exceptions.add(place, place, at(u64::from(place) + 10), at(0)));
        exceptions.add(99, 99, at(1), at(1));
        assert_eq!(exceptions.until(ProtocolId(0), at(1)), Some(at(10)), "the range was never kept");
        exceptions.add(7, 7, at(1), at(1));
        assert_eq!([0, 7].map(|id| exceptions.until(ProtocolId(id), at(1))), [Some(at(10)), None]);
    }
}
