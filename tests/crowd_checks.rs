//! What `benches/crowd` judges a gateway by, itself on trial: a checker that overlooks something would call a loss a
//! success.
#![allow(dead_code, reason = "the bench uses all of these files, the tests a part of each")]
#![expect(clippy::disallowed_methods, reason = "tokens are signed for now")]

#[path = "../benches/crowd/dice.rs"]
mod dice;
#[path = "../benches/crowd/frame.rs"]
mod frame;
#[path = "../benches/crowd/numbers.rs"]
mod numbers;
#[path = "../benches/crowd/pace.rs"]
mod pace;
#[path = "../benches/crowd/page.rs"]
mod page;
#[path = "../benches/crowd/token.rs"]
mod token;

use std::time::{Duration, Instant};

use dice::Dice;
use frame::{Seat, Talk};
use numbers::{Fault, Numbers};
use pace::Pace;
use page::Page;

/// Has received the numbers below `count`.
fn received(count: u64) -> Numbers {
    let mut numbers = Numbers::default();
    (0..count).for_each(|number| assert_eq!(numbers.take(number), Ok(())));
    numbers
}

#[test]
fn numbers_in_order_are_fine_and_settle_with_nothing_lost() {
    let numbers = received(7);
    assert_eq!((numbers.received(), numbers.announced()), (7, 0));
    assert_eq!(numbers.settle(7), Ok(()));
}

#[test]
fn a_number_again_or_an_earlier_one_is_a_fault() {
    assert_eq!(received(3).take(2), Err(Fault::Again));
    assert_eq!(received(3).take(0), Err(Fault::Again));
}

#[test]
fn a_gap_that_nobody_announced_is_a_fault() {
    assert_eq!(received(3).take(4), Err(Fault::Unannounced));
}

#[test]
fn a_gap_may_be_as_long_as_announced_and_lie_in_several_places() {
    let mut numbers = received(3);
    assert_eq!(numbers.announce(5, 3), Ok(()));
    assert_eq!(numbers.take(5), Ok(()));
    assert_eq!(numbers.take(7), Ok(()));
    assert_eq!(numbers.settle(8), Ok(()));
    assert_eq!(numbers.take(9), Err(Fault::Unannounced));
}

#[test]
fn losses_of_all_connections_add_up() {
    let mut numbers = received(3);
    assert_eq!(numbers.announce(5, 2), Ok(()));
    assert_eq!(numbers.take(5), Ok(()));
    assert_eq!(numbers.announce(6, 2), Ok(()));
    assert_eq!((numbers.announced(), numbers.settle(8)), (4, Ok(())));
}

#[test]
fn a_gateway_that_handed_over_less_than_came_has_miscounted() {
    assert_eq!(received(3).announce(2, 0), Err(Fault::Invented));
}

#[test]
fn at_the_end_neither_more_nor_less_may_be_missing_than_announced() {
    let mut numbers = received(3);
    assert_eq!(numbers.settle(4), Err(Fault::Miscounted { missing: 1, announced: 0 }));
    assert_eq!(numbers.announce(3, 2), Ok(()));
    assert_eq!(numbers.settle(4), Err(Fault::Miscounted { missing: 1, announced: 2 }));
    assert_eq!(numbers.settle(5), Ok(()));
    assert!(numbers.settle(2).is_err(), "more came than was ever sent");
}

/// What a gateway does wrong, once, in an otherwise right history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    Swallow,
    Repeat,
    Swap,
    TooMuch,
    TooLittle,
}

/// A session with losses at its cuts, all told; `lie` is told at a random place. Whether the checker objected.
fn history(seed: u64, lie: Lie) -> bool {
    let mut dice = Dice(seed);
    let mut numbers = Numbers::default();
    let (mut next, mut handed) = (0, 0);
    let (mut has_lied, mut objected) = (lie == Lie::None, false);
    let rounds = 3 + dice.below(8);
    let liar = dice.below(rounds);
    for round in 0..rounds {
        let mut frames: Vec<u64> = (next..next + 2 + dice.below(20)).collect();
        next += u64::try_from(frames.len()).unwrap_or(0);
        handed += u64::try_from(frames.len()).unwrap_or(0);
        let at = usize::try_from(dice.below(frames.len() as u64 - 1)).unwrap_or(0);
        if round == liar {
            match lie {
                Lie::Swallow => drop(frames.remove(at)),
                Lie::Repeat => frames.insert(at, next - u64::try_from(frames.len() - at).unwrap_or(0)),
                Lie::Swap => frames.swap(at, at + 1),
                Lie::None | Lie::TooMuch | Lie::TooLittle => {}
            }
            has_lied |= !matches!(lie, Lie::TooMuch | Lie::TooLittle);
        }
        objected |= frames.iter().any(|number| numbers.take(*number).is_err());
        // The cut: some that were handed over never come, some were dropped while nobody was there.
        let (unread, dropped) = (dice.below(4), dice.below(3));
        let lost = unread + dropped;
        (next, handed) = (next + lost, handed + lost);
        let told = match lie {
            Lie::TooMuch if round == liar => lost + 1,
            Lie::TooLittle if round == liar => lost.saturating_sub(1),
            Lie::None | Lie::Swallow | Lie::Repeat | Lie::Swap | Lie::TooMuch | Lie::TooLittle => lost,
        };
        has_lied |= told != lost;
        objected |= numbers.announce(handed, told).is_err();
    }
    objected |= numbers.settle(next).is_err();
    objected || !has_lied
}

#[test]
fn no_lie_goes_unnoticed_and_no_truth_is_called_one() {
    for seed in 0..2000 {
        assert!(!history(seed, Lie::None), "seed {seed}: a true history was called a lie");
        for lie in [Lie::Swallow, Lie::Repeat, Lie::Swap, Lie::TooMuch, Lie::TooLittle] {
            assert!(history(seed, lie), "seed {seed}: {lie:?} went unnoticed");
        }
    }
}

#[test]
fn a_token_is_what_another_library_verifies() {
    let secret = b"0123456789abcdef0123456789abcdef";
    let token = token::Signer::new(secret).token("player-1");
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.set_required_spec_claims(&["exp", "sub"]);
    let key = jsonwebtoken::DecodingKey::from_secret(secret);
    let read = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &rules).expect("a good token");
    assert_eq!(read.claims["sub"], "player-1");
    let other = jsonwebtoken::DecodingKey::from_secret(b"another secret, just as long as it");
    assert!(jsonwebtoken::decode::<serde_json::Value>(&token, &other, &rules).is_err());
    for (bytes, text) in
        [(&b""[..], ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xfb\xff", "-_8")]
    {
        assert_eq!(token::base64url(bytes), text);
    }
}

#[test]
fn talk_is_read_as_it_was_said_and_not_with_a_wrong_byte() {
    let talk = Talk { player: 4711, number: 99 };
    let mut bytes = Vec::new();
    talk.append(40, &mut bytes);
    assert_eq!(bytes.len(), 40);
    let (id, body) = frame::parts(&bytes).expect("a head");
    assert_eq!((id, Talk::read(body)), (frame::TALK, Some(talk)));
    for place in frame::HEAD..40 {
        let mut wrong = bytes.clone();
        wrong[place] ^= 1;
        assert_ne!(Talk::read(&wrong[frame::HEAD..]), Some(talk), "byte {place}");
    }
    let seat = Seat { player: 7, room: 2 };
    assert_eq!(frame::parts(&seat.frame()).and_then(|(_, body)| Seat::read(body)), Some(seat));
}

#[test]
fn growth_counts_a_metric_by_one_of_its_labels_and_no_other_metric() {
    let before =
        "# HELP realmgate_refused_total x\nrealmgate_refused_total{listener=\"a\",reason=\"full\"} 2\n";
    let after = "realmgate_refused_total{listener=\"a\",reason=\"full\"} 5\n\
                 realmgate_refused_total{listener=\"b\",reason=\"full\"} 1\n\
                 realmgate_refused_total{listener=\"b\",reason=\"late\"} 4\n\
                 realmgate_refused_total{listener=\"b\",reason=\"never\"} 0\n\
                 realmgate_refused_total_more{reason=\"full\"} 9\n\
                 realmgate_bare_total 7\n";
    let (before, after) = (Page::read(before), Page::read(after));
    let counts = after.growth(&before, "refused_total", "reason");
    assert_eq!(page::words(&counts), "full 4, late 4");
    assert_eq!(page::sum(&counts), 8);
    assert_eq!(page::sum(&after.growth(&before, "bare_total", "")), 7);
}

#[test]
fn a_pace_is_due_at_even_times_and_knows_how_late_it_was() {
    let start = Instant::now();
    let mut pace = Pace::new(100.0, start);
    assert_eq!(pace.due(start), Some((0, start)));
    assert_eq!(pace.due(start + Duration::from_millis(9)), None);
    let late = start + Duration::from_millis(35);
    let due: Vec<_> =
        std::iter::from_fn(|| pace.due(late)).map(|(number, due)| (number, due - start)).collect();
    let millis = Duration::from_millis;
    assert_eq!(due, [(1, millis(10)), (2, millis(20)), (3, millis(30))]);
    assert_eq!((pace.done(), pace.latest(), pace.next()), (4, millis(25), start + millis(40)));
}
