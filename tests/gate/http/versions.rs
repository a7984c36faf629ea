//! HTTP/1.1 and HTTP/2 on one port, plain and with TLS.

use std::sync::Arc;

use http_body_util::Empty;
use hyper::Request;
use realmgate::telemetry::DoorRefusal;
use realmgate::wire::append_proxy_v2;
use rustls::{ClientConfig, HandshakeKind};

use super::{Asker, Http2, answered, door, gate, get, open, route, tls};
use crate::fakes::{Certificates, Gate, within};

const NO_HOST: &str = "there is no host, more than one, or one that is no name";
const NO_LIMITS: &str = "[listener.open.limits]\nconnections_per_ip = 0\nnew_per_ip = \"off\"";

#[tokio::test]
async fn a_plain_port_speaks_both_versions() {
    let gate = gate("").table(&route("all", "path = \"/*\"")).start().await;
    let mut one = Asker::connect(open(&gate)).await;
    one.ask(get("/a")).await;
    one.ask(get("/b")).await;
    let mut two = Http2::connect(open(&gate)).await;
    two.get("http://open.test/a").await;
    two.get("http://open.test/b").await;
    assert_eq!(answered(&gate, "all"), 4);
    let old = Asker::connect(open(&gate)).await.ask("GET /c HTTP/1.0\r\n\r\n").await;
    assert_eq!((answered(&gate, "all"), old.header("x-request-id").is_some()), (5, true));
}

/// A gate whose listener for HTTP speaks TLS, and what trusts it.
async fn secure() -> (Gate, Arc<ClientConfig>) {
    let certificates = Certificates::new();
    certificates.write("open", &["game.test"]);
    let lines = format!("tls = {}\n{NO_LIMITS}", certificates.pair("open"));
    (door(&lines).table(&route("all", "path = \"/*\"")).start().await, certificates.client())
}

#[tokio::test]
async fn with_tls_the_client_chooses_the_version() {
    let (gate, client) = secure().await;
    for (offered, agreed) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let before = answered(&gate, "all");
        let stream = tls(open(&gate), &client, offered).await.expect("a handshake");
        let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(alpn.as_deref(), agreed.map(str::as_bytes));
        match agreed {
            Some("h2") => drop(Http2::over(stream).await.get("https://open.test/a").await),
            _ => drop(Asker::over(stream).ask(get("/a")).await),
        }
        assert_eq!(answered(&gate, "all"), before + 1, "{offered:?}");
    }
    tls(open(&gate), &client, &["spdy/3"]).await.expect_err("nothing that both speak");
    gate.shows("realmgate_tls_handshakes_total{result=\"ok\"} 3").await;
    gate.shows("realmgate_tls_handshakes_total{result=\"failed\"} 1").await;
}

#[tokio::test]
async fn a_client_gets_two_tickets_with_each_handshake() {
    let (gate, client) = secure().await;
    let connect = async || tls(open(&gate), &client, &[]).await.expect("a handshake");
    drop(Asker::over(connect().await).ask(get("/a")).await); // tickets come with the answer
    let others = [connect().await, connect().await, connect().await];
    let kinds = others.each_ref().map(|stream| stream.get_ref().1.handshake_kind());
    let [resumed, full] = [HandshakeKind::Resumed, HandshakeKind::Full].map(Some);
    assert_eq!(kinds, [resumed, resumed, full]);
}

#[tokio::test]
async fn http_2_names_its_host_once() {
    let gate = gate("").table(&route("shop", "host = \"shop.test\"\npath = \"/*\"")).start().await;
    let mut asker = Http2::connect(open(&gate)).await;
    let request = |host: &str| {
        let request = Request::get("http://shop.test/a").header("host", host);
        request.body(Empty::new()).expect("a request")
    };
    asker.ask(request("shop.test")).await;
    assert_eq!(answered(&gate, "shop"), 1);
    let refused = asker.ask(request("other.test")).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some(NO_HOST)));
    assert_eq!(asker.get("http://other.test/a").await.status, 404);
    assert_eq!(asker.get("http://shop.test/a/../b").await.status, 400);
    assert_eq!(answered(&gate, "shop"), 1);
}

#[tokio::test]
async fn many_requests_share_one_connection_of_http_2() {
    let gate = gate("").table(&route("all", "path = \"/*\"")).start().await;
    let asker = Http2::connect(open(&gate)).await;
    let asks = (0..200).map(|number| tokio::spawn(asker.beside(&format!("http://open.test/{number}"))));
    let asks: Vec<_> = asks.collect();
    for ask in asks {
        let reply = within("an answer", ask).await.expect("no panic");
        assert!(reply.header("x-request-id").is_some());
    }
    assert_eq!((answered(&gate, "all"), gate.meters().listener("open").accepted.get()), (200, 1));
}

#[tokio::test]
async fn a_proxy_says_for_whom_it_speaks_and_nobody_else_does() {
    let trusted = "proxy_protocol = { trusted = [\"127.0.0.1\"] }\ndeny = [\"192.0.2.0/24\"]";
    let gate = door(&format!("{trusted}\n{NO_LIMITS}")).table(&route("all", "path = \"/*\"")).start().await;
    let header = |client: &str| {
        let mut header = Vec::new();
        let at = |text: &str| text.parse().expect("an address");
        append_proxy_v2(at(client), at("198.51.100.1:443"), &mut header);
        header
    };
    let mut asker = Asker::connect(open(&gate)).await;
    asker.say(header("203.0.113.7:4000")).await;
    asker.ask(get("/a")).await;
    assert_eq!(answered(&gate, "all"), 1);
    let mut denied = Asker::connect(open(&gate)).await;
    denied.say(header("192.0.2.7:4000")).await;
    assert_eq!(denied.end().await, b"");
    let mut silent = Asker::connect(open(&gate)).await;
    silent.say(get("/a")).await;
    assert_eq!(silent.end().await, b"", "there was no header");
    let meter = gate.meters().listener("open");
    assert_eq!((meter.refused(DoorRefusal::Deny), meter.refused(DoorRefusal::ProxyHeader)), (1, 1));
    assert_eq!(answered(&gate, "all"), 1);
}

#[tokio::test]
async fn who_is_no_proxy_comes_in_as_everywhere_else_but_not_with_a_header() {
    let elsewhere = "proxy_protocol = { trusted = [\"127.0.0.9\"] }";
    let limits = format!("{NO_LIMITS}\nhandshake_timeout = \"200ms\"\nidle_timeout = \"3s\"");
    let gate = door(&format!("{elsewhere}\n{limits}")).table(&route("all", "path = \"/*\"")).start().await;
    let mut slow = Asker::connect(open(&gate)).await;
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    slow.ask(get("/a")).await;
    let mut two = Http2::connect(open(&gate)).await;
    two.get("http://open.test/a").await;
    assert_eq!(answered(&gate, "all"), 2);
    let mut idle = Asker::connect(open(&gate)).await;
    assert_eq!(idle.end().await, b"");
    let mut begun = Asker::connect(open(&gate)).await;
    begun.say("PRO").await;
    assert_eq!(begun.end().await, b"", "it is neither");
    let mut header = Asker::connect(open(&gate)).await;
    header.say("PROXY TCP4 203.0.113.7 198.51.100.1 4000 443\r\n").await;
    drop(header.try_say(get("/a")).await);
    assert_eq!(header.end().await, b"");
    assert_eq!(gate.meters().listener("open").refused(DoorRefusal::ProxyHeader), 1);
    assert_eq!(answered(&gate, "all"), 2);
}
