//! Bans that backends order, and that operators see and lift.

use std::time::{Duration, SystemTime};

use realmgate::base::SessionId;
use realmgate::config::{Banned, Override};
use realmgate::session::EndReason;
use realmgate::telemetry::DoorRefusal;
use realmgate::wire::link::{Kick, Message, Redirects};

use crate::fakes::{Backend, Event, Gate, Manner, Player};

const BANNED: u16 = 0x8006;

/// A player who is in, and its session.
async fn comes(from: &str, gate: &Gate, battle: &Backend) -> (Player, SessionId) {
    let mut player = Player::connect_from(from, gate.address()).await;
    player.send(1000, b"in").await;
    let address = player.address;
    let opened = |event: &Event| match event {
        Event::Open { session, address: known, .. } if *known == address => Some(*session),
        _ => None,
    };
    let session = battle.wait("an OPEN", |events| events.iter().rev().find_map(opened)).await;
    (player, session)
}

async fn ban(player: &mut Player, battle: &Backend, session: SessionId, millis: Option<u32>) {
    let redirect = Redirects::NONE;
    let kick = Kick { reason: BANNED, text: Some("no cheating"), retry_after_ms: millis, redirect };
    battle.say(session, Message::Kick(kick)).await;
    let notice = player.notice().await;
    assert!(notice.starts_with(r#"{"code":"kicked","message":"no cheating""#), "{notice}");
    player.closed().await;
}

fn lift(who: Banned) -> Override {
    #[expect(clippy::disallowed_methods, reason = "the time of an operator")]
    let until = SystemTime::now();
    Override::Ban { who, until }
}

#[tokio::test]
async fn who_has_no_account_is_banned_by_its_address_until_the_time_is_over_or_an_operator_says_so() {
    let battle = Backend::with(Manner::Silent).await;
    let mut gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let (mut player, session) = comes("127.0.0.2", &gate, &battle).await;
    ban(&mut player, &battle, session, None).await;
    drop(player);
    gate.has_sessions(0).await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::Banned)), 1);
    drop(Player::connect_from("127.0.0.2", gate.address()).await.read_to_end().await);
    gate.has_refused(&[(DoorRefusal::Banned, 1)]).await;
    drop(comes("127.0.0.3", &gate, &battle).await);
    gate.has_sessions(0).await;
    let address = Banned::Address("127.0.0.2".parse().expect("one"));
    let banned = gate.inner().bans();
    assert_eq!(banned.iter().map(|(who, _)| who).collect::<Vec<_>>(), [&address]);
    assert!(
        banned.iter().all(|(_, left)| *left > Duration::from_secs(3500)),
        "an hour, where nothing is said"
    );
    gate.change(lift(address)).await;
    assert!(gate.inner().bans().is_empty());
    let (mut player, session) = comes("127.0.0.2", &gate, &battle).await;

    ban(&mut player, &battle, session, Some(1)).await;
    drop(player);
    gate.has_sessions(0).await;
    while !gate.inner().bans().is_empty() {
        tokio::task::yield_now().await;
    }
    comes("127.0.0.2", &gate, &battle).await;
}

#[tokio::test]
async fn who_has_an_account_is_banned_by_that_and_its_neighbours_are_not() {
    let battle = Backend::with(Manner::Silent).await;
    let mut gate = Gate::builder().workers(2).shared("battle", "1000", &[battle.address()], "").start().await;
    let (mut player, session) = comes("127.0.0.1", &gate, &battle).await;
    battle.say(session, Message::Bind { account: "ann", epoch: 1 }).await;
    ban(&mut player, &battle, session, Some(3_600_000)).await;
    let (_bob, session) = comes("127.0.0.1", &gate, &battle).await;
    battle.say(session, Message::Bind { account: "bob", epoch: 1 }).await;
    let (mut ann, session) = comes("127.0.0.1", &gate, &battle).await;
    battle.say(session, Message::Bind { account: "ann", epoch: 2 }).await;
    assert!(ann.notice().await.contains("kicked"), "at its next login");
    ann.closed().await;
    drop(ann);
    gate.has_sessions(1).await;
    gate.change(lift(Banned::Account("ann".to_owned()))).await;
    let (_ann, session) = comes("127.0.0.1", &gate, &battle).await;
    battle.say(session, Message::Bind { account: "ann", epoch: 3 }).await;
    let seen = async {
        loop {
            let mut known = 0;
            for worker in gate.inner().workers() {
                known += worker.list(Some("ann"), 9).await.len();
            }
            if known == 1 {
                return;
            }
        }
    };
    crate::fakes::within("ann to be known", seen).await;
    gate.has_refused(&[]).await;
}
