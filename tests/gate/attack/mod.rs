//! What somebody tries who wants in, wants others out, or wants more than its share.

mod door;
mod returns;
mod seats;

use std::time::Duration;

use realmgate::base::SessionId;
use realmgate::config::Banned;
use realmgate::wire::link::{DEFAULT_MAX_ENVELOPE, Envelope, Kick, Message, Redirects};
use serde_json::Value;

use crate::fakes::{Backend, Certificates, Event, Gate, GateBuilder, Issuer, Player, frame, until, within};

/// A gate whose players log in by tokens in frames with the ID 10.
fn by_token(battle: &Backend, issuer: &Issuer, more: &str) -> GateBuilder {
    Gate::builder().shared("battle", "1000", &[battle.address()], "").table(&issuer.login(more))
}

/// A player who is in, and what it shows to come back.
async fn comes_in(gate: &Gate, issuer: &Issuer, account: &str) -> (Player, String) {
    log_in(gate.player().await, issuer, account).await
}

async fn log_in(mut player: Player, issuer: &Issuer, account: &str) -> (Player, String) {
    player.send(10, &issuer.token(account)).await;
    let notice = notice(&mut player).await;
    assert_eq!(notice["code"], "admitted", "{notice}");
    let token = notice["resume"].as_str().unwrap_or_default().to_owned();
    (player, token)
}

async fn notice(player: &mut Player) -> Value {
    serde_json::from_str(&player.notice().await).expect("JSON")
}

fn claim(token: &str) -> Vec<u8> {
    frame(9000, format!(r#"{{"resume":"{token}"}}"#).as_bytes())
}

async fn has_parked(gate: &Gate, count: u64) {
    let parked = || gate.meters().total(|meter| Some(&meter.parked));
    until("a session to lose its connection", || parked() >= count).await;
}

fn envelope(session: SessionId, message: Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, &mut bytes).expect("a valid envelope");
    bytes
}

fn kick(reason: u16) -> Message<'static> {
    Message::Kick(Kick { reason, text: None, retry_after_ms: None, redirect: Redirects::NONE })
}

/// The number in the body of each frame that reached the backend.
fn numbers(battle: &Backend) -> Vec<u64> {
    let number = |frame: Vec<u8>| u64::from_be_bytes(frame[6..14].try_into().expect("eight bytes"));
    battle.frames().into_iter().map(number).collect()
}

/// Reads until the end.
async fn until_the_end(mut player: Player) {
    while player.try_recv().await.is_ok() {}
}
