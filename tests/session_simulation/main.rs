//! Seeded histories of a session beside a shadow model that is written from the rules alone.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

mod ends;
mod model;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

#[test]
fn random_histories_agree_with_the_shadow_model() {
    for seed in 0..4_000 {
        let mut dice = SmallRng::seed_from_u64(seed);
        let mut history = vec![0; dice.random_range(2..600)];
        dice.fill_bytes(&mut history);
        model::run(&history, &format!("seed {seed}"));
    }
}

#[test]
fn the_model_itself_sees_a_difference() {
    let caught = std::panic::catch_unwind(|| model::run_with_a_wrong_rule(&[2, 0, 0, 255, 0, 255, 0, 255]));
    assert!(caught.is_err(), "a model that cannot fail shows nothing");
}
