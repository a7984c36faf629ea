//! Who of a cluster is next: one pure function for every balance. It sees backends as weights, loads and counts;
//! whether one may be asked at all (health, zone, breaker, limits) was decided before.

mod keyed;

use rand::{Rng, RngExt};

use super::balance::Balance;
use super::ring::Ring;

/// A backend as a picker sees it; its place in the slice is its place in the file.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its share; 0 gets nothing new. Only its proportion to the others' counts, so it may be scaled (for slow
    /// start, say).
    pub weight: u32,
    /// Whether it can take this session now.
    pub serves: bool,
    /// Whether all that it lacks for that is room; only `modulo` looks at it, and counts it.
    pub is_full: bool,
    /// Its predicted load, 0.0 empty, 1.0 full, and beyond; only `least_load` looks at it. What is not a number is
    /// taken for the fullest.
    pub load: f64,
    /// The sessions it has; only `consistent_hash` looks at them, for its bound.
    pub sessions: u32,
}

impl Candidate {
    const fn is_open(&self) -> bool {
        self.serves && self.weight > 0
    }

    const fn lives(&self) -> bool {
        (self.serves || self.is_full) && self.weight > 0
    }
}

/// One worker's memory of what it picked in one cluster. It outlives a change of the balance and of the weights.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// Per candidate, the picks it is behind (positive) or ahead of its share, in parts of [`PICK`]. The sum over
    /// all candidates is 0 between picks.
    credit: Vec<i64>,
}

impl Picker {
    /// The place of the next backend; `None` when none serves that weighs anything. `key` counts only for a balance
    /// that needs one; `ring` is the cluster's own.
    pub fn pick(
        &mut self,
        balance: Balance,
        candidates: &[Candidate],
        key: u64,
        ring: &Ring,
        dice: &mut impl Rng,
    ) -> Option<usize> {
        match balance {
            Balance::RoundRobin => self.in_turn(candidates),
            Balance::Random => drawn(candidates, dice),
            Balance::LeastLoad => least_loaded(candidates, dice),
            Balance::Modulo => keyed::by_remainder(candidates, key, ring),
            Balance::ConsistentHash => keyed::by_hash(candidates, key, ring),
            Balance::HotStandby | Balance::Backup => open(candidates).next().map(|(place, _)| place),
        }
    }

    /// Smooth weighted round robin (as nginx names it): every open one earns its share of a pick; the richest is
    /// taken and pays the whole.
    ///
    /// Who is not open for this ask neither earns nor loses, so asks with different candidates (a zone, a session's
    /// refusals, a breaker) do not rob each other, and who comes back is owed no more than when it went. That is the
    /// carpool of Fagin and Williams ("A Fair Carpool Scheduling Algorithm", IBM J. Res. Dev. 27, 1983), with weights:
    /// whoever rides on a day, nobody's debt grows without bound. Credit counts in picks, not in weights, so that
    /// weights may change between asks: what was earned under great ones would be thousands of picks under small ones.
    fn in_turn(&mut self, candidates: &[Candidate]) -> Option<usize> {
        if self.credit.len() != candidates.len() {
            self.credit.clear();
            self.credit.resize(candidates.len(), 0);
        }
        let total: i64 = open(candidates).map(|(_, candidate)| i64::from(candidate.weight)).sum();
        let unit = PICK.checked_div(total)?.max(1);
        let mut best: Option<(usize, i64)> = None;
        for (place, candidate) in open(candidates) {
            let credit = self.credit.get_mut(place)?;
            *credit += i64::from(candidate.weight) * unit;
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((place, *credit));
            }
        }
        let (place, _) = best?;
        *self.credit.get_mut(place)? -= total * unit;
        Some(place)
    }
}

fn drawn(candidates: &[Candidate], dice: &mut impl Rng) -> Option<usize> {
    let total: u64 = open(candidates).map(|(_, candidate)| u64::from(candidate.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut left = dice.random_range(0..total);
    let hit = open(candidates).find(|(_, candidate)| {
        let share = u64::from(candidate.weight);
        let hit = left < share;
        left = left.saturating_sub(share);
        hit
    });
    hit.map(|(place, _)| place)
}

/// Few are all looked at. Of many, two are drawn: gateways that see the same reports would all run to the same
/// lowest one, and one of two is nearly as good (Mitzenmacher, "The Power of Two Choices", 2001). They are drawn
/// evenly, since the load has the weight in it already.
fn least_loaded(candidates: &[Candidate], dice: &mut impl Rng) -> Option<usize> {
    let count = open(candidates).count();
    if count <= LOOK_AT_ALL {
        return lowest(open(candidates), dice);
    }
    let one = dice.random_range(0..count);
    let other = (one + dice.random_range(1..count)) % count;
    let drawn = open(candidates).enumerate().filter(|(n, _)| *n == one || *n == other);
    lowest(drawn.map(|(_, candidate)| candidate), dice)
}

/// The lowest load; among equals each with the same chance.
fn lowest<'a>(
    candidates: impl Iterator<Item = (usize, &'a Candidate)>,
    dice: &mut impl Rng,
) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    let mut equals = 0;
    for (place, candidate) in candidates {
        let load = if candidate.load.is_nan() { f64::INFINITY } else { candidate.load };
        let least = best.map_or(load, |(_, least)| least);
        equals = if load < least { 1 } else { equals + u32::from(load == least) };
        if load < least || load == least && dice.random_range(0..equals) == 0 {
            best = Some((place, load));
        }
    }
    best.map(|(place, _)| place)
}

/// Those who can be picked, with their places.
fn open(candidates: &[Candidate]) -> impl Iterator<Item = (usize, &Candidate)> {
    candidates.iter().enumerate().filter(|(_, candidate)| candidate.is_open())
}

/// The parts of one pick: fine enough for thousands of members of the greatest weights, and leaving room in an
/// `i64` for credits of 2^15 picks.
const PICK: i64 = 1 << 48;
/// Up to so many, `least_load` looks at all of them.
const LOOK_AT_ALL: usize = 8;

#[cfg(test)]
mod tests;
