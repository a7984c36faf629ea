//! What is let in by its handshake, and what is answered otherwise.

use realmgate::session::EndReason;
use realmgate::telemetry::DoorRefusal;

use super::before;
use crate::fakes::{Backend, Browser, Certificates, Event, Player};

fn transports(events: &[Event]) -> Option<Vec<u8>> {
    let found: Vec<u8> = events
        .iter()
        .filter_map(|event| match event {
            Event::Open { transport, .. } => Some(*transport),
            _ => None,
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

#[tokio::test]
async fn a_player_speaks_websocket_and_its_backend_is_told_so() {
    let battle = Backend::echo().await;
    let gate = before(&battle).start().await;
    let mut player = gate.browser().await;
    player.echo(1000, b"over ws").await;
    assert_eq!(battle.wait("OPEN", transports).await, [3]);
    assert_eq!(player.close(Some(1000)).await, (1000, String::new()));
    gate.is_empty().await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::PlayerLeft)), 1);
}

#[tokio::test]
async fn the_same_over_tls() {
    let (battle, certificates) = (Backend::echo().await, Certificates::new());
    let gate = before(&battle).start_tls(&certificates).await;
    let mut player = gate.tls_browser().await;
    player.echo(1000, &[5; 40_000]).await;
    assert_eq!(battle.wait("OPEN", transports).await, [4]);
    assert_eq!(player.close(Some(1000)).await, (1000, String::new()));
    gate.is_empty().await;
}

#[tokio::test]
async fn what_is_no_handshake_for_the_listener_is_answered_in_http_and_counted() {
    let battle = Backend::echo().await;
    let gate = before(&battle).listener("origins = [\"https://game.example.com\"]").start().await;
    let refused = |path: &'static str, headers: &'static [(&'static str, &'static str)]| {
        let player = gate.player();
        async move { Browser::at(player.await, path, headers).await.err().expect("a refusal").status }
    };
    assert_eq!(refused("/", &[]).await, 404);
    assert_eq!(refused("/play", &[("Origin", "https://evil.example.com")]).await, 403);
    let good = Browser::over(gate.player().await, &[("Origin", "https://game.example.com")]).await;
    good.expect("a page that may").echo(1000, b"in").await;
    gate.browser().await.echo(1000, b"no page").await;
    let old = "GET /play HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n";
    for (request, status) in [
        (old, "426"),
        ("GET /play HTTP/1.1\r\nHost: a\r\n\r\n", "426"),
        ("POST /play HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}", "400"),
    ] {
        let mut player = gate.player().await;
        player.send_raw(request.as_bytes()).await;
        let (answer, end) = player.read_to_end().await;
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(end.is_ok(), "an end in order");
    }
    gate.has_refused(&[(DoorRefusal::HandshakeRefused, 6)]).await;
    gate.is_empty().await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::HandshakeRefused)), 6);
    assert_eq!(battle.wait("OPEN", transports).await.len(), 2, "nobody else came to a backend");
}

#[tokio::test]
async fn the_best_subprotocol_that_the_client_offers_is_agreed_on() {
    let battle = Backend::echo().await;
    let gate = before(&battle).listener("subprotocols = [\"game.v2\", \"game.v1\"]").start().await;
    let offer = [("Sec-WebSocket-Protocol", "game.v1, game.v2")];
    let mut player = Browser::over(gate.player().await, &offer).await.expect("a handshake");
    assert_eq!(player.subprotocol.as_deref(), Some("game.v2"));
    player.echo(1000, b"inside").await;
    assert_eq!(gate.browser().await.subprotocol, None);
}

#[tokio::test]
async fn a_handshake_has_its_time_and_half_a_head_is_none() {
    let battle = Backend::echo().await;
    let gate = before(&battle).limit("handshake_timeout = \"100ms\"").start().await;
    let mut silent = gate.player().await;
    let mut half = gate.player().await;
    half.send_raw(b"GET /play HTTP/1.1\r\nHost: a\r\n").await;
    silent.closed().await;
    half.closed().await;
    gate.has_sessions(0).await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::HandshakeTimeout)), 2);
}

#[tokio::test]
async fn a_head_byte_for_byte_with_a_message_behind_it_is_as_good() {
    let battle = Backend::echo().await;
    let gate = before(&battle).start().await;
    let mut player: Player = gate.player().await;
    let head = "GET /play HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    for byte in head.bytes().take(head.len() - 1) {
        player.send_raw(&[byte]).await;
    }
    let mut last = b"\n".to_vec();
    last.extend(super::raw(0x82, &crate::fakes::frame(1000, b"impatient")));
    player.send_raw(&last).await;
    let sent = battle.wait("the frame", |events| super::frames_of(events).pop()).await;
    assert_eq!(sent, crate::fakes::frame(1000, b"impatient"));
    let answer = player.read_some(12).await;
    assert_eq!(answer, b"HTTP/1.1 101");
}

#[tokio::test]
async fn behind_a_proxy_the_address_is_the_players() {
    let battle = Backend::echo().await;
    let gate = before(&battle).listener("proxy_protocol = { trusted = [\"127.0.0.0/8\"] }").start().await;
    let mut player = gate.player().await;
    player.send_raw(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 7000\r\n").await;
    Browser::over(player, &[]).await.expect("a handshake").echo(1000, b"in").await;
    let address = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Open { address, .. } => Some(*address),
            _ => None,
        })
    };
    assert_eq!(battle.wait("OPEN", address).await.to_string(), "192.0.2.7:4711");
}
