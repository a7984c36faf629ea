//! A waiting line beside a reference that is written from its rules alone: a list in which everybody is looked for.
//!
//! How many are let in at a turn the reference leaves to the line and holds it to the promises: never more than the
//! rate lets in any second, never more than have room, and the rate in full while somebody waits and has room.
#![expect(clippy::indexing_slicing, reason = "a test may panic and names what it means")]

mod history;
mod model;

use history::{Seen, run};
use model::Slips;

#[test]
fn random_histories_agree_with_the_reference() {
    let mut seen = Seen::default();
    for seed in 0..3_000 {
        run(seed, Slips::default(), &mut seen);
    }
    assert!(seen.everything(), "something hardly ever happens in these histories: {seen:?}");
}

#[test]
fn the_reference_itself_sees_a_difference() {
    let wrong = [
        Slips { kept: 1, ..Slips::default() },
        Slips { above: 1, ..Slips::default() },
        Slips { length: 1, ..Slips::default() },
        Slips { admit: -1, ..Slips::default() },
        Slips { admit: 100, ..Slips::default() },
        Slips { forgets_elders: true, ..Slips::default() },
        Slips { counts_only_who_is_here: true, ..Slips::default() },
    ];
    for slips in wrong {
        let caught = std::panic::catch_unwind(|| {
            for seed in 0..500 {
                run(seed, slips, &mut Seen::default());
            }
        });
        assert!(caught.is_err(), "{slips:?} is not noticed");
    }
}
