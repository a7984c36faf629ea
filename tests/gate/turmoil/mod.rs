//! A gate in turmoil: changes under load, changes that follow each other within moments, changes that name what is not
//! there any more. Some tests wait for the seconds that a backend which is gone has before its links end.

mod backends;
mod words;

use std::time::Duration;

use realmgate::base::SessionId;
use realmgate::wire::link::Message;

use crate::fakes::{Backend, Event, Gate, GateBuilder, Player, frame, until};

pub(super) fn groups(backends: &[(&Backend, &str)], release: &str) -> GateBuilder {
    let backend = |(backend, group): &(&Backend, &str)| {
        format!("{{ address = \"{}\", group = \"{group}\" }}", backend.address())
    };
    let backends: Vec<_> = backends.iter().map(backend).collect();
    Gate::builder().table(&format!(
        "[cluster.battle]\nbackends = [{}]\n[route.battle]\nids = [1000]\ncluster = \"battle\"\n[release]\n{release}",
        backends.join(", ")
    ))
}

pub(super) fn count(backend: &Backend, what: impl Fn(&Event) -> bool) -> usize {
    backend.events().iter().filter(|event| what(event)).count()
}

pub(super) fn opens(backend: &Backend) -> usize {
    count(backend, |event| matches!(event, Event::Open { .. }))
}

/// Whether a link of a backend has ended.
pub(super) fn is_lost(backend: &Backend) -> bool {
    count(backend, |event| matches!(event, Event::Lost)) > 0
}

pub(super) fn newest(backend: &Backend) -> SessionId {
    let opened = |event: &Event| if let Event::Open { session, .. } = event { Some(*session) } else { None };
    backend.events().iter().rev().find_map(opened).expect("a session")
}

pub(super) async fn in_with(gate: &Gate, body: &[u8]) -> Player {
    let mut player = gate.player().await;
    player.echo(1000, body).await;
    player
}

/// Says something of a session and waits until the gate has read it.
pub(super) async fn say_and_see(
    backend: &Backend,
    player: &mut Player,
    session: SessionId,
    message: Message<'_>,
) {
    backend.say(session, message).await;
    let seen = frame(999, b"seen");
    backend.say(session, Message::Frame { payload: &seen }).await;
    assert_eq!(player.recv().await.id, 999);
}

/// Waits until every session is over and no backend counts one, in whatever order that comes.
pub(super) async fn is_empty_soon(gate: &Gate) {
    let is_left = || gate.inner().world().sessions().any(|(_, _, count)| count > 0);
    until("every count to be zero", || gate.inner().sessions() == 0 && !is_left()).await;
}

/// Five frames one after the other, and how many of them were answered.
pub(super) async fn answered(player: &mut Player) -> usize {
    let mut answers = 0;
    for number in 0..5 {
        player.send(1000, &[number]).await;
        let answer = tokio::time::timeout(Duration::from_secs(2), player.recv()).await;
        answers += usize::from(answer.is_ok());
    }
    answers
}
