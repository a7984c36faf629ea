//! A link that was lost and came back: its sessions are new to the backend, and come only as far as it takes them.

use realmgate::wire::link::{BackendState, LINK, LoadReport, Message};

use crate::changes::until_echoed;
use crate::fakes::{Backend, Event, Gate, GateBuilder, Manner, Player, frame};

fn one_cluster(backends: &[&Backend], more: &str) -> GateBuilder {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    Gate::builder().shared("battle", "1000", &addresses, &format!("slow_start = \"0s\"\n{more}"))
}

/// The same game server at the same address after its links broke; what it says of itself from the first link on.
async fn back(backend: Backend, state: BackendState) -> Backend {
    let backend = Backend::at(backend.kill().await).await;
    backend.set_state(state);
    backend.wait("the link to come back", |events| events.first().cloned()).await;
    backend.settled().await;
    backend
}

fn opened(backend: &Backend) -> usize {
    backend.events().iter().filter(|event| matches!(event, Event::Open { .. })).count()
}

/// What the player's frame comes back as: the ID.
async fn asks(player: &mut Player) -> u16 {
    player.send(1000, b"again").await;
    player.recv().await.id
}

#[tokio::test]
async fn no_more_come_after_a_loss_than_the_backend_has_reported_room_for() {
    let battle = Backend::echo().await;
    let gate = one_cluster(&[&battle], "").start().await;
    let (mut old, mut new) = (gate.player().await, gate.player().await);
    old.echo(1000, b"in").await;
    let battle = back(battle, BackendState::Ok).await;
    let report = LoadReport { sessions: Some(0), capacity: Some(1), load: None };
    battle.say(LINK, Message::Load(report)).await;
    battle.settled().await;
    new.echo(1000, b"in").await;
    old.send(1000, b"again").await;
    let notice = old.notice().await;
    assert!(notice.starts_with(r#"{"code":"overloaded""#), "{notice}");
    new.echo(1000, b"still in").await;
    assert_eq!(opened(&battle), 1);
    drop((old, new));
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_whose_link_was_lost_goes_elsewhere_when_its_backend_takes_no_new_ones() {
    for more in ["", "sticky = false", "balance = \"hot_standby\""] {
        let (first, second) = (Backend::echo().await, Backend::echo().await);
        let gate = one_cluster(&[&first, &second], more).start().await;
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        let first = back(first, BackendState::Refusing).await;
        for _ in 0..3 {
            assert_eq!(asks(&mut player).await, 1000);
        }
        assert_eq!(opened(&first), 0, "{more}");
        assert!(first.frames().is_empty(), "{more}");
        drop(player);
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn a_first_that_comes_back_to_its_hot_standby_gets_its_sessions_whatever_its_room_and_no_new_ones() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let gate = one_cluster(&[&first, &second], "balance = \"hot_standby\"").start().await;
    let mut players = Vec::new();
    for _ in 0..5 {
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    let first = back(first, BackendState::Ok).await;
    let report = LoadReport { sessions: Some(0), capacity: Some(2), load: None };
    first.say(LINK, Message::Load(report)).await;
    first.settled().await;
    for player in &mut players {
        player.echo(1000, b"on").await;
    }
    assert_eq!(opened(&first), 5);
    for mut newcomer in [gate.player().await, gate.player().await] {
        newcomer.send(1000, b"in").await;
        let notice = newcomer.notice().await;
        assert!(notice.starts_with(r#"{"code":"overloaded""#), "{notice}");
    }
    drop(players);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_whose_link_was_lost_stays_with_its_backend_while_that_has_room() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let gate = one_cluster(&[&first, &second], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    let first = back(first, BackendState::Ok).await;
    let report = LoadReport { sessions: Some(0), capacity: Some(1), load: None };
    first.say(LINK, Message::Load(report)).await;
    first.settled().await;
    for _ in 0..3 {
        player.echo(1000, b"again").await;
    }
    assert_eq!((opened(&first), opened(&second)), (1, 0));
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_first_that_refused_for_a_moment_is_there_again_when_the_second_dies() {
    for was_in in [true, false] {
        let (first, second) = (Backend::echo().await, Backend::echo().await);
        let gate = one_cluster(&[&first, &second], "balance = \"hot_standby\"").start().await;
        let mut player = gate.player().await;
        if was_in {
            player.echo(1000, b"in").await;
        }
        let first = back(first, BackendState::Refusing).await;
        player.echo(1000, b"by the second").await;
        assert_eq!(opened(&first), 0, "was in: {was_in}");
        first.say(LINK, Message::State { state: BackendState::Ok, text: None }).await;
        first.settled().await;
        // Until the first has the session again, the second is heard.
        let push = frame(999, b"push");
        second.say(second.session().await, Message::Frame { payload: &push }).await;
        assert_eq!(player.recv().await.id, 999, "was in: {was_in}");
        second.kill().await;
        until_echoed(&mut player, 1000, b"by the first").await;
        assert_eq!(opened(&first), 1, "was in: {was_in}");
    }
}

#[tokio::test]
async fn a_first_that_refused_a_session_is_asked_again_in_its_next_life() {
    let (first, second) = (Backend::with(Manner::Refuse).await, Backend::echo().await);
    let gate = one_cluster(&[&first, &second], "balance = \"hot_standby\"").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"lost").await;
    assert!(player.notice().await.contains("unavailable"));
    until_echoed(&mut player, 1000, b"by the second").await;
    let first = back(first, BackendState::Ok).await;
    until_echoed(&mut player, 1000, b"by both").await;
    second.kill().await;
    until_echoed(&mut player, 1000, b"by the first").await;
    assert_eq!(opened(&first), 1);
}

#[tokio::test]
async fn a_place_at_a_member_of_a_hot_standby_that_does_not_take_the_session_back_is_free_for_others() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let cluster = format!(
        "[cluster.battle]\nslow_start = \"0s\"\nbalance = \"hot_standby\"\n\
         backends = [{{ address = \"{}\", max_sessions = 1 }}, {{ address = \"{}\" }}]\n\
         [route.battle]\nids = [1000]\ncluster = \"battle\"",
        first.address(),
        second.address()
    );
    let gate = Gate::builder().table(&cluster).start().await;
    let (mut old, mut new) = (gate.player().await, gate.player().await);
    old.echo(1000, b"in").await;
    let first = back(first, BackendState::Refusing).await;
    old.echo(1000, b"by the second").await;
    first.say(LINK, Message::State { state: BackendState::Ok, text: None }).await;
    first.settled().await;
    new.echo(1000, b"in").await;
    old.echo(1000, b"still by the second").await;
    assert_eq!(opened(&first), 1);
    drop((old, new));
    gate.is_empty().await;
}
