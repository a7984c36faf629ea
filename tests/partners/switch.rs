//! The kill switch: by the API, by `ctl`, by the file; at once, and over restarts.

use std::io::Read;

use serde_json::json;

use crate::fakes::{Backend, Client, Folder, Program, Request, SECRET, Signer, TABLES, fresh, until};

/// The SHA-256 of `SECRET`.
const KEY_HASH: &str = "40b4aff082342ddc68a61b7490cf51dddba00ffc2a8b225f729d703721bae931";

#[test]
fn a_partner_is_switched_off_and_on_and_stays_so_over_a_restart() {
    let backend = Backend::start();
    let mut program = Program::start(backend.address, TABLES);
    let mut open = Client::connect(program.open);
    assert_eq!(open.ask(&fresh("adnet")).status, 200);
    let (could, said) = program.ctl(&["partner", "adnet", "disable"]);
    assert!(could && said.contains("partner adnet: disabled"), "{said}");
    assert_eq!(open.ask(&fresh("adnet")).status, 403, "on the connection that is open");
    assert_eq!(program.ask(&fresh("paynet")).status, 200, "and the other one goes on");
    program.restart();
    assert_eq!(program.ask(&fresh("adnet")).status, 403, "after a restart");
    assert_eq!(program.partner("adnet")["enabled"], false);
    let overrides = program.get("/v1/overrides").json();
    assert_eq!(overrides["overrides"], json!([{ "kind": "partner", "partner": "adnet", "enabled": false }]));
    let (_, said) = program.ctl(&["overrides"]);
    assert!(said.contains("partner  adnet  disabled"), "{said}");
    let (_, said) = program.ctl(&["partners"]);
    assert!(said.contains("adnet") && said.contains("disabled 1"), "{said}");
    let (could, _) = program.ctl(&["partner", "adnet", "enable"]);
    assert!(could);
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
    assert_eq!(program.refusals(), [("adnet".to_owned(), "disabled".to_owned(), 1)]);
    assert_eq!(backend.seen().len(), 3);
}

#[test]
fn the_file_has_a_kill_switch_too_and_clearing_goes_back_to_it() {
    let backend = Backend::start();
    let mut program = Program::start(backend.address, TABLES);
    program.reload(|text| text.replace("[partner.adnet]", "[partner.adnet]\nenabled = false"));
    assert_eq!(program.ask(&fresh("adnet")).status, 403);
    assert_eq!(program.post("/v1/partners/adnet", r#"{"enabled": true}"#).status, 200);
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
    assert_eq!(program.post("/v1/overrides/clear", "{}").status, 200);
    assert_eq!(program.ask(&fresh("adnet")).status, 403);
    let nobody = program.post("/v1/partners/adnett", r#"{"enabled": true}"#);
    assert_eq!((nobody.status, &nobody.json()["hint"]), (404, &json!("did you mean adnet?")));
}

#[test]
fn a_request_whose_body_still_comes_when_the_switch_falls_is_refused() {
    let backend = Backend::start();
    let program = Program::start(backend.address, TABLES);
    // The last piece of its body, or one in the middle.
    for (sent, next) in [(1, 1), (2, 1)] {
        assert_eq!(program.post("/v1/partners/adnet", r#"{"enabled": true}"#).status, 200);
        let request = fresh("adnet").header("Expect", "100-continue").bytes();
        let (begun, rest) = request.split_at(request.len() - sent);
        let mut slow = Client::connect(program.open);
        slow.send(begun);
        assert_eq!(slow.answer().status, 100, "its body is waited for");
        assert_eq!(program.post("/v1/partners/adnet", r#"{"enabled": false}"#).status, 200);
        slow.send(&rest[..next]);
        assert_eq!(slow.answer().status, 403);
    }
    assert_eq!(program.refusals(), [("adnet".to_owned(), "disabled".to_owned(), 2)]);
    assert_eq!(backend.seen().len(), 0);
}

#[test]
fn a_body_that_is_on_its_way_to_a_backend_when_the_switch_falls_does_not_arrive() {
    let backend = Backend::start();
    let folder = Folder::new();
    folder.write("keys", KEY_HASH);
    let tables = TABLES.replacen(
        "kind = \"hmac\", secret_file = \"secret\"",
        "kind = \"api_key\", keys_file = \"keys\"",
        1,
    );
    let program = Program::start_in(folder, "", backend.address, &tables);
    let request = Request::new("POST", "/pay/done", "{}").header("X-Api-Key", &format!("adnet.{SECRET}"));
    assert_eq!(program.ask(&request).status, 200);
    let bytes = request.bytes();
    let mut slow = Client::connect(program.open);
    slow.send(&bytes[..bytes.len() - 1]);
    until("a request in progress", || program.partner("adnet")["in_flight"] == 1);
    assert_eq!(program.post("/v1/partners/adnet", r#"{"enabled": false}"#).status, 200);
    slow.send(&bytes[bytes.len() - 1..]);
    assert_eq!(slow.answer().status, 403);
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn the_tunnels_of_a_partner_that_is_switched_off_end() {
    let backend = Backend::start();
    let program = Program::start(backend.address, TABLES);
    let tunnel = |partner| {
        let request = Request::new("GET", "/pay/live", "");
        let request = request.header("Connection", "Upgrade").header("Upgrade", "websocket");
        let mut client = Client::connect(program.open);
        let answer = client.ask(&Signer::new(partner).sign(request));
        assert_eq!(answer.status, 101, "{answer:?}");
        client.send(b"hello");
        let mut heard = [0; 5];
        client.stream.read_exact(&mut heard).expect("an echo");
        assert_eq!(&heard, b"hello");
        client
    };
    let (mut of_adnet, mut of_paynet) = (tunnel("adnet"), tunnel("paynet"));
    assert_eq!(program.partner("adnet")["connections"], 1);
    assert_eq!(program.post("/v1/partners/adnet", r#"{"enabled": false}"#).status, 200);
    let ended = of_adnet.stream.read(&mut [0; 16]);
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    until("its place", || program.partner("adnet")["connections"] == 0);
    of_paynet.send(b"still");
    let mut heard = [0; 5];
    of_paynet.stream.read_exact(&mut heard).expect("an echo");
    assert_eq!(&heard, b"still");
}
