//! Limits of each address, lists of networks, bans, and glitches.

use std::time::{Duration, SystemTime};

use realmgate::config::{Banned, Override};
use realmgate::telemetry::DoorRefusal;

use crate::fakes::{Backend, Gate, Player, within};

const FIRST: &str = "127.0.0.1";
const SECOND: &str = "127.0.0.2";

async fn turned_away(from: &str, gate: &Gate) {
    let (rest, _) = Player::connect_from(from, gate.address()).await.read_to_end().await;
    assert_eq!(rest, b"", "it is told nothing");
}

async fn plays(from: &str, gate: &Gate) -> Player {
    let mut player = Player::connect_from(from, gate.address()).await;
    player.echo(1000, b"in").await;
    player
}

#[tokio::test]
async fn an_address_has_its_connections_and_gets_them_back() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .workers(2)
        .limit("connections_per_ip = 2")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let (first, _second) = (plays(FIRST, &gate).await, plays(FIRST, &gate).await);
    turned_away(FIRST, &gate).await;
    let _other = plays(SECOND, &gate).await;
    gate.has_refused(&[(DoorRefusal::ConnectionsPerIp, 1)]).await;
    drop(first);
    gate.has_sessions(2).await;
    let _again = plays(FIRST, &gate).await;
    turned_away(FIRST, &gate).await;
    gate.has_refused(&[(DoorRefusal::ConnectionsPerIp, 2)]).await;
}

#[tokio::test]
async fn new_connections_of_an_address_come_in_a_burst_and_then_no_faster_than_the_rate() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .limit("new_per_ip = \"3/h\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    for _ in 0..3 {
        plays(FIRST, &gate).await;
    }
    for _ in 0..5 {
        turned_away(FIRST, &gate).await;
    }
    plays(SECOND, &gate).await;
    gate.has_refused(&[(DoorRefusal::NewPerIp, 5)]).await;
}

#[tokio::test]
async fn a_reload_changes_the_limits_and_forgets_nobody() {
    let battle = Backend::echo().await;
    let file = |limit: &str| Gate::builder().limit(limit).shared("battle", "1000", &[battle.address()], "");
    let mut gate = file("connections_per_ip = 1").start().await;
    let mut first = plays(FIRST, &gate).await;
    gate.reload(file("connections_per_ip = 2")).await;
    let _second = plays(FIRST, &gate).await;
    turned_away(FIRST, &gate).await;
    gate.reload(file("connections_per_ip = 1")).await;
    turned_away(FIRST, &gate).await;
    first.echo(1000, b"who is in stays").await;
    gate.has_refused(&[(DoorRefusal::ConnectionsPerIp, 2)]).await;
}

#[tokio::test]
async fn lists_say_who_may_come_and_deny_has_the_last_word() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .listener("allow = [\"127.0.0.0/30\"]\ndeny = [\"127.0.0.2\"]")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    plays(FIRST, &gate).await;
    turned_away(SECOND, &gate).await;
    turned_away("127.0.0.9", &gate).await;
    turned_away("127.0.0.9", &gate).await;
    gate.has_refused(&[(DoorRefusal::Deny, 1), (DoorRefusal::Allow, 2)]).await;
}

#[tokio::test]
async fn a_banned_address_is_turned_away_until_the_ban_is_lifted() {
    let battle = Backend::echo().await;
    let mut gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let ban = |until| Override::Ban { who: Banned::Address(SECOND.parse().expect("one")), until };
    #[expect(clippy::disallowed_methods, reason = "the time of an operator")]
    let now = SystemTime::now();
    gate.change(ban(now + Duration::from_secs(3600))).await;
    turned_away(SECOND, &gate).await;
    plays(FIRST, &gate).await;
    gate.change(ban(now)).await;
    plays(SECOND, &gate).await;
    gate.has_refused(&[(DoorRefusal::Banned, 1)]).await;
}

#[tokio::test]
async fn an_address_that_sends_what_is_no_frame_is_soon_kept_out_and_another_is_not() {
    let battle = Backend::echo().await;
    let builder = Gate::builder().limit("connections_per_ip = 1000");
    let gate = builder.shared("battle", "1000", &[battle.address()], "").start().await;
    within("the address to be kept out", async {
        while gate.refused(DoorRefusal::Glitches) == 0 {
            let mut junk = Player::connect_from(SECOND, gate.address()).await;
            drop(junk.try_send_raw(&[0, 0, 0, 1, 0]).await);
            drop(junk.read_to_end().await);
            drop(junk);
            gate.has_sessions(0).await;
        }
    })
    .await;
    let malformed = gate.meters().total(|meter| meter.ended(realmgate::session::EndReason::Malformed));
    assert!(malformed >= 10, "only {malformed} were let in to be malformed");
    plays(FIRST, &gate).await;
}
