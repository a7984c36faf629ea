//! What a directory forgets.

use super::*;
use crate::base::GatewayId;

fn session(counter: u32) -> SessionId {
    SessionId::new(GatewayId::new(1).expect("small"), 1, counter)
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn seating(account: &str, counter: u32, login: u64, now: Duration) -> Seating<'_> {
    let epoch = Epoch { login, arrival: counter.into() };
    Seating { account, session: session(counter), epoch, duplicate: Duplicate::Replace, now }
}

#[test]
fn the_newest_login_is_known_for_a_minute_after_its_session() {
    let memory = Memory::default();
    assert_eq!(memory.claim(&seating("ann", 2, 7, at(0))), Claim::Seated(Vec::new()));
    memory.release("ann", session(2), at(100));
    assert_eq!(memory.claim(&seating("ann", 1, 6, at(159))), Claim::Older, "it was under way all the time");
    assert_eq!(memory.claim(&seating("ann", 1, 6, at(160))), Claim::Seated(Vec::new()));
    assert_eq!(memory.sessions("ann"), [session(1)]);
}

#[test]
fn accounts_that_nobody_plays_are_forgotten_by_and_by() {
    let memory = Memory::default();
    let names: Vec<String> = (0..2000).map(|name| format!("account {name}")).collect();
    for (counter, name) in (0..).zip(&names) {
        memory.claim(&seating(name, counter, 0, at(1)));
        memory.release(name, session(counter), at(2));
    }
    assert_eq!(memory.known(), 2000);
    for (counter, name) in (5000..).zip(&names) {
        let name = format!("new {name}");
        memory.claim(&seating(&name, counter, 0, at(62)));
        memory.release(&name, session(counter), at(63));
    }
    assert_eq!(memory.known(), 2000, "as many as came are gone");
    let busy = "busy";
    for counter in 0..1000 {
        memory.claim(&seating(busy, counter, 0, at(70)));
        memory.release(busy, session(counter), at(70));
    }
    let waits: usize = memory.shards.iter().map(|shard| lock(shard).empty.len()).sum();
    assert!(waits <= 4000, "{waits} notes of accounts that left");
}
