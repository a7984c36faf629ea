//! Many gateways in front of the same backends, in simulated evenings: what the gateways do together that none of
//! them can see.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times of one evening"
)]

#[allow(dead_code, unused_imports, reason = "the bench draws what no test looks at")]
mod model;

use model::{Case, Outcome, Policy, Scale, run};

const SEED: u64 = 11;

/// A part of a large evening, so that it ends soon in a build without optimisation too: a tenth of its players, and
/// fewer before fewer backends where most of what happens is that players try again.
fn scale(case: Case) -> Scale {
    let (backends, players) = match case {
        Case::ColdStart | Case::Faulty | Case::ZoneLost => (50, 100_000),
        Case::Added | Case::AddedLate => (10, 20_000),
    };
    Scale { gateways: 100, backends, players, seed: SEED }
}

fn evening(case: Case, policy: Policy) -> (Outcome, String) {
    let outcome = run(case, policy, scale(case));
    let told = format!("seed {SEED}, {case:?}, {}: {}", policy.name(), outcome.figures());
    (outcome, told)
}

/// Nobody is ever sent more than it can take, by anyone, at any step.
fn stays_below_the_capacity(case: Case) -> (Outcome, String) {
    let (outcome, told) = evening(case, Policy::LeastLoad);
    assert!(outcome.highest.load <= 1.0, "{told}");
    assert_eq!(outcome.refused, 0, "{told}");
    assert_eq!(outcome.left_waiting, 0, "{told}");
    (outcome, told)
}

#[test]
fn backends_that_all_start_cold_never_get_more_than_they_can_take() {
    stays_below_the_capacity(Case::ColdStart);
}

#[test]
fn one_that_joins_cold_while_players_wait_is_not_overrun() {
    let (ours, told) = stays_below_the_capacity(Case::Added);
    assert!(ours.received_first <= ours.capacity_first, "{told}");
    assert!(ours.special.load > 0.9, "it is used, too: {told}");
    let (plain, told) = evening(Case::Added, Policy::LeastConnections);
    assert!(plain.received_first > 2 * plain.capacity_first, "the danger is real: {told}");
}

#[test]
fn reports_that_take_three_seconds_are_late_and_not_wrong() {
    stays_below_the_capacity(Case::AddedLate);
}

/// Small backends are the hard ones: a gateway's share of what is free is less than a session most of the time.
#[test]
fn backends_with_room_for_little_more_than_there_are_gateways_are_not_overrun_either() {
    for seed in 1..=6 {
        for case in [Case::Added, Case::AddedLate] {
            let scale = Scale { gateways: 100, backends: 10, players: 4000, seed };
            let outcome = run(case, Policy::LeastLoad, scale);
            assert!(outcome.highest.load <= 1.0, "seed {seed}, {case:?}: {}", outcome.figures());
        }
    }
}

#[test]
fn one_that_answers_with_errors_costs_some_dozens_of_sessions_for_each_ejection() {
    let (ours, told) = evening(Case::Faulty, Policy::LeastLoad);
    assert!(ours.ejections > 0, "{told}");
    assert!(u64::from(ours.received) <= 24 * ours.ejections, "{told}");
    let (plain, told) = evening(Case::Faulty, Policy::LeastConnections);
    let fair = plain.sent as f64 / 50.0;
    assert!(f64::from(plain.received) > 1.5 * fair, "the one that fails looks idle: {told}");
}

#[test]
fn a_zone_that_is_lost_leaves_nobody_behind_and_comes_back_within_its_capacity() {
    let (ours, told) = stays_below_the_capacity(Case::ZoneLost);
    assert!(ours.moves > 1000, "{told}");
    assert_eq!(ours.moves, ours.move_wait.count(), "everybody found another backend: {told}");
    assert!(ours.special.load > 0.1 && ours.special.load <= 1.0, "{told}");
}
