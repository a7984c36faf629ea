//! A nonce is good once, whatever becomes of the process that has seen it.

use crate::fakes::{Backend, Client, Program, fresh};

const TABLES: &str = r#"
[http.pay]
listener = "open"
path = "/pay/*"
cluster = "pay"
partners = ["adnet", "paynet"]
[partner.adnet]
auth = { kind = "hmac", secret_file = "secret" }
[partner.paynet]
auth = { kind = "hmac", secret_file = "secret" }
"#;

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
