//! So many handshakes at a time, the newest first, and nobody waits for ever.

use realmgate::session::EndReason;
use realmgate::telemetry::DoorRefusal;

use crate::fakes::{Backend, Certificates, Gate, GateBuilder, Player, within};

/// The beginning of a handshake that never goes on.
const BEGUN: [u8; 3] = [22, 3, 1];

fn gate(battle: &Backend, handshakes: u32) -> GateBuilder {
    Gate::builder().workers(2).limit(&format!("handshakes = {handshakes}")).shared(
        "battle",
        "1000",
        &[battle.address()],
        "",
    )
}

fn shown(state: &str, count: u32) -> String {
    format!("realmgate_listener_handshakes{{listener=\"players\",state=\"{state}\"}} {count}")
}

#[tokio::test]
async fn of_those_that_wait_the_newest_is_next() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = gate(&battle, 1).limit("handshake_timeout = \"20s\"").start_tls(&certificates).await;
    let mut holds = gate.player().await;
    holds.send_raw(&BEGUN).await;
    gate.shows(&shown("in_progress", 1)).await;
    // Both that wait hold the turnstile once they are in, so that one's turn is the other's wait.
    let mut older = gate.player().await;
    older.send_raw(&BEGUN).await;
    gate.shows(&shown("waiting", 1)).await;
    let newer = tokio::spawn(Player::connect_tls(gate.address(), "game.test", certificates.client()));
    gate.shows(&shown("waiting", 2)).await;
    drop(holds);
    let newer = within("the newer one's turn", newer).await.expect("no panic").expect("a handshake");
    gate.shows(&shown("waiting", 0)).await;
    gate.shows(&shown("in_progress", 1)).await; // the older one
    drop((older, newer));
    gate.shows(&shown("in_progress", 0)).await;
    gate.tls_player().await.echo(1000, b"no turn is lost").await;
    gate.has_refused(&[]).await;
}

#[tokio::test]
async fn who_says_nothing_takes_no_turn() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = gate(&battle, 1).start_tls(&certificates).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(gate.player().await);
    }
    gate.has_sessions(10).await;
    for _ in 0..3 {
        gate.tls_player().await.echo(1000, b"past them").await;
    }
    gate.shows(&shown("in_progress", 0)).await;
}

#[tokio::test]
async fn who_waits_too_long_is_turned_away_and_counted() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = gate(&battle, 1).limit("handshake_timeout = \"3s\"").start_tls(&certificates).await;
    let mut stuck = Vec::new();
    for _ in 0..10 {
        let mut player = gate.player().await;
        player.send_raw(&BEGUN).await;
        stuck.push(player);
    }
    for player in &mut stuck {
        drop(player.read_to_end().await);
    }
    drop(stuck);
    gate.has_sessions(0).await;
    let ended = |end| gate.meters().total(|meter| meter.ended(end));
    let (waited, begun) = (gate.refused(DoorRefusal::Handshakes), ended(EndReason::HandshakeTimeout));
    assert_eq!(waited + begun, 10);
    assert!(waited > 0 && begun > 0, "{waited} waited in vain, {begun} did not end");
    assert_eq!(ended(EndReason::Refused), waited);
    gate.tls_player().await.echo(1000, b"no turn is lost").await;
}

#[tokio::test]
async fn more_players_than_turns_all_come_in() {
    let battle = Backend::echo().await;
    let certificates = Certificates::new();
    let gate = gate(&battle, 2).limit("handshake_timeout = \"20s\"").start_tls(&certificates).await;
    let connect = || tokio::spawn(Player::connect_tls(gate.address(), "game.test", certificates.client()));
    let players: Vec<_> = (0..40).map(|_| connect()).collect();
    for player in players {
        let player = within("a turn", player).await.expect("no panic");
        player.expect("a handshake").echo(1000, b"in").await;
    }
    gate.has_refused(&[]).await;
}
