//! The Maglev table: from a hash to a member in one look, with shares as even as the weights ask for, and with few
//! entries that change when a member comes or goes.
//!
//! After Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4.
//! Each member has an order of its own in which it would like the table's places, made of its name alone; members
//! take turns, and at a turn each takes the next place it likes that is still free. Weights change how often a
//! member has its turn, as the paper says.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::key::{rehashed, remainder, stable_hash};

/// The table of one set of members. It depends on their names, weights and order only; 128 KiB, or nothing
/// without members.
#[derive(Clone, Debug, Default)]
pub(super) struct Maglev {
    /// For each place, the member who has it.
    table: Vec<u16>,
}

impl Maglev {
    /// The table of these members; who weighs nothing gets no place, and neither does who comes after 65,535.
    pub(super) fn new<'a>(members: impl Iterator<Item = (&'a str, u32)>) -> Self {
        let mut turns: BinaryHeap<_> = (0..NOBODY)
            .zip(members)
            .filter(|(_, (_, weight))| *weight > 0)
            .map(|(member, (name, weight))| Reverse(Turn::new(member, name, weight)))
            .collect();
        let mut table = vec![NOBODY; PLACES];
        for _ in 0..PLACES {
            let Some(mut turn) = turns.peek_mut() else { return Self::default() };
            turn.0.take_place(&mut table);
        }
        Self { table }
    }

    /// The member, counted as they were given, who has the hash's place; `None` when there are no members.
    pub(super) fn lookup(&self, hash: u64) -> Option<usize> {
        self.table.get(remainder(hash, PLACES)).map(|&member| usize::from(member))
    }
}

/// A member that waits for its turn. The earliest is the next; among equals, the one that was given first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// When it is, in parts of a turn of weight 1. Everybody's first is at 0, so that even the lightest has a place.
    due: u64,
    member: u16,
    /// How much later its next one is: the heavier, the sooner.
    every: u64,
    /// The place it likes next; then always `skip` further on.
    likes: usize,
    skip: usize,
}

impl Turn {
    fn new(member: u16, name: &str, weight: u32) -> Self {
        let hash = stable_hash(name.as_bytes());
        let likes = remainder(hash, PLACES);
        let skip = 1 + remainder(rehashed(hash, 1), PLACES - 1);
        Self { due: 0, member, every: TURN / u64::from(weight), likes, skip }
    }

    /// The table has a free place, and since its size is prime, every `skip` leads to it in the end.
    fn take_place(&mut self, table: &mut [u16]) {
        let mut taken = false;
        while !taken {
            if let Some(place) = table.get_mut(self.likes).filter(|place| **place == NOBODY) {
                *place = self.member;
                taken = true;
            }
            self.likes = (self.likes + self.skip) % PLACES;
        }
        self.due += self.every;
    }
}

/// The paper's smaller size: a prime, and for up to some 650 members of equal weight still 100 places each.
const PLACES: usize = 65_537;
/// Marks a free place while the table is made; no member has this number.
const NOBODY: u16 = u16::MAX;
/// The parts of a turn. The lightest possible member alone has 65,537 turns, which is below 2^63 parts; the
/// heaviest one's are still 2^14 parts apart.
const TURN: u64 = 1 << 46;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("10.0.{}.{}:7100", n / 250, n % 250)).collect()
    }

    fn shares(members: &[(&str, u32)]) -> Vec<usize> {
        let table = Maglev::new(members.iter().copied());
        let mut counts = vec![0; members.len()];
        for place in 0..PLACES as u64 {
            counts[table.lookup(place).expect("every place is taken")] += 1;
        }
        counts
    }

    #[test]
    fn members_of_one_weight_have_the_same_share_but_for_one_place() {
        let names = names(10);
        let members: Vec<_> = names.iter().map(|name| (name.as_str(), 7)).collect();
        let counts = shares(&members);
        assert!(counts.iter().all(|&count| count == 6553 || count == 6554), "{counts:?}");
    }

    #[test]
    fn shares_follow_the_weights_within_one_percent() {
        let names = names(5);
        for weights in
            [[1, 2, 3, 4, 90], [1, 1, 1, 1, 65_535 / 600], [65_535_000, 6_553_500, 1 << 30, 1 << 25, 1 << 29]]
        {
            let members: Vec<_> = names.iter().map(String::as_str).zip(weights).collect();
            let sum: f64 = weights.iter().copied().map(f64::from).sum();
            for (count, weight) in shares(&members).into_iter().zip(weights) {
                let want = f64::from(weight) / sum * PLACES as f64;
                assert!((count as f64 / want - 1.0).abs() < 0.01, "{count} for {want}, weights {weights:?}");
            }
        }
    }

    #[test]
    fn the_lightest_has_a_place_and_who_weighs_nothing_has_none() {
        let counts = shares(&[("heavy", u32::MAX), ("light", 1), ("none", 0)]);
        assert_eq!(counts, [PLACES - 1, 1, 0]);
    }

    #[test]
    fn one_member_has_all_and_no_member_nothing() {
        assert_eq!(shares(&[("alone", 1)]), [PLACES]);
        assert_eq!(Maglev::new([].into_iter()).lookup(3), None);
        assert_eq!(Maglev::new([("none", 0)].into_iter()).lookup(3), None);
    }

    #[test]
    fn the_table_is_today_what_it_was_when_players_were_placed_by_it() {
        let table =
            Maglev::new([("10.0.1.1:7100", 1), ("10.0.1.2:7100", 2), ("10.0.1.3:7100", 3)].into_iter());
        let row: Vec<_> = (0..16).filter_map(|place| table.lookup(place)).collect();
        assert_eq!(row, [2, 2, 1, 2, 2, 0, 1, 1, 1, 2, 2, 1, 0, 2, 2, 0]);
        let sum = (0..PLACES as u64).filter_map(|place| table.lookup(place)).enumerate();
        let sum = sum.fold(0, |sum: u64, (place, member)| rehashed(sum ^ member as u64, place as u64));
        assert_eq!(sum, 0xb4b7_3884_32a2_e81b);
    }

    #[test]
    fn a_member_that_goes_takes_little_from_the_others() {
        let names = names(10);
        let all = Maglev::new(names.iter().map(|name| (name.as_str(), 1)));
        for gone in 0..10 {
            let rest =
                Maglev::new(names.iter().enumerate().map(|(n, name)| (name.as_str(), u32::from(n != gone))));
            let moved = (0..PLACES as u64)
                .filter(|&place| all.lookup(place) != Some(gone) && all.lookup(place) != rest.lookup(place))
                .count();
            let percent = moved as f64 / PLACES as f64 * 100.0;
            assert!(percent < 1.0, "without {gone}, {percent} % of the places change between those who stay");
        }
    }
}
