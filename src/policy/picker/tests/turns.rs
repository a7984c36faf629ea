//! `round_robin`: exact shares, and credits that neither asks with different candidates nor new weights spoil.

use super::*;

fn next(picker: &mut Picker, candidates: &[Candidate]) -> usize {
    let mut no_dice = SmallRng::seed_from_u64(0);
    let picked = picker.pick(Balance::RoundRobin, candidates, 0, &Ring::default(), &mut no_dice);
    picked.expect("one serves")
}

#[test]
fn each_gets_exactly_its_share_and_the_heavy_one_is_spread() {
    assert_eq!(picks(Balance::RoundRobin, &candidates(&[5, 1, 1]), 700, 1), [500, 100, 100]);
    let counts = picks(Balance::RoundRobin, &candidates(&[7, 11, 13, 65_535]), 65_566, 1);
    assert_eq!(counts, [7, 11, 13, 65_535]);
    let mut picker = Picker::default();
    let row: Vec<_> = (0..14).map(|_| next(&mut picker, &candidates(&[5, 1, 1]))).collect();
    assert_eq!(row, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0], "nginx's order, and the same again");
}

#[test]
fn one_that_comes_back_is_not_owed_its_absence() {
    let mut picker = Picker::default();
    let mut two = candidates(&[1, 1]);
    two[1].serves = false;
    for _ in 0..100 {
        assert_eq!(next(&mut picker, &two), 0);
    }
    two[1].serves = true;
    let after: Vec<_> = (0..10).map(|_| next(&mut picker, &two)).collect();
    assert_eq!(after.iter().filter(|&&place| place == 1).count(), 5, "{after:?}");
}

#[test]
fn asks_for_different_candidates_do_not_rob_each_other() {
    // Every second ask is one that the third cannot serve; of its own asks it gets its third nevertheless, and as
    // regularly as without the others.
    let mut picker = Picker::default();
    let all = candidates(&[1, 1, 1]);
    let mut first_two = candidates(&[1, 1, 1]);
    first_two[2].serves = false;
    let (mut of_all, mut of_two) = ([0; 3], [0; 3]);
    for step in 0..300 {
        of_all[next(&mut picker, &all)] += 1;
        of_two[next(&mut picker, &first_two)] += 1;
        let wanted = (step + 1) as f64 / 3.0;
        assert!((f64::from(of_all[2]) - wanted).abs() < 1.0, "step {step}: {of_all:?}");
    }
    assert_eq!(of_all[2], 100);
    assert_eq!((of_all[0] + of_two[0], of_all[1] + of_two[1]), (250, 250));
}

#[test]
fn who_cannot_serve_one_ask_keeps_its_turn() {
    let mut picker = Picker::default();
    let mut three = candidates(&[1, 1, 1]);
    assert_eq!((next(&mut picker, &three), next(&mut picker, &three)), (0, 1));
    three[2].serves = false;
    next(&mut picker, &three);
    three[2].serves = true;
    assert_eq!(next(&mut picker, &three), 2);
}

#[test]
fn what_was_earned_under_great_weights_is_worth_one_pick_under_small_ones() {
    let mut picker = Picker::default();
    next(&mut picker, &candidates(&[65_535_000, 65_535_000, 1]));
    let mut counts = [0; 3];
    for _ in 0..30 {
        counts[next(&mut picker, &candidates(&[1, 1, 1]))] += 1;
    }
    assert!(counts.iter().all(|&count| (9..=11).contains(&count)), "{counts:?}");
}

#[test]
fn credits_stay_within_two_picks_whatever_the_weights_and_whoever_serves() {
    let seed = 5;
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut picker = Picker::default();
    let mut ten = candidates(&[1; 10]);
    for step in 0..100_000 {
        for candidate in &mut ten {
            candidate.serves = dice.random_bool(0.6);
            candidate.weight = 10_u32.pow(dice.random_range(0..8)) + dice.random_range(0..9);
        }
        if ten.iter().any(Candidate::is_open) {
            next(&mut picker, &ten);
        }
        let most = picker.credit.iter().map(|credit| credit.abs()).max();
        assert!(most <= Some(2 * PICK), "seed {seed} step {step}: {:?}", picker.credit);
        assert_eq!(picker.credit.iter().sum::<i64>(), 0, "seed {seed} step {step}");
    }
}

#[test]
fn under_changing_weights_each_gets_the_sum_of_its_shares() {
    // A slow start: the second comes with a tenth and grows to all within 1,000 picks: 1/11 to 1/2 of each.
    let mut picker = Picker::default();
    let (mut wanted, mut seen) = (0.0, 0.0);
    for step in 0..1000_u32 {
        let weight = 1000.max(10 * step);
        wanted += f64::from(weight) / f64::from(10_000 + weight);
        seen += next(&mut picker, &candidates(&[10_000, weight])) as f64;
        assert!(f64::abs(wanted - seen) <= 1.0, "step {step}: {seen} of {wanted}");
    }
    assert!(seen > 300.0, "{seen}");
}

#[test]
fn the_greatest_weights_do_not_overflow_and_the_lightest_is_not_forgotten() {
    let mut weights = vec![u32::MAX; 3000];
    weights[2999] = 1;
    assert!(picks(Balance::RoundRobin, &candidates(&weights), 2999, 1)[..2999].iter().all(|&n| n == 1));
    let counts = picks(Balance::RoundRobin, &candidates(&[65_535_000, 65_535_000, 100]), 1_310_701, 1);
    assert!((1..=2).contains(&counts[2]), "{counts:?}");
}

#[test]
fn another_number_of_members_begins_anew() {
    let mut picker = Picker::default();
    next(&mut picker, &candidates(&[1, 1, 1]));
    let row: Vec<_> = (0..4).map(|_| next(&mut picker, &candidates(&[1, 1]))).collect();
    assert_eq!(row, [0, 1, 0, 1]);
}
