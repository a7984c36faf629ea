//! A nonce is good once, whatever becomes of the process that has seen it.

use crate::fakes::{Backend, Client, Program, Request, Signer, TABLES, fresh, seconds, until};

#[test]
fn a_request_is_let_through_once() {
    let backend = Backend::start();
    let mut program = Program::start(backend.address, TABLES);
    let request = fresh("adnet");
    assert_eq!(program.ask(&request).status, 200);
    for _ in 0..3 {
        assert_eq!(program.ask(&request).status, 401, "again");
    }
    program.reload(|text| text.replace("[partner.adnet]", "[partner.adnet]\nrate = \"99/s\""));
    assert_eq!(program.ask(&request).status, 401, "after a reload");
    assert_eq!(program.refusals(), [("adnet".to_owned(), "replayed".to_owned(), 4)]);
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
    assert_eq!(backend.seen().len(), 2);
}

#[test]
fn neither_a_restart_nor_a_life_that_is_cut_off_is_a_second_chance() {
    let backend = Backend::start();
    let mut program = Program::start(backend.address, TABLES);
    let (first, second) = (fresh("adnet"), fresh("adnet"));
    assert_eq!(program.ask(&first).status, 200);
    program.restart();
    assert_eq!(program.ask(&first).status, 401, "after a restart");
    assert_eq!(program.ask(&second).status, 200);
    program.cut_off();
    assert_eq!((program.ask(&first).status, program.ask(&second).status), (401, 401), "after a kill");
    assert_eq!(program.refusals(), [("adnet".to_owned(), "replayed".to_owned(), 2)]);
    assert_eq!(backend.seen().len(), 2);
}

#[test]
fn one_nonce_of_two_partners_is_two() {
    let backend = Backend::start();
    let program = Program::start(backend.address, TABLES);
    let mut request = fresh("adnet");
    assert_eq!(program.ask(&request).status, 200);
    for header in request.headers.iter_mut().filter(|(name, _)| name == "X-Realmgate-Key") {
        "paynet".clone_into(&mut header.1); // they have the same secret, which real ones must not
    }
    assert_eq!(program.ask(&request).status, 200);
}

#[test]
fn who_repeats_what_was_asked_takes_no_place_of_the_partner() {
    let backend = Backend::start();
    let program = Program::start(
        backend.address,
        &TABLES.replace("[partner.adnet]", "[partner.adnet]\nconnections = 1"),
    );
    let request = fresh("adnet");
    assert_eq!(program.ask(&request).status, 200);
    until("its place", || program.partner("adnet")["connections"] == 0);
    let mut other = Client::connect(program.open);
    assert_eq!(other.ask(&request).status, 401);
    assert_eq!(program.partner("adnet")["connections"], 0);
    assert_eq!(program.ask(&fresh("adnet")).status, 200, "while the other is still connected");
}

#[test]
fn of_many_at_one_time_one_passes() {
    let backend = Backend::start();
    let program = Program::start(backend.address, TABLES);
    let request = fresh("adnet").bytes();
    let mut clients: Vec<_> = (0..16).map(|_| Client::connect(program.open)).collect();
    for client in &mut clients {
        client.send(&request);
    }
    let mut statuses: Vec<_> = clients.iter_mut().map(|client| client.answer().status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[15]), (200, 401, 401), "{statuses:?}");
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn two_processes_of_an_upgrade_know_what_the_other_has_taken() {
    let backend = Backend::start();
    let mut program =
        Program::start(backend.address, &TABLES.replace("[partner.adnet]", "[partner.adnet]\ndaily = 3000"));
    let mut elder = Client::connect(program.open);
    let requests = [(); 4].map(|()| fresh("adnet"));
    assert_eq!(elder.ask(&requests[0]).status, 200);
    backend.hold();
    elder.send(&requests[1].bytes());
    backend.has_seen(2);
    program.upgrade();
    assert_eq!(program.ask(&requests[0]).status, 401, "taken before");
    assert_eq!(program.ask(&requests[1]).status, 401, "taken, and still in progress there");
    backend.let_go();
    assert_eq!(elder.answer().status, 200, "what was begun is answered");
    assert_eq!(program.ask(&requests[2]).status, 200);
    assert_eq!(program.ask(&requests[3]).status, 200);
    let used = program.partner("adnet")["used_today"].as_u64().expect("a number");
    assert!((4..=5).contains(&used), "{used}: two there, of three that were reserved, and two here");
    assert_eq!(program.refusals(), [("adnet".to_owned(), "replayed".to_owned(), 2)]);
    assert_eq!(backend.seen().len(), 4);
}

#[test]
fn a_body_that_comes_when_the_time_of_its_head_is_over_comes_too_late() {
    let backend = Backend::start();
    let program = Program::start(backend.address, TABLES);
    let time = seconds() - 298;
    let request = Signer::new("adnet").at(time).sign(Request::new("POST", "/pay/done", "{}"));
    assert_eq!(program.ask(&request).status, 200);
    let mut slow = Client::connect(program.open);
    let bytes = request.bytes();
    let (head, rest) = bytes.split_at(bytes.len() - 1);
    slow.send(head);
    until("the end of its time", || seconds() > time + 300);
    // The nonces of that time are forgotten now.
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
    slow.send(rest);
    assert_eq!(slow.answer().status, 401);
    assert_eq!(program.refusals(), [("adnet".to_owned(), "late".to_owned(), 1)]);
    assert_eq!(backend.seen().len(), 2);
}
