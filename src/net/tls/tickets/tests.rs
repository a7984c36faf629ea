//! Tickets over rotations and over processes.

use super::*;

pub(super) fn tickets() -> Tickets {
    Tickets::new().expect("randomness")
}

pub(super) fn handed_on(tickets: &Tickets) -> Tickets {
    let bytes = tickets.export().to_bytes();
    Tickets::import(TicketKeys::from_bytes(&bytes).expect("whole keys")).expect("keys")
}

fn make(tickets: &Tickets, state: &[u8]) -> Vec<u8> {
    tickets.0.encrypt(state).expect("a ticket")
}

#[test]
fn a_ticket_lives_through_one_rotation_and_not_through_two() {
    let tickets = tickets();
    let first = make(&tickets, b"state");
    assert_eq!(tickets.0.decrypt(&first).as_deref(), Some(b"state".as_slice()));
    tickets.rotate().expect("randomness");
    let second = make(&tickets, b"later");
    assert_eq!(tickets.0.decrypt(&first).as_deref(), Some(b"state".as_slice()));
    tickets.rotate().expect("randomness");
    assert_eq!(tickets.0.decrypt(&first), None);
    assert_eq!(tickets.0.decrypt(&second).as_deref(), Some(b"later".as_slice()));
}

#[test]
fn strangers_and_every_changed_byte_are_refused() {
    let tickets = tickets();
    let ticket = make(&tickets, b"state");
    assert_eq!(Tickets::new().expect("randomness").0.decrypt(&ticket), None);
    for place in 0..ticket.len() {
        let mut changed = ticket.clone();
        changed[place] ^= 1;
        assert_eq!(tickets.0.decrypt(&changed), None, "byte {place}");
    }
    for length in 0..ticket.len() {
        assert_eq!(tickets.0.decrypt(&ticket[..length]), None, "cut to {length}");
    }
    assert_eq!(tickets.0.decrypt(&[ticket.as_slice(), b"x"].concat()), None);
}

#[test]
fn two_tickets_of_one_state_differ_and_neither_shows_it() {
    let tickets = tickets();
    let (one, other) = (make(&tickets, b"a secret state"), make(&tickets, b"a secret state"));
    assert_ne!(one, other);
    assert!(!one.windows(6).any(|window| window == b"secret"));
}

#[test]
fn who_takes_the_keys_over_opens_the_tickets_of_both_of_them() {
    let old = tickets();
    let before = make(&old, b"before");
    assert_eq!(handed_on(&old).0.decrypt(&before).as_deref(), Some(b"before".as_slice()), "one key");
    old.rotate().expect("randomness");
    let present = make(&old, b"present");
    let new = handed_on(&old);
    assert_eq!(new.0.decrypt(&before).as_deref(), Some(b"before".as_slice()));
    assert_eq!(new.0.decrypt(&present).as_deref(), Some(b"present".as_slice()));
    assert_eq!(old.0.decrypt(&make(&new, b"back")).as_deref(), Some(b"back".as_slice()));
    new.rotate().expect("randomness");
    assert_eq!(new.0.decrypt(&before), None, "its place in the row goes with a key");
    assert!(new.0.decrypt(&present).is_some());
}

#[test]
fn bytes_that_are_no_keys_are_none() {
    let whole = tickets().export().to_bytes();
    for length in (0..whole.len()).chain([whole.len() + 1, 2 * whole.len() - 1, 3 * whole.len()]) {
        let bytes: Vec<u8> = whole.iter().copied().cycle().take(length).collect();
        assert!(TicketKeys::from_bytes(&bytes).is_none(), "{length} bytes");
    }
}

#[test]
fn nobody_reads_keys_out_of_a_log() {
    let tickets = tickets();
    let keys = tickets.export();
    assert_eq!(format!("{tickets:?} {keys:?} {:?}", tickets.0), "Tickets TicketKeys Keyring");
}
