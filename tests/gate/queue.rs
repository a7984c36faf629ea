//! The waiting line: who waits, what it is told, who comes in next, and who does not.

use std::time::Duration;

use realmgate::config::{Banned, Override};
use realmgate::net::Target;
use realmgate::session::EndReason;
use realmgate::telemetry::{LineRefusal, Refusal};
use realmgate::wire::link::{Kick, Message, Redirects};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fakes::{
    Backend, Dedicated, Event, Frame, Gate, GateBuilder, Issuer, Manner, Player, until, within,
};

/// A game that players log in to by a token, with this line in front of it.
fn game(battle: &Backend, issuer: &Issuer, queue: &str) -> GateBuilder {
    Gate::builder()
        .workers(2)
        .shared("battle", "1000", &[battle.address()], "")
        .table("[route.news]\nids = [2000]\ncluster = \"battle\"\nlogin = \"none\"")
        .table(&issuer.login(queue))
}

/// A player that has shown its token, and the notice that came back.
async fn comes(gate: &Gate, issuer: &Issuer, account: &str) -> (Player, Value) {
    let mut player = gate.player().await;
    player.send(10, &issuer.token(account)).await;
    let notice = notice(&mut player).await;
    (player, notice)
}

/// One that must be let in at once.
async fn comes_in(gate: &Gate, issuer: &Issuer, account: &str) -> Player {
    let (player, notice) = comes(gate, issuer, account).await;
    assert_eq!(notice["code"], "admitted", "{account}");
    player
}

/// One that must wait at this place.
async fn waits(gate: &Gate, issuer: &Issuer, account: &str, place: u32) -> Player {
    let (player, notice) = comes(gate, issuer, account).await;
    assert_eq!((&notice["code"], &notice["place"]), (&"queued".into(), &place.into()), "{account}");
    assert!(notice["estimate_ms"].is_u64(), "{notice}");
    player
}

async fn notice(player: &mut Player) -> Value {
    serde_json::from_str(&player.notice().await).expect("JSON")
}

/// What comes behind notices of the place: that the player is in, or the end.
async fn hears(player: &mut Player, code: &str) {
    loop {
        let notice = notice(player).await;
        if notice["code"] == code {
            return;
        }
        assert_eq!(notice["code"], "queued", "{notice}");
    }
}

/// Waits until the player hears of another place than this one.
async fn moves_up(player: &mut Player, from: u32) -> Value {
    loop {
        let notice = notice(player).await;
        assert_eq!(notice["code"], "queued", "{notice}");
        if notice["place"] != from {
            return notice["place"].clone();
        }
    }
}

/// Waits until the player is in; with it, how often it heard of its place.
async fn until_in(mut player: Player) -> (Player, u64) {
    let (mut last, mut told) = (u64::MAX, 0);
    loop {
        let notice = notice(&mut player).await;
        if notice["code"] == "admitted" {
            return (player, told);
        }
        let now = notice["place"].as_u64().expect("a place");
        assert!(now <= last, "{now} behind {last}");
        (last, told) = (now, told + 1);
    }
}

/// An echo that may come behind notices of the place.
async fn echoes(player: &mut Player, id: u16, body: &[u8]) {
    player.send(id, body).await;
    loop {
        let frame = player.recv().await;
        if frame.id != 9000 {
            return assert_eq!(frame, Frame { id, body: body.to_vec() });
        }
        assert!(frame.body.starts_with(br#"{"code":"queued""#), "{frame:?}");
    }
}

/// Waits until so many are in and so many places of the line are taken.
async fn has(gate: &Gate, inside: u32, waiting: u32) {
    let line = &gate.meters().line;
    until("the line", || (line.inside(), line.waiting()) == (inside, waiting)).await;
}

fn not_queued(gate: &Gate, why: LineRefusal) -> u64 {
    gate.meters().total(|meter| meter.not_queued(why))
}

#[tokio::test]
async fn who_finds_the_gateway_full_waits_hears_its_place_and_comes_in() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = game(&battle, &issuer, "queue = { above = 2, admit = \"20/s\" }").start().await;
    let (mut ann, bob) = (comes_in(&gate, &issuer, "ann").await, comes_in(&gate, &issuer, "bob").await);
    let mut cid = waits(&gate, &issuer, "cid", 1).await;
    let mut dan = waits(&gate, &issuer, "dan", 2).await;
    has(&gate, 2, 2).await;
    ann.echo(1000, b"plays").await;
    cid.send(1000, b"early").await;
    echoes(&mut cid, 2000, b"open to all").await;
    assert_eq!(gate.meters().route("battle").total(|counts| counts.refused(Refusal::Queued)), 1);
    drop(bob);
    hears(&mut cid, "admitted").await;
    cid.echo(1000, b"in").await;
    assert_eq!(moves_up(&mut dan, 2).await, 1);
    drop(ann);
    hears(&mut dan, "admitted").await;
    dan.echo(1000, b"in").await;
    has(&gate, 2, 0).await;
    assert_eq!(gate.meters().line.admitted.get(), 2);
    assert_eq!(battle.frames().iter().filter(|frame| frame.ends_with(b"early")).count(), 0);
    drop((cid, dan));
    has(&gate, 0, 0).await;
}

#[tokio::test]
async fn a_frame_of_who_waits_is_answered_by_its_place_as_seldom_as_that_is_told() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = game(&battle, &issuer, "queue = { above = 1 }").start().await;
    let _bob = comes_in(&gate, &issuer, "bob").await;
    let (began, mut sent) = (Instant::now(), 0);
    let mut ann = waits(&gate, &issuer, "ann", 1).await;
    let refused = || gate.meters().route("battle").total(|counts| counts.refused(Refusal::Queued));
    let answer = within("an answer", async {
        loop {
            ann.send(1000, b"now?").await;
            sent += 1;
            ann.send(1, b"").await;
            let frame = ann.recv().await;
            if frame != (Frame { id: 2, body: Vec::new() }) {
                return String::from_utf8(frame.body).expect("JSON");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(began.elapsed() > Duration::from_millis(1_900), "the place was told just before");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(answer["code"], "queued");
    assert!(answer["route"].is_null() || answer["route"] == "battle" && answer["id"] == 1000, "{answer}");
    assert!((sent - 1..=sent).contains(&refused()), "each is counted");
}

#[tokio::test]
async fn who_loses_its_connection_keeps_its_place_and_is_passed_over() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = game(&battle, &issuer, "queue = { above = 1, admit = \"20/s\" }").start().await;
    let ann = comes_in(&gate, &issuer, "ann").await;
    let bob = waits(&gate, &issuer, "bob", 1).await;
    let cid = waits(&gate, &issuer, "cid", 2).await;
    let mut dan = waits(&gate, &issuer, "dan", 3).await;
    drop((bob, cid));
    gate.has_sessions(2).await;
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    drop(ann);
    hears(&mut bob, "admitted").await;
    has(&gate, 1, 2).await;
    drop(bob);
    hears(&mut dan, "admitted").await;
    has(&gate, 1, 1).await;
    let (_cid, place) = comes(&gate, &issuer, "cid").await;
    assert_eq!(place["code"], "queued", "{place}");
    assert!(place["place"].as_u64() <= Some(2), "it never gets worse: {place}");
}

#[tokio::test]
async fn a_second_login_takes_over_where_the_first_one_stood() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = game(&battle, &issuer, "queue = { above = 1, admit = \"20/s\", length = 2 }").start().await;
    let mut ann = comes_in(&gate, &issuer, "ann").await;
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    let mut cid = waits(&gate, &issuer, "cid", 2).await;
    for _ in 0..10 {
        // They come to both workers, and the line is full.
        let newer = comes_in(&gate, &issuer, "ann").await;
        hears(&mut ann, "replaced").await;
        ann.closed().await;
        ann = newer;
        let newer = waits(&gate, &issuer, "bob", 1).await;
        hears(&mut bob, "replaced").await;
        bob.closed().await;
        bob = newer;
        has(&gate, 1, 2).await;
    }
    drop(ann);
    hears(&mut bob, "admitted").await;
    drop(bob);
    hears(&mut cid, "admitted").await;
    has(&gate, 1, 0).await;
}

#[tokio::test]
async fn who_finds_the_line_full_is_sent_away() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let mut gate = game(&battle, &issuer, "queue = { above = 1, length = 1 }").start().await;
    let _ann = comes_in(&gate, &issuer, "ann").await;
    let bob = waits(&gate, &issuer, "bob", 1).await;
    let (mut cid, full) = comes(&gate, &issuer, "cid").await;
    assert_eq!(full["code"], "overloaded");
    assert!((10_000..=20_000).contains(&full["retry_after_ms"].as_u64().expect("a number")), "{full}");
    cid.closed().await;
    drop(bob);
    gate.has_sessions(1).await;
    let elsewhere = "queue = { above = 1, length = 1, redirect = [\"gw2.test:7000\", \"gw3.test:7000\"] }";
    gate.reload(game(&battle, &issuer, elsewhere)).await;
    let (mut dan, full) = comes(&gate, &issuer, "dan").await;
    assert_eq!(full.to_string(), r#"{"code":"redirect","redirect":["gw2.test:7000","gw3.test:7000"]}"#);
    dan.closed().await;
    let _bob = waits(&gate, &issuer, "bob", 1).await;
    let counts = [LineRefusal::Overloaded, LineRefusal::Redirected].map(|why| not_queued(&gate, why));
    assert_eq!(counts, [1, 1]);
}

#[tokio::test]
async fn who_is_told_to_stay_away_loses_its_place() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let mut gate = game(&battle, &issuer, "queue = { above = 1, admit = \"20/s\" }").start().await;
    let ann = comes_in(&gate, &issuer, "ann").await;
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    let mut cid = waits(&gate, &issuer, "cid", 2).await;
    let mut dan = waits(&gate, &issuer, "dan", 3).await;
    for worker in gate.inner().workers() {
        worker.kick(&Target::Account("bob".to_owned())).await;
    }
    hears(&mut bob, "kicked").await;
    bob.closed().await;
    has(&gate, 1, 2).await;
    #[expect(clippy::disallowed_methods, reason = "bans are told in the time of people")]
    let until = std::time::SystemTime::now() + Duration::from_secs(3600);
    gate.change(Override::Ban { who: Banned::Account("cid".to_owned()), until }).await;
    hears(&mut cid, "kicked").await;
    cid.closed().await;
    has(&gate, 1, 1).await;
    let mut bob = waits(&gate, &issuer, "bob", 2).await;
    drop(ann);
    hears(&mut dan, "admitted").await;
    drop(dan);
    hears(&mut bob, "admitted").await;
}

#[tokio::test]
async fn who_is_only_asked_to_come_later_keeps_its_place() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = game(&battle, &issuer, "queue = { above = 1, admit = \"20/s\" }").start().await;
    let _ann = comes_in(&gate, &issuer, "ann").await;
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    let _cid = waits(&gate, &issuer, "cid", 2).await;
    for (reason, code) in [(5, "overloaded"), (11, "maintenance")] {
        bob.echo(2000, b"news").await;
        let address = bob.address;
        let opened = |event: &Event| match event {
            Event::Open { session, address: known, .. } if *known == address => Some(*session),
            _ => None,
        };
        let session = battle.wait("an OPEN", |events| events.iter().rev().find_map(opened)).await;
        let kick = Kick { reason, text: None, retry_after_ms: None, redirect: Redirects::NONE };
        battle.say(session, Message::Kick(kick)).await;
        hears(&mut bob, code).await;
        bob.closed().await;
        has(&gate, 1, 2).await;
        bob = waits(&gate, &issuer, "bob", 1).await;
    }
}

#[tokio::test]
async fn a_reload_of_the_rules_holds_for_those_who_wait() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let mut gate = game(&battle, &issuer, "queue = { above = 1, admit = \"20/s\" }").start().await;
    let mut ann = comes_in(&gate, &issuer, "ann").await;
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    let mut cid = waits(&gate, &issuer, "cid", 2).await;
    gate.reload(game(&battle, &issuer, "queue = { above = 2, admit = \"20/s\" }")).await;
    hears(&mut bob, "admitted").await;
    has(&gate, 2, 1).await;
    gate.reload(game(&battle, &issuer, "queue = { above = 1, admit = \"20/s\" }")).await;
    ann.echo(1000, b"stays in").await;
    bob.echo(1000, b"too").await;
    drop(bob);
    has(&gate, 1, 1).await;
    gate.reload(game(&battle, &issuer, "")).await;
    hears(&mut cid, "admitted").await;
    cid.echo(1000, b"without a line").await;
    let _dan = comes_in(&gate, &issuer, "dan").await;
    has(&gate, 3, 0).await;
}

#[tokio::test]
async fn a_drain_takes_leave_of_those_who_wait() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate = game(&battle, &issuer, "queue = { above = 1 }").start().await;
    let mut ann = comes_in(&gate, &issuer, "ann").await;
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    let draining = tokio::spawn(gate.into_inner().drain());
    hears(&mut ann, "shutting_down").await;
    hears(&mut bob, "shutting_down").await;
    drop((ann, bob));
    assert_eq!(within("the end of the drain", draining).await.expect("no panic"), 0);
}

#[tokio::test]
async fn a_storm_comes_in_at_the_rate_and_nobody_hears_too_often() {
    const STORM: u32 = 60;
    let start = Instant::now();
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let mut gate = game(&battle, &issuer, "queue = { above = 1, admit = \"20/s\" }").start().await;
    let _ann = comes_in(&gate, &issuer, "ann").await;
    let mut players = Vec::new();
    for place in 1..=STORM {
        players.push(waits(&gate, &issuer, &format!("player{place}"), place).await);
    }
    has(&gate, 1, STORM).await;
    let (began, mut hearing) = (Instant::now(), JoinSet::new());
    for player in players {
        hearing.spawn(until_in(player));
    }
    gate.reload(game(&battle, &issuer, "queue = { above = 100, admit = \"20/s\" }")).await;
    let mut inside = Vec::new();
    while let Some(heard) = within("everybody to come in", hearing.join_next()).await {
        inside.push(heard.expect("no panic"));
    }
    let took = began.elapsed();
    assert!(took > Duration::from_secs(2), "sixty at twenty a second came in within {took:?}");
    let most = start.elapsed().as_secs() / 2 + 1;
    assert!(inside.iter().all(|(_, told)| *told <= most), "told more often than every two seconds");
    has(&gate, STORM + 1, 0).await;
    assert_eq!(gate.meters().line.admitted.get(), u64::from(STORM));
}

#[tokio::test]
async fn who_may_come_back_to_its_session_stays_in_and_takes_nobody_elses_place() {
    let (battle, issuer) = (Backend::echo().await, Issuer::new());
    let gate =
        game(&battle, &issuer, "resume = \"60s\"\nqueue = { above = 1, admit = \"20/s\" }").start().await;
    let (ann, admitted) = comes(&gate, &issuer, "ann").await;
    let token = admitted["resume"].as_str().expect("a token").to_owned();
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    drop(ann);
    let mut back = gate.player().await;
    back.send(9000, format!("{{\"resume\":\"{token}\"}}").as_bytes()).await;
    assert_eq!(notice(&mut back).await["code"], "admitted");
    back.echo(1000, b"plays on").await;
    has(&gate, 1, 1).await;
    drop(back);
    // A login instead of a return: the session that waits for its player ends for it.
    let ann = comes_in(&gate, &issuer, "ann").await;
    gate.has_sessions(2).await;
    has(&gate, 1, 1).await;
    assert_eq!(gate.meters().line.admitted.get(), 0, "nobody came in from the line");
    let mut second = comes_in(&gate, &issuer, "ann").await;
    drop(ann);
    echoes(&mut second, 1000, b"in").await;
    for worker in gate.inner().workers() {
        worker.kick(&Target::Account("ann".to_owned())).await;
    }
    hears(&mut second, "kicked").await;
    hears(&mut bob, "admitted").await;
}

#[tokio::test]
async fn backends_that_log_players_in_hear_who_found_the_line_full() {
    let (battle, login) = (Backend::echo().await, Backend::with(Manner::LogIn).await);
    let gate = Gate::builder()
        .shared("login", "500", &[login.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .table("[login]\nroute = \"login\"\nqueue = { above = 1, length = 1 }")
        .start()
        .await;
    let mut players = Vec::new();
    for (account, code) in [("ann", "admitted"), ("bob", "queued"), ("cid", "overloaded")] {
        let mut player = gate.player().await;
        player.send(500, account.as_bytes()).await;
        let frame = loop {
            let frame = player.recv().await;
            if frame.id == 9000 {
                break String::from_utf8(frame.body).expect("JSON");
            }
        };
        assert!(frame.contains(code), "{account}: {frame}");
        players.push(player);
    }
    let full = |event: &Event| matches!(event, Event::Close { reason: 9, .. });
    login.wait("CLOSE", |events| events.iter().any(full).then_some(())).await;
    assert_eq!(login.events().iter().filter(|event| matches!(event, Event::Close { .. })).count(), 1);
}

#[tokio::test]
async fn who_waits_may_be_silent_but_not_for_ever_once_it_has_said_its_last() {
    let (battle, chat, issuer) = (Backend::echo().await, Dedicated::start().await, Issuer::new());
    let gate = game(&battle, &issuer, "resume = \"60s\"\nqueue = { above = 1, admit = \"20/s\" }");
    let gate = gate.limit("idle_timeout = \"1s\"").dedicated("chat", "3000", &[chat.address()], "");
    let guests = "[route.lobby]\nids = [4000]\ncluster = \"chat\"\nlogin = \"none\"";
    let gate = gate.table(guests).start().await;
    drop(comes_in(&gate, &issuer, "ann").await); // it may come back, and keeps its place
    let mut bob = waits(&gate, &issuer, "bob", 1).await;
    bob.send(4000, b"bye").await;
    let mut connection = chat.accept().await;
    assert_eq!(connection.recv().await.body, b"bye");
    let silent = tokio::time::timeout(Duration::from_millis(2500), gate.has_sessions(1)).await;
    assert!(silent.is_err(), "who waits has nothing to say");
    bob.finish().await;
    gate.has_sessions(1).await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::Idle)), 1);
}
