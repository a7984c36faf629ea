//! Picks of every balance, counted; what all balances have in common is here.

mod keyed;
mod load;
mod turns;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

const ALL: [Balance; 7] = [
    Balance::RoundRobin,
    Balance::Random,
    Balance::LeastLoad,
    Balance::Modulo,
    Balance::ConsistentHash,
    Balance::HotStandby,
    Balance::Backup,
];

/// Chi-square that chance passes once in a thousand seeds, for 1, 3, 4, 9, 10 and 11 degrees of freedom.
const CHI_1: f64 = 10.83;
const CHI_3: f64 = 16.27;
const CHI_4: f64 = 18.47;
const CHI_9: f64 = 27.88;
const CHI_10: f64 = 29.59;
const CHI_11: f64 = 31.26;

fn candidates(weights: &[u32]) -> Vec<Candidate> {
    weights
        .iter()
        .map(|&weight| Candidate { weight, serves: true, is_full: false, load: 0.0, sessions: 0 })
        .collect()
}

/// How often each was picked; the n-th pick has the key n.
fn picks(balance: Balance, candidates: &[Candidate], times: u64, seed: u64) -> Vec<usize> {
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut picker = Picker::default();
    let mut counts = vec![0; candidates.len()];
    for key in 0..times {
        let picked = picker.pick(balance, candidates, key, &Ring::default(), &mut dice);
        counts[picked.expect("one serves")] += 1;
    }
    counts
}

/// The sum of (seen - wanted)^2 / wanted, where `weights` says in what proportion they are wanted.
fn chi_square(counts: &[usize], weights: &[u32]) -> f64 {
    let per_weight = counts.iter().sum::<usize>() as f64 / weights.iter().map(|&w| f64::from(w)).sum::<f64>();
    let wanted = weights.iter().map(|&weight| f64::from(weight) * per_weight);
    counts.iter().zip(wanted).map(|(&seen, want)| (seen as f64 - want).powi(2) / want).sum()
}

#[test]
fn drawing_follows_the_weights() {
    let seed = 7;
    let weights = [3, 1, 60, 36];
    let counts = picks(Balance::Random, &candidates(&weights), 40_000, seed);
    let chi = chi_square(&counts, &weights);
    assert!(chi < CHI_3, "seed {seed}: {counts:?} chi-square {chi}");
}

#[test]
fn backup_and_hot_standby_take_the_first_live_one() {
    for balance in [Balance::Backup, Balance::HotStandby] {
        let mut four = candidates(&[1, 9, 0, 1]);
        assert_eq!(picks(balance, &four, 5, 1), [5, 0, 0, 0]);
        four[0].serves = false;
        assert_eq!(picks(balance, &four, 5, 1), [0, 5, 0, 0]);
        four[1].serves = false;
        assert_eq!(picks(balance, &four, 5, 1), [0, 0, 0, 5]);
    }
}

#[test]
fn nobody_serves_or_weighs_anything_picks_nobody() {
    let mut dice = SmallRng::seed_from_u64(1);
    let mut down = candidates(&[1; 12]);
    down.iter_mut().for_each(|candidate| candidate.serves = false);
    let members: Vec<_> = (0..12).map(|_| ("a", 1)).collect();
    for balance in ALL {
        for ring in [Ring::default(), Ring::new(balance, &members)] {
            for nobody in [&[][..], &candidates(&[0, 0]), &candidates(&[0; 12]), &down] {
                let picked = Picker::default().pick(balance, nobody, 5, &ring, &mut dice);
                assert_eq!(picked, None, "{balance:?} of {nobody:?}");
            }
        }
    }
}

#[test]
fn only_who_serves_and_weighs_something_is_ever_picked_and_one_such_is_enough() {
    let seed = 3;
    let mut dice = SmallRng::seed_from_u64(seed);
    let addresses: Vec<_> = (0..20).map(|n| format!("10.0.0.{n}:1")).collect();
    let members: Vec<_> = addresses.iter().map(|address| (address.as_str(), 1)).collect();
    for balance in ALL {
        let ring = Ring::new(balance, &members);
        let mut picker = Picker::default();
        for step in 0..3000 {
            let open = dice.random_range(1..=20);
            let mut twenty = candidates(&[1; 20]);
            for candidate in &mut twenty {
                candidate.weight = dice.random_range(0..3);
                candidate.serves = dice.random_range(0..20) < open;
                candidate.sessions = dice.random_range(0..100);
                candidate.load = dice.random_range(0.0..2.0);
            }
            let picked = picker.pick(balance, &twenty, dice.random(), &ring, &mut dice);
            let told = format!("{balance:?}, seed {seed} step {step}: {picked:?} of {twenty:?}");
            match picked {
                Some(place) => assert!(twenty[place].is_open(), "{told}"),
                None => assert!(!twenty.iter().any(Candidate::is_open), "{told}"),
            }
        }
    }
}

#[test]
fn a_change_of_the_balance_needs_no_new_picker() {
    let mut dice = SmallRng::seed_from_u64(1);
    let mut three = candidates(&[2, 1, 1]);
    three[2].load = -1.0;
    let mut picker = Picker::default();
    let mut row = |balance| -> Vec<_> {
        let ring = Ring::new(balance, &[("b", 2), ("c", 1), ("a", 1)]);
        (0..4).filter_map(|key| picker.pick(balance, &three, key, &ring, &mut dice)).collect()
    };
    assert_eq!(row(Balance::RoundRobin)[..], [0, 1, 2, 0]);
    assert_eq!(row(Balance::Modulo)[..], [2, 0, 1, 2]);
    assert_eq!(row(Balance::Backup)[..], [0; 4]);
    assert_eq!(row(Balance::LeastLoad)[..], [2; 4]);
    assert_eq!(row(Balance::ConsistentHash).len(), 4);
    assert_eq!(row(Balance::Random).len(), 4);
    assert_eq!(row(Balance::RoundRobin)[..], [0, 1, 2, 0], "others neither earn nor spend credit");
}
