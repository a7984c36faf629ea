//! Which lines of a head go through, which end at the gate, and what it says itself.

use crate::origin::{Deed, Origin, ok, said};
use crate::stage::before;

#[tokio::test]
async fn a_backend_hears_who_asks_in_the_gates_words_alone() {
    let mut shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).start().await;
    let lies = "X-Forwarded-For: 10.9.9.9\r\nForwarded: for=10.9.9.9\r\nX-Forwarded-Proto: https\r\n\
                X-Request-Id: mine\r\nX-Realmgate-Partner: adnet\r\nX_Realmgate_Partner: adnet\r\n\
                X-Real-IP: 10.9.9.9\r\nX_Original_URL: /admin\r\nX-Forwarded-Prefix: /admin\r\nProxy: evil\r\n";
    let answered = stage.ask(&format!("GET /a%20b/?q=%2f&r HTTP/1.1\r\nHost: Shop.test\r\n{lies}\r\n")).await;
    assert_eq!(answered.told(), (200, "shop"));
    let asked = shop.asked().await;
    assert_eq!(asked.line(), "GET /a%20b/?q=%2f&r");
    assert_eq!(asked.one("host"), "Shop.test");
    assert_eq!(asked.one("x-forwarded-for"), "127.0.0.1");
    assert_eq!(asked.one("x-forwarded-proto"), "http");
    assert_eq!(asked.one("x-forwarded-host"), "Shop.test");
    assert_eq!(asked.one("forwarded"), "for=127.0.0.1;host=\"Shop.test\";proto=http");
    let id = asked.one("x-request-id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(answered.all("x-request-id"), [id], "the client hears the same");
    let claims = ["x-real-ip", "x_original_url", "x-forwarded-prefix", "proxy"];
    for name in ["x-realmgate-partner", "x_realmgate_partner"].into_iter().chain(claims) {
        assert!(asked.all(name).is_empty(), "{}", asked.head);
    }
}

#[tokio::test]
async fn what_is_for_one_connection_stays_on_it_both_ways() {
    let lines = "Connection: x-backend-hop\r\nX-Backend-Hop: 1\r\nKeep-Alive: timeout=1\r\nX-Kept: 2\r\n\
                 Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nUpgrade: h2c\r\n";
    let mut shop = Origin::start(move |_| said(200, lines, "hi")).await;
    let stage = before(&[shop.address]).start().await;
    let hops = "Connection: keep-alive, X-Client-Hop\r\nX-Client-Hop: 1\r\nKeep-Alive: timeout=9\r\n\
                Proxy-Authorization: Basic QQ==\r\nTE: gzip\r\nUpgrade: h2c\r\nX-Kept: 1\r\n";
    let answered = stage.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{hops}\r\n")).await;
    let asked = shop.asked().await;
    for name in ["connection", "x-client-hop", "keep-alive", "proxy-authorization", "te", "upgrade"] {
        assert!(asked.all(name).is_empty(), "{name} in\n{}", asked.head);
    }
    assert_eq!(asked.one("x-kept"), "1");
    for name in ["x-backend-hop", "keep-alive", "upgrade"] {
        assert!(answered.all(name).is_empty(), "{name} in\n{}", answered.head);
    }
    assert_eq!((answered.all("x-kept"), answered.all("set-cookie")), (vec!["2"], vec!["a=1", "b=2"]));
}

#[tokio::test]
async fn answers_without_a_body_keep_their_length_and_the_connection() {
    let shop = Origin::start(|asked| match asked.line() {
        "HEAD /" => Deed::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n".to_vec()),
        "GET /204" => Deed::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        "GET /304" => {
            Deed::Say(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n".to_vec())
        }
        _ => ok("body"),
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    let mut client = stage.client().await;
    let head = client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((head.status, head.all("content-length")), (200, vec!["1234"]));
    let nothing = client.ask("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((nothing.status, nothing.all("content-length").len()), (204, 0), "{}", nothing.head);
    let same = client.ask("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((same.status, same.all("etag")), (304, vec!["\"x\""]));
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.told(), (200, "body"));
    assert!(shop.connections() <= 2, "an answer without a body leaves its connection usable");
}

#[tokio::test]
async fn a_prefix_is_taken_off_before_the_backend_sees_the_path() {
    let mut shop = Origin::named("shop").await;
    let stage = before(&[shop.address]).route("path = \"/shop/*\"").route("strip = \"/shop\"").start().await;
    for (target, seen) in [("/shop/a?b=/shop", "/a?b=/shop"), ("/shop/", "/"), ("/shop/?x", "/?x")] {
        assert_eq!(stage.get(target).await.status, 200, "{target}");
        assert_eq!(shop.asked().await.line(), format!("GET {seen}"));
    }
}

#[tokio::test]
async fn hints_that_come_before_the_answer_are_not_taken_for_it() {
    let shop = Origin::start(|_| {
        let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        Deed::Say(format!("{hint}{hint}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").into_bytes())
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    assert_eq!(stage.get("/").await.told(), (200, "hi"));
}

#[tokio::test]
async fn a_backend_that_speaks_the_older_version_is_understood() {
    let shop = Origin::start(|_| Deed::SayAndLeave(b"HTTP/1.0 200 OK\r\n\r\nuntil the end".to_vec())).await;
    let stage = before(&[shop.address]).start().await;
    let mut client = stage.client().await;
    for _ in 0..2 {
        let answered = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(answered.told(), (200, "until the end"), "{}", answered.head);
    }
}
