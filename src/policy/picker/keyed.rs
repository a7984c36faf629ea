//! The two balances that go by a key: the same key finds the same backend on every gateway that sees the same ones
//! alive.

use super::super::key::{rehashed, remainder};
use super::super::ring::Ring;
use super::{Candidate, open};

/// The key's remainder by the number of live ones, in the order of their addresses; the next one that has room, if that
/// one has none. The key is taken as it is, so that an operator can count it out; most keys move when a member comes
/// or goes, and only its own when it is full.
pub(super) fn by_remainder(candidates: &[Candidate], key: u64, ring: &Ring) -> Option<usize> {
    let all = candidates.len();
    let rank = remainder(key, candidates.iter().filter(|candidate| candidate.lives()).count());
    let is = |place: usize, what: fn(&Candidate) -> bool| candidates.get(place).is_some_and(what);
    let home = (0..all).filter(|&rank| is(ring.ranked(rank, all), Candidate::lives)).nth(rank)?;
    (home..home + all).map(|rank| ring.ranked(rank % all, all)).find(|&place| is(place, Candidate::is_open))
}

/// The key's home; if that one is not open or has enough, the home of another hash of the key, and so on; at last
/// whoever comes next by address. So the keys of one that is missing spread over all others, and nobody else's move.
///
/// After Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2016, with new hashes in place of
/// the next on the circle, which would pour one member's keys over a single other.
pub(super) fn by_hash(candidates: &[Candidate], key: u64, ring: &Ring) -> Option<usize> {
    let crowd = Crowd::of(candidates);
    let takes = |&place: &usize| candidates.get(place).is_some_and(|it| it.is_open() && crowd.has_room(it));
    let mut homes = (0..ATTEMPTS).filter_map(|attempt| ring.home(rehashed(key, attempt)));
    homes.find(takes).or_else(|| {
        let count = candidates.len();
        let start = remainder(rehashed(key, ATTEMPTS), count);
        (start..start + count).map(|rank| ring.ranked(rank % count, count)).find(takes)
    })
}

/// What all open ones have together.
struct Crowd {
    weight: u128,
    sessions: u128,
}

impl Crowd {
    fn of(candidates: &[Candidate]) -> Self {
        let none = Self { weight: 0, sessions: 0 };
        open(candidates).fold(none, |sum, (_, it)| Self {
            weight: sum.weight + u128::from(it.weight),
            sessions: sum.sessions + u128::from(it.sessions),
        })
    }

    /// Whether it still has room for one more: sessions + 1 <= ceil(1.25 x (all sessions + 1) x weight / all weight).
    /// Asked without a division: n + 1 <= ceil(x) is n < x. Summed over all, the bounds are more than all sessions, so
    /// there is always one with room.
    fn has_room(&self, one: &Candidate) -> bool {
        let bound = 5 * (self.sessions + 1) * u128::from(one.weight);
        one.sessions < UNBOUND || 4 * u128::from(one.sessions) * self.weight < bound
    }
}

/// Up to so many sessions no bound is looked at: the second player of the first room would be over 125 % of the mean,
/// and a key that is torn apart is worse than a few sessions too many.
const UNBOUND: u32 = 64;
/// So many homes are tried before members are gone through one by one. With half of all missing, one key in 65,536
/// comes to that.
const ATTEMPTS: u64 = 16;
