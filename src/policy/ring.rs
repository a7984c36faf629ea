//! What a cluster keeps for the balances that go by a key. It is made when the plan is, and the same on every
//! gateway, in whatever order their files name the members.

use super::balance::Balance;
use super::maglev::Maglev;

/// The members of one cluster in an order that every gateway shares, and who is whose home.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// The members' places in the file, in the order of their addresses as text.
    order: Vec<usize>,
    /// Built of the members in that order; only `consistent_hash` has one.
    homes: Maglev,
}

impl Ring {
    /// The ring of these members, each an address and a weight, in the order of the file. It is empty for a balance
    /// without a key. `consistent_hash` takes some milliseconds and 128 KiB: make it off the frames' path.
    #[must_use]
    pub fn new(balance: Balance, members: &[(&str, u32)]) -> Self {
        if !balance.needs_key() {
            return Self::default();
        }
        let mut sorted: Vec<_> = members.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        let order = sorted.iter().map(|&(_, place)| place).collect();
        let homes = if balance == Balance::ConsistentHash {
            Maglev::new(sorted.iter().map(|&(member, _)| member))
        } else {
            Maglev::default()
        };
        Self { order, homes }
    }

    /// The place of the hash's home.
    pub(super) fn home(&self, hash: u64) -> Option<usize> {
        self.order.get(self.homes.lookup(hash)?).copied()
    }

    /// The place of the `rank`-th member by address. A ring that was not made for so many members knows nothing
    /// about them: then it is the order of the file.
    pub(super) fn ranked(&self, rank: usize, members: usize) -> usize {
        let known = self.order.get(rank).filter(|_| self.order.len() == members);
        known.copied().unwrap_or(rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [(&str, u32); 3] = [("b", 1), ("c", 0), ("a", 1)];

    fn parts(balance: Balance) -> (Vec<usize>, bool) {
        let ring = Ring::new(balance, &MEMBERS);
        (ring.order.clone(), ring.home(1).is_some())
    }

    #[test]
    fn only_what_the_balance_needs_is_made() {
        assert_eq!(parts(Balance::RoundRobin), (vec![], false));
        assert_eq!(parts(Balance::Modulo), (vec![2, 0, 1], false));
        assert_eq!(parts(Balance::ConsistentHash), (vec![2, 0, 1], true));
    }

    #[test]
    fn homes_are_places_of_the_file_and_who_weighs_nothing_is_nobodys() {
        let ring = Ring::new(Balance::ConsistentHash, &MEMBERS);
        let turned = Ring::new(Balance::ConsistentHash, &[MEMBERS[2], MEMBERS[1], MEMBERS[0]]);
        let homes: Vec<_> = (0..100).filter_map(|hash| ring.home(hash)).collect();
        assert!(homes.contains(&0) && homes.contains(&2) && !homes.contains(&1), "{homes:?}");
        let mirrored: Vec<_> = (0..100).filter_map(|hash| turned.home(hash)).map(|place| 2 - place).collect();
        assert_eq!(homes, mirrored);
    }

    #[test]
    fn a_ring_of_other_members_ranks_by_file() {
        let ring = Ring::new(Balance::Modulo, &MEMBERS);
        assert_eq!([0, 1, 2].map(|rank| ring.ranked(rank, 3)), [2, 0, 1]);
        assert_eq!([0, 1, 2, 3].map(|rank| ring.ranked(rank, 4)), [0, 1, 2, 3]);
    }
}
