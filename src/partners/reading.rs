//! Requests whose bodies have to come before anybody knows whether they are a partner's. Whoever knows its name could
//! have sent them: they have places of their own, and none of those that a proven request needs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::AddressKey;

/// The bodies that come for one partner, or to be converted, by who sends them.
#[derive(Debug, Default)]
pub struct Readings(Mutex<Counts>);

/// A body that comes; it is no longer counted when this is dropped.
#[derive(Debug)]
pub struct Reading {
    readings: Arc<Readings>,
    from: AddressKey,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    all: Load,
    by_address: HashMap<AddressKey, Load>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    places: u32,
    bytes: u64,
}

/// How many bodies may come at once, and how long they may be together: they wait in memory.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// So many.
    pub places: u32,
    /// So long.
    pub bytes: u64,
}

/// Places beside two for each request that may be in progress.
const SPARE: u32 = 16;

impl Room {
    /// For a partner of which so many requests may be in progress.
    #[must_use]
    pub const fn for_partner(in_flight: u32) -> Self {
        Self { places: in_flight.saturating_mul(2).saturating_add(SPARE), bytes: 256 << 20 }
    }
}

impl Readings {
    /// One more of so many bytes, if its address has less than what is left for everybody. So an address that is alone
    /// has half of the room, and however many one takes, the next one finds half of the rest.
    #[must_use]
    pub fn begin(self: &Arc<Self>, from: IpAddr, room: Room, bytes: u64) -> Option<Reading> {
        let from = AddressKey::of(from);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.by_address.get(&from).copied().unwrap_or_default();
        let has_place = own.places < room.places.saturating_sub(counts.all.places);
        let has_room = own.bytes.saturating_add(bytes) <= room.bytes.saturating_sub(counts.all.bytes);
        if !has_place || !has_room {
            return None;
        }
        counts.all.add(bytes);
        counts.by_address.entry(from).or_default().add(bytes);
        Some(Reading { readings: Arc::clone(self), from, bytes })
    }
}

impl Load {
    fn add(&mut self, bytes: u64) {
        self.places += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: u64) {
        self.places = self.places.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut counts = self.readings.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all.remove(self.bytes);
        let own = counts.by_address.get_mut(&self.from);
        let is_last = own.is_some_and(|own| {
            own.remove(self.bytes);
            own.places == 0
        });
        if is_last {
            counts.by_address.remove(&self.from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(readings: &Arc<Readings>, last: u8, in_flight: u32) -> Vec<Reading> {
        let room = Room::for_partner(in_flight);
        std::iter::from_fn(|| readings.begin([192, 0, 2, last].into(), room, 1)).collect()
    }

    #[test]
    fn who_is_alone_has_room_for_all_that_may_be_in_progress_and_who_comes_later_for_half_of_the_rest() {
        for in_flight in [1, 64, 1_000_000] {
            let readings = Arc::<Readings>::default();
            let flood = take(&readings, 1, in_flight);
            assert_eq!(flood.len(), in_flight as usize + 8);
            let second = take(&readings, 2, in_flight);
            assert_eq!(second.len(), (in_flight as usize + 8).div_ceil(2));
            assert!(!take(&readings, 3, in_flight).is_empty());
        }
    }

    #[test]
    fn long_bodies_are_few() {
        let readings = Arc::<Readings>::default();
        let room = Room::for_partner(64);
        let long = |last| {
            let begin = || readings.begin([192, 0, 2, last].into(), room, 64 << 20);
            std::iter::from_fn(begin).collect::<Vec<_>>()
        };
        let held = [long(1), long(2), long(3)];
        assert_eq!(held.each_ref().map(Vec::len), [2, 1, 1]);
        assert!(readings.begin([192, 0, 2, 1].into(), room, 0).is_none(), "it has more than is left");
    }

    #[test]
    fn places_are_given_back() {
        let readings = Arc::<Readings>::default();
        for _ in 0..3 {
            let held = [take(&readings, 1, 4), take(&readings, 2, 4)];
            assert_eq!(held.each_ref().map(Vec::len), [12, 6]);
        }
        let counts = readings.0.lock().expect("no panic");
        assert!(
            counts.all.places == 0 && counts.all.bytes == 0 && counts.by_address.is_empty(),
            "{counts:?}"
        );
    }
}
