//! A breaker beside a reference that is written from its rules alone, and under many threads.
//!
//! What the rules leave to the teller, and both tellings share: time is read in whole milliseconds; slices are cut
//! from time zero on; an even draw is `random_range`, one per opening and one per frame of the ramp.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

mod history;
mod model;
mod threads;

use history::{Rules, Seen, run};
use rand::SeedableRng;
use rand::rngs::SmallRng;

#[test]
fn random_histories_agree_with_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..10_000 {
        run(seed, |rules| rules, &mut seen);
    }
    assert!(seen.everything(), "something hardly ever happens in these histories: {seen:?}");
}

#[test]
fn the_reference_itself_sees_a_difference() {
    let wrong: [fn(Rules) -> Rules; 3] = [
        |rules| Rules { consecutive: rules.consecutive + 1, ..rules },
        |rules| Rules { min_frames: rules.min_frames + 1, ..rules },
        |rules| Rules { max_in_flight: rules.max_in_flight + 1, ..rules },
    ];
    for (place, wrong) in wrong.into_iter().enumerate() {
        let caught = std::panic::catch_unwind(|| {
            for seed in 0..1_000 {
                run(seed, wrong, &mut Seen::default());
            }
        });
        assert!(caught.is_err(), "wrong rule {place} is not noticed");
    }
}

/// The same draws for both tellings.
fn two_dice(seed: u64) -> [SmallRng; 2] {
    [SmallRng::seed_from_u64(seed), SmallRng::seed_from_u64(seed)]
}
