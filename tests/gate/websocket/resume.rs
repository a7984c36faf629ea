//! Players who come back to their sessions by another WebSocket.

use realmgate::base::SessionId;
use realmgate::session::EndReason;
use realmgate::wire::link::{LINK, Message as Link};
use tungstenite::Message;

use super::raw;
use crate::fakes::{Backend, Browser, Certificates, Event, Frame, Gate, GateBuilder, frame, within};

pub(super) fn builder(battle: &Backend) -> GateBuilder {
    Gate::builder()
        .websocket()
        .shared("battle", "10, \"1000-1999\"", &[battle.address()], "")
        .table("[login]\nroute = \"battle\"\nresume = \"60s\"")
}

pub(super) async fn log_in(battle: &Backend, player: &mut Browser) -> (SessionId, String) {
    // The route that logs in takes guests; everything else of this test goes there, too.
    player.echo(10, b"let me in").await;
    let address = player.address;
    let opened = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Open { session, address: of, .. } if *of == address => Some(*session),
            _ => None,
        })
    };
    let session = battle.wait("OPEN of the player", opened).await;
    battle.say(session, Link::Bind { account: "ann", epoch: 1 }).await;
    (session, token(&player.notice().await))
}

pub(super) fn token(notice: &str) -> String {
    let notice: serde_json::Value = serde_json::from_str(notice).expect("JSON");
    assert_eq!(notice["code"], "admitted", "{notice}");
    notice["resume"].as_str().expect("a token").to_owned()
}

fn claim(token: &str) -> Vec<u8> {
    frame(9000, format!(r#"{{"resume":"{token}","received":1}}"#).as_bytes())
}

pub(super) async fn has_parked(gate: &Gate, count: u64) {
    within("a session to lose its connection", async {
        while gate.meters().total(|meter| Some(&meter.parked)) < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Lets the backend say these, and waits until the gate has them.
pub(super) async fn say(battle: &Backend, session: SessionId, bodies: &[&[u8]]) {
    for body in bodies {
        battle.say(session, Link::Frame { payload: &frame(1500, body) }).await;
    }
    let pongs = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Pong { .. })).count();
    let before = pongs(&battle.events());
    battle.say(LINK, Link::Ping { payload: b"heard" }).await;
    battle.wait("a PONG", |events| (pongs(events) > before).then_some(())).await;
}

async fn come_back(gate: &Gate, battle: &Backend, mut player: Browser, back: impl AsyncFnOnce() -> Browser) {
    let (session, shown) = log_in(battle, &mut player).await;
    player.echo(1000, b"before").await;
    drop(player);
    has_parked(gate, 1).await;
    say(battle, session, &[b"kept", &[6; 200], &[7; 5000]]).await;
    let mut back = back().await;
    // In the message of the token, in the next one, and in half of a third one: all of it is the session's.
    let rest = raw(0x82, &frame(1000, b"torn"));
    let (torn, end) = rest.split_at(9);
    let with_token = [claim(&shown), frame(1000, b"behind the token")].concat();
    let first = [&raw(0x82, &with_token)[..], &raw(0x82, &frame(1000, b"in the next one")), torn].concat();
    back.send_raw(&first).await;
    let notice = back.notice().await;
    assert!(notice.contains(r#""frames":1,"lost":0"#), "{notice}");
    assert_ne!(token(&notice), shown);
    for body in [&b"kept"[..], &[6; 200], &[7; 5000]] {
        assert_eq!(back.recv().await, Frame { id: 1500, body: body.to_vec() });
    }
    back.send_raw(end).await;
    for body in [&b"behind the token"[..], b"in the next one", b"torn"] {
        assert_eq!(back.recv().await, Frame { id: 1000, body: body.to_vec() });
    }
    back.echo(1000, b"and on").await;
    gate.has_sessions(1).await;
    assert!(
        !battle
            .events()
            .iter()
            .any(|event| matches!(event, Event::Close { session: of, .. } if *of == session))
    );
}

#[tokio::test]
async fn a_player_comes_back_to_its_session_with_what_was_kept() {
    for workers in [1, 2] {
        let battle = Backend::echo().await;
        let gate = builder(&battle).workers(workers).start().await;
        let player = gate.browser().await;
        come_back(&gate, &battle, player, async || gate.browser().await).await;
    }
}

#[tokio::test]
async fn the_same_over_tls() {
    let (battle, certificates) = (Backend::echo().await, Certificates::new());
    let gate = builder(&battle).workers(2).start_tls(&certificates).await;
    let player = gate.tls_browser().await;
    come_back(&gate, &battle, player, async || gate.tls_browser().await).await;
}

#[tokio::test]
async fn who_closes_may_come_back_unless_it_says_that_it_has_left() {
    let battle = Backend::echo().await;
    let gate = builder(&battle).start().await;
    let mut away = gate.browser().await;
    let (_, shown) = log_in(&battle, &mut away).await;
    assert_eq!(away.close(Some(1001)).await, (1001, String::new()), "answered, and its session waits");
    has_parked(&gate, 1).await;
    let mut back = gate.browser().await;
    back.say(Message::binary(claim(&shown))).await;
    let next = token(&back.notice().await);
    assert_eq!(back.close(Some(1000)).await, (1000, String::new()));
    gate.is_empty().await;
    let ended = |end| gate.meters().total(|meter| meter.ended(end));
    assert_eq!((ended(EndReason::Resumed), ended(EndReason::PlayerLeft)), (1, 1));
    let mut late = gate.browser().await;
    late.say(Message::binary(claim(&next))).await;
    assert!(late.notice().await.starts_with(r#"{"code":"login_required""#));
}

#[tokio::test]
async fn what_was_kept_in_messages_is_not_for_a_player_without_them() {
    let battle = Backend::echo().await;
    let plain = "[listener.plain]\nlisten = \"127.0.0.1:0\"\nframe = \"game\"";
    let gate = builder(&battle).table(plain).start().await;
    let mut player = gate.browser().await;
    let (_, shown) = log_in(&battle, &mut player).await;
    drop(player);
    has_parked(&gate, 1).await;
    let address = gate.inner().address("plain").expect("a listener");
    let mut other = crate::fakes::Player::connect(address).await;
    other.send_raw(&claim(&shown)).await;
    assert!(other.notice().await.starts_with(r#"{"code":"login_required""#));
    let mut back = gate.browser().await;
    back.say(Message::binary(claim(&shown))).await;
    token(&back.notice().await);
}
