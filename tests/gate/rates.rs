//! How many frames a session and a route may send, and what those beyond it get. Rates are by the hour, so that
//! only what passes at once passes during a test.

use std::time::Duration;

use realmgate::session::EndReason;
use realmgate::telemetry::Refusal;

use crate::fakes::{Backend, Gate, GateBuilder, Player, frame, until, within};

/// Frames of a route that were refused for their rate, and those that only were observed.
fn counted(gate: &Gate, route: &str) -> (u64, u64) {
    let meter = gate.meters().route(route);
    (meter.total(|counts| counts.refused(Refusal::RateLimited)), meter.total(|counts| &counts.observed))
}

fn over_rate(gate: &Gate) -> u64 {
    gate.meters().total(|meter| Some(&meter.over_rate))
}

fn ended(gate: &Gate, end: EndReason) -> u64 {
    gate.meters().total(|meter| meter.ended(end))
}

/// Sends so many frames at once and reads their echoes and the notices between.
async fn burst(player: &mut Player, id: u16, frames: usize, echoes: usize, notices: usize) -> Vec<String> {
    player.send_raw(&frame(id, b"x").repeat(frames)).await;
    let mut told = Vec::new();
    let mut seen = 0;
    while seen < echoes || told.len() < notices {
        let frame = player.recv().await;
        match frame.id {
            9000 => told.push(String::from_utf8(frame.body).expect("JSON")),
            _ => seen += 1,
        }
    }
    assert_eq!((seen, told.len()), (echoes, notices), "{told:?}");
    told
}

fn limited(battle: &Backend, limit: &str) -> GateBuilder {
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let gate = gate.table("[route.chat]\nids = [2000]\ncluster = \"battle\"");
    if limit.is_empty() { gate } else { gate.table(&format!("[route.battle.limit]\n{limit}")) }
}

#[tokio::test]
async fn a_session_over_its_rate_hears_it_once_and_no_other_session_does() {
    let battle = Backend::echo().await;
    let gate = limited(&battle, "").limit("frames_per_session = \"5/h\"").start().await;
    let (mut eager, mut other) = (gate.player().await, gate.player().await);
    eager.send(1, b"").await; // heartbeats count
    assert_eq!(eager.recv().await.id, 2);
    let told = burst(&mut eager, 1000, 60, 9, 1).await;
    let told: serde_json::Value = serde_json::from_str(&told[0]).expect("JSON");
    assert_eq!((&told["code"], &told["id"]), (&"rate_limited".into(), &1000.into()));
    let wait = told["retry_after_ms"].as_u64().expect("a number");
    assert!((700_000..=720_001).contains(&wait), "{wait} ms: one in twelve minutes");
    until("51 frames to be counted", || over_rate(&gate) == 51).await;
    assert_eq!(battle.frames().len(), 9);
    other.echo(1000, b"mine").await;
}

#[tokio::test]
async fn who_goes_on_beyond_its_rate_is_ended() {
    let battle = Backend::echo().await;
    let gate = limited(&battle, "").limit("frames_per_session = \"1/h\"").start().await;
    let mut flood = gate.player().await;
    flood.send_raw(&frame(1, b"").repeat(2 + 199)).await;
    until("199 frames beyond the rate", || over_rate(&gate) == 199).await;
    assert_eq!((flood.recv().await.id, flood.recv().await.id), (2, 2));
    assert!(flood.notice().await.contains("\"retry_after_ms\""));
    flood.send_raw(&frame(1, b"").repeat(9)).await;
    let last = loop {
        let notice = flood.notice().await; // another second may have begun
        if !notice.contains("retry_after_ms") {
            break notice;
        }
    };
    assert_eq!(last, r#"{"code":"rate_limited"}"#);
    flood.closed().await;
    drop(flood);
    gate.is_empty().await;
    assert_eq!(ended(&gate, EndReason::RateLimited), 1);
}

#[tokio::test]
async fn who_sends_unknown_ids_without_end_is_ended() {
    let battle = Backend::echo().await;
    for (unknown_id, notices) in [("notice", 199), ("drop", 0)] {
        let gate = limited(&battle, "").listener(&format!("unknown_id = \"{unknown_id}\"")).start().await;
        let mut lost = gate.player().await;
        lost.send_raw(&frame(77, b"").repeat(200)).await;
        for _ in 0..notices {
            assert_eq!(lost.notice().await, r#"{"code":"unknown_id","id":77}"#);
        }
        assert_eq!(lost.notice().await, r#"{"code":"malformed"}"#);
        lost.closed().await;
        drop(lost);
        gate.is_empty().await;
        assert_eq!(ended(&gate, EndReason::Malformed), 1);
    }
}

#[tokio::test]
async fn a_route_takes_so_many_frames_of_each_session_and_the_rest_hears_so_once() {
    let battle = Backend::echo().await;
    let gate = limited(&battle, "per_session = \"5/h\"").start().await;
    let (mut one, mut other) = (gate.player().await, gate.player().await);
    for player in [&mut one, &mut other] {
        let told = burst(player, 1000, 30, 10, 1).await;
        let words = r#"{"code":"rate_limited","route":"battle","retry_after_ms":7"#;
        assert!(told[0].starts_with(words) && told[0].ends_with(r#","id":1000}"#), "{}", told[0]);
        burst(player, 2000, 30, 30, 0).await;
    }
    until("40 frames to be refused", || counted(&gate, "battle") == (40, 0)).await;
    assert_eq!(counted(&gate, "chat"), (0, 0));
    gate.has_sessions(2).await;
}

#[tokio::test]
async fn a_route_takes_so_many_frames_of_all_sessions_of_all_workers() {
    let battle = Backend::echo().await;
    let gate = limited(&battle, "total = \"10/h\"\naction = \"drop\"").workers(2).start().await;
    let mut players = Vec::new();
    for _ in 0..4 {
        players.push(gate.player().await);
    }
    gate.has_sessions(4).await;
    assert_eq!(gate.inner().sessions_by_worker(), [2, 2]);
    for player in &mut players {
        player.send_raw(&frame(1000, b"x").repeat(50)).await;
    }
    until("180 of 200 to be refused", || counted(&gate, "battle") == (180, 0)).await;
    until("20 to arrive", || battle.frames().len() == 20).await;
    for player in &mut players {
        player.send(2000, b"on").await;
        while player.recv().await.id != 2000 {} // echoes, and never a notice
    }
    assert_eq!(battle.frames().len(), 24);
}

#[tokio::test]
async fn a_session_that_is_refused_uses_up_nothing_of_the_others() {
    let battle = Backend::echo().await;
    let gate = limited(&battle, "per_session = \"1/h\"\ntotal = \"2/h\"").start().await;
    let (mut eager, mut other) = (gate.player().await, gate.player().await);
    burst(&mut eager, 1000, 100, 2, 1).await;
    burst(&mut other, 1000, 2, 2, 0).await;
    let (mut late, wait) = (gate.player().await, "\"retry_after_ms\":1");
    assert!(burst(&mut late, 1000, 1, 0, 1).await[0].contains(wait), "half an hour, by the total");
}

#[tokio::test]
async fn a_frame_that_all_have_too_much_of_uses_up_nothing_of_its_session() {
    let battle = Backend::echo().await;
    let own = "per_session = \"1/h\"";
    let mut gate = limited(&battle, &format!("{own}\ntotal = \"1/h\"")).start().await;
    let (mut eager, mut late) = (gate.player().await, gate.player().await);
    burst(&mut eager, 1000, 2, 2, 0).await;
    burst(&mut late, 1000, 9, 0, 1).await;
    until("9 frames to be refused", || counted(&gate, "battle") == (9, 0)).await;
    gate.reload(limited(&battle, own)).await;
    burst(&mut late, 1000, 2, 2, 0).await;
}

#[tokio::test]
async fn an_observed_limit_refuses_nothing_and_counts_what_it_would_have_refused() {
    let battle = Backend::echo().await;
    let gate = limited(&battle, "per_session = \"5/h\"\naction = \"close\"\nobserve = true").start().await;
    let mut player = gate.player().await;
    burst(&mut player, 1000, 30, 30, 0).await;
    assert_eq!(counted(&gate, "battle"), (0, 20));
    assert!(
        gate.inner().metrics_page().contains(r#"route_refused_total{route="battle",reason="observed"} 20"#)
    );
}

#[tokio::test]
async fn a_limit_that_closes_says_why() {
    let battle = Backend::echo().await;
    let gate = limited(&battle, "per_session = \"1/h\"\naction = \"close\"").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"one").await;
    player.echo(1000, b"two").await;
    player.send(1000, b"three").await;
    let told = player.notice().await;
    assert!(told.starts_with(r#"{"code":"rate_limited","route":"battle","retry_after_ms":3"#), "{told}");
    player.closed().await;
    drop(player);
    gate.is_empty().await;
    assert_eq!((ended(&gate, EndReason::RateLimited), counted(&gate, "battle")), (1, (1, 0)));
}

#[tokio::test]
async fn a_reload_forgets_nothing_of_a_limit_that_stays_and_another_one_counts_at_once() {
    let battle = Backend::echo().await;
    let slow = "per_session = \"5/h\"\ntotal = \"5/h\"";
    let mut gate = limited(&battle, slow).start().await;
    let mut player = gate.player().await;
    burst(&mut player, 1000, 11, 10, 1).await;
    gate.reload(limited(&battle, slow).table("[route.mail]\nids = [3000]\ncluster = \"battle\"")).await;
    burst(&mut gate.player().await, 1000, 1, 0, 1).await;
    player.send(1000, b"still used up").await;
    until("all beyond the rate", || counted(&gate, "battle").0 == 3).await;

    gate.reload(limited(&battle, "per_session = \"1000/s\"\ntotal = \"5/h\"")).await;
    burst(&mut gate.player().await, 1000, 1, 0, 1).await;
    gate.reload(limited(&battle, "total = \"1000/s\"\naction = \"drop\"")).await;
    let mut fresh = gate.player().await;
    within("a frame a millisecond later", async {
        let before = battle.frames().len();
        while battle.frames().len() == before {
            fresh.send(1000, b"in").await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    gate.reload(limited(&battle, "")).await;
    burst(&mut gate.player().await, 1000, 100, 100, 0).await;
}
