//! Each frame reaches its own cluster and no other, whole and unchanged, and answers come back whole.

use crate::fakes::{Backend, Certificates, Dedicated, Event, Gate, Manner, frame};

#[tokio::test]
async fn frames_of_one_connection_go_to_three_clusters_over_both_kinds_of_links() {
    let (battle, pay) = (Backend::echo().await, Backend::echo().await);
    let chat = Dedicated::start().await;
    let certificates = Certificates::new();
    let gate = Gate::builder()
        .shared("battle", r#"1000, "1001-1999""#, &[battle.address()], "")
        .shared("pay", "2000", &[pay.address()], "")
        .dedicated("chat", r#""3000-3999""#, &[chat.address()], "")
        .start_tls(&certificates)
        .await;
    let mut player = gate.tls_player().await;

    player.send(1000, b"attack").await;
    player.send(2000, b"one gem").await;
    player.send(3500, b"hello all").await;
    player.send(1999, &[7; 60_000]).await;

    let mut chat = chat.accept().await;
    assert_eq!(chat.read_exact(frame(3500, b"hello all").len()).await, frame(3500, b"hello all"));
    chat.send_raw(&frame(3501, b"hello you")).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        let answer = player.recv().await;
        answers.push((answer.id, answer.body.len()));
    }
    answers.sort_unstable();
    assert_eq!(answers, [(1000, 6), (1999, 60_000), (2000, 7), (3501, 9)]);
    assert_eq!(battle.frames(), [frame(1000, b"attack"), frame(1999, &[7; 60_000])]);
    assert_eq!(pay.frames(), [frame(2000, b"one gem")]);
}

#[tokio::test]
async fn a_backend_hears_of_a_session_before_its_first_frame_and_of_its_end() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    let address = player.address;
    player.echo(1000, b"one").await;
    player.echo(1000, b"two").await;
    drop(player);
    let session = battle.session().await;
    battle
        .wait("CLOSE", |events| events.iter().any(|event| matches!(event, Event::Close { .. })).then_some(()))
        .await;
    assert_eq!(
        battle.events(),
        [
            Event::Hello { worker: 0, cluster: "battle".to_owned() },
            Event::Open { session, address, listener: "players".to_owned(), transport: 1 },
            Event::Known { account: None, group: None },
            Event::Frame { session, bytes: frame(1000, b"one") },
            Event::Frame { session, bytes: frame(1000, b"two") },
            Event::Close { session, reason: 1 },
        ]
    );
    gate.has_sessions(0).await;
}

#[tokio::test]
async fn the_gateway_answers_heartbeats_itself() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(1, b"").await;
    let answer = player.recv().await;
    assert_eq!((answer.id, answer.body), (2, Vec::new()));
    player.echo(1000, b"on").await;
    assert_eq!(battle.frames(), [frame(1000, b"on")]);
}

#[tokio::test]
async fn an_unknown_id_is_answered_dropped_or_closed_as_the_listener_says() {
    let battle = Backend::echo().await;
    let start = |how: &'static str| {
        let builder = Gate::builder().shared("battle", "1000", &[battle.address()], "");
        builder.listener(&format!("unknown_id = \"{how}\"")).start()
    };
    let gate = start("notice").await;
    let mut player = gate.player().await;
    player.send(77, b"?").await;
    assert_eq!(player.notice().await, r#"{"code":"unknown_id","id":77}"#);
    player.echo(1000, b"on").await;

    let gate = start("drop").await;
    let mut player = gate.player().await;
    player.send(77, b"?").await;
    player.echo(1000, b"on").await;

    let gate = start("close").await;
    let mut player = gate.player().await;
    player.send(77, b"?").await;
    player.send(1000, b"too late").await;
    assert_eq!(player.notice().await, r#"{"code":"unknown_id"}"#);
    player.closed().await;
    assert!(!battle.frames().contains(&frame(1000, b"too late")), "a frame passed after the end");
}

#[tokio::test]
async fn with_no_backend_the_player_is_told_for_that_route_only() {
    let battle = Backend::echo().await;
    let gone = Backend::with(Manner::Silent).await;
    let pay = gone.kill().await;
    let chat = Dedicated::start().await.address();
    let gate = Gate::builder()
        .shared("battle", "1000", &[battle.address()], "")
        .shared("pay", "2000", &[pay], "")
        .dedicated("chat", "3000", &[chat], "")
        .start()
        .await;
    let mut player = gate.player().await;
    player.send(2000, b"one gem").await;
    assert_eq!(player.notice().await, r#"{"code":"unavailable","route":"pay","id":2000}"#);
    player.send(3000, b"hello").await;
    assert_eq!(player.notice().await, r#"{"code":"unavailable","route":"chat","id":3000}"#);
    player.echo(1000, b"on").await;
}

#[tokio::test]
async fn accepted_players_go_to_the_worker_with_the_fewest_sessions() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().workers(3).shared("battle", "1000", &[battle.address()], "").start().await;
    let mut players = Vec::new();
    for _ in 0..12 {
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    assert_eq!(gate.inner().sessions_by_worker(), [4, 4, 4]);
    let links = battle.events().iter().filter(|event| matches!(event, Event::Hello { .. })).count();
    assert_eq!(links, 3, "one link per worker");
}
