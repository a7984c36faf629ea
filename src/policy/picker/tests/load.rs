//! `least_load`: the lowest of few, the lower of two of many, and chance among equals.

use super::*;

fn loaded(loads: &[f64]) -> Vec<Candidate> {
    loads
        .iter()
        .map(|&load| Candidate { weight: 1, serves: true, is_full: false, load, sessions: 0 })
        .collect()
}

#[test]
fn of_up_to_eight_the_lowest_is_taken() {
    let mut eight = loaded(&[0.9, 0.5, 1.2, 0.1, 0.8, 0.2, 0.7, 3.0]);
    assert_eq!(picks(Balance::LeastLoad, &eight, 200, 1), [0, 0, 0, 200, 0, 0, 0, 0]);
    eight[3].serves = false;
    assert_eq!(picks(Balance::LeastLoad, &eight, 200, 1), [0, 0, 0, 0, 0, 200, 0, 0]);
    eight[5].weight = 0;
    assert_eq!(picks(Balance::LeastLoad, &eight, 200, 1), [0, 200, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn who_does_not_serve_does_not_make_few_many() {
    let mut twelve = loaded(&[0.5, 0.4, 0.3, 0.2, 0.1, 0.6, 0.7, 0.8, 0.0, 0.0, 0.0, 0.0]);
    twelve[8..].iter_mut().for_each(|candidate| candidate.serves = false);
    assert_eq!(picks(Balance::LeastLoad, &twelve, 200, 1)[4], 200);
}

#[test]
fn of_many_the_lower_of_two_is_taken() {
    // With ranks by load from 0, the lower of two distinct ones of 12 has rank r in 11 - r of 66 pairs.
    let seed = 21;
    let loads: Vec<_> = (0..12).map(|n| f64::from((n * 5) % 12)).collect();
    let counts = picks(Balance::LeastLoad, &loaded(&loads), 66_000, seed);
    let mut by_rank = [0; 12];
    for (place, count) in counts.into_iter().enumerate() {
        by_rank[(place * 5) % 12] = count;
    }
    assert_eq!(by_rank[11], 0, "seed {seed}: the fullest is lower than nobody, {by_rank:?}");
    let chi = chi_square(&by_rank[..11], &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert!(chi < CHI_10, "seed {seed}: {by_rank:?} chi-square {chi}");
}

#[test]
fn nine_are_many() {
    let mut nine = loaded(&[1.0; 9]);
    nine[0].load = 0.0;
    // Drawn in two of nine pairs.
    let seed = 22;
    let first = picks(Balance::LeastLoad, &nine, 9000, seed)[0];
    let chi = chi_square(&[first, 9000 - first], &[2, 7]);
    assert!(chi < CHI_1, "seed {seed}: {first} of 9000, chi-square {chi}");
}

#[test]
fn equals_share_evenly_whatever_they_weigh() {
    let seed = 23;
    let mut five = loaded(&[0.4, 0.3, 0.3, 0.3, 0.3, 0.3]);
    five[2].weight = 1000;
    let counts = picks(Balance::LeastLoad, &five, 50_000, seed);
    assert_eq!(counts[0], 0);
    let chi = chi_square(&counts[1..], &[1; 5]);
    assert!(chi < CHI_4, "seed {seed}: {counts:?} chi-square {chi}");

    let counts = picks(Balance::LeastLoad, &loaded(&[0.3; 12]), 60_000, seed);
    let chi = chi_square(&counts, &[1; 12]);
    assert!(chi < CHI_11, "seed {seed}: {counts:?} chi-square {chi}");
}

#[test]
fn a_load_that_is_no_number_is_the_fullest() {
    assert_eq!(picks(Balance::LeastLoad, &loaded(&[f64::NAN, 9.0, -f64::NAN]), 100, 1), [0, 100, 0]);
    assert_eq!(picks(Balance::LeastLoad, &loaded(&[f64::NAN]), 100, 1), [100]);
    let counts = picks(Balance::LeastLoad, &loaded(&[f64::NAN, f64::INFINITY]), 100, 1);
    assert!(counts.iter().all(|&count| count > 20), "{counts:?}");
}

#[test]
fn with_each_session_in_the_load_everybody_fills_alike() {
    for (members, within) in [(8, 1.0), (40, 4.0)] {
        let seed = 24;
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut picker = Picker::default();
        let mut all = loaded(&vec![0.0; members]);
        for session in 0..members * 500 {
            let picked = picker.pick(Balance::LeastLoad, &all, 0, &Ring::default(), &mut dice);
            all[picked.expect("one serves")].load += 1.0;
            let mean = (session + 1) as f64 / members as f64;
            let most = all.iter().map(|candidate| candidate.load).fold(0.0, f64::max);
            assert!(most - mean <= within, "seed {seed} session {session}: {most} where {mean} is the mean");
        }
    }
}
