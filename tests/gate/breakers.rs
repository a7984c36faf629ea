//! Breakers through the running gate: who hangs is left alone, the player is told in the game's own format, and
//! hears once when it works again.

use std::time::Duration;

use realmgate::wire::link::{Exception, LINK, Message};

use crate::fakes::{Backend, Frame, Gate, Manner, Player, within};

/// `[route.pay.breaker]` of these tests: the echo is the reply.
const PAY: &str = "[route.pay.breaker]\nconsecutive = 3\nopen = \"200ms\"\nmax_open = \"200ms\"\n\
                   reply = { id = 2000, within = \"150ms\" }";

async fn is_notice(player: &mut Player, code: &str) -> String {
    let notice = player.notice().await;
    assert!(notice.starts_with(&format!("{{\"code\":\"{code}\"")), "{notice} is no {code}");
    notice
}

/// Sends frames until one is refused; the notice.
async fn until_refused(player: &mut Player, id: u16) -> String {
    for _ in 0..3 {
        player.send(id, b"lost").await;
    }
    within("a refusal", async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            player.send(id, b"?").await;
            let answer = tokio::time::timeout(Duration::from_millis(20), player.recv()).await;
            if let Ok(Frame { id: 9000, body }) = answer {
                return String::from_utf8(body).expect("JSON");
            }
        }
    })
    .await
}

/// Reads up to the answer of a heartbeat: of all that was sent before, nothing comes behind it.
async fn hear_all(player: &mut Player) {
    player.send(1, b"").await;
    within("the heartbeat's answer", async { while player.recv().await.id != 2 {} }).await;
}

#[tokio::test]
async fn a_backend_that_hangs_opens_its_routes_breaker_and_recovered_comes_once_when_it_heals() {
    let (pay, chat) = (Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("pay", "2000", &[pay.address()], "")
        .shared("chat", "3000", &[chat.address()], "")
        .table(PAY)
        .start()
        .await;
    let (mut player, mut other, mut chatter) =
        (gate.player().await, gate.player().await, gate.player().await);
    player.echo(2000, b"works").await;
    chatter.echo(3000, b"chat").await;
    pay.behave(Manner::Silent);
    let notice = until_refused(&mut player, 2000).await;
    assert!(notice.starts_with(r#"{"code":"unavailable","route":"pay""#), "{notice}");
    assert!(notice.contains("retry_after_ms"), "{notice}");
    until_refused(&mut other, 2000).await;
    hear_all(&mut other).await;
    chatter.echo(3000, b"chat while pay hangs").await;
    pay.behave(Manner::Echo);
    // `other` only waits; the trial is a frame of `player`, which tries again as it was asked to.
    within("`recovered`", async {
        let mut recovered = false;
        while !recovered {
            tokio::time::sleep(Duration::from_millis(50)).await;
            player.send(2000, b"again").await;
            while let Ok(frame) = tokio::time::timeout(Duration::from_millis(60), player.recv()).await {
                recovered |= frame.id == 9000 && frame.body.starts_with(b"{\"code\":\"recovered\"");
            }
        }
    })
    .await;
    is_notice(&mut other, "recovered").await;
    other.send(1, b"").await;
    assert_eq!(other.recv().await.id, 2, "nothing but the heartbeat's answer follows");
    drop((player, other, chatter));
    gate.is_empty().await;
}

#[tokio::test]
async fn where_another_backend_answers_the_route_goes_there_and_other_routes_do_not_notice() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    let gate = Gate::builder()
        .shared("pay", "2000", &backends, "balance = \"backup\"")
        .table(&PAY.replace("max_open = \"200ms\"", "max_open = \"60s\""))
        .table("[route.shop]\nids = [2100]\ncluster = \"pay\"")
        .start()
        .await;
    let mut player = gate.player().await;
    player.echo(2000, b"works").await;
    first.behave(Manner::Silent);
    for _ in 0..3 {
        player.send(2000, b"lost").await;
    }
    // From some frame on the second backend answers.
    within("the other backend's answer", async {
        let mut answered = false;
        while !answered {
            player.send(2000, b"?").await;
            answered = tokio::time::timeout(Duration::from_millis(50), player.recv()).await.is_ok();
        }
    })
    .await;
    let (before, at_first) = (second.frames().len(), first.frames().len());
    player.send(2100, b"shop").await;
    first.has_frames(at_first + 1).await;
    assert!(first.frames().iter().any(|frame| frame.ends_with(b"shop")));
    assert_eq!(second.frames().len(), before, "the session keeps its backend for other routes");
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn an_exception_opens_these_ids_at_once_for_its_time_and_no_others() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "\"1000-1999\"", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    let exception =
        Exception { first_id: 1500, last_id: 1600, for_ms: 300, text: Some("rank store is down") };
    battle.say(LINK, Message::Exception(exception)).await;
    battle
        .say(battle.session().await, Message::Frame { payload: &crate::fakes::frame(1700, b"behind it") })
        .await;
    assert_eq!(player.recv().await.id, 1700);
    player.send(1550, b"fails").await;
    let notice = is_notice(&mut player, "unavailable").await;
    assert!(notice.contains("retry_after_ms"), "{notice}");
    player.send(1499, b"other").await;
    assert_eq!(player.recv().await.id, 1499);
    is_notice(&mut player, "recovered").await;
    player.echo(1550, b"works again").await;
}

#[tokio::test]
async fn more_frames_without_an_answer_than_max_in_flight_are_refused() {
    let pay = Backend::with(Manner::Silent).await;
    let breaker = "[route.pay.breaker]\nmax_in_flight = 2\nreply = { id = 2000, within = \"60s\" }";
    let gate = Gate::builder().shared("pay", "2000", &[pay.address()], "").table(breaker).start().await;
    let (mut first, mut second) = (gate.player().await, gate.player().await);
    first.send(2000, b"1").await;
    second.send(2000, b"2").await;
    pay.has_frames(2).await;
    first.send(2000, b"3").await;
    is_notice(&mut first, "unavailable").await;
    drop(second);
    gate.has_sessions(1).await;
    first.send(2000, b"4").await;
    pay.has_frames(3).await;
}

#[tokio::test]
async fn a_dedicated_backend_that_answers_nothing_opens_the_breaker_too() {
    let pay = crate::fakes::Dedicated::start().await;
    let gate = Gate::builder().dedicated("pay", "2000", &[pay.address()], "").table(PAY).start().await;
    let mut player = gate.player().await;
    let hangs = tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            connections.push(pay.accept().await);
        }
    });
    let notice = until_refused(&mut player, 2000).await;
    assert!(notice.starts_with(r#"{"code":"unavailable","route":"pay""#), "{notice}");
    drop(player);
    hangs.abort(); // its connections end, so that the player's half-close has nobody left to wait for
    gate.is_empty().await;
}
