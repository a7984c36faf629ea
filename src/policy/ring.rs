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
