//! Heads of handshakes: good ones, and each mistake with its answer.

use super::*;

const GOOD: &str = "GET /play?server=3 HTTP/1.1\r\nHost: game.example.com\r\nUpgrade: WebSocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn with_rules(
    request: &str,
    origins: &[&str],
    subprotocols: &[&str],
) -> Result<Option<Upgrade>, UpgradeRefusal> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (origins, subprotocols) = (owned(origins), owned(subprotocols));
    let rules =
        UpgradeRules { path: "/play", origins: &origins, subprotocols: &subprotocols, deflate: false };
    read_upgrade(request.as_bytes(), &rules)
}

fn read(request: &str) -> Result<Option<Upgrade>, UpgradeRefusal> {
    with_rules(request, &[], &[])
}

#[test]
fn the_handshake_of_the_standard_is_answered_as_it_says() {
    let upgrade = read(GOOD).expect("good").expect("whole");
    assert_eq!(upgrade.length, GOOD.len());
    let answer = String::from_utf8(upgrade.answer).expect("text");
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
    for cut in 0..GOOD.len() {
        assert_eq!(read(GOOD.split_at(cut).0), Ok(None), "cut at {cut}");
    }
    let behind = format!("{GOOD}\u{1}\u{2}");
    assert_eq!(read(&behind).expect("good").expect("whole").length, GOOD.len());
}

#[test]
fn what_is_no_handshake_for_here_is_refused_each_for_its_own_reason() {
    use UpgradeRefusal as Refusal;
    let changed = |from: &str, to: &str| {
        let changed = GOOD.replacen(from, to, 1);
        assert_ne!(changed, GOOD, "{from}");
        changed
    };
    let head = |line: &str| changed("Host:", &format!("{line}\r\nHost:"));
    let cases = [
        (changed("GET /play", "GET play it"), Refusal::Malformed),
        (changed("Host: game.example.com\r\n", ""), Refusal::Malformed),
        (head("Host: another.example.com"), Refusal::Malformed),
        (head("Content-Length: 5"), Refusal::Malformed),
        (head("Transfer-Encoding: chunked"), Refusal::Malformed),
        (head("Sec-WebSocket-Version: 13"), Refusal::Malformed),
        (head("Origin: https://a\r\nOrigin: https://b"), Refusal::Malformed),
        (head("a name: 1"), Refusal::Malformed),
        (changed("GET", "POST"), Refusal::Method),
        (changed("HTTP/1.1", "HTTP/1.0"), Refusal::HttpVersion),
        (changed("Upgrade: WebSocket\r\n", ""), Refusal::NoUpgrade),
        (changed("WebSocket\r\n", "h2c\r\n"), Refusal::NoUpgrade),
        (changed("keep-alive, Upgrade", "keep-alive"), Refusal::NoUpgrade),
        (changed("Version: 13", "Version: 8"), Refusal::Version),
        (changed("Sec-WebSocket-Version: 13\r\n", ""), Refusal::Version),
        (changed("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"), Refusal::Key),
        (changed("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!Q=="), Refusal::Key),
        (changed("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), Refusal::Key),
        (changed("/play?", "/play/?"), Refusal::Path),
        (changed("/play?server=3", "/"), Refusal::Path),
        (changed("/play?", "/PLAY?"), Refusal::Path),
        (head(&format!("X: {}", "x".repeat(LONGEST_HEAD))), Refusal::TooLong),
        (head("X: y\r\n".repeat(120).trim_end()), Refusal::TooLong),
    ];
    for (request, refusal) in cases {
        assert_eq!(read(&request), Err(refusal), "{request}");
    }
    let endless = format!("GET /{}", "x".repeat(LONGEST_HEAD));
    assert_eq!(read(&endless), Err(Refusal::TooLong));
    assert_eq!(read("\u{16}\u{3}\u{1}\u{2}"), Err(Refusal::Malformed), "TLS at a plain port");
}

#[test]
fn a_page_of_another_origin_may_not_connect_and_who_is_no_page_may() {
    let from = |origin: &str| GOOD.replacen("Host:", &format!("Origin: {origin}\r\nHost:"), 1);
    let known = ["https://game.example.com", "http://localhost:8080"];
    let asked =
        |request: &str| with_rules(request, &known, &[]).map(|upgrade| upgrade.expect("whole").origin);
    assert_eq!(asked(&from("https://game.example.com")), Ok(Some("https://game.example.com".into())));
    assert_eq!(asked(&from("http://LOCALHOST:8080")), Ok(Some("http://LOCALHOST:8080".into())));
    assert_eq!(asked(GOOD), Ok(None));
    for stranger in
        ["https://evil.example.com", "http://game.example.com", "null", "https://game.example.com.evil"]
    {
        assert_eq!(asked(&from(stranger)), Err(UpgradeRefusal::Origin), "{stranger}");
    }
    assert!(read(&from("https://evil.example.com")).is_ok(), "no list, no refusal");
}

#[test]
fn the_first_subprotocol_of_the_listener_that_the_client_offers_is_agreed_on() {
    let offering =
        |words: &str| GOOD.replacen("Host:", &format!("Sec-WebSocket-Protocol: {words}\r\nHost:"), 1);
    let agreed = |request: &str| {
        let upgrade = with_rules(request, &[], &["game.v2", "game.v1"]).expect("good").expect("whole");
        let answer = String::from_utf8(upgrade.answer).expect("text");
        let line = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
        (upgrade.subprotocol, line.map(str::to_owned))
    };
    assert_eq!(agreed(&offering("game.v1, game.v2")), (Some(0), Some("game.v2".into())));
    assert_eq!(agreed(&offering("chat,game.v1")), (Some(1), Some("game.v1".into())));
    assert_eq!(agreed(&offering("a\r\nSec-WebSocket-Protocol: game.v1")), (Some(1), Some("game.v1".into())));
    assert_eq!(agreed(&offering("GAME.V1")), (None, None));
    assert_eq!(agreed(GOOD), (None, None));
}

#[test]
fn deflated_messages_are_agreed_on_where_both_want_them() {
    let offering =
        |words: &str| GOOD.replacen("Host:", &format!("Sec-WebSocket-Extensions: {words}\r\nHost:"), 1);
    let agreed = |request: &str, deflate: bool| {
        let rules = UpgradeRules { path: "/play", origins: &[], subprotocols: &[], deflate };
        let upgrade = read_upgrade(request.as_bytes(), &rules).expect("good").expect("whole");
        let answer = String::from_utf8(upgrade.answer).expect("text");
        let line = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        (upgrade.deflate, line.map(str::to_owned))
    };
    let browser = offering("permessage-deflate; client_max_window_bits");
    let words = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(agreed(&browser, true), (true, Some(words.to_owned())));
    let second = offering("a\r\nSec-WebSocket-Extensions: permessage-deflate");
    assert_eq!(agreed(&second, true), (true, Some(words.to_owned())));
    for (request, deflate) in [
        (browser, false),
        (GOOD.to_owned(), true),
        (offering("permessage-deflate; nonsense"), true),
        (offering("permessage-deflate; server_max_window_bits=9"), true),
        (offering(";;,=\"\""), true),
    ] {
        assert_eq!(agreed(&request, deflate), (false, None), "{request}");
    }
}

#[test]
fn every_refusal_is_a_whole_answer_of_http() {
    for refusal in UpgradeRefusal::ALL {
        let answer = refusal.answer();
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(Status::Complete(head)) = response.parse(&answer) else { panic!("{refusal:?}") };
        let length = response.headers.iter().find(|header| header.name == "Content-Length");
        let length = length.map(|header| String::from_utf8_lossy(header.value).into_owned());
        assert_eq!(length, Some((answer.len() - head).to_string()), "{refusal:?}");
    }
}
