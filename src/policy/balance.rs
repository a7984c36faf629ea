//! How a cluster's backends share its sessions.

use rand::{Rng, RngExt};

/// The rule by which the next backend of a cluster is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, each as often as its weight says.
    RoundRobin,
    /// Drawn, each as often as its weight says.
    Random,
    /// The first live one in the order of the file.
    Backup,
}

impl Balance {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::Backup => "backup",
        }
    }
}

/// What happens to the sessions of a backend that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// They go on; their next frame of that cluster picks another backend.
    Repick,
    /// They are told `unavailable` and closed.
    Close,
}

impl OnLoss {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repick => "repick",
            Self::Close => "close",
        }
    }
}

/// A backend as a picker sees it; its place in the slice is its place in the file.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its share; 0 gets nothing new.
    pub weight: u32,
    /// Whether it can take a session now.
    pub serves: bool,
}

/// One worker's memory of what it picked in one cluster.
#[derive(Clone, Debug, Default)]
pub struct Picker {
    /// Per backend, how far it is ahead of or behind its share: the running value of smooth weighted round robin
    /// (as nginx names it). The sum over all backends is 0 between picks.
    credit: Vec<i64>,
}

impl Picker {
    /// The place of the next backend; `None` when none serves.
    pub fn pick(&mut self, balance: Balance, candidates: &[Candidate], dice: &mut impl Rng) -> Option<usize> {
        match balance {
            Balance::RoundRobin => self.in_turn(candidates),
            Balance::Random => drawn(candidates, dice),
            Balance::Backup => candidates.iter().position(is_open),
        }
    }

    /// Every serving backend earns its weight; the richest is taken and pays what all of them earned.
    fn in_turn(&mut self, candidates: &[Candidate]) -> Option<usize> {
        self.credit.resize(candidates.len(), 0);
        let mut best: Option<(usize, i64)> = None;
        let mut earned = 0;
        for (place, (credit, candidate)) in self.credit.iter_mut().zip(candidates).enumerate() {
            if !is_open(candidate) {
                *credit = 0;
                continue;
            }
            *credit += i64::from(candidate.weight);
            earned += i64::from(candidate.weight);
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((place, *credit));
            }
        }
        let (place, _) = best?;
        if let Some(credit) = self.credit.get_mut(place) {
            *credit -= earned;
        }
        Some(place)
    }
}

fn is_open(candidate: &Candidate) -> bool {
    candidate.serves && candidate.weight > 0
}

fn drawn(candidates: &[Candidate], dice: &mut impl Rng) -> Option<usize> {
    let weight = |candidate: &Candidate| if is_open(candidate) { u64::from(candidate.weight) } else { 0 };
    let total: u64 = candidates.iter().map(weight).sum();
    if total == 0 {
        return None;
    }
    let mut left = dice.random_range(0..total);
    candidates.iter().position(|candidate| {
        let share = weight(candidate);
        let hit = left < share;
        left = left.saturating_sub(share);
        hit
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn candidates(weights: &[u32]) -> Vec<Candidate> {
        weights.iter().map(|&weight| Candidate { weight, serves: true }).collect()
    }

    fn picks(balance: Balance, candidates: &[Candidate], times: usize) -> Vec<usize> {
        let mut counts = vec![0; candidates.len()];
        let mut picker = Picker::default();
        let mut dice = SmallRng::seed_from_u64(7);
        for _ in 0..times {
            counts[picker.pick(balance, candidates, &mut dice).expect("one serves")] += 1;
        }
        counts
    }

    #[test]
    fn in_turn_gives_each_exactly_its_share_and_spreads_the_heavy_one() {
        assert_eq!(picks(Balance::RoundRobin, &candidates(&[5, 1, 1]), 700), [500, 100, 100]);
        let mut picker = Picker::default();
        let mut dice = SmallRng::seed_from_u64(1);
        let three = candidates(&[2, 1, 1]);
        let row: Vec<_> =
            (0..4).filter_map(|_| picker.pick(Balance::RoundRobin, &three, &mut dice)).collect();
        assert_eq!(row, [0, 1, 2, 0]);
    }

    #[test]
    fn drawing_follows_the_weights() {
        let counts = picks(Balance::Random, &candidates(&[3, 1]), 40_000);
        // Chi-square with one degree of freedom: 10.83 is passed by chance once in a thousand seeds.
        let chi: f64 =
            counts.iter().zip([30_000.0, 10_000.0]).map(|(&n, want)| (n as f64 - want).powi(2) / want).sum();
        assert!(chi < 10.83, "{counts:?} chi-square {chi}");
    }

    #[test]
    fn backup_takes_the_first_live_one() {
        let mut three = candidates(&[1, 1, 1]);
        assert_eq!(picks(Balance::Backup, &three, 5), [5, 0, 0]);
        three[0].serves = false;
        assert_eq!(picks(Balance::Backup, &three, 5), [0, 5, 0]);
    }

    #[test]
    fn nobody_serves_or_weighs_anything_picks_nobody() {
        let mut dice = SmallRng::seed_from_u64(1);
        for balance in [Balance::RoundRobin, Balance::Random, Balance::Backup] {
            assert_eq!(Picker::default().pick(balance, &[], &mut dice), None);
            assert_eq!(Picker::default().pick(balance, &candidates(&[0, 0]), &mut dice), None);
            let down = [Candidate { weight: 1, serves: false }];
            assert_eq!(Picker::default().pick(balance, &down, &mut dice), None);
        }
    }

    #[test]
    fn one_that_comes_back_is_not_owed_its_absence() {
        let mut picker = Picker::default();
        let mut dice = SmallRng::seed_from_u64(1);
        let mut two = candidates(&[1, 1]);
        two[1].serves = false;
        for _ in 0..100 {
            assert_eq!(picker.pick(Balance::RoundRobin, &two, &mut dice), Some(0));
        }
        two[1].serves = true;
        let after: Vec<_> =
            (0..10).filter_map(|_| picker.pick(Balance::RoundRobin, &two, &mut dice)).collect();
        assert_eq!(after.iter().filter(|&&place| place == 1).count(), 5, "{after:?}");
    }
}
