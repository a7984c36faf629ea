//! Those who come back, and those who say they do.

use realmgate::session::EndReason;

use super::*;

/// Frames of half a megabyte right behind the token, read in more than one turn.
async fn much_behind_a_token(gate: Gate, battle: Backend, player: Player, back: Player, issuer: &Issuer) {
    const FRAMES: u64 = 500;
    let (player, token) = log_in(player, issuer, "ann").await;
    drop(player);
    has_parked(&gate, 1).await;
    let mut bytes = claim(&token);
    for number in 0..FRAMES {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(1000, 7);
        bytes.extend_from_slice(&frame(1000, &body));
    }
    let mut back = back;
    back.send_raw(&bytes).await;
    let answer = notice(&mut back).await;
    assert_eq!(answer["code"], "admitted", "what comes behind the token is the session's: {answer}");
    battle.has_frames(usize::try_from(FRAMES).expect("few")).await;
    assert_eq!(numbers(&battle), (0..FRAMES).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_behind_a_token_is_lost_however_much_it_is() {
    let (battle, issuer) = (Backend::with(crate::fakes::Manner::Silent).await, Issuer::new());
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").start().await;
    let (player, back) = (gate.player().await, gate.player().await);
    much_behind_a_token(gate, battle, player, back, &issuer).await;
}

#[tokio::test]
async fn nothing_behind_a_token_is_lost_by_tls_and_on_the_way_to_another_worker() {
    let (battle, issuer) = (Backend::with(crate::fakes::Manner::Silent).await, Issuer::new());
    let certificates = Certificates::new();
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").workers(2).start_tls(&certificates).await;
    let (player, back) = (gate.tls_player().await, gate.tls_player().await);
    much_behind_a_token(gate, battle, player, back, &issuer).await;
}

#[tokio::test]
async fn a_login_sent_ahead_behind_the_token_of_a_session_that_just_ended_is_taken() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").start().await;
    let (mut player, token) = comes_in(&gate, &issuer, "ann").await;
    player.echo(1000, b"open").await;
    let session = battle.session().await;
    battle.say(session, kick(0x8002)).await;
    assert_eq!(notice(&mut player).await["code"], "kicked");
    // The player has not closed its end: the session has its last second.
    let mut back = gate.player().await;
    back.send_raw(&[claim(&token), frame(10, &issuer.token("ann"))].concat()).await;
    assert_eq!(notice(&mut back).await["code"], "login_required");
    let answer = tokio::time::timeout(Duration::from_secs(5), notice(&mut back)).await;
    assert_eq!(answer.expect("an answer to the login")["code"], "admitted");
}

#[tokio::test]
async fn who_has_lost_its_token_may_log_in_anew_where_a_second_login_is_refused() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "duplicate = \"refuse\"\nresume = \"60s\"";
    let gate = by_token(&battle, &issuer, login).start().await;
    let (player, _) = comes_in(&gate, &issuer, "ann").await;
    drop(player);
    has_parked(&gate, 1).await;
    comes_in(&gate, &issuer, "ann").await.0.echo(1000, b"after a restart of the client").await;
    gate.has_sessions(1).await;
}

#[tokio::test]
async fn who_is_away_stays_so_when_its_backend_says_once_more_who_it_is() {
    let (login, battle) = (Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .table("[login]\nroute = \"login\"\nduplicate = \"refuse\"\nresume = \"60s\"")
        .start()
        .await;
    let bind = Message::Bind { account: "ann", epoch: 1 };
    let mut player = gate.player().await;
    player.echo(10, b"let me in").await;
    let first = login.session().await;
    login.say(first, bind).await;
    assert_eq!(notice(&mut player).await["code"], "admitted");
    drop(player);
    has_parked(&gate, 1).await;
    login.say(first, bind).await;
    login.settled().await;
    let mut player = gate.player().await;
    player.echo(10, b"without a token").await;
    let opened = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Open { session, .. } if *session != first => Some(*session),
            _ => None,
        })
    };
    login.say(login.wait("OPEN", opened).await, bind).await;
    assert_eq!(notice(&mut player).await["code"], "admitted");
    gate.has_sessions(1).await;
}

#[tokio::test]
async fn one_account_does_not_fill_the_gateway_with_sessions_that_wait() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "duplicate = \"allow\"\nresume = \"24h\"";
    let gate = by_token(&battle, &issuer, login).limit("connections = 2").limit("connections_per_ip = 2");
    let gate = gate.start().await;
    for round in 1..=30 {
        let (player, _) = comes_in(&gate, &issuer, "ann").await;
        drop(player);
        has_parked(&gate, round).await;
        within("the connection to be over", async {
            while gate.meters().listener("players").connections() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    let waiting = gate.inner().sessions();
    assert!(waiting <= 4, "{waiting} sessions of one account, where the listener has 2 connections");
}

#[tokio::test]
async fn tokens_count_as_frames() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").limit("frames_per_session = \"5/h\"");
    let gate = gate.start().await;
    let mut player = gate.player().await;
    player.send_raw(&claim(&"0".repeat(32)).repeat(400)).await;
    let (answers, _) = tokio::time::timeout(Duration::from_secs(3), player.read_to_end())
        .await
        .expect("the end of a session that sends 400 senseless frames");
    let answers = String::from_utf8_lossy(&answers).matches("login_required").count();
    assert!(answers <= 10, "{answers} answers, where ten frames may come at once");
}

#[tokio::test]
async fn pauses_and_their_ends_are_told_in_turns_across_a_return() {
    let (battle, issuer) = (Backend::with(crate::fakes::Manner::Silent).await, Issuer::new());
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").limit("send_buffer = \"64KiB\"");
    let gate = gate.start().await;
    let (mut player, token) = comes_in(&gate, &issuer, "ann").await;
    player.send(1000, b"open").await;
    let session = battle.session().await;
    drop(player);
    has_parked(&gate, 1).await;
    let payload = frame(1000, &[1; 1000]);
    for _ in 0..50 {
        battle.say(session, Message::Frame { payload: &payload }).await;
    }
    battle.wait("PAUSE", |events| events.contains(&Event::Pause { session }).then_some(())).await;
    let mut back = gate.player().await;
    back.send_raw(&claim(&token)).await;
    assert_eq!(notice(&mut back).await["code"], "admitted");
    for _ in 0..50 {
        back.recv().await;
    }
    battle.wait("RESUME", |events| events.contains(&Event::Resume { session }).then_some(())).await;
    let told = |event: &&Event| matches!(event, Event::Pause { .. } | Event::Resume { .. });
    assert_eq!(battle.events().iter().filter(told).count(), 2);
}

#[tokio::test]
async fn a_slow_login_of_an_older_connection_does_not_throw_out_who_came_back_after_it() {
    let (login, battle) = (Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .workers(2)
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .table("[login]\nroute = \"login\"\nresume = \"60s\"");
    let gate = gate.start().await;
    let opened = |address| {
        move |events: &[Event]| {
            events.iter().find_map(|event| match event {
                Event::Open { session, address: of, .. } if *of == address => Some(*session),
                _ => None,
            })
        }
    };
    let mut first = gate.player().await;
    first.echo(10, b"let me in").await;
    let session = login.wait("OPEN", opened(first.address)).await;
    login.say(session, Message::Bind { account: "ann", epoch: 1 }).await;
    let token = notice(&mut first).await["resume"].as_str().expect("a token").to_owned();
    drop(first);
    has_parked(&gate, 1).await;
    // The client connects, logs in, loses patience with a slow database, and comes back by its token.
    let mut second = gate.player().await;
    second.echo(10, b"let me in").await;
    let slow = login.wait("OPEN", opened(second.address)).await;
    let mut third = gate.player().await;
    third.send_raw(&claim(&token)).await;
    assert_eq!(notice(&mut third).await["code"], "admitted");
    third.echo(1000, b"plays").await;
    login.say(slow, Message::Bind { account: "ann", epoch: 1 }).await;
    assert_eq!(notice(&mut second).await["code"], "replaced", "it was accepted before the third one");
    third.echo(1000, b"plays on").await;
}

#[tokio::test]
async fn a_token_that_was_long_on_its_way_does_not_take_the_session_from_a_younger_connection() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").workers(2).start().await;
    let (player, token) = comes_in(&gate, &issuer, "ann").await;
    drop(player);
    has_parked(&gate, 1).await;
    // The client shows its token over a network that goes away at once, and then over another one.
    let mut older = gate.player().await;
    let mut younger = gate.player().await;
    younger.send_raw(&claim(&token)).await;
    let admitted = notice(&mut younger).await;
    assert_eq!(admitted["code"], "admitted");
    older.send_raw(&claim(&token)).await;
    let answer = notice(&mut older).await;
    assert_eq!(answer["code"], "login_required", "it was accepted first: {answer}");
    younger.echo(1000, b"plays on").await;
    drop(younger);
    has_parked(&gate, 2).await;
    let mut back = gate.player().await;
    back.send_raw(&claim(admitted["resume"].as_str().expect("a token"))).await;
    assert_eq!(notice(&mut back).await["code"], "admitted", "the newest token is good in any case");
}

#[tokio::test]
async fn who_comes_back_again_and_again_and_never_reads_holds_no_more_for_that() {
    let (battle, issuer) = (Backend::with(crate::fakes::Manner::Silent).await, Issuer::new());
    let login = "resume = \"60s\"";
    let gate = by_token(&battle, &issuer, login).limit("send_buffer = \"4MiB\"").start().await;
    let (mut player, token) = comes_in(&gate, &issuer, "ann").await;
    player.send(1000, b"open").await;
    let session = battle.session().await;
    let payload = frame(1000, &[1; 60_000]);
    let (mut player, mut token, mut most) = (player, token, 0);
    for round in 1..=12 {
        drop(player);
        let too_slow = || gate.meters().total(|meter| meter.ended(EndReason::TooSlow)) > 0;
        let is_away = || gate.meters().total(|meter| Some(&meter.parked)) >= round;
        until("the player to be away, or too slow for good", || is_away() || too_slow()).await;
        if too_slow() {
            break;
        }
        for _ in 0..80 {
            battle.say(session, Message::Frame { payload: &payload }).await;
        }
        battle.settled().await;
        let mut back = Player::connect_narrow(gate.address()).await;
        back.send_raw(&claim(&token)).await;
        let admitted = notice(&mut back).await;
        assert_eq!(admitted["code"], "admitted", "{admitted}");
        token = admitted["resume"].as_str().expect("a token").to_owned();
        for _ in 0..60 {
            battle.say(session, Message::Frame { payload: &payload }).await;
        }
        battle.settled().await;
        for worker in gate.inner().workers() {
            for facts in worker.list(Some("ann"), 9).await {
                most = most.max(facts.buffered);
            }
        }
        player = back;
    }
    assert!(
        most <= 2 * 4 * 1024 * 1024 + 100_000,
        "{most} bytes wait for a player with a send_buffer of 4 MiB"
    );
}

#[tokio::test]
async fn a_small_listener_parks_its_sessions_whatever_waits_at_a_large_one() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let small = "[listener.small]\nlisten = \"127.0.0.1:0\"\nframe = \"game\"\n[listener.small.limits]\nconnections = 2\nconnections_per_ip = 0\nnew_per_ip = \"off\"";
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").table(small).start().await;
    for (round, name) in (1..).zip(["a", "b", "c"]) {
        drop(comes_in(&gate, &issuer, name).await);
        has_parked(&gate, round).await;
    }
    let address = gate.inner().address("small").expect("it listens");
    let (player, token) = log_in(Player::connect(address).await, &issuer, "ann").await;
    drop(player);
    let mut back = Player::connect(address).await;
    has_parked(&gate, 4).await;
    back.send_raw(&claim(&token)).await;
    assert_eq!(notice(&mut back).await["code"], "admitted");
}

#[tokio::test]
async fn a_return_of_one_device_ends_no_other_device_that_is_away_too() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "duplicate = \"allow\"\nresume = \"60s\"";
    let gate = by_token(&battle, &issuer, login).workers(2).start().await;
    let (phone, phone_token) = comes_in(&gate, &issuer, "ann").await;
    let (desk, desk_token) = comes_in(&gate, &issuer, "ann").await;
    drop((phone, desk)); // their common router has no power
    has_parked(&gate, 2).await;
    for token in [phone_token, desk_token] {
        let mut back = gate.player().await;
        back.send_raw(&claim(&token)).await;
        assert_eq!(notice(&mut back).await["code"], "admitted");
        back.echo(1000, b"plays on").await;
        tokio::spawn(until_the_end(back));
    }
    gate.has_sessions(2).await;
}

#[tokio::test]
async fn sessions_that_wait_end_when_a_reload_lets_nobody_come_back() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    for without in ["login", "resume"] {
        let mut gate = by_token(&battle, &issuer, "resume = \"24h\"").start().await;
        let (player, _) = comes_in(&gate, &issuer, "ann").await;
        drop(player);
        has_parked(&gate, 1).await;
        gate.reload(match without {
            "login" => Gate::builder().shared("battle", "1000", &[battle.address()], ""),
            _ => by_token(&battle, &issuer, ""),
        })
        .await;
        let empty = tokio::time::timeout(Duration::from_secs(5), gate.is_empty()).await;
        assert!(empty.is_ok(), "without `{without}` nobody can come back to a session that waits for a day");
    }
}

/// A connection that shows a token and plays, when it got the session; it may have lost it again since.
async fn gets_it(mut connection: Player, bytes: Vec<u8>) -> Option<Player> {
    connection.try_send_raw(&bytes).await.ok()?;
    loop {
        let frame = within("an answer or the end", connection.try_recv()).await.ok()?;
        match frame.id {
            1000 => return Some(connection),
            _ if !frame.body.starts_with(br#"{"code":"admitted""#) => return None,
            _ => {}
        }
    }
}

/// Whether it has the session still, when all have shown the token.
async fn has_it(connection: &mut Player) -> bool {
    let sent = connection.try_send_raw(&frame(1000, b"still mine")).await;
    loop {
        match within("an answer or the end", connection.try_recv()).await {
            Ok(frame) if frame.body == b"still mine" => return sent.is_ok(),
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

#[tokio::test]
async fn of_many_connections_that_show_one_token_at_once_one_has_the_session() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").workers(2).start().await;
    for round in 0..10 {
        let (mut player, token) = comes_in(&gate, &issuer, &format!("ann{round}")).await;
        player.echo(1000, b"open").await;
        let mut connections = Vec::new();
        for _ in 0..20 {
            connections.push(gate.player().await);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for connection in connections {
            let bytes = [claim(&token), frame(1000, b"mine")].concat();
            tasks.spawn(gets_it(connection, bytes));
        }
        let mut owners = 0;
        for connection in &mut tasks.join_all().await.into_iter().flatten().collect::<Vec<_>>() {
            owners += usize::from(has_it(connection).await);
        }
        assert_eq!(owners, 1, "round {round}");
        drop(player);
    }
}

#[tokio::test]
async fn a_login_behind_a_late_token_is_as_old_as_its_connection() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = by_token(&battle, &issuer, "resume = \"60s\"").workers(2).start().await;
    let (player, token) = comes_in(&gate, &issuer, "ann").await;
    drop(player);
    has_parked(&gate, 1).await;
    let mut older = gate.player().await;
    let mut younger = gate.player().await;
    younger.send_raw(&claim(&token)).await;
    assert_eq!(notice(&mut younger).await["code"], "admitted");
    older.send_raw(&[claim(&token), frame(10, &issuer.token("ann"))].concat()).await;
    assert_eq!(notice(&mut older).await["code"], "login_required");
    assert_eq!(notice(&mut older).await["code"], "replaced", "a newer connection has the seat");
    younger.echo(1000, b"plays on").await;
}
