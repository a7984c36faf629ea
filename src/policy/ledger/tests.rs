//! The ledger on a stepped clock, and against a model that keeps everything.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// When the clock of a test begins.
const fn origin() -> Duration {
    Duration::from_secs(1000)
}

fn key(number: u32) -> AddressKey {
    AddressKey::of(std::net::Ipv4Addr::from(number).into())
}

const fn rules(connections: Option<u32>, new: Option<RateLimit>) -> AddressRules {
    AddressRules { connections, new }
}

const FREE: AddressRules = rules(None, None);

#[test]
fn an_address_has_its_connections_and_no_more_and_another_has_its_own() {
    let (mut ledger, now) = (AddressLedger::default(), origin());
    let two = rules(Some(2), None);
    let enter = |number, ledger: &mut AddressLedger| ledger.enter(key(number), &two, now);
    assert_eq!([enter(1, &mut ledger), enter(1, &mut ledger)], [Ok(()); 2]);
    assert_eq!(enter(1, &mut ledger), Err(AddressRefusal::Connections));
    assert_eq!(enter(2, &mut ledger), Ok(()));
    ledger.leave(key(1), now);
    assert_eq!(enter(1, &mut ledger), Ok(()));
    assert_eq!(enter(1, &mut ledger), Err(AddressRefusal::Connections));
}

#[test]
fn new_connections_come_at_once_up_to_the_burst_and_then_evenly() {
    let (mut ledger, start) = (AddressLedger::default(), origin());
    let fast = rules(None, Some(RateLimit { per_second: 50.0, burst: 50 }));
    let at = |millis| start + Duration::from_millis(millis);
    let mut let_in = |at| (0..100).filter(|_| ledger.enter(key(1), &fast, at).is_ok()).count();
    assert_eq!(let_in(at(0)), 50, "the burst");
    assert_eq!(let_in(at(19)), 0);
    assert_eq!(let_in(at(20)), 1, "one for each 20 ms");
    assert_eq!(let_in(at(120)), 5);
    assert_eq!(let_in(at(60_000)), 50, "and no more saved up than the burst");
}

#[test]
fn who_is_refused_for_one_thing_pays_nothing_for_another() {
    let (mut ledger, now) = (AddressLedger::default(), origin());
    let both = rules(Some(1), Some(RateLimit { per_second: 1.0, burst: 2 }));
    assert_eq!(ledger.enter(key(1), &both, now), Ok(()));
    for _ in 0..10 {
        assert_eq!(ledger.enter(key(1), &both, now), Err(AddressRefusal::Connections));
    }
    ledger.leave(key(1), now);
    assert_eq!(ledger.enter(key(1), &both, now), Ok(()), "the second of the burst");
    ledger.leave(key(1), now);
    assert_eq!(ledger.enter(key(1), &both, now), Err(AddressRefusal::New));
}

#[test]
fn glitches_keep_an_address_out_until_they_are_forgiven() {
    let (mut ledger, start) = (AddressLedger::default(), origin());
    let at = |secs| start + Duration::from_secs(secs);
    for _ in 0..9 {
        ledger.glitch(key(1), 10, start);
    }
    assert_eq!(ledger.enter(key(1), &FREE, start), Ok(()), "90");
    ledger.glitch(key(1), 10, start);
    assert_eq!(ledger.enter(key(1), &FREE, start), Err(AddressRefusal::Glitches), "100");
    assert_eq!(ledger.enter(key(2), &FREE, start), Ok(()), "others are others");
    assert_eq!(ledger.enter(key(1), &FREE, at(1)), Ok(()), "99");
    ledger.glitch(key(1), 5, at(1));
    assert_eq!(ledger.enter(key(1), &FREE, at(5)), Err(AddressRefusal::Glitches));
    assert_eq!(ledger.enter(key(1), &FREE, at(6)), Ok(()));
    for _ in 0..1000 {
        ledger.glitch(key(1), 10, at(6));
    }
    assert_eq!(ledger.enter(key(1), &FREE, at(16)), Err(AddressRefusal::Glitches));
    assert_eq!(ledger.enter(key(1), &FREE, at(17)), Ok(()), "however many there were");
}

#[test]
fn who_left_and_is_held_against_nothing_is_forgotten() {
    let (mut ledger, now) = (AddressLedger::default(), origin());
    ledger.enter(key(1), &FREE, now).expect("free");
    ledger.leave(key(1), now);
    assert_eq!(ledger.addresses(), 0);
    ledger.leave(key(1), now);
    assert_eq!(ledger.addresses(), 0, "and cannot leave twice");
    ledger.glitch(key(1), 1, now);
    assert_eq!(ledger.addresses(), 1);
}

#[test]
fn however_many_addresses_come_only_so_many_are_kept_in_mind() {
    let (mut ledger, now) = (AddressLedger::default(), origin());
    let most = u32::try_from(MOST_IDLE).expect("fits");
    ledger.enter(key(u32::MAX), &FREE, now).expect("free");
    for number in 0..3 * most {
        ledger.glitch(key(number), 100, now);
        assert!(ledger.addresses() <= MOST_IDLE + 1);
    }
    let one = rules(Some(1), None);
    assert_eq!(
        ledger.enter(key(u32::MAX), &one, now),
        Err(AddressRefusal::Connections),
        "who is here is never forgotten"
    );
}

#[test]
fn a_history_of_coming_and_going_ends_where_a_model_ends_that_keeps_everything() {
    let (mut ledger, start, seed) = (AddressLedger::default(), origin(), 11);
    let mut dice = SmallRng::seed_from_u64(seed);
    let mut model: HashMap<u32, u32> = HashMap::new();
    for step in 0..50_000_u64 {
        let now = start + Duration::from_millis(step);
        let number = dice.random_range(0..20);
        let here = model.entry(number).or_default();
        match dice.random_range(0..4) {
            0 | 1 => {
                let entered = ledger.enter(key(number), &rules(Some(5), None), now);
                let expected = if *here < 5 { Ok(()) } else { Err(AddressRefusal::Connections) };
                assert_eq!(entered, expected, "seed {seed}, step {step}");
                *here += u32::from(entered.is_ok());
            }
            2 => {
                ledger.leave(key(number), now);
                *here = here.saturating_sub(1);
            }
            _ if step % 50 == 0 => ledger.glitch(key(number), 1, now),
            _ => {}
        }
        let idle = ledger.entries.values().filter(|entry| entry.connections == 0).count();
        assert_eq!(ledger.idle, idle, "seed {seed}, step {step}");
    }
}
