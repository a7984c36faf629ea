//! What backends say of one session: where it goes, what it is like, that it ends; and what they hear of its buffer.

use realmgate::base::SessionId;
use realmgate::config::{AdminState, Override};
use realmgate::session::EndReason;
use realmgate::wire::link::{BackendState, Kick, LINK, Message, Redirects};

use crate::fakes::{Backend, Dedicated, Event, Gate, GateBuilder, Manner, Player, frame};

fn bodies(backend: &Backend) -> Vec<Vec<u8>> {
    backend.frames().into_iter().map(|frame| frame[6..].to_vec()).collect()
}

fn to(backend: &Backend) -> String {
    backend.address().to_string()
}

/// A cluster over shared links for each of them: the first gets frames with the ID 1000, the next ones with 2000 and so on.
fn shared(clusters: &[(&str, &Backend)]) -> GateBuilder {
    let add = |gate: GateBuilder, (ids, (name, backend)): (usize, &(&str, &Backend))| {
        gate.shared(name, &ids.to_string(), &[backend.address()], "")
    };
    (1000..).step_by(1000).zip(clusters).fold(Gate::builder(), add)
}

/// A cluster `battle` whose second backend only stands by.
fn two(first: &Backend, second: &Backend, more: &str) -> GateBuilder {
    let more = format!("balance = \"backup\"\n{more}");
    Gate::builder().shared("battle", "1000", &[first.address(), second.address()], &more)
}

/// The same with a connection for each session, and a cluster `lobby` over shared links.
fn two_dedicated(first: &Dedicated, second: &Dedicated, lobby: &Backend) -> GateBuilder {
    let backends = [first.address(), second.address()];
    Gate::builder().shared("lobby", "2000", &[lobby.address()], "").dedicated(
        "battle",
        "1000",
        &backends,
        "frame = \"game\"\nbalance = \"backup\"",
    )
}

/// Says that a session's frames go to a backend of the cluster `battle`, and waits until the gateway knows.
async fn send_to(by: &Backend, session: SessionId, address: &str) {
    by.say(session, Message::Move { cluster: "battle", backend: address }).await;
    by.settled().await;
}

async fn closed(backend: &Backend, session: SessionId, reason: u16) {
    let closed = Event::Close { session, reason };
    backend.wait("CLOSE", |events| events.contains(&closed).then_some(())).await;
}

#[tokio::test]
async fn a_session_that_is_moved_goes_on_at_the_other_backend_from_its_next_frame_on() {
    for sticky in ["true", "false"] {
        let (first, second) = (Backend::echo().await, Backend::echo().await);
        let gate = two(&first, &second, &format!("sticky = {sticky}")).start().await;
        let mut player = gate.player().await;
        player.echo(1000, b"one").await;
        let session = first.session().await;
        send_to(&first, session, &to(&second)).await;
        closed(&first, session, 6).await;
        for body in [&b"two"[..], b"three"] {
            player.echo(1000, body).await;
        }
        assert_eq!(bodies(&second), [b"two".to_vec(), b"three".to_vec()], "sticky = {sticky}");
        send_to(&second, session, &to(&first)).await;
        closed(&second, session, 6).await;
        player.echo(1000, b"back").await;
        assert_eq!((bodies(&first).len(), bodies(&second).len()), (2, 2));
        drop(player);
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn a_session_whose_new_backend_goes_is_served_by_the_balance_again_and_stays_there() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let gate = two(&first, &second, "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"one").await;
    send_to(&first, first.session().await, &to(&second)).await;
    player.echo(1000, b"two").await;
    let address = second.kill().await;
    gate.shows(&format!("realmgate_link_up{{cluster=\"battle\",backend=\"{address}\"}} 0")).await;
    player.echo(1000, b"three").await;
    let second = Backend::at(address).await;
    second.wait("HELLO", |events| events.first().cloned()).await;
    player.echo(1000, b"four").await;
    assert_eq!(bodies(&second), Vec::<Vec<u8>>::new());
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_move_to_nowhere_is_refused_and_changes_nothing() {
    let (battle, pay) = (Backend::echo().await, Backend::echo().await);
    let gate = shared(&[("battle", &battle), ("pay", &pay)]).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"one").await;
    let session = battle.session().await;
    for (cluster, backend) in
        [("castle", to(&battle)), ("battle", to(&pay)), ("pay", "127.0.0.1:1".to_owned())]
    {
        battle.say(session, Message::Move { cluster, backend: &backend }).await;
    }
    let errors = |events: &[Event]| {
        let texts = events
            .iter()
            .filter_map(|event| if let Event::Error { text } = event { Some(text) } else { None });
        let texts: Vec<_> = texts.cloned().collect();
        (texts.len() == 3).then_some(texts)
    };
    let errors = battle.wait("three ERRORs", errors).await;
    assert_eq!(errors[0], "MOVE to a cluster that the gateway does not have");
    assert!(
        errors[1].starts_with("MOVE to a backend that the cluster does not have") && errors[1] == errors[2]
    );
    player.echo(1000, b"two").await;
    let gone = SessionId::from_raw(99);
    pay.say(gone, Message::Move { cluster: "battle", backend: &to(&battle) }).await;
    let undelivered = Event::Undelivered { session: gone, reason: 1 };
    pay.wait("UNDELIVERED", |events| events.contains(&undelivered).then_some(())).await;
}

#[tokio::test]
async fn a_dedicated_connection_moves_too_and_the_former_one_hears_the_end() {
    let (first, second) = (Dedicated::start().await, Dedicated::start().await);
    let lobby = Backend::echo().await;
    let gate = two_dedicated(&first, &second, &lobby).start().await;
    let mut player = gate.player().await;
    player.echo(2000, b"in").await;
    player.send(1000, b"one").await;
    let mut former = first.accept().await;
    assert_eq!(former.recv().await.body, b"one");
    send_to(&lobby, lobby.session().await, &second.address().to_string()).await;
    former.send_raw(&frame(1001, b"last answer")).await;
    assert_eq!(player.recv().await.body, b"last answer");
    player.send(1000, b"two").await;
    let mut next = second.accept().await;
    assert_eq!(next.recv().await.body, b"two");
    player.send(1000, b"three").await;
    assert_eq!(next.recv().await.body, b"three");
    former.end().await.expect("an end in order");
    drop((player, former, next));
    gate.is_empty().await;
}

#[tokio::test]
async fn a_session_is_moved_to_who_takes_no_new_ones_only_when_it_does_again() {
    for drained in [false, true] {
        let (first, second) = (Backend::echo().await, Backend::echo().await);
        let mut gate = two(&first, &second, "").start().await;
        let (mut player, mut old) = (gate.player().await, gate.player().await);
        player.echo(1000, b"one").await;
        let session = first.session().await;
        let state = |state| Override::State { cluster: "battle".to_owned(), address: to(&second), state };
        let serves = |state| Message::State { state, text: None };
        match drained {
            true => gate.change(state(AdminState::Drain)).await,
            false => second.say(LINK, serves(BackendState::Refusing)).await,
        }
        second.settled().await;
        send_to(&first, session, &to(&second)).await;
        player.echo(1000, b"two").await;
        old.echo(1000, b"old").await;
        assert_eq!(bodies(&second), Vec::<Vec<u8>>::new(), "drained: {drained}");
        match drained {
            true => gate.change(state(AdminState::Ready)).await,
            false => second.say(LINK, serves(BackendState::Ok)).await,
        }
        second.settled().await;
        player.echo(1000, b"three").await;
        assert_eq!(bodies(&second), [b"three".to_vec()], "drained: {drained}");
    }
}

#[tokio::test]
async fn a_session_is_not_moved_to_a_dedicated_backend_that_the_operator_drains() {
    let (first, second) = (Dedicated::start().await, Dedicated::start().await);
    let lobby = Backend::echo().await;
    let mut gate = two_dedicated(&first, &second, &lobby).start().await;
    let mut player = gate.player().await;
    player.echo(2000, b"in").await;
    let address = second.address().to_string();
    let drain = AdminState::Drain;
    gate.change(Override::State { cluster: "battle".to_owned(), address: address.clone(), state: drain })
        .await;
    send_to(&lobby, lobby.session().await, &address).await;
    player.send(1000, b"one").await;
    assert_eq!(first.accept().await.recv().await.body, b"one");
}

#[tokio::test]
async fn backends_hear_once_that_much_waits_and_once_that_little_does() {
    let (battle, pay) = (Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await);
    let gate = shared(&[("battle", &battle), ("pay", &pay)]).limit("send_buffer = \"1MiB\"").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"in").await;
    player.send(2000, b"in").await;
    let session = battle.session().await;
    pay.session().await;
    let (pause, resume) = (Event::Pause { session }, Event::Resume { session });
    for round in 1..=2_usize {
        let count = |backend: &Backend, wanted: &Event| {
            backend.events().iter().filter(|event| *event == wanted).count()
        };
        let mut said = 0;
        while count(&battle, &pause) < round {
            battle.say(session, Message::Frame { payload: &frame(1, &[1; 60_000]) }).await;
            battle.settled().await;
            said += 1;
        }
        assert_eq!(count(&battle, &resume), round - 1);
        for _ in 0..said {
            assert_eq!(player.recv().await.body.len(), 60_000);
        }
        for backend in [&battle, &pay] {
            let resumed = |events: &[Event]| {
                (events.iter().filter(|event| **event == resume).count() == round).then_some(())
            };
            backend.wait("RESUME", resumed).await;
            assert_eq!(count(backend, &pause), round);
        }
    }
}

#[tokio::test]
async fn who_comes_to_a_session_for_which_much_waits_hears_so_behind_its_open() {
    let (battle, pay) = (Backend::with(Manner::Silent).await, Backend::with(Manner::Silent).await);
    let gate = shared(&[("battle", &battle), ("pay", &pay)]);
    // A quarter of it is more than a socket takes at one time.
    let gate = gate.limit("send_buffer = \"16MiB\"").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"in").await;
    let session = battle.session().await;
    while !battle.events().contains(&Event::Pause { session }) {
        battle.say(session, Message::Frame { payload: &frame(1, &[1; 60_000]) }).await;
        battle.settled().await;
    }
    player.send(2000, b"in").await;
    let came = |event: &Event| matches!(event, Event::Frame { .. });
    while !pay.events().iter().any(came) {
        assert_eq!(player.recv().await.body.len(), 60_000);
        battle.settled().await;
    }
    let behind: Vec<_> =
        pay.events().into_iter().skip_while(|it| !matches!(it, Event::Known { .. })).collect();
    assert_eq!(behind[1], Event::Pause { session });
    assert!(came(&behind[2]), "{behind:?}");
}

/// Attributes that a backend has heard.
fn attributes(backend: &Backend) -> Vec<String> {
    let text = |event| if let Event::Attributes { text, .. } = event { Some(text) } else { None };
    backend.events().into_iter().filter_map(text).collect()
}

async fn hears_attributes(backend: &Backend) {
    let is_one = |event: &Event| matches!(event, Event::Attributes { .. });
    backend.wait("ATTRIBUTES", |events| events.iter().any(is_one).then_some(())).await;
}

#[tokio::test]
async fn what_one_backend_says_of_a_player_the_others_hear_at_once_or_when_it_comes_to_them() {
    let (battle, pay, chat) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let gate = shared(&[("battle", &battle), ("pay", &pay), ("chat", &chat)]).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    player.echo(2000, b"in").await;
    let session = battle.session().await;
    let (first, second) = (r#"{"level":7,"guild":"x"}"#, r#"{ "guild": null, "rich": true }"#);
    battle.say(session, Message::Attributes { attributes: first }).await;
    hears_attributes(&pay).await;
    pay.say(session, Message::Attributes { attributes: second }).await;
    hears_attributes(&battle).await;
    player.echo(3000, b"in").await;
    assert_eq!((attributes(&battle), attributes(&pay)), (vec![second.to_owned()], vec![first.to_owned()]));
    assert_eq!(attributes(&chat), [r#"{"level":7,"rich":true}"#]);

    let long = format!(r#"{{"long":"{}"}}"#, "x".repeat(4080));
    for bad in [r#"{"a":}"#, &long] {
        battle.say(session, Message::Attributes { attributes: bad }).await;
    }
    for text in ["ATTRIBUTES that are no JSON object", "ATTRIBUTES beyond 4,096 bytes of one session"] {
        let error = Event::Error { text: text.to_owned() };
        battle.wait("ERROR", |events| events.contains(&error).then_some(())).await;
    }
    player.echo(1000, b"on").await;
    assert_eq!(attributes(&pay).len(), 1, "what was refused is told to nobody");
}

#[tokio::test]
async fn a_kick_says_to_the_player_what_its_reason_means() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = shared(&[("battle", &battle)]).start().await;
    let cases = [
        (0x8001, "replaced", EndReason::Replaced),
        (0x8002, "kicked", EndReason::Kicked),
        (0x8003, "unauthorized", EndReason::Unauthorized),
        (0x8005, "update_required", EndReason::UpdateRequired),
        (6, "moved", EndReason::Moved),
        (11, "maintenance", EndReason::Kicked),
        (5, "overloaded", EndReason::Kicked),
        (2, "idle", EndReason::Kicked),
        (4, "shutting_down", EndReason::Kicked),
        (7, "too_slow", EndReason::Kicked),
        (8, "login_required", EndReason::Kicked),
        (9, "overloaded", EndReason::Kicked),
        (1, "unavailable", EndReason::Kicked),
        (3, "unavailable", EndReason::Kicked),
        (10, "unavailable", EndReason::Kicked),
        (0x7fff, "unavailable", EndReason::Kicked),
        (0x8004, "kicked", EndReason::Kicked),
        (0x9000, "kicked", EndReason::Kicked),
    ];
    for (reason, code, end) in cases {
        let before = gate.meters().total(|meter| meter.ended(end));
        let notice = kicked(
            &gate,
            &battle,
            Kick { reason, text: Some("why"), retry_after_ms: None, redirect: Redirects::NONE },
        );
        assert_eq!(notice.await, format!(r#"{{"code":"{code}","message":"why"}}"#));
        gate.is_empty().await;
        assert_eq!(gate.meters().total(|meter| meter.ended(end)), before + 1, "{reason}");
    }
    let elsewhere =
        Kick { reason: 6, text: None, retry_after_ms: Some(9), redirect: Redirects::new(&["gw2.test:7000"]) };
    let notice = kicked(&gate, &battle, elsewhere).await;
    assert_eq!(notice, r#"{"code":"redirect","retry_after_ms":9,"redirect":["gw2.test:7000"]}"#);
}

#[tokio::test]
async fn a_kick_that_bans_keeps_out_the_account_or_where_there_is_none_the_address() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = shared(&[("battle", &battle)]).start().await;
    let ban = Kick { reason: 0x8006, text: Some("a bot"), retry_after_ms: None, redirect: Redirects::NONE };
    let kicked = r#"{"code":"kicked","message":"a bot"}"#;
    let mut ann = come(&gate, &battle).await;
    battle.say(ann.1, Message::Bind { account: "ann", epoch: 1 }).await;
    battle.say(ann.1, Message::Kick(ban)).await;
    assert_eq!(ann.0.notice().await, kicked);
    let mut again = come(&gate, &battle).await;
    battle.say(again.1, Message::Bind { account: "ann", epoch: 2 }).await;
    assert_eq!(again.0.notice().await, r#"{"code":"kicked"}"#);
    let mut bob = come(&gate, &battle).await;
    battle.say(bob.1, Message::Bind { account: "bob", epoch: 1 }).await;
    let mut nobody = come(&gate, &battle).await;
    battle.say(nobody.1, Message::Kick(ban)).await;
    assert_eq!(nobody.0.notice().await, kicked);
    let (rest, _) = gate.player().await.read_to_end().await;
    assert!(rest.is_empty(), "turned away at the door");
    battle.say(bob.1, Message::Frame { payload: &frame(1, b"stays") }).await;
    assert_eq!(bob.0.recv().await.body, b"stays");
    drop((ann, again, bob, nobody));
    gate.is_empty().await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::Banned)), 2);
}

/// A player and its session at the backend.
async fn come(gate: &Gate, battle: &Backend) -> (Player, SessionId) {
    let mut player: Player = gate.player().await;
    player.send(1000, b"in").await;
    let address = player.address;
    let opened = |event: &Event| match event {
        Event::Open { session, address: known, .. } if *known == address => Some(*session),
        _ => None,
    };
    let session = battle.wait("an OPEN", |events| events.iter().rev().find_map(opened)).await;
    (player, session)
}

/// What a new player is told when the backend kicks it so.
async fn kicked(gate: &Gate, battle: &Backend, kick: Kick<'_>) -> String {
    let (mut player, session) = come(gate, battle).await;
    battle.say(session, Message::Kick(kick)).await;
    let notice = player.notice().await;
    player.closed().await;
    let closed = Event::Close { session, reason: kick.reason };
    battle.wait("CLOSE", |events| events.contains(&closed).then_some(())).await;
    notice
}
