//! A client that keeps its backend by the gate's cookie, as servers need it that hold a room or a session in memory.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::origin::{Asked, Deed, Origin, accept, ok, said};
use crate::stage::{Answered, Stage, before};

const INSERT: &str = "hash_on = { cookie = \"gate\", insert = true }";

async fn two() -> (Origin, Origin, Stage) {
    let (one, two) = (Origin::named("one").await, Origin::named("two").await);
    let stage = before(&[one.address, two.address]).cluster(INSERT).start().await;
    (one, two, stage)
}

/// The cookie that an answer gives.
fn given(answered: &Answered) -> String {
    match answered.all("set-cookie").as_slice() {
        [one] => one.split(';').next().expect("a pair").to_owned(),
        many => panic!("{many:?} in\n{}", answered.head),
    }
}

async fn with(stage: &Stage, cookie: &str) -> Answered {
    stage.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: other=1; {cookie}\r\n\r\n")).await
}

#[tokio::test]
async fn a_cookie_keeps_a_client_at_its_backend_and_is_given_once() {
    let (_one, _two, stage) = two().await;
    let (first, second) = (stage.get("/").await, stage.get("/").await);
    assert_ne!(first.text(), second.text(), "two clients in turn");
    let (first_cookie, second_cookie) = (given(&first), given(&second));
    assert_ne!(first_cookie, second_cookie);
    assert!(first.head.contains("; Path=/; HttpOnly\r\n"), "{}", first.head);
    for _ in 0..5 {
        let (again, other) = (with(&stage, &first_cookie).await, with(&stage, &second_cookie).await);
        assert_eq!((again.text(), other.text()), (first.text(), second.text()));
        assert!(again.all("set-cookie").is_empty(), "{}", again.head);
    }
}

#[tokio::test]
async fn a_cookie_that_names_nobody_is_replaced() {
    let (_one, _two, stage) = two().await;
    for cookie in ["gate=0123456789abcdef", "gate=nonsense", "gate="] {
        let answered = with(&stage, cookie).await;
        assert_eq!(answered.status, 200);
        assert_ne!(given(&answered), cookie);
    }
}

#[tokio::test]
async fn a_client_whose_backend_is_gone_gets_another_and_its_cookie() {
    let (one, two, stage) = two().await;
    let first = stage.get("/").await;
    let (lost, left) = if first.text() == "one" { (&one, "two") } else { (&two, "one") };
    let cookie = given(&first);
    lost.die();
    let moved = with(&stage, &cookie).await;
    assert_eq!(moved.told(), (200, left));
    let cookie = given(&moved);
    let again = with(&stage, &cookie).await;
    assert_eq!((again.text(), again.all("set-cookie").len()), (left, 0));
}

#[tokio::test]
async fn a_client_that_was_moved_stays_there_though_its_backend_is_back_before_the_answer() {
    let manner = |asked: &Asked| if asked.line() == "GET /fail" { said(503, "", "busy") } else { ok("own") };
    let own = Origin::start(manner).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let stage = before(&[own.address, listener.local_addr().expect("bound")])
        .cluster(INSERT)
        .cluster("balance = \"backup\"\npanic_threshold = 0")
        .table("[cluster.shop.outlier]\nconsecutive = 1\neject = \"2s\"")
        .start()
        .await;
    let cookie = given(&stage.get("/").await);
    let failed = stage.ask(&format!("GET /fail HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).await;
    assert_eq!(failed.status, 503, "{}", failed.head);
    let labels = format!("{{cluster=\"shop\",backend=\"{}\"}}", own.address);
    stage.shows(&format!("realmgate_backend_ejections_total{labels} 1")).await;
    let mut client = stage.client().await;
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).await;
    let mut other = accept(&listener).await;
    stage.shows(&format!("realmgate_backend_ejected{labels} 0")).await;
    other.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother").await.expect("taken");
    let moved = client.answer(false).await;
    assert_eq!(moved.told(), (200, "other"));
    assert_ne!(given(&moved), cookie);
}

/// A server in the manner of socket.io: a session begins by polling, belongs to one process, and then becomes a
/// WebSocket. Any other process says that it does not know the session.
fn sessions(name: &'static str) -> impl Fn(&Asked) -> Deed {
    move |asked| {
        let sid = asked.line().split("sid=").nth(1);
        let is_websocket = !asked.all("upgrade").is_empty();
        match (sid, is_websocket) {
            (None, false) => ok(&format!("sid={name}")),
            (Some(sid), _) if sid != name => said(400, "", "Session ID unknown"),
            (Some(_), false) => ok("poll"),
            (Some(_), true) => Deed::Say(
                format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello from {name}")
                    .into_bytes(),
            ),
            (None, true) => said(400, "", "no session"),
        }
    }
}

#[tokio::test]
async fn polling_and_the_upgrade_behind_it_meet_the_same_process() {
    let (a, b) = (Origin::start(sessions("a")).await, Origin::start(sessions("b")).await);
    let stage = before(&[a.address, b.address]).cluster(INSERT).start().await;
    for _ in 0..10 {
        let begun = stage.get("/socket.io/?EIO=4&transport=polling").await;
        let (sid, cookie) = (begun.text().to_owned(), given(&begun));
        for _ in 0..3 {
            let poll = format!(
                "POST /socket.io/?EIO=4&{sid} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nContent-Length: 1\r\n\r\n4"
            );
            assert_eq!(stage.ask(&poll).await.told(), (200, "poll"));
        }
        let mut client = stage.client().await;
        client
            .send(format!(
                "GET /socket.io/?EIO=4&{sid} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ))
            .await;
        let head = crate::within("the upgrade", client.head()).await.expect("an answer");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let name = sid.strip_prefix("sid=").expect("a session");
        client.hears(format!("hello from {name}").as_bytes()).await;
    }
}

#[tokio::test]
async fn a_client_is_not_moved_by_a_word_or_a_broken_connection_of_its_backend() {
    for (deed, status) in [(said(503, "", "busy"), 503), (Deed::Break, 502)] {
        let manner = |name: &'static str| {
            let deed = deed.clone();
            move |asked: &Asked| if asked.line() == "GET /fail" { deed.clone() } else { ok(name) }
        };
        let (one, two) = (Origin::start(manner("one")).await, Origin::start(manner("two")).await);
        let stage = before(&[one.address, two.address]).cluster(INSERT).start().await;
        let first = stage.get("/").await;
        let cookie = given(&first);
        let failed = stage.ask(&format!("GET /fail HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).await;
        assert_eq!((failed.status, failed.all("set-cookie").len()), (status, 0), "{}", failed.head);
        let again = with(&stage, &cookie).await;
        assert_eq!((again.told(), again.all("set-cookie").len()), ((200, first.text()), 0));
    }
}

#[tokio::test]
async fn a_client_whose_backend_has_as_many_requests_of_the_route_as_it_may_is_not_moved() {
    let waits = |name: &'static str| {
        move |asked: &Asked| if asked.line() == "GET /wait" { Deed::Wait } else { ok(name) }
    };
    let (one, two) = (Origin::start(waits("one")).await, Origin::start(waits("two")).await);
    let stage = before(&[one.address, two.address])
        .cluster(INSERT)
        .table("[http.shop.breaker]\nmax_in_flight = 1")
        .start()
        .await;
    let cookie = given(&stage.get("/").await);
    let mut waiting = stage.client().await;
    waiting.send(format!("GET /wait HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).await;
    crate::until("the request at its backend", || stage.in_flight().contains(&1)).await;
    let full = with(&stage, &cookie).await;
    assert_eq!((full.status, full.all("set-cookie").len()), (503, 0), "{}", full.head);
}

/// Two backends behind a breaker that opens at the first failure for so long, a client whose backend has just failed, what
/// that backend says, and the client's cookie.
async fn behind_an_open_breaker(open: &str) -> ([Origin; 2], Stage, String, String) {
    let manner = |name: &'static str| {
        move |asked: &Asked| if asked.line() == "GET /fail" { said(503, "", "busy") } else { ok(name) }
    };
    let backends = [Origin::start(manner("one")).await, Origin::start(manner("two")).await];
    let stage = before(&backends.each_ref().map(|backend| backend.address))
        .cluster(INSERT)
        .table(&format!("[http.shop.breaker]\nconsecutive = 1\nopen = \"{open}\""))
        .table("[cluster.shop.outlier]\nconsecutive = 1000")
        .start()
        .await;
    let first = stage.get("/").await;
    let cookie = given(&first);
    let failed = stage.ask(&format!("GET /fail HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).await;
    assert_eq!((failed.status, failed.all("set-cookie").len()), (503, 0), "{}", failed.head);
    (backends, stage, first.text().to_owned(), cookie)
}

#[tokio::test]
async fn while_the_breaker_at_its_backend_is_open_another_stands_in_for_a_client() {
    let (_backends, stage, own, cookie) = behind_an_open_breaker("1m").await;
    for _ in 0..3 {
        let answered = with(&stage, &cookie).await;
        assert_eq!((answered.status, answered.all("set-cookie").len()), (200, 0), "{}", answered.head);
        assert_ne!(answered.text(), own);
    }
}

#[tokio::test]
async fn a_client_is_back_at_its_backend_when_the_breaker_has_closed() {
    let (_backends, stage, own, cookie) = behind_an_open_breaker("100ms").await;
    crate::within("its own backend's answer", async {
        loop {
            let answered = with(&stage, &cookie).await;
            assert_eq!((answered.status, answered.all("set-cookie").len()), (200, 0), "{}", answered.head);
            if answered.text() == own {
                return;
            }
        }
    })
    .await;
}
