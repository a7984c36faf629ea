//! Tokens that lead nowhere, and sessions that end while their player is away.

use realmgate::session::EndReason;
use realmgate::telemetry::Resumption;
use realmgate::wire::link::{Kick, Message, Redirects};

use super::{Logged, Stage, admitted, builder, claim, has_parked, log_in};
use crate::fakes::{Backend, Dedicated, Event, Gate, Player, frame};

/// Shows a token that leads nowhere: the player goes on as a guest.
async fn refused(player: &mut Player, bytes: &[u8]) {
    player.send_raw(bytes).await;
    assert_eq!(player.notice().await, r#"{"code":"login_required","id":9000}"#);
}

fn resumptions(gate: &Gate, result: Resumption) -> u64 {
    gate.meters().total(|meter| meter.resumption(result))
}

fn ended(gate: &Gate, end: EndReason) -> u64 {
    gate.meters().total(|meter| meter.ended(end))
}

async fn closed(backend: &Backend, wanted: u16) {
    let close = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Close { reason, .. } => Some(*reason),
            _ => None,
        })
    };
    assert_eq!(backend.wait("CLOSE", close).await, wanted);
}

#[tokio::test]
async fn a_token_is_good_until_the_next_was_shown_and_only_as_it_was_given() {
    let stage = Stage::start(|gate| gate.workers(2)).await;
    let Logged { player, token, .. } = stage.log_in(stage.gate.player().await, "ann").await;
    drop(player);
    stage.has_parked(1).await;
    let mut other = stage.gate.player().await;
    refused(&mut other, &claim(&"0".repeat(32), None)).await;
    refused(&mut other, &claim(token.split_at(1).1, None)).await;
    refused(&mut other, &frame(9000, b"{}")).await;
    refused(&mut other, &frame(9000, b"")).await;
    refused(&mut other, &frame(9000, format!(r#"{{"resume":"{token}","received":-1}}"#).as_bytes())).await;
    refused(&mut other, &frame(9000, &[b' '; 60_000])).await;
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, None)).await;
    let (_, _, unread) = admitted(&mut back).await;
    // What it was told may have been lost with its connection: it shows the former one again.
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, None)).await;
    let (_, _, next) = admitted(&mut back).await;
    refused(&mut other, &claim(&unread, None)).await;
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&next, None)).await;
    let (_, _, next) = admitted(&mut back).await;
    refused(&mut other, &claim(&token, None)).await;
    assert_eq!(resumptions(&stage.gate, Resumption::Unknown), 3);
    assert_eq!(resumptions(&stage.gate, Resumption::Malformed), 5);
    // Who is in has nothing to come back for, and keeps what it has.
    back.send_raw(&claim(&next, None)).await;
    assert_eq!(back.notice().await, r#"{"code":"unknown_id","id":9000}"#);
    back.echo(1000, b"still in").await;
    let Logged { mut player, .. } = stage.log_in(other, "bob").await;
    player.echo(1000, b"a guest logs in").await;
    assert_eq!(ended(&stage.gate, EndReason::Resumed), 3);
    assert_eq!(stage.battle.frames().len(), 2, "no backend has seen a token");
}

#[tokio::test]
async fn a_session_waits_no_longer_than_it_may() {
    let (login, battle) = (Backend::echo().await, Backend::echo().await);
    let gate = builder(&login, &battle, "1s").start().await;
    let Logged { mut player, token, .. } = log_in(&login, gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    drop(player);
    closed(&battle, 1).await;
    gate.is_empty().await;
    assert_eq!(ended(&gate, EndReason::NotResumed), 1);
    assert_eq!(gate.meters().total(|meter| Some(&meter.unparked)), 1);
    refused(&mut gate.player().await, &claim(&token, None)).await;
}

#[tokio::test]
async fn without_resume_a_session_ends_with_its_connection() {
    let (login, battle) = (Backend::echo().await, Backend::echo().await);
    let mut gate = builder(&login, &battle, "60s").start().await;
    let Logged { mut player, token, .. } = log_in(&login, gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    let without = Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "\"1000-1999\"", &[battle.address()], "")
        .table("[login]\nroute = \"login\"");
    gate.reload(without).await;
    player.echo(1000, b"after the reload").await;
    drop(player);
    closed(&battle, 1).await;
    gate.is_empty().await;
    // The frame is one like any other now, and no route has it.
    let mut player = gate.player().await;
    player.send_raw(&claim(&token, None)).await;
    assert_eq!(player.notice().await, r#"{"code":"unknown_id","id":9000}"#);
}

#[tokio::test]
async fn a_reload_without_resume_says_that_who_is_away_ends_and_ends_nobody_else() {
    let mut stage = Stage::start(|gate| gate).await;
    let Logged { mut player, .. } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    drop(player);
    stage.has_parked(1).await;
    let Logged { mut player, .. } = stage.log_in(stage.gate.player().await, "bob").await;
    let without = Gate::builder().shared("login", "10", &[stage.login.address()], "").shared(
        "battle",
        "\"1000-1999\"",
        &[stage.battle.address()],
        "",
    );
    let reloaded = stage.gate.try_reload(without).await.expect("a good file");
    let end = "login: removed: sessions that wait for their player end; the others stay (1 session)";
    assert_eq!(reloaded.effects.last().map(String::as_str), Some(end));
    stage.gate.has_sessions(1).await;
    assert_eq!(ended(&stage.gate, EndReason::NotResumed), 1);
    player.echo(1000, b"still in").await;
}

/// Of each session, whether its player is away.
async fn away(gate: &Gate) -> Vec<bool> {
    let worker = gate.inner().workers().first().expect("a worker");
    worker.list(None, 10).await.into_iter().map(|facts| facts.away).collect()
}

#[tokio::test]
async fn a_kick_ends_a_session_whose_player_is_away() {
    let stage = Stage::start(|gate| gate).await;
    let Logged { mut player, token, session } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    assert_eq!(away(&stage.gate).await, [false]);
    drop(player);
    stage.has_parked(1).await;
    assert_eq!(away(&stage.gate).await, [true], "so an operator sees whom nobody answers for");
    let kick = Kick { reason: 0x8002, text: None, retry_after_ms: None, redirect: Redirects::new(&[]) };
    stage.battle.say(session, Message::Kick(kick)).await;
    closed(&stage.battle, 0x8002).await;
    stage.gate.is_empty().await;
    refused(&mut stage.gate.player().await, &claim(&token, None)).await;
}

#[tokio::test]
async fn a_new_login_ends_the_session_that_waits_for_its_player() {
    let stage = Stage::start(|gate| gate.workers(2)).await;
    let Logged { mut player, token, .. } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    drop(player);
    stage.has_parked(1).await;
    let Logged { mut player, .. } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"the newer one").await;
    closed(&stage.battle, 0x8001).await;
    stage.gate.has_sessions(1).await;
    refused(&mut stage.gate.player().await, &claim(&token, None)).await;
}

#[tokio::test]
async fn a_lost_backend_ends_a_session_that_closes_for_it() {
    let (login, battle) = (Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "on_loss = \"close\"")
        .table("[login]\nroute = \"login\"\nresume = \"60s\"");
    let gate = gate.start().await;
    let Logged { mut player, .. } = log_in(&login, gate.player().await, "ann").await;
    player.echo(1000, b"open").await;
    drop(player);
    has_parked(&gate, 1).await;
    battle.kill().await;
    gate.has_sessions(0).await;
    assert_eq!(ended(&gate, EndReason::BackendLost), 1);
}

#[tokio::test]
async fn a_drain_and_a_stop_end_sessions_whose_players_are_away() {
    for drains in [true, false] {
        let stage = Stage::start(|gate| gate).await;
        let Logged { mut player, .. } = stage.log_in(stage.gate.player().await, "ann").await;
        player.echo(1000, b"open").await;
        drop(player);
        stage.has_parked(1).await;
        let Stage { gate, battle, .. } = stage;
        let meters = std::sync::Arc::clone(gate.meters());
        match drains {
            true => assert_eq!(Box::pin(gate.drain()).await, 0, "nobody is cut"),
            false => gate.stop().await,
        }
        closed(&battle, 4).await;
        let end = if drains { EndReason::Draining } else { EndReason::Cut };
        assert_eq!(meters.total(|meter| meter.ended(end)), 1);
    }
}

/// A gate with a login backend, and a backend that each session has a connection of its own to.
async fn with_chat() -> (Gate, Backend, Dedicated) {
    let (login, chat) = (Backend::echo().await, Dedicated::start().await);
    let gate = Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .dedicated("chat", "3000", &[chat.address()], "")
        .table("[login]\nroute = \"login\"\nresume = \"60s\"");
    (gate.start().await, login, chat)
}

#[tokio::test]
async fn dedicated_connections_wait_too_but_a_half_close_is_passed_on() {
    let (gate, login, chat) = with_chat().await;
    let Logged { mut player, token, .. } = log_in(&login, gate.player().await, "ann").await;
    player.send(3000, b"hello").await;
    let mut connection = chat.accept().await;
    assert_eq!(connection.recv().await.body, b"hello");
    connection.send_raw(&frame(3001, b"never read")).await;
    assert_eq!(player.read_some(1).await.len(), 1);
    drop(player); // with unread bytes: abruptly
    has_parked(&gate, 1).await;
    connection.send_raw(&frame(3001, b"kept")).await;
    let mut back = gate.player().await;
    back.send_raw(&claim(&token, Some(0))).await;
    assert_eq!(back.notice().await.matches(r#""lost":1"#).count(), 1);
    assert_eq!(back.recv().await.body, b"kept");
    back.send(3000, b"same connection").await;
    assert_eq!(connection.recv().await.body, b"same connection");
    back.finish().await;
    assert_eq!(connection.end().await.expect("an end in order"), 0);
    connection.send_raw(&frame(3001, b"last answer")).await;
    assert_eq!(back.recv().await.body, b"last answer");
    drop(connection);
    back.closed().await;
    gate.is_empty().await;
    assert_eq!(ended(&gate, EndReason::PlayerLeft), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_while_a_backend_speaks_leaves_its_session_waiting() {
    let (gate, login, chat) = with_chat().await;
    for broken in 1..=100 {
        let account = format!("account {broken}");
        let player = Player::connect_to_break(gate.address()).await;
        let Logged { mut player, session, .. } = log_in(&login, player, &account).await;
        player.send(3000, b"hello").await;
        let mut connection = chat.accept().await;
        connection.recv().await;
        let news = frame(3001, b"news");
        let talking = async {
            loop {
                login.say(session, Message::Frame { payload: &news }).await;
            }
        };
        let breaking = async {
            player.recv().await;
            drop(player);
            has_parked(&gate, broken).await;
        };
        tokio::select! {
            () = talking => {}
            () = breaking => {}
        }
    }
}

#[tokio::test]
async fn the_listeners_limit_counts_connections_and_so_many_sessions_wait_beside_them() {
    let stage = Stage::start(|gate| gate.limit("connections = 2")).await;
    let mut tokens = Vec::new();
    for name in ["ann", "bob"] {
        let Logged { player, token, .. } = stage.log_in(stage.gate.player().await, name).await;
        drop(player);
        tokens.push(token);
        stage.has_parked(tokens.len() as u64).await;
    }
    let Logged { player, token, .. } = stage.log_in(stage.gate.player().await, "cid").await;
    drop(player);
    stage.gate.has_sessions(2).await;
    refused(&mut stage.gate.player().await, &claim(&token, None)).await;
    let mut players = Vec::new();
    for token in &tokens {
        let mut back = stage.gate.player().await;
        back.send_raw(&claim(token, None)).await;
        admitted(&mut back).await;
        players.push(back);
    }
    drop(players);
    stage.has_parked(4).await;
}
