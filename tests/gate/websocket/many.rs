//! Many WebSocket players, beside players of plain TCP.

use realmgate::net::Target;
use realmgate::session::EndReason;
use realmgate::wire::link::{LINK, Message as Link, Scope};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::before;
use crate::fakes::{Backend, Certificates, Frame, Player, frame};

const REQUEST: &[u8] = b"GET /play HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[tokio::test]
async fn one_frame_for_all_reaches_players_with_and_without_messages() {
    let battle = Backend::echo().await;
    let plain = "[listener.plain]\nlisten = \"127.0.0.1:0\"\nframe = \"game\"";
    let gate = before(&battle).workers(2).table(plain).start().await;
    let address = gate.inner().address("plain").expect("a listener");
    let (mut browsers, mut players) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let mut browser = gate.browser().await;
        browser.echo(1000, b"in").await;
        browsers.push(browser);
        let mut player = Player::connect(address).await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    let bodies = [vec![1; 58], vec![2; 8186], vec![3; 1], vec![4; 60_000], vec![5; 4090]];
    for body in &bodies {
        let payload = frame(1500, body);
        battle.say_on(0, LINK, Link::Broadcast { scope: Scope::All, payload: &payload }).await;
    }
    for browser in &mut browsers {
        for body in &bodies {
            assert_eq!(browser.recv().await, Frame { id: 1500, body: body.clone() });
        }
        browser.echo(1000, b"and on").await;
    }
    for player in &mut players {
        for body in &bodies {
            assert_eq!(player.recv().await, Frame { id: 1500, body: body.clone() });
        }
        player.echo(1000, b"and on").await;
    }
}

#[tokio::test]
async fn who_still_shakes_hands_hears_nothing_but_the_answer() {
    let battle = Backend::echo().await;
    let gate = before(&battle).start().await;
    let (mut early, mut kicked) = (gate.player().await, gate.player().await);
    gate.has_sessions(2).await;
    let mut witness = gate.browser().await;
    witness.echo(1000, b"behind both").await;
    let payload = frame(1500, b"for all");
    battle.say_on(0, LINK, Link::Broadcast { scope: Scope::All, payload: &payload }).await;
    assert_eq!(witness.recv().await.id, 1500);
    early.send_raw(REQUEST).await;
    let answer = early.read_some(12).await;
    assert_eq!(answer, b"HTTP/1.1 101", "{}", String::from_utf8_lossy(&answer));
    battle.say_on(0, LINK, Link::Broadcast { scope: Scope::All, payload: &payload }).await;
    assert_eq!(witness.recv().await.id, 1500);

    kicked.send_raw(&REQUEST[..20]).await;
    let address = Target::Address(kicked.address.ip());
    gate.inner().workers()[0].kick(&address).await;
    kicked.closed().await;
    let (rest, _) = early.read_to_end().await;
    let message = [&[0x82, 13], payload.as_slice()].concat();
    assert_eq!(rest.windows(message.len()).filter(|window| *window == message).count(), 1, "{rest:?}");
    drop((early, kicked, witness));
    gate.is_empty().await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::Kicked)), 3);
}

#[tokio::test]
async fn nothing_gathers_for_who_still_shakes_hands_over_tls() {
    let (battle, certificates) = (Backend::echo().await, Certificates::new());
    let gate = before(&battle).limit("send_buffer = \"128KiB\"").start_tls(&certificates).await;
    let name = ServerName::try_from("game.test").expect("a name");
    let mut hand = ClientConnection::new(certificates.client(), name).expect("a client");
    let mut hello = Vec::new();
    hand.write_tls(&mut hello).expect("a vector takes all");
    let mut early = gate.player().await;
    early.send_raw(&hello[..hello.len() / 2]).await;
    gate.shows("realmgate_listener_handshakes{listener=\"players\",state=\"in_progress\"} 1").await;
    let mut witness = gate.tls_browser().await;
    for _ in 0..4 {
        let payload = frame(1500, &[5; 20_000]);
        battle.say_on(0, LINK, Link::Broadcast { scope: Scope::All, payload: &payload }).await;
        assert_eq!(witness.recv().await.id, 1500);
    }
    early.send_raw(&hello[hello.len() / 2..]).await;
    while hand.is_handshaking() {
        let mut bytes = early.read_some(16 * 1024).await;
        assert!(!bytes.is_empty(), "the gate goes on with the handshake");
        hand.read_tls(&mut bytes.as_slice()).expect("a slice gives all");
        hand.process_new_packets().expect("a good server");
        bytes.clear();
        hand.write_tls(&mut bytes).expect("a vector takes all");
        early.send_raw(&bytes).await;
    }
}
