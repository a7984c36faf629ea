//! What a player may not do, and what it costs.

use std::time::Duration;

use realmgate::session::EndReason;
use realmgate::wire::link::Message;

use crate::fakes::{Backend, Dedicated, Event, Gate, Manner, Player, frame, within};

#[tokio::test]
async fn bytes_split_at_every_position_give_the_same_frames() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    let sent = [frame(1000, b"first"), frame(1000, b""), frame(1000, b"second")].concat();
    for split in 1..sent.len() {
        let before = battle.frames().len();
        player.send_raw(&sent[..split]).await;
        // The first half has been read when another player's frame, sent after it, has come back.
        gate.player().await.echo(1000, b"between").await;
        player.send_raw(&sent[split..]).await;
        for body in [&b"first"[..], b"", b"second"] {
            assert_eq!(player.recv().await.body, body, "split at {split}");
        }
        let reached: Vec<_> = battle.frames().split_off(before);
        let mine: Vec<_> = reached.into_iter().filter(|bytes| *bytes != frame(1000, b"between")).collect();
        assert_eq!(mine.concat(), sent, "split at {split}");
    }
}

#[tokio::test]
async fn a_claim_over_the_limit_is_told_and_closed_at_once() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.send_raw(&(1_u32 << 31).to_be_bytes()).await;
    assert_eq!(player.notice().await, r#"{"code":"frame_too_long"}"#);
    player.closed().await;

    let mut player = gate.player().await;
    player.send_raw(&[0, 0, 0, 1, 0]).await;
    assert_eq!(player.notice().await, r#"{"code":"malformed"}"#);
    player.closed().await;
    gate.has_sessions(0).await;
}

#[tokio::test]
async fn a_frame_that_is_not_whole_in_time_ends_the_session_however_it_trickles() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .limit("frame_timeout = \"300ms\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    let slow = frame(1000, b"never whole");
    for byte in &slow[..slow.len() - 1] {
        if player.try_send_raw(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let notice = player.notice().await;
    assert_eq!(notice, r#"{"code":"idle"}"#);
    player.closed().await;
    drop(player);
    gate.has_sessions(0).await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::FrameTimeout)), 1);
    assert_eq!(battle.frames(), [frame(1000, b"in")]);
}

#[tokio::test]
async fn a_frame_that_is_half_here_has_its_time_also_behind_a_stop_of_the_reading() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .limit("frame_timeout = \"3s\"\nsend_buffer = \"1MiB\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut player = Player::connect_narrow(gate.address()).await;
    player.send_raw(&[frame(1000, b"in"), vec![0; 3]].concat()).await;
    assert_eq!(player.recv().await.body, b"in");
    let (session, pushed) = (battle.session().await, frame(1001, &[5; 60_000]));
    let mut count = 0;
    let gone = || gate.meters().total(|meter| meter.ended(EndReason::FrameTimeout)) > 0;
    while !battle.events().contains(&Event::Pause { session }) {
        battle.say(session, Message::Frame { payload: &pushed }).await;
        battle.settled().await;
        assert!(!gone(), "it has waited for room, not for the player");
        count += 1;
    }
    for _ in 0..count {
        assert_eq!(player.recv().await.body.len(), 60_000);
    }
    assert_eq!(player.notice().await, r#"{"code":"idle"}"#);
    player.closed().await;
    gate.has_sessions(0).await;
    assert!(gone());
}

#[tokio::test]
async fn a_silent_session_is_idle_and_heartbeats_keep_one_alive() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .limit("idle_timeout = \"1s\"\nframe_timeout = \"900ms\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let (mut silent, mut alive) = (gate.player().await, gate.player().await);
    let beating = async {
        loop {
            alive.send(1, b"").await;
            assert_eq!(alive.recv().await.id, 2);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = beating => {}
        notice = silent.notice() => assert_eq!(notice, r#"{"code":"idle"}"#),
    }
    silent.closed().await;
    alive.echo(1000, b"still here").await;
}

#[tokio::test]
async fn a_silent_session_is_idle_whatever_its_backends_say() {
    for shared in [true, false] {
        let battle = Backend::echo().await;
        let chat = Dedicated::start().await;
        let gate = Gate::builder()
            .limit("idle_timeout = \"1s\"\nframe_timeout = \"900ms\"")
            .shared("battle", "1000", &[battle.address()], "")
            .dedicated("chat", "3000", &[chat.address()], "")
            .start()
            .await;
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        player.send(3000, b"in").await;
        let (session, mut connection) = (battle.session().await, chat.accept().await);
        let news = frame(1001, b"news");
        let talking = async {
            loop {
                match shared {
                    true => battle.say(session, Message::Frame { payload: &news }).await,
                    false => connection.send_raw(&news).await,
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let listening = async {
            let mut heard = player.recv().await;
            while heard.id == 1001 {
                heard = player.recv().await;
            }
            heard
        };
        tokio::select! {
            () = talking => {}
            last = listening => assert_eq!(last.body, br#"{"code":"idle"}"#, "shared: {shared}"),
        }
    }
}

#[tokio::test]
async fn a_player_that_does_not_read_is_too_slow_and_delays_nobody() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .limit("send_buffer = \"64KiB\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let (mut deaf, mut other) = (gate.player().await, gate.player().await);
    deaf.send(1000, b"in").await;
    let (session, pushed) = (battle.session().await, frame(1001, &[5; 60_000]));
    let ended = gate.meters();
    let too_slow = || ended.total(|meter| meter.ended(EndReason::TooSlow));
    within("the deaf player to be too slow", async {
        while too_slow() == 0 {
            battle.say(session, Message::Frame { payload: &pushed }).await;
            other.echo(1000, b"quick").await;
        }
    })
    .await;
    gate.has_sessions(1).await;
    other.echo(1000, b"on").await;
}

#[tokio::test]
async fn a_player_that_asks_and_does_not_read_is_not_read_either() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .limit("send_buffer = \"64KiB\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut deaf = gate.player().await;
    let beats = frame(1, b"").repeat(10_000);
    let mut sent = 0;
    // What sockets hold is a few MiB; beyond that only the gateway's memory could take more.
    while tokio::time::timeout(Duration::from_millis(500), deaf.try_send_raw(&beats)).await.is_ok() {
        sent += beats.len();
        assert!(sent < 64 << 20, "the gateway takes heartbeats without end");
    }
    gate.player().await.echo(1000, b"others play on").await;
    for _ in 0..1000 {
        assert_eq!(deaf.recv().await.id, 2, "answers wait in order");
    }
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_and_counted_and_room_is_given_back() {
    let battle = Backend::with(Manner::Echo).await;
    let gate = Gate::builder()
        .limit("connections = 2")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let (mut first, mut second) = (gate.player().await, gate.player().await);
    first.echo(1000, b"in").await;
    second.echo(1000, b"in").await;
    let (rest, _) = gate.player().await.read_to_end().await;
    assert_eq!(rest, b"");
    assert_eq!(gate.meters().listener("players").refused(realmgate::telemetry::DoorRefusal::Connections), 1);
    drop(first);
    gate.has_sessions(1).await;
    gate.player().await.echo(1000, b"in again").await;
}
