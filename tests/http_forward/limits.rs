//! How much a body may be and how long everything may take.

use std::time::Duration;

use tokio::time::timeout;

use crate::origin::{Deed, Origin, ok};
use crate::stage::before;
use crate::{unreachable, within};

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_by_its_length_at_once_and_else_when_it_passes() {
    let mut shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).route("max_body = \"10B\"").start().await;
    let announced = stage.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n").await;
    assert_eq!(announced.status, 413, "{}", announced.text());
    assert!(shop.is_idle(), "nothing of it was sent on");
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n";
    let passed = stage.ask(chunked).await;
    assert_eq!(passed.status, 413, "{}", passed.text());
    stage.has_in_flight(&[0]).await;
    assert!(shop.is_idle(), "no whole request ever came");
    let fits = stage.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n1234567890").await;
    assert_eq!(fits.told(), (200, "shop"));
}

#[tokio::test]
async fn a_backend_that_does_not_answer_in_time_is_given_up() {
    let shop = Origin::start(|_| Deed::Wait).await;
    let stage = before(&[shop.address]).route("timeout = \"200ms\"").start().await;
    let answered = stage.get("/").await;
    assert_eq!(answered.status, 504, "{}", answered.text());
    stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn a_route_with_little_time_leaves_a_backend_alone_for_no_other_route() {
    let (hole, _held) = unreachable().await;
    let stage = before(&[hole.local_addr().expect("bound")])
        .cluster("connect_timeout = \"1s\"")
        .route("timeout = \"200ms\"\npath = \"/hurry/*\"")
        .table("[http.other]\nlistener = \"open\"\ncluster = \"shop\"\npath = \"/other\"")
        .start()
        .await;
    let hurried = stage.get("/hurry/a").await;
    assert_eq!(hurried.status, 504, "{}", hurried.text());
    let tried = stage.get("/other").await;
    assert_eq!(tried.status, 504, "{}", tried.text());
    assert_eq!(stage.get("/other").await.status, 503, "it has had its own time, and is left alone");
    stage.shows("realmgate_http_tries_failed_total{http=\"shop\",reason=\"late\"} 1").await;
    stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn the_time_for_the_answer_counts_from_the_end_of_the_request() {
    let shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).route("timeout = \"300ms\"").start().await;
    let mut client = stage.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n").await;
    // Each piece well within write_timeout, all of them longer than the timeout of the route.
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        client.send("x").await;
    }
    assert_eq!(client.answer(false).await.told(), (200, "shop"));
}

#[tokio::test]
async fn a_client_that_does_not_send_what_it_announced_is_told_so() {
    let shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).limit("write_timeout = \"200ms\"").start().await;
    let mut client = stage.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n1234").await;
    let answered = client.answer(false).await;
    assert_eq!(answered.status, 408, "{}", answered.text());
    stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn a_backend_that_says_nothing_more_ends_the_answer() {
    let shop = Origin::start(|asked| match asked.line() {
        "GET /half" => Deed::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        _ => ok("whole"),
    })
    .await;
    let stage = before(&[shop.address]).route("timeout = \"200ms\"").start().await;
    let mut client = stage.client().await;
    client.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(within("the end", client.try_answer(false)).await.is_none());
    stage.has_in_flight(&[0]).await;
    assert_eq!(stage.get("/").await.told(), (200, "whole"));
}

#[tokio::test]
async fn max_sessions_bounds_the_requests_at_a_backend() {
    let shop = Origin::start(|asked| if asked.line() == "GET /wait" { Deed::Wait } else { ok("hi") }).await;
    let one = format!("{{ address = \"{}\", max_sessions = 2 }}", shop.address);
    let mut setting = before(&[]);
    setting.backends = one;
    let stage = setting.start().await;
    let (mut first, mut second) = (stage.client().await, stage.client().await);
    first.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    second.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    stage.has_in_flight(&[2]).await;
    let third = stage.get("/").await;
    assert_eq!((third.status, third.all("retry-after")), (503, vec!["1"]), "{}", third.text());
    assert!(third.text().contains(r#""error":"too much is asked at once""#), "{}", third.text());
    drop(first);
    stage.has_in_flight(&[1]).await;
    assert_eq!(stage.get("/").await.told(), (200, "hi"));
}

#[tokio::test]
async fn a_body_that_comes_drop_by_drop_does_not_hold_its_place_for_ever() {
    let shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).limit("write_timeout = \"500ms\"").start().await;
    let mut client = stage.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
    let drops = async {
        // Each well within write_timeout.
        while timeout(Duration::from_millis(50), client.stream.readable()).await.is_err() {
            client.send("x").await;
        }
    };
    within("the end of its patience", drops).await;
    let answered = client.answer(false).await;
    assert_eq!(answered.status, 408, "{}", answered.text());
    stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn a_body_that_comes_fast_enough_may_take_longer_than_the_time_for_a_piece() {
    let shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).limit("write_timeout = \"1s\"").start().await;
    let mut client = stage.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 163840\r\n\r\n").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        client.send("x".repeat(16 << 10)).await;
    }
    assert_eq!(client.answer(false).await.told(), (200, "shop"));
}

#[tokio::test]
async fn max_in_flight_bounds_the_requests_of_a_route_and_says_so() {
    let shop = Origin::start(|asked| if asked.line() == "GET /wait" { Deed::Wait } else { ok("hi") }).await;
    let breaker = "[http.shop.breaker]\nmax_in_flight = 1";
    let stage = before(&[shop.address]).table(breaker).start().await;
    let mut first = stage.client().await;
    first.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    stage.has_in_flight(&[1]).await;
    let second = stage.get("/").await;
    assert_eq!((second.status, second.all("retry-after")), (503, vec!["1"]), "{}", second.text());
    assert!(second.text().contains(r#""error":"too much is asked at once""#), "{}", second.text());
    stage.shows("realmgate_http_tries_failed_total{http=\"shop\",reason=\"full\"} 1").await;
    drop(first);
    stage.has_in_flight(&[0]).await;
    assert_eq!(stage.get("/").await.told(), (200, "hi"));
}
