//! Requests that become frames: a backend on a shared link answers them without speaking HTTP, and each answer finds the
//! request it belongs to.

use std::net::SocketAddr;
use std::time::Duration;

use realmgate::base::SessionId;
use realmgate::policy::BreakerState;
use realmgate::wire::link::{BackendState, Exception, Kick, LINK, Message, Redirects};
use tokio::task::JoinSet;

use crate::fakes::{Backend, Event, Gate, GateBuilder, Manner, frame};
use crate::http::{Asker, Reply};

/// A gate in front of these, with a route for payments.
fn gate(backends: &[SocketAddr], cluster: &str, route: &str) -> GateBuilder {
    gate_of("convert = { id = 5001, reply = 5002 }", backends, cluster, route)
}

fn gate_of(convert: &str, backends: &[SocketAddr], cluster: &str, route: &str) -> GateBuilder {
    open(Gate::builder().shared("pay", "2000", backends, cluster), convert, route)
}

/// With a route for payments to the cluster that is there.
fn open(builder: GateBuilder, convert: &str, route: &str) -> GateBuilder {
    let limits = "[listener.open.limits]\nconnections_per_ip = 0\nnew_per_ip = \"off\"";
    builder.table(&format!("[listener.open]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n{limits}")).table(
        &format!(
            "[http.callback]\nlistener = \"open\"\npath = \"/pay\"\ncluster = \"pay\"\n{convert}\n{route}"
        ),
    )
}

fn post(body: &str) -> String {
    format!("POST /pay HTTP/1.1\r\nHost: open.test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn asker(gate: &Gate) -> Asker {
    Asker::connect(gate.inner().address("open").expect("the listener for HTTP")).await
}

async fn pay(gate: &Gate, body: &str) -> Reply {
    asker(gate).await.ask(post(body)).await
}

/// The sessions of the frames that have come, with the bodies of the requests.
async fn errands(backend: &Backend, count: usize) -> Vec<(SessionId, String)> {
    backend
        .wait("frames", |events| {
            let frames = events.iter().filter_map(|event| match event {
                Event::Frame { session, bytes } => {
                    Some((*session, String::from_utf8(bytes[6..].to_vec()).expect("JSON")))
                }
                _ => None,
            });
            Some(frames.collect::<Vec<_>>()).filter(|frames| frames.len() >= count)
        })
        .await
}

async fn answer(backend: &Backend, session: SessionId, id: u16, body: &str) {
    backend.say(session, Message::Frame { payload: &frame(id, body.as_bytes()) }).await;
}

async fn is_closed(backend: &Backend, session: SessionId, reason: u16) {
    let close = Event::Close { session, reason };
    backend.wait("CLOSE", |events| events.contains(&close).then_some(())).await;
}

async fn is_undelivered(backend: &Backend, session: SessionId) {
    let undelivered = Event::Undelivered { session, reason: 1 };
    backend.wait("UNDELIVERED", |events| events.contains(&undelivered).then_some(())).await;
}

fn kicked() -> Message<'static> {
    let redirect = Redirects::NONE;
    Message::Kick(Kick { reason: 0x8002, text: None, retry_after_ms: None, redirect })
}

/// Waits until a request has been answered with this status and its error.
async fn fails(gate: &Gate, status: u16) -> Reply {
    let reply = pay(gate, "{}").await;
    assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(&reply.body));
    assert!(reply.json()["error"].is_string() && reply.json()["request"].is_string());
    reply
}

#[tokio::test]
async fn a_request_becomes_a_frame_of_a_session_of_its_own_and_its_reply_the_answer() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("{\"order\": 17,  \"paid\": true}")).await;
    let session = errands(&backend, 1).await[0].0;
    assert_eq!(backend.frames(), [frame(5001, b"{\"order\": 17,  \"paid\": true}")], "as it came");
    let opened = backend.events().into_iter().find(|event| matches!(event, Event::Open { .. }));
    let Some(Event::Open { session: opened, address, listener, transport }) = opened else {
        panic!("no OPEN")
    };
    assert_eq!((opened, listener.as_str(), transport), (session, "open", 1));
    assert!(address.ip().is_loopback());
    let said = said_of(&backend, session);
    assert_eq!((said["http"].as_str(), said.get("partner")), (Some("callback"), None));
    assert_eq!(said["request"].as_str().map(str::len), Some(32));
    answer(&backend, session, 5002, "{\"ok\": 1}").await;
    let reply = asker.reply().await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"{\"ok\": 1}"[..]));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    is_closed(&backend, session, 1).await;
    gate.is_empty().await;
    // The connection goes on, and the next request is another session.
    asker.say(post("[]")).await;
    let next = errands(&backend, 2).await[1].0;
    assert_ne!(next, session);
    answer(&backend, next, 5002, "").await;
    assert_eq!(asker.reply().await.body, b"");
    gate.stop().await;
}

/// The attributes in the OPEN of a session.
fn said_of(backend: &Backend, session: SessionId) -> serde_json::Value {
    let text = backend.events().into_iter().find_map(|event| match event {
        Event::Attributes { session: of, text } if of == session => Some(text),
        _ => None,
    });
    serde_json::from_str(&text.expect("attributes")).expect("JSON")
}

#[tokio::test]
async fn the_backend_hears_which_partner_has_proven_to_ask() {
    let backend = Backend::with(Manner::Silent).await;
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/examples/third-party.keys");
    let partner = format!("[partner.payments]\nauth = {{ kind = \"api_key\", keys_file = \"{keys}\" }}");
    let gate = gate(&[backend.address()], "", "partners = [\"payments\"]").table(&partner).start().await;
    let mut asker = asker(&gate).await;
    assert_eq!(
        asker.ask(post("{}").replace("Host:", "X-Realmgate-Partner: payments\r\nHost:")).await.status,
        401
    );
    let key = "X-Api-Key: payments.an-example-that-everybody-may-read-and-nobody-should-use\r\nHost:";
    asker.say(post("{}").replace("Host:", key)).await;
    let session = errands(&backend, 1).await[0].0;
    assert_eq!(said_of(&backend, session)["partner"], "payments");
    answer(&backend, session, 5002, "{}").await;
    assert_eq!(asker.reply().await.status, 200);
    assert_eq!(backend.frames().len(), 1, "who has not proven it never gets there");
    gate.stop().await;
}

#[tokio::test]
async fn answers_find_their_requests_in_whatever_order_they_come() {
    const REQUESTS: usize = 200;
    const WORKERS: u16 = 2;
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "").workers(usize::from(WORKERS)).start().await;
    let mut asked = JoinSet::new();
    for number in 0..REQUESTS {
        let mut asker = asker(&gate).await;
        asked.spawn(async move { (number, asker.ask(post(&format!("{{\"n\":{number}}}"))).await) });
    }
    let mut errands = errands(&backend, REQUESTS).await;
    errands.sort_by(|one, other| other.1.cmp(&one.1)); // another order than any in which they came
    for (session, body) in &errands {
        let worker = u16::try_from(session.counter() % u32::from(WORKERS)).expect("few");
        let payload = frame(5002, format!("{{\"to\":{body}}}").as_bytes());
        backend.say_on(worker, *session, Message::Frame { payload: &payload }).await;
    }
    while let Some(answered) = asked.join_next().await {
        let (number, reply) = answered.expect("an answer");
        assert_eq!(reply.json()["to"]["n"], number, "{reply:?}");
    }
    assert!(!backend.events().iter().any(|event| matches!(event, Event::Undelivered { .. })));
    gate.is_empty().await;
    gate.stop().await;
}

#[tokio::test]
async fn a_late_answer_is_dropped_and_never_taken_for_another() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "timeout = \"100ms\"").start().await;
    fails(&gate, 504).await;
    let late = errands(&backend, 1).await[0].0;
    is_closed(&backend, late, 1).await;
    answer(&backend, late, 5002, "\"late\"").await;
    is_undelivered(&backend, late).await;
    backend.behave(Manner::Echo);
    gate.stop().await;
}

#[tokio::test]
async fn who_stops_waiting_ends_the_errand() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("{}")).await;
    let session = errands(&backend, 1).await[0].0;
    drop(asker);
    is_closed(&backend, session, 1).await;
    gate.is_empty().await;
    gate.stop().await;
}

#[tokio::test]
async fn what_a_lost_backend_had_is_not_sent_again_and_the_next_goes_elsewhere() {
    let backends = [Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await];
    let addresses = [backends[0].address(), backends[1].address()];
    let gate = gate(&addresses, "balance = \"backup\"", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("1")).await;
    let [first, second] = backends;
    first.has_frames(1).await;
    first.kill().await;
    assert_eq!(asker.reply().await.status, 502);
    asker.say(post("2")).await;
    let errands = errands(&second, 1).await;
    assert_eq!(errands.iter().map(|(_, body)| body.as_str()).collect::<Vec<_>>(), ["2"]);
    answer(&second, errands[0].0, 5002, "\"two\"").await;
    assert_eq!(asker.reply().await.body, b"\"two\"");
    second.kill().await;
    gate.shows(
        "realmgate_link_up{cluster=\"pay\",backend=\"?\"} 0".replace('?', &addresses[1].to_string()).as_str(),
    )
    .await;
    fails(&gate, 503).await;
    gate.stop().await;
}

#[tokio::test]
async fn what_is_no_frame_never_reaches_a_backend() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "").start().await;
    let mut asker = asker(&gate).await;
    for bad in ["", "{", "{\"a\":1}x", "nothing", "\u{feff}{}", "\"\\ud800\"", &"[".repeat(200)] {
        let reply = asker.ask(post(bad)).await;
        assert_eq!(
            (reply.status, reply.json()["error"].as_str()),
            (400, Some("the body is no JSON")),
            "{bad}"
        );
    }
    let reply = asker.ask("GET /pay HTTP/1.1\r\nHost: open.test\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    // The frame has a header of 6 bytes.
    let fits = format!("\"{}\"", "x".repeat(64 * 1024 - 6 - 2));
    let too_long = fits.replacen('x', "xx", 1);
    assert_eq!(self::asker(&gate).await.ask(post(&too_long)).await.status, 413);
    let chunked = "POST /pay HTTP/1.1\r\nHost: open.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{chunked}{:x}\r\n{too_long}\r\n0\r\n\r\n", too_long.len());
    assert_eq!(self::asker(&gate).await.ask(chunk).await.status, 413);
    assert_eq!(backend.frames().len(), 0);
    let mut asker = self::asker(&gate).await;
    asker.say(post(&fits)).await;
    assert_eq!(errands(&backend, 1).await[0].1, fits);
    gate.stop().await;
}

#[tokio::test]
async fn one_that_refuses_never_had_it_and_another_gets_it() {
    let backends = [Backend::with(Manner::Refuse).await, Backend::with(Manner::Silent).await];
    let addresses = backends.each_ref().map(Backend::address);
    let gate = gate(&addresses, "balance = \"backup\"", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("7")).await;
    let (session, body) = errands(&backends[1], 1).await.remove(0);
    assert_eq!(body, "7");
    assert_eq!(backends[0].session().await, session, "it was asked first");
    answer(&backends[1], session, 5002, "8").await;
    assert_eq!(asker.reply().await.body, b"8");
    backends[1].behave(Manner::Refuse);
    fails(&gate, 503).await;
    gate.is_empty().await;
    gate.stop().await;
}

#[tokio::test]
async fn who_ends_the_session_has_failed_and_its_breaker_opens() {
    let backend = Backend::with(Manner::Silent).await;
    let breaker = "[http.callback.breaker]\nconsecutive = 2\nopen = \"60s\"";
    let gate = gate(&[backend.address()], "", breaker).start().await;
    for (count, kick) in [(1, true), (2, false)] {
        let mut asker = asker(&gate).await;
        asker.say(post("{}")).await;
        let session = errands(&backend, count).await[count - 1].0;
        let kick = match kick {
            true => kicked(),
            false => Message::Error { reason: 0x8004, text: Some("what is this") },
        };
        backend.say(session, kick).await;
        assert_eq!(asker.reply().await.status, 502);
    }
    let reply = fails(&gate, 503).await;
    assert_eq!(reply.json()["error"], "nobody can serve this now");
    let wait: u64 = reply.header("retry-after").expect("a wait").parse().expect("seconds");
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(backend.frames().len(), 2, "it is left alone");
    let clusters = gate.inner().world().cluster_facts(Duration::from_secs(60));
    let breakers = clusters[0].backends[0].breakers.iter();
    let breakers: Vec<_> = breakers.map(|breaker| (&*breaker.route, breaker.state)).collect();
    assert_eq!(breakers, [("pay", BreakerState::Closed), ("http.callback", BreakerState::Open)]);
    gate.stop().await;
}

#[tokio::test]
async fn where_those_who_serve_have_as_much_as_they_take_that_is_said() {
    let busy = "[http.callback.breaker]\nmax_in_flight = 1";
    for (most, balance, route) in
        [(10, "round_robin", busy), (10, "hot_standby", busy), (1, "hot_standby", "")]
    {
        let (backend, other) = (Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await);
        // Only a hot standby asks the other one.
        let cluster = format!(
            "[cluster.pay]\nlink = \"shared\"\nbalance = \"{balance}\"\nbackends = [\
             {{ address = \"{}\", max_sessions = {most} }}, {{ address = \"{}\", weight = {} }}]\n\
             [route.pay]\nids = [2000]\ncluster = \"pay\"",
            backend.address(),
            other.address(),
            u8::from(balance == "hot_standby"),
        );
        let gate = open(Gate::builder().table(&cluster), "convert = { id = 5001, reply = 5002 }", route);
        let gate = gate.start().await;
        let mut asker = asker(&gate).await;
        asker.say(post("{}")).await;
        let session = errands(&backend, 1).await[0].0;
        let refused = fails(&gate, 503).await;
        assert_eq!(refused.json()["error"], "too much is asked at once", "{cluster}{route}");
        assert!(refused.header("retry-after").is_some());
        answer(&backend, session, 5002, "1").await;
        assert_eq!(asker.reply().await.status, 200);
        gate.stop().await;
    }
}

#[tokio::test]
async fn what_a_backend_says_of_itself_counts_for_requests_too() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "").start().await;
    let all = |first_id, last_id, for_ms| Exception { first_id, last_id, for_ms, text: None };
    backend.say(LINK, Message::Exception(all(5001, 5001, 60_000))).await;
    backend.settled().await;
    assert!(fails(&gate, 503).await.header("retry-after").is_some());
    backend.say(LINK, Message::Exception(all(5001, 5001, 0))).await;
    backend.say(LINK, Message::State { state: BackendState::Refusing, text: None }).await;
    backend.settled().await;
    fails(&gate, 503).await;
    backend.say(LINK, Message::State { state: BackendState::Ok, text: None }).await;
    backend.settled().await;
    let mut asker = asker(&gate).await;
    asker.say(post("{}")).await;
    let session = errands(&backend, 1).await[0].0;
    answer(&backend, session, 5002, "1").await;
    assert_eq!(asker.reply().await.status, 200);
    gate.stop().await;
}

#[tokio::test]
async fn what_is_said_of_players_is_refused_and_what_is_no_answer_has_nobody_to_go_to() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("{}")).await;
    let session = errands(&backend, 1).await[0].0;
    let wrong = [
        Message::Bind { account: "alice", epoch: 1 },
        Message::Join { room: "a" },
        Message::Leave { room: "a" },
        Message::Attributes { attributes: "{}" },
        Message::Move { cluster: "pay", backend: "127.0.0.1:1" },
    ];
    let count = wrong.len();
    for message in wrong {
        backend.say(session, message).await;
    }
    let errors =
        |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Error { .. })).count();
    backend.wait("errors", |events| (errors(events) == count).then_some(())).await;
    answer(&backend, session, 2000, "a push").await;
    is_undelivered(&backend, session).await;
    backend
        .say(
            LINK,
            Message::Broadcast { scope: realmgate::wire::link::Scope::All, payload: &frame(5002, b"9") },
        )
        .await;
    backend.settled().await;
    answer(&backend, session, 5002, "1").await;
    assert_eq!(asker.reply().await.body, b"1", "and not what was for all players");
    gate.stop().await;
}

#[tokio::test]
async fn of_a_hot_standby_both_hear_it_and_the_first_one_answers() {
    let backends = [Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await];
    let addresses = backends.each_ref().map(Backend::address);
    let gate = gate(&addresses, "balance = \"hot_standby\"", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("{}")).await;
    let session = errands(&backends[0], 1).await[0].0;
    assert_eq!(errands(&backends[1], 1).await[0].0, session);
    answer(&backends[1], session, 5002, "\"second\"").await;
    backends[1].settled().await;
    answer(&backends[0], session, 5002, "\"first\"").await;
    assert_eq!(asker.reply().await.body, b"\"first\"");
    for backend in &backends {
        is_closed(backend, session, 1).await;
    }
    gate.is_empty().await;
    gate.stop().await;
}

#[tokio::test]
async fn who_of_a_hot_standby_refuses_gets_no_requests_and_the_other_answers() {
    for refuses in [0, 1] {
        let backends = [Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await];
        let addresses = backends.each_ref().map(Backend::address);
        let gate = gate(&addresses, "balance = \"hot_standby\"", "").start().await;
        let (out, on) = (&backends[refuses], &backends[1 - refuses]);
        out.say(LINK, Message::State { state: BackendState::Refusing, text: None }).await;
        out.settled().await;
        let mut asker = asker(&gate).await;
        asker.say(post("{}")).await;
        let session = errands(on, 1).await[0].0;
        answer(on, session, 5002, "\"on\"").await;
        assert_eq!(asker.reply().await.body, b"\"on\"");
        out.settled().await;
        assert!(!out.events().iter().any(|event| matches!(event, Event::Open { .. })), "{refuses}");
        gate.is_empty().await;
        gate.stop().await;
    }
}

#[tokio::test]
async fn a_request_under_way_is_answered_as_it_was_asked_and_the_next_meets_the_new_world() {
    let backend = Backend::with(Manner::Silent).await;
    let mut gate = gate(&[backend.address()], "", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("1")).await;
    let session = errands(&backend, 1).await[0].0;
    let other = "convert = { id = 6001, reply = 6002 }";
    gate.reload(gate_of(other, &[backend.address()], "", "")).await;
    answer(&backend, session, 5002, "\"old\"").await;
    assert_eq!(asker.reply().await.body, b"\"old\"");
    asker.say(post("2")).await;
    let session = errands(&backend, 2).await[1].0;
    assert_eq!(backend.frames()[1], frame(6001, b"2"));
    answer(&backend, session, 6002, "\"new\"").await;
    assert_eq!(asker.reply().await.body, b"\"new\"");
    gate.stop().await;
}

#[tokio::test]
async fn a_gate_that_stops_tells_the_backend() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "").start().await;
    let mut asker = asker(&gate).await;
    asker.say(post("{}")).await;
    let session = errands(&backend, 1).await[0].0;
    gate.stop().await;
    is_closed(&backend, session, 4).await;
    backend.wait("GOAWAY", |events| events.contains(&Event::GoAway).then_some(())).await;
}

#[tokio::test]
async fn what_is_no_frame_ends_the_request_at_once() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&[backend.address()], "", "timeout = \"10m\"").start().await;
    let two = [frame(5002, b"1"), frame(5002, b"2")].concat();
    for wrong in [&two[..], b"no frame"] {
        let before = errands(&backend, 0).await.len();
        let mut asker = asker(&gate).await;
        asker.say(post("{}")).await;
        let session = errands(&backend, before + 1).await[before].0;
        backend.say(session, Message::Frame { payload: wrong }).await;
        let reply = asker.reply().await;
        assert_eq!(reply.status, 502, "{}", String::from_utf8_lossy(&reply.body));
        let malformed = Event::Undelivered { session, reason: 0x8004 };
        backend.wait("UNDELIVERED", |events| events.contains(&malformed).then_some(())).await;
        is_closed(&backend, session, 1).await;
    }
    gate.stop().await;
}

#[tokio::test]
async fn a_request_whose_open_the_backend_cannot_take_never_reaches_it() {
    let backend = Backend::with(Manner::Silent).await;
    backend.set_max_envelope(64);
    let gate = gate(&[backend.address()], "", "").start().await;
    assert_eq!(fails(&gate, 503).await.json()["error"], "too much is asked at once");
    backend.settled().await;
    assert_eq!(backend.frames().len(), 0);
    gate.is_empty().await;
    gate.stop().await;
}
