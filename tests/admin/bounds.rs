//! What a peer may make the API hold, and for how long.

use std::time::Duration;

use realmgate::admin::Bounds;

use crate::fakes::Office;

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_body_or_a_head_that_is_too_long_is_refused() {
    let office = Office::open().await;
    let body = format!("{{\"active\": \"{}\"}}", "x".repeat(64 * 1024));
    assert_eq!(office.post("/v1/release", &body).await.error().0, 413);
    let chunk = "x".repeat(1000);
    let chunks = format!("3e8\r\n{chunk}\r\n").repeat(70);
    let head =
        format!("Host: {}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked", office.address);
    let reply = office.raw(&format!("POST /v1/release HTTP/1.1\r\n{head}\r\n\r\n{chunks}0\r\n\r\n")).await;
    assert_eq!(reply.expect("an answer").error().0, 413, "without a length as well");
    let long = "x".repeat(20_000);
    let reply = office.raw(&format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n")).await;
    assert_eq!(reply.map(|reply| reply.status), Some(431));
    office.close().await;
}

#[tokio::test]
async fn who_is_slow_or_idle_is_let_go() {
    let office = Office::with("", Bounds { head: SHORT, body: SHORT, ..Bounds::default() }).await;
    let mut slow = office.connect().await;
    slow.send(b"GET /v1/sta").await;
    assert!(slow.reply().await.is_none(), "the head does not come");
    let mut idle = office.connect().await;
    assert!(idle.reply().await.is_none(), "nothing comes");
    let head = format!("Host: {}\r\nContent-Type: application/json\r\nContent-Length: 9", office.address);
    let late = office.raw(&format!("POST /v1/reload HTTP/1.1\r\n{head}\r\n\r\n{{")).await;
    assert_eq!(late.expect("an answer").error().0, 408, "the body does not come");
    office.close().await;
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other_and_not_for_ever() {
    let office = Office::open().await;
    let mut kept = office.connect().await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", office.address);
    for _ in 0..3 {
        kept.send(request.as_bytes()).await;
        assert_eq!(kept.reply().await.expect("an answer").status, 200);
    }
    office.close().await;
    let office = Office::with("", Bounds { connection: SHORT, ..Bounds::default() }).await;
    let mut held = office.connect().await;
    held.send(format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", office.address).as_bytes()).await;
    assert_eq!(held.reply().await.expect("an answer").status, 200);
    assert!(held.reply().await.is_none(), "its time is over");
    office.close().await;
}

#[tokio::test]
async fn there_are_only_so_many_places() {
    let office = Office::with("", Bounds { connections: 1, ..Bounds::default() }).await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", office.address);
    let mut first = office.connect().await;
    first.send(request.as_bytes()).await;
    assert_eq!(first.reply().await.expect("an answer").status, 200);
    assert!(office.raw(&request).await.is_none(), "the only place is taken");
    drop(first);
    let free = async {
        while office.raw(&request).await.is_none() {
            tokio::task::yield_now().await;
        }
    };
    crate::fakes::within("the place to be free again", free).await;
    office.close().await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let office = Office::with("", Bounds { answer: SHORT, ..Bounds::default() }).await;
    let (status, _, hint) = office.post("/v1/reload", "").await.error();
    assert_eq!(status, 504);
    assert!(hint.contains("may still be done"), "{hint}");
    office.close().await;
}
