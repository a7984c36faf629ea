//! What a backend says of itself when it is greeted and when it is asked, and what comes of a wrong greeting.

use realmgate::wire::link::{Envelope, Exception, HelloAck, LINK, LoadReport, Message};

use crate::fakes::{Backend, Event, Gate, Player, frame, within};

fn envelope(message: Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Envelope { session: LINK, message }.encode(1 << 20, &mut bytes).expect("a valid envelope");
    bytes
}

/// An envelope of a type of a later version, which may be skipped.
fn of_a_later_version() -> Vec<u8> {
    [&[0, 0, 0, 13, 0x63, 0, 0, 0], [0; 8].as_slice(), b"?"].concat()
}

async fn gate(battle: &Backend, more: &str) -> Gate {
    let keys = format!("slow_start = \"0s\"\nconnect_timeout = \"200ms\"\n{more}");
    Gate::builder().shared("battle", "1000", &[battle.address()], &keys).start().await
}

/// The code of the notice that a frame is answered by.
async fn refused(player: &mut Player) -> String {
    player.send(1000, b"?").await;
    let notice = player.notice().await;
    let notice: serde_json::Value = serde_json::from_str(&notice).expect("JSON");
    notice["code"].as_str().expect("a code").to_owned()
}

/// The gateway hangs up, tries again, and is linked as soon as nothing is wrong any more.
async fn is_linked_once(battle: &Backend, gate: &Gate, mended: impl FnOnce(&Backend)) {
    let mut player = gate.player().await;
    assert_eq!(refused(&mut player).await, "unavailable");
    let lost = |events: &[Event]| events.iter().filter(|event| **event == Event::Lost).count() > 1;
    battle.wait("the gateway to hang up and try again", |events| lost(events).then_some(())).await;
    assert!(battle.frames().is_empty());
    mended(battle);
    assert!(player.notice().await.starts_with(r#"{"code":"recovered""#));
    player.echo(1000, b"in").await;
}

#[tokio::test]
async fn a_backend_that_speaks_another_version_is_not_linked() {
    let battle = Backend::echo().await;
    battle.greets(|greeting| greeting.ack.version = 2);
    let gate = gate(&battle, "").await;
    is_linked_once(&battle, &gate, |battle| battle.greets(|greeting| greeting.ack.version = 1)).await;
}

#[tokio::test]
async fn a_backend_whose_first_envelope_is_no_hello_ack_is_not_linked() {
    let battle = Backend::echo().await;
    battle.greets(|greeting| greeting.before = envelope(Message::Ping { payload: b"early" }));
    let gate = gate(&battle, "").await;
    is_linked_once(&battle, &gate, |battle| battle.greets(|greeting| greeting.before.clear())).await;
}

#[tokio::test]
async fn a_backend_that_does_not_greet_back_in_time_is_not_linked() {
    let battle = Backend::echo().await;
    battle.set_silent(true);
    let gate = gate(&battle, "").await;
    is_linked_once(&battle, &gate, |battle| battle.set_silent(false)).await;
}

#[tokio::test]
async fn a_type_of_a_later_version_before_hello_ack_is_skipped_by_links_and_probes() {
    let battle = Backend::echo().await;
    battle.greets(|greeting| greeting.before = of_a_later_version());
    let gate = gate(&battle, "health = { probe = \"link\", interval = \"100ms\", rise = 1, fall = 1 }").await;
    gate.player().await.echo(1000, b"in").await;
    within("a probe", async {
        while battle.probes() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.player().await.echo(1000, b"in").await;
}

#[tokio::test]
async fn a_greeting_says_how_many_sessions_this_gateway_may_open() {
    let battle = Backend::echo().await;
    battle.greets(|greeting| greeting.ack.capacity = Some(2));
    let gate = gate(&battle, "").await;
    let mut players = [gate.player().await, gate.player().await, gate.player().await];
    players[0].echo(1000, b"in").await;
    players[1].echo(1000, b"in").await;
    assert_eq!(refused(&mut players[2]).await, "overloaded");
    let [first, mut second, mut third] = players;
    drop(first);
    gate.has_sessions(2).await;
    third.echo(1000, b"in").await;
    second.echo(1000, b"still in").await;
}

#[tokio::test]
async fn a_pong_reports_how_many_sessions_there_are_and_can_be() {
    let battle = Backend::echo().await;
    battle.reports(LoadReport { load: None, sessions: Some(0), capacity: Some(1) });
    let gate = gate(&battle, "").await;
    battle.wait("a PING", |events| events.contains(&Event::Ping).then_some(())).await;
    battle.settled().await;
    let (mut first, mut second) = (gate.player().await, gate.player().await);
    first.echo(1000, b"in").await;
    assert_eq!(refused(&mut second).await, "overloaded");
}

#[tokio::test]
async fn what_a_backend_said_of_itself_lasts_as_long_as_its_boot_id() {
    let mut battle = Backend::echo().await;
    let gate = gate(&battle, "").await;
    let exception = Exception { first_id: 1000, last_id: 1000, for_ms: 3_600_000, text: None };
    battle.say(LINK, Message::Exception(exception)).await;
    battle.settled().await;
    let mut player = gate.player().await;
    assert_eq!(refused(&mut player).await, "unavailable");
    for boot in [77, 78] {
        battle = Backend::at(battle.kill().await).await;
        battle.greets(|greeting| greeting.ack = HelloAck::new(boot));
        battle.wait("the link to come back", |events| events.first().cloned()).await;
        battle.settled().await;
        if boot == 77 {
            assert_eq!(refused(&mut player).await, "unavailable");
        }
    }
    assert!(player.notice().await.starts_with(r#"{"code":"recovered""#));
    player.echo(1000, b"in").await;
}

#[tokio::test]
async fn of_the_sessions_of_a_lost_link_as_many_come_back_as_the_new_greeting_has_room_for() {
    let battle = Backend::echo().await;
    let gate = gate(&battle, "").await;
    let mut players = Vec::new();
    for _ in 0..3 {
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    let battle = Backend::at(battle.kill().await).await;
    battle.greets(|greeting| greeting.ack = HelloAck { capacity: Some(2), ..HelloAck::new(78) });
    battle.wait("the link to come back", |events| events.first().cloned()).await;
    battle.settled().await;
    assert_eq!(refused(&mut players[0]).await, "overloaded");
    players[1].echo(1000, b"again").await;
    players[2].echo(1000, b"again").await;
    assert_eq!(refused(&mut players[0]).await, "overloaded");
}

#[tokio::test]
async fn flags_of_a_later_version_are_ignored_on_every_envelope() {
    let battle = Backend::echo().await;
    let gate = gate(&battle, "").await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    let session = battle.session().await;
    for (kind, payload) in [(3, b"ping".to_vec()), (0x20, frame(7, b"with flags"))] {
        let owner = if kind == 3 { [0; 8] } else { session.raw().to_be_bytes() };
        let length = u32::try_from(12 + payload.len()).expect("short").to_be_bytes();
        let bytes = [length.as_slice(), &[kind, 0xff, 0, 0], &owner, &payload].concat();
        battle.say_raw(&bytes).await;
    }
    assert_eq!(player.recv().await.body, b"with flags");
    let pong = Event::Pong { payload: b"ping".to_vec() };
    battle.wait("a PONG", |events| events.contains(&pong).then_some(())).await;
}
