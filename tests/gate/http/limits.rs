//! What a client may take of the gate.

use realmgate::telemetry::DoorRefusal;

use super::{Asker, Http2, answered, gate, get, open, route, with_status};
use crate::fakes::{Gate, within};

async fn open_gate(limits: &str) -> Gate {
    gate(limits).table(&route("all", "path = \"/*\"\nmax_body = \"1KiB\"")).start().await
}

#[tokio::test]
async fn heads_have_bounds() {
    let gate = open_gate("").await;
    let long = "x".repeat(40 * 1024);
    let many: String = (0..120).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (status, request) in [
        (414, format!("GET /{long} HTTP/1.1\r\nHost: a.test\r\n\r\n")),
        (414, format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(9000))),
        (414, format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(8192))),
        (414, format!("GET /#{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "x".repeat(9000))),
        (431, format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {long}\r\n\r\n")),
        (431, format!("GET / HTTP/1.1\r\nHost: a.test\r\n{many}\r\n")),
    ] {
        let mut asker = Asker::connect(open(&gate)).await;
        drop(asker.try_say(&request).await);
        let reply = asker.reply().await;
        assert_eq!(reply.status, status, "{}", request.get(..40).unwrap_or_default());
    }
    let mut two = Http2::connect(open(&gate)).await;
    let reply = two.get(&format!("http://a.test/{}", "x".repeat(9000))).await;
    assert_eq!(reply.status, 414);
    assert_eq!((answered(&gate, "all"), with_status(&gate, "", 414)), (0, 5));
    assert_eq!(with_status(&gate, "", 431), 2);
    let pieces = |name: &str, count: usize, length: usize| {
        let request = hyper::Request::get("http://a.test/a");
        let value = "x".repeat(length);
        let request = (0..count).fold(request, |request, number| match name {
            "x-" => request.header(format!("x-{number}"), &value),
            name => request.header(name, &value),
        });
        request.body(http_body_util::Empty::new()).expect("a request")
    };
    for (name, count, length) in [("x-", 120, 1), ("x-0", 1, 9000), ("x", 120, 1), ("cookie", 90, 100)] {
        let reply = two.ask(pieces(name, count, length)).await;
        assert_eq!(reply.status, 431, "{name} {count} {length}");
    }
    assert_eq!(with_status(&gate, "", 431), 6);
    gate.shows("realmgate_http_malformed_total{listener=\"open\"} 0").await;
    two.ask(pieces("cookie", 200, 1)).await;
    assert_eq!(answered(&gate, "all"), 1, "pieces of a cookie are one line");
    Asker::connect(open(&gate)).await.ask(get(&format!("/{}", "x".repeat(8000)))).await;
    assert_eq!(answered(&gate, "all"), 2);
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_long_is_refused_before_it_comes() {
    let gate = open_gate("").await;
    let mut asker = Asker::connect(open(&gate)).await;
    let reply = asker.ask("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1025\r\n\r\n").await;
    assert_eq!(reply.status, 413);
    assert_eq!(with_status(&gate, "all", 413), 1);
}

#[tokio::test]
async fn a_connection_without_a_request_ends_when_its_time_is_over() {
    let gate = open_gate("idle_timeout = \"200ms\"\nhandshake_timeout = \"30s\"").await;
    let mut silent = Asker::connect(open(&gate)).await;
    assert_eq!(silent.end().await, b"");
    let mut asked = Asker::connect(open(&gate)).await;
    asked.ask(get("/a")).await;
    assert_eq!(asked.end().await, b"", "and behind its last answer, too");
    let mut two = Http2::connect(open(&gate)).await;
    two.get("http://open.test/a").await;
    within("the end of HTTP/2", two.connection).await.expect("no panic").expect("in order");
    gate.shows("realmgate_listener_connections{listener=\"open\"} 0").await;
}

#[tokio::test]
async fn a_request_that_is_begun_has_to_come() {
    let gate = open_gate("handshake_timeout = \"200ms\"\nidle_timeout = \"60s\"").await;
    for begun in ["G", "GET / HTTP/1.1\r\nHost: a.t", "PRI * HT"] {
        let mut slow = Asker::connect(open(&gate)).await;
        slow.say(begun).await;
        assert_eq!(slow.end().await, b"", "{begun}");
    }
    let mut second = Asker::connect(open(&gate)).await;
    second.ask(get("/a")).await;
    second.say("GET /b HTT").await;
    assert_eq!(second.end().await, b"", "the second request has no more time than the first");
    assert_eq!(answered(&gate, "all"), 1);
    let mut behind = Asker::connect(open(&gate)).await;
    behind.ask(format!("{}GET /b HTT", get("/a"))).await;
    assert_eq!(behind.end().await, b"", "nor has one that is begun behind the first");
    assert_eq!(answered(&gate, "all"), 2);
    let upgrade = "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut declined = Asker::connect(open(&gate)).await;
    declined.ask(format!("{}GET /b HTT", get("/a").replace("\r\n\r\n", upgrade))).await;
    assert_eq!(declined.end().await, b"", "also where it was held back until an upgrade was declined");
}

#[tokio::test]
async fn a_listener_has_so_many_connections() {
    let gate = open_gate("connections = 2").await;
    let mut first = Asker::connect(open(&gate)).await;
    first.ask(get("/a")).await;
    let mut second = Asker::connect(open(&gate)).await;
    second.ask(get("/a")).await;
    let mut third = Asker::connect(open(&gate)).await;
    assert_eq!(third.end().await, b"");
    assert_eq!(gate.meters().listener("open").refused(DoorRefusal::Connections), 1);
    drop(first);
    gate.shows("realmgate_listener_connections{listener=\"open\"} 1").await;
    Asker::connect(open(&gate)).await.ask(get("/a")).await;
    second.ask(get("/a")).await;
}

#[tokio::test]
async fn what_is_no_http_is_counted_and_held_against_the_address() {
    let gate = open_gate("connections_per_ip = 100").await;
    let mut wrong = Asker::connect(open(&gate)).await;
    wrong.say("this is no HTTP\r\n\r\n").await;
    assert!(String::from_utf8_lossy(&wrong.end().await).starts_with("HTTP/1.1 400 "));
    gate.shows("realmgate_http_malformed_total{listener=\"open\"} 1").await;
}

#[tokio::test]
async fn what_breaks_the_rules_of_http_2_is_counted_too_and_who_only_leaves_is_not() {
    let gate = open_gate("connections_per_ip = 100").await;
    let begun = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let away = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for leaves in [&[][..], &away, &[0, 0, 8, 6]] {
        let mut asker = Asker::connect(open(&gate)).await;
        asker.say([&begun, leaves].concat()).await;
        drop(asker);
    }
    gate.shows("realmgate_listener_connections{listener=\"open\"} 0").await;
    gate.shows("realmgate_http_malformed_total{listener=\"open\"} 0").await;
    let breaches: [&[u8]; 4] = [
        &[0, 0, 1, 0, 0, 0, 0, 0, 0, 7],                      // DATA on stream 0
        &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0xff],                   // half a number of HPACK
        &[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff], // a window that is too large
        &[0, 0, 1, 6, 0, 0, 0, 0, 0, 7],                      // a PING of one byte
    ];
    for (number, breach) in (1..).zip(breaches) {
        let mut asker = Asker::connect(open(&gate)).await;
        asker.say([&begun, breach].concat()).await;
        asker.end().await;
        gate.shows(&format!("realmgate_http_malformed_total{{listener=\"open\"}} {number}")).await;
    }
}
