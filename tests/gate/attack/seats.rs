//! Seats and places in line: who is counted, and who is not.

use super::*;

#[tokio::test]
async fn those_who_play_when_a_line_is_set_up_are_counted() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let open = || Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let mut gate = open().start().await;
    let (mut one, mut two) = (gate.player().await, gate.player().await);
    one.echo(1000, b"in").await;
    two.echo(1000, b"in").await;
    gate.reload(by_token(&battle, &issuer, "queue = { above = 2, admit = \"10/s\", length = 10 }")).await;
    gate.shows("realmgate_players_in 2").await;
    let mut third = gate.player().await;
    third.send(10, &issuer.token("cid")).await;
    let answer = notice(&mut third).await;
    assert_eq!(answer["code"], "queued", "two are in, and two may be: {answer}");
}

#[tokio::test]
async fn three_hundred_turns_of_coming_and_going_leave_nothing_counted() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "resume = \"1s\"\nqueue = { above = 3, admit = \"1000/s\", length = 50 }";
    let gate = by_token(&battle, &issuer, login).workers(2).start().await;
    let mut dice = 11_u64;
    let mut tokens: Vec<String> = Vec::new();
    let mut players: Vec<Player> = Vec::new();
    for _ in 0..300 {
        let mut draw = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((dice >> 33) % sides).expect("small")
        };
        let (what, who) = (draw(5), draw(6));
        let mut player = gate.player().await;
        match (what, tokens.is_empty()) {
            (0 | 1, false) => {
                let token = tokens.swap_remove(draw(tokens.len() as u64));
                player.send_raw(&[claim(&token), frame(1000, b"behind")].concat()).await;
            }
            (2, _) if !players.is_empty() => drop(players.swap_remove(draw(players.len() as u64))),
            _ => {
                let bytes = [frame(10, &issuer.token(&format!("p{who}"))), frame(1000, b"first")].concat();
                player.send_raw(&bytes).await;
            }
        }
        if draw(3) > 0
            && let Ok(Ok(told)) = tokio::time::timeout(Duration::from_millis(50), player.try_recv()).await
            && let Ok(told) = serde_json::from_slice::<Value>(&told.body)
            && let Some(token) = told["resume"].as_str()
        {
            tokens.push(token.to_owned());
        }
        if draw(2) > 0 {
            players.push(player);
        }
    }
    drop(players);
    gate.is_empty().await;
    gate.shows("realmgate_sessions_parked 0").await;
    assert_eq!(gate.meters().listener("players").connections(), 0);
    gate.shows("realmgate_players_in 0").await;
}

#[tokio::test]
async fn an_account_that_played_before_there_was_a_login_has_its_one_seat_too() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let open = Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let mut gate = open.start().await;
    let mut elder = gate.player().await;
    elder.echo(1000, b"in").await;
    let session = battle.session().await;
    battle.say(session, Message::Bind { account: "ann", epoch: 0 }).await;
    battle.settled().await;
    gate.reload(by_token(&battle, &issuer, "")).await;
    elder.echo(1000, b"still in").await;
    let (_newer, _) = comes_in(&gate, &issuer, "ann").await;
    let answer = tokio::time::timeout(Duration::from_secs(5), notice(&mut elder)).await;
    assert_eq!(answer.expect("a word to the elder")["code"], "replaced");
}

#[tokio::test]
async fn two_that_refresh_their_logins_against_each_other_leave_one_who_is_counted() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "queue = { above = 100, admit = \"10/s\", length = 10 }";
    let gate = by_token(&battle, &issuer, login).workers(2).start().await;
    let now = crate::fakes::now();
    for round in 0..25 {
        let (mut one, mut two) = (gate.player().await, gate.player().await);
        let tokens = |from: u64| -> Vec<u8> {
            let issued = (0..20).map(|step| now - 1000 + 2 * step + from);
            issued.flat_map(|issued| frame(10, &issuer.token_of(&format!("ann{round}"), issued))).collect()
        };
        let (odd, even) = (tokens(0), tokens(1));
        tokio::join!(one.send_raw(&odd), two.send_raw(&even));
        let readers = [tokio::spawn(until_the_end(one)), tokio::spawn(until_the_end(two))];
        gate.has_sessions(1).await;
        gate.shows("realmgate_players_in 1").await;
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        gate.is_empty().await;
    }
}

type Tokens = std::sync::Arc<std::sync::Mutex<Vec<String>>>;

/// Logs in, comes back by tokens that anybody was given, and breaks off, as the dice fall.
async fn comes_and_goes(mut dice: u64, address: std::net::SocketAddr, logins: Vec<Vec<u8>>, tokens: Tokens) {
    let mut draw = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(dice >> 33).expect("small") % sides
    };
    for _ in 0..60 {
        let mut player = Player::connect(address).await;
        let token = tokens.lock().expect("no panic").pop().filter(|_| draw(2) > 0);
        let first = token.map_or_else(|| logins[draw(logins.len())].clone(), |token| claim(&token));
        let bytes = [first, frame(1000, b"behind"), logins[draw(logins.len())].clone()].concat();
        drop(player.try_send_raw(&bytes).await);
        for _ in 0..draw(4) {
            let told = tokio::time::timeout(Duration::from_millis(30), player.try_recv()).await;
            let Ok(Ok(told)) = told else { break };
            let told = serde_json::from_slice::<Value>(&told.body).unwrap_or_default();
            let token = told["resume"].as_str().map(str::to_owned);
            tokens.lock().expect("no panic").extend(token);
        }
    }
}

#[tokio::test]
async fn coming_and_going_of_many_at_once_leaves_nothing_counted() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "resume = \"1s\"\nqueue = { above = 2, admit = \"1000/s\", length = 50 }";
    let gate = by_token(&battle, &issuer, login).workers(2).start().await;
    let logins: Vec<Vec<u8>> = (0..4).map(|who| frame(10, &issuer.token(&format!("p{who}")))).collect();
    let address = gate.address();
    let mut tasks = tokio::task::JoinSet::new();
    let tokens = Tokens::default();
    for task in 0_u64..8 {
        let (logins, tokens) = (logins.clone(), std::sync::Arc::clone(&tokens));
        tasks.spawn(comes_and_goes(task + 1, address, logins, tokens));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no panic");
    }
    gate.is_empty().await;
    gate.shows("realmgate_sessions_parked 0").await;
    gate.shows("realmgate_players_in 0").await;
    assert_eq!(gate.meters().listener("players").connections(), 0);
    // A place is kept for a minute; a new player comes in all the same.
    comes_in(&gate, &issuer, "new").await.0.echo(1000, b"the gate is well").await;
}

#[tokio::test]
async fn who_waits_in_line_and_was_told_so_is_not_idle() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "queue = { above = 1, admit = \"10/s\", length = 10 }";
    let gate = by_token(&battle, &issuer, login).limit("idle_timeout = \"1s\"").start().await;
    let (mut inside, _) = comes_in(&gate, &issuer, "in").await;
    let mut waits = gate.player().await;
    waits.send(10, &issuer.token("waits")).await;
    assert_eq!(notice(&mut waits).await["code"], "queued");
    for _ in 0..8 {
        inside.echo(1000, b"plays").await;
        let next = tokio::time::timeout(Duration::from_millis(250), notice(&mut waits)).await;
        assert!(next.is_err() || next.is_ok_and(|next| next["code"] == "queued"));
    }
}

#[tokio::test]
async fn a_line_that_is_set_up_holds_for_the_very_next_login() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let mut gate = by_token(&battle, &issuer, "").start().await;
    let _one = comes_in(&gate, &issuer, "ann").await;
    let mut second = gate.player().await;
    second.send(1000, b"guest").await;
    assert_eq!(notice(&mut second).await["code"], "login_required");
    gate.reload(by_token(&battle, &issuer, "queue = { above = 1, admit = \"10/s\", length = 10 }")).await;
    second.send(10, &issuer.token("bob")).await;
    assert_eq!(notice(&mut second).await["code"], "queued", "one is in, and one may be");
}

#[tokio::test]
async fn who_waits_hears_of_its_place_no_more_often_for_showing_its_token_again() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let login = "queue = { above = 1, admit = \"10/s\", length = 10 }";
    let gate = by_token(&battle, &issuer, login).start().await;
    let _inside = comes_in(&gate, &issuer, "in").await;
    let mut waits = gate.player().await;
    let token = frame(10, &issuer.token("waits"));
    waits.send_raw(&token.repeat(50)).await;
    assert_eq!(notice(&mut waits).await["code"], "queued");
    let next = tokio::time::timeout(Duration::from_millis(500), notice(&mut waits)).await;
    assert!(next.is_err(), "one word in two seconds, and not one for each of fifty tokens: {next:?}");
}

#[tokio::test]
async fn a_newer_login_stays_the_newer_one_when_a_reload_changes_how_players_log_in() {
    let (login, battle, issuer) = (Backend::echo().await, Backend::echo().await, Issuer::new());
    let by_backend = Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .table("[login]\nroute = \"login\"");
    let mut gate = by_backend.start().await;
    let mut elder = gate.player().await;
    elder.echo(10, b"let me in").await;
    let session = login.session().await;
    let nanoseconds = crate::fakes::now() * 1_000_000_000;
    login.say(session, Message::Bind { account: "ann", epoch: nanoseconds }).await;
    assert_eq!(notice(&mut elder).await["code"], "admitted");
    gate.reload(by_token(&battle, &issuer, "")).await;
    let mut newer = gate.player().await;
    newer.send(10, &issuer.token_of("ann", crate::fakes::now())).await;
    assert_eq!(notice(&mut newer).await["code"], "admitted", "it came later in every respect");
    assert_eq!(notice(&mut elder).await["code"], "replaced");
}
