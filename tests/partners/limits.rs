//! How much a partner may ask: the rate, requests in progress and connections, each of its own.

use std::net::SocketAddr;

use serde_json::json;

use crate::fakes::{Answer, Backend, Client, Program, Request, Signer, fresh, in_one_day, until};

/// A route for partners who sign and have these limits.
fn tables(partners: &[(&str, &str)]) -> String {
    let names: Vec<_> = partners.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let route = format!(
        "[http.pay]\nlistener = \"open\"\npath = \"/pay/*\"\ncluster = \"pay\"\npartners = [{}]\n",
        names.join(", ")
    );
    let table = |(name, limits): &(&str, &str)| {
        format!("[partner.{name}]\nauth = {{ kind = \"hmac\", secret_file = \"secret\" }}\n{limits}\n")
    };
    route + &partners.iter().map(table).collect::<String>()
}

/// Too much: what is told, and that it is told when to try again.
fn is_too_much(answer: &Answer, words: &str, most: u64) {
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(answer.json()["error"], format!("too many requests: {words}"));
    assert_eq!((answer.number("x-ratelimit-limit"), answer.number("x-ratelimit-remaining")), (most, 0));
    assert!(answer.number("retry-after") > 0);
    assert_eq!(answer.number("x-ratelimit-reset"), answer.number("retry-after"));
}

#[test]
fn a_partner_has_its_burst_and_its_flood_costs_nobody_else() {
    let backend = Backend::start();
    let limits = [("adnet", "rate = \"1/h\"\nburst = 3"), ("paynet", "rate = \"1/h\"\nburst = 50")];
    let program = Program::start(backend.address, &tables(&limits));
    let mut flood = Client::connect(program.open);
    for left in [2, 1, 0] {
        let answer = flood.ask(&fresh("adnet"));
        assert_eq!((answer.status, answer.number("x-ratelimit-remaining")), (200, left));
    }
    for place in 0..200_u64 {
        let answer = flood.ask(&fresh("adnet"));
        is_too_much(&answer, "the rate is used up", 3);
        assert!(answer.number("retry-after") > 3000, "one an hour: {answer:?}");
        if place % 4 == 0 {
            assert_eq!(program.ask(&fresh("paynet")).status, 200, "the other one goes on");
        }
    }
    assert_eq!(backend.seen().len(), 53);
    assert_eq!(program.refusals(), [("adnet".to_owned(), "rate".to_owned(), 200)]);
    assert_eq!(program.partner("adnet")["refused"]["rate"], 200);
    assert_eq!(program.partner("adnet")["used_today"], 3, "what was refused does not count");
}

#[test]
fn a_reload_with_the_same_rate_gives_no_new_burst() {
    let backend = Backend::start();
    let mut program = Program::start(backend.address, &tables(&[("adnet", "rate = \"1/h\"\nburst = 1")]));
    let again = fresh("adnet");
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
    program.reload(|text| format!("{text}in_flight = 5\n"));
    is_too_much(&program.ask(&again), "the rate is used up", 1);
    program.reload(|text| text.replace("burst = 1", "burst = 2"));
    assert_eq!(program.ask(&again).status, 200, "another rate; and the nonce was not spent by a refusal");
}

#[test]
fn so_many_are_in_progress_and_no_more() {
    let backend = Backend::start();
    let program = Program::start(backend.address, &tables(&[("adnet", "in_flight = 2"), ("paynet", "")]));
    backend.hold();
    let mut waiting: Vec<_> = (0..2).map(|_| Client::connect(program.open)).collect();
    for client in &mut waiting {
        client.send(&fresh("adnet").bytes());
    }
    backend.has_seen(2);
    assert_eq!(program.partner("adnet")["in_flight"], 2);
    is_too_much(&program.ask(&fresh("adnet")), "too many are in progress", 2);
    let mut other = Client::connect(program.open);
    other.send(&fresh("paynet").bytes());
    backend.has_seen(3);
    backend.let_go();
    for client in waiting.iter_mut().chain([&mut other]) {
        assert_eq!(client.answer().status, 200);
    }
    until("nothing in progress", || program.partner("adnet")["in_flight"] == 0);
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
    assert_eq!(program.refusals(), [("adnet".to_owned(), "in_flight".to_owned(), 1)]);
}

#[test]
fn a_client_that_goes_away_leaves_its_place() {
    let backend = Backend::start();
    let program = Program::start(backend.address, &tables(&[("adnet", "in_flight = 1\nconnections = 1")]));
    backend.hold();
    let mut gone = Client::connect(program.open);
    gone.send(&fresh("adnet").bytes());
    backend.has_seen(1);
    drop(gone);
    until("the place", || {
        let adnet = program.partner("adnet");
        (&adnet["in_flight"], &adnet["connections"]) == (&json!(0), &json!(0))
    });
    backend.let_go();
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
}

/// A request whose last byte is missing, from another address than everybody else's.
fn half_of_one(open: SocketAddr) -> Client {
    let mut client = Client::connect_from("127.0.0.2", open);
    let request = fresh("adnet").bytes();
    client.send(&request[..request.len() - 1]);
    client
}

#[test]
fn bodies_that_never_come_hold_no_place_of_the_partner_whose_name_they_say() {
    let backend = Backend::start();
    let program = Program::start(backend.address, &tables(&[("adnet", "in_flight = 1")]));
    let mut slow: Vec<_> = (0..12).map(|_| half_of_one(program.open)).collect();
    // Nine come from one address at most: the others get their answers without their bodies.
    until("the refusals", || slow.iter().filter(|client| client.answered()).count() == 3);
    slow.retain(|client| !client.answered());
    assert_eq!(program.partner("adnet")["in_flight"], 0);
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
    slow[0].send(b"}");
    assert_eq!(slow[0].answer().status, 200, "and one is let through when it has come");
}

#[test]
fn a_body_that_comes_drop_by_drop_does_not_come_for_ever() {
    let backend = Backend::start();
    let mut program = Program::start(backend.address, &tables(&[("adnet", "")]));
    program.reload(|text| {
        text.replace("[listener.open.limits]", "[listener.open.limits]\nwrite_timeout = \"1s\"")
    });
    let mut client = Client::connect(program.open);
    let request = Signer::new("adnet").sign(Request::new("POST", "/pay/done", &"x".repeat(200))).bytes();
    let (head, body) = request.split_at(request.len() - 200);
    client.send(head);
    let is_answered = |drop: &u8| {
        client.send(&[*drop]);
        client.answered()
    };
    assert!(body.iter().any(is_answered), "200 pauses are more than a second");
    assert_eq!(client.answer().status, 408);
}

#[test]
fn so_many_connections_and_no_more_however_often_each_asks() {
    let backend = Backend::start();
    let program = Program::start(backend.address, &tables(&[("adnet", "connections = 2"), ("paynet", "")]));
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(program.open)).collect();
    for _ in 0..3 {
        assert_eq!(clients[0].ask(&fresh("adnet")).status, 200);
        assert_eq!(clients[1].ask(&fresh("adnet")).status, 200);
    }
    is_too_much(&clients[2].ask(&fresh("adnet")), "too many connections are open", 2);
    assert_eq!(clients[2].ask(&fresh("paynet")).status, 200, "the connection itself is good");
    assert_eq!(program.partner("adnet")["connections"], 2);
    drop(clients.remove(0));
    until("a place", || program.partner("adnet")["connections"] == 1);
    assert_eq!(clients[1].ask(&fresh("adnet")).status, 200);
    assert_eq!(program.refusals(), [("adnet".to_owned(), "connections".to_owned(), 1)]);
}

#[test]
fn what_one_limit_refuses_counts_against_none_of_the_others() {
    in_one_day(|| {
        let backend = Backend::start();
        let limits = "rate = \"1/h\"\nburst = 2\ndaily = 1";
        let mut program = Program::start(backend.address, &tables(&[("adnet", limits)]));
        assert_eq!(program.ask(&fresh("adnet")).status, 200);
        is_too_much(&program.ask(&fresh("adnet")), "the day's quota is used up", 1);
        program.reload(|text| text.replace("daily = 1", "daily = 5"));
        assert_eq!(program.ask(&fresh("adnet")).status, 200, "the day took nothing of the rate");
        is_too_much(&program.ask(&fresh("adnet")), "the rate is used up", 2);
        assert_eq!(program.partner("adnet")["used_today"], 2, "and the rate nothing of the day");
    });
}

#[test]
fn what_is_too_much_is_counted_as_the_partners_that_has_proven_to_ask() {
    let backend = Backend::start();
    let program = Program::start(backend.address, &tables(&[("adnet", "rate = \"1/h\"\nburst = 1")]));
    let once = fresh("adnet");
    assert_eq!(program.ask(&once).status, 200);
    is_too_much(&program.ask(&fresh("adnet")), "the rate is used up", 1);
    assert_eq!(program.ask(&once).status, 401, "whoever repeats a request has proven nothing");
    let counted = |partner: &str, status: u16| {
        let labels = format!("http=\"pay\",partner=\"{partner}\",status=\"{status}\"");
        format!("realmgate_http_requests_total{{{labels}}} 1")
    };
    let page = program.get("/metrics").body;
    for line in [counted("adnet", 200), counted("adnet", 429), counted("", 401)] {
        assert!(page.contains(&line), "no {line} in\n{page}");
    }
}

#[test]
fn strangers_use_up_nothing_of_a_partner() {
    let backend = Backend::start();
    let limits = "rate = \"1/h\"\nburst = 1\ndaily = 1\nin_flight = 1\nconnections = 1";
    let program = Program::start(backend.address, &tables(&[("adnet", limits)]));
    let mut stranger = Client::connect(program.open);
    for _ in 0..50 {
        let forged = Request { body: "{}".to_owned(), ..fresh("adnet") };
        assert_eq!(stranger.ask(&forged).status, 401);
    }
    assert_eq!(program.ask(&fresh("adnet")).status, 200);
}
