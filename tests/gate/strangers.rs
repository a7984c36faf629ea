//! What backends say of sessions that they do not have: only their frames on the way still count.

use realmgate::base::SessionId;
use realmgate::wire::link::{Kick, LINK, Message, Redirects, Scope};

use crate::fakes::{Backend, Event, Gate, Player, frame};

const ATTRIBUTES: &str = r#"{"by":"a stranger"}"#;

/// Everything but frames that a backend can say of a session; each must come back.
async fn is_not_heard(backend: &Backend, session: SessionId, to: &str) {
    let kick = Kick { reason: 0x8002, text: None, retry_after_ms: None, redirect: Redirects::NONE };
    let commands = [
        Message::Join { room: "hall" },
        Message::Leave { room: "guild" },
        Message::Attributes { attributes: ATTRIBUTES },
        Message::Move { cluster: "battle", backend: to },
        Message::Bind { account: "somebody", epoch: u64::MAX },
        Message::Kick(kick),
    ];
    for (count, command) in commands.into_iter().enumerate() {
        backend.say(session, command).await;
        let back = Event::Undelivered { session, reason: 1 };
        let came = |events: &[Event]| events.iter().filter(|event| **event == back).count() > count;
        backend.wait("UNDELIVERED", |events| came(events).then_some(())).await;
    }
}

/// A player of the backends that is in the room `guild` and in no other, and who it is.
async fn come(gate: &Gate, backend: &Backend) -> (Player, SessionId) {
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    let session = backend.session().await;
    backend.say(session, Message::Join { room: "guild" }).await;
    backend.settled().await;
    (player, session)
}

/// Nothing has changed for it.
async fn plays_on(gate: &Gate, by: &Backend, player: &mut Player) {
    for room in ["hall", "guild"] {
        let scope = Scope::Room(room);
        by.say(LINK, Message::Broadcast { scope, payload: &frame(7, room.as_bytes()) }).await;
    }
    assert_eq!(player.recv().await.body, b"guild");
    player.echo(1000, b"still here").await;
    assert_eq!(gate.inner().workers()[0].list(Some("somebody"), 10).await.len(), 0);
}

#[tokio::test]
async fn only_frames_are_heard_of_a_backend_that_has_left_a_session_or_never_had_it() {
    let (first, second, other) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .shared("battle", "1000", &[first.address(), second.address()], "balance = \"backup\"")
        .shared("other", "2000", &[other.address()], "")
        .start()
        .await;
    let (mut player, session) = come(&gate, &first).await;
    let to = second.address().to_string();
    first.say(session, Message::Move { cluster: "battle", backend: &to }).await;
    first.settled().await;
    player.echo(1000, b"moved").await;
    let back = first.address().to_string();
    for stranger in [&first, &other] {
        is_not_heard(stranger, session, &back).await;
        stranger.say(session, Message::Frame { payload: &frame(7, b"on its way") }).await;
        assert_eq!(player.recv().await.body, b"on its way");
    }
    plays_on(&gate, &second, &mut player).await;
    let told = |event: &Event| matches!(event, Event::Attributes { .. });
    assert!(!second.events().iter().any(told), "nobody hears of what a stranger changes");
    assert_eq!(first.frames().len(), 1, "the session has stayed where it was moved");
}

#[tokio::test]
async fn a_backend_whose_link_was_lost_is_a_stranger_until_the_session_is_opened_anew() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let (mut player, session) = come(&gate, &battle).await;
    let to = battle.address().to_string();
    let battle = Backend::at(battle.kill().await).await;
    battle.wait("the link to come back", |events| events.first().cloned()).await;
    is_not_heard(&battle, session, &to).await;
    plays_on(&gate, &battle, &mut player).await;
    battle.say(session, Message::Join { room: "hall" }).await;
    let scope = Scope::Room("hall");
    battle.say(LINK, Message::Broadcast { scope, payload: &frame(7, b"hall") }).await;
    assert_eq!(player.recv().await.body, b"hall");
}

#[tokio::test]
async fn what_is_said_of_a_session_that_is_gone_comes_back() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let (player, session) = come(&gate, &battle).await;
    drop(player);
    gate.is_empty().await;
    is_not_heard(&battle, session, &battle.address().to_string()).await;
}
