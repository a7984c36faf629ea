//! Who serves, through the running gate: reports, states, keys, standby.

use std::time::Duration;

use realmgate::wire::link::{BackendState, Kick, LINK, LoadReport, Message, Redirects};

use crate::fakes::{Backend, Event, Frame, Gate, Manner, Player, until, within};

fn opens(backend: &Backend) -> usize {
    backend.events().iter().filter(|event| matches!(event, Event::Open { .. })).count()
}

fn pings(backend: &Backend) -> usize {
    count_pings(&backend.events())
}

fn count_pings(events: &[Event]) -> usize {
    events.iter().filter(|event| **event == Event::Ping).count()
}

/// Says something on the link and waits until the gate has read it: the player gets a frame that follows it.
async fn say_and_see(backend: &Backend, player: &mut Player, message: Message<'_>) {
    backend.say(LINK, message).await;
    let seen = crate::fakes::frame(999, b"seen");
    backend.say(backend.session().await, Message::Frame { payload: &seen }).await;
    assert_eq!(player.recv().await.id, 999);
}

#[tokio::test]
async fn a_backend_gets_no_more_sessions_than_it_reports_to_take() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").workers(2).start().await;
    let mut first = gate.player().await;
    first.echo(1000, b"in").await;
    // A report is believed to miss what was sent since the last PING, so wait for one on each link.
    let before = pings(&battle);
    battle.wait("PINGs", |events| (count_pings(events) >= before + 4).then_some(())).await;
    let report = LoadReport { load: Some(5000), sessions: Some(1), capacity: Some(3) };
    say_and_see(&battle, &mut first, Message::Load(report)).await;
    let (mut inside, mut refused) = (0, 0);
    for _ in 0..6 {
        let mut player = gate.player().await;
        player.send(1000, b"in").await;
        let Frame { id, body } = player.recv().await;
        let full = id == 9000 && body.starts_with(br#"{"code":"overloaded","route":"battle""#);
        assert!(full || id == 1000, "{id} {}", String::from_utf8_lossy(&body));
        (inside, refused) = (inside + usize::from(!full), refused + usize::from(full));
        Box::leak(Box::new(player)); // stays to the end of the test
    }
    assert_eq!((inside, refused, opens(&battle)), (2, 4, 3));
    first.echo(1000, b"those who are in go on").await;
}

#[tokio::test]
async fn the_backend_with_the_lower_load_gets_the_next_sessions() {
    let (busy, idle) = (Backend::echo().await, Backend::echo().await);
    let backends = [busy.address(), idle.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, "balance = \"least_load\"").start().await;
    let (mut one, mut two) = (gate.player().await, gate.player().await);
    one.echo(1000, b"in").await;
    two.echo(1000, b"in").await;
    assert_eq!((opens(&busy), opens(&idle)), (1, 1));
    for (backend, load) in [(&busy, 9000), (&idle, 1000)] {
        let report = LoadReport { load: Some(load), sessions: Some(1), capacity: Some(100) };
        backend.say(LINK, Message::Load(report)).await;
        let seen = crate::fakes::frame(999, b"seen");
        backend.say(backend.session().await, Message::Frame { payload: &seen }).await;
    }
    assert_eq!((one.recv().await.id, two.recv().await.id), (999, 999));
    for _ in 0..10 {
        gate.player().await.echo(1000, b"in").await;
    }
    assert_eq!((opens(&busy), opens(&idle)), (1, 11));
}

#[tokio::test]
async fn a_refusing_backend_keeps_its_sessions_and_a_degraded_one_is_the_last_choice() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, "balance = \"backup\"").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    for (state, reaches_first) in [
        (BackendState::Refusing, false),
        (BackendState::Ok, true),
        (BackendState::Degraded, false),
        (BackendState::Draining, false),
    ] {
        say_and_see(&first, &mut player, Message::State { state, text: Some("by test") }).await;
        let before = opens(&first);
        gate.player().await.echo(1000, b"new").await;
        assert_eq!(opens(&first) > before, reaches_first, "{state:?}");
        player.echo(1000, b"goes on").await;
    }
    say_and_see(&first, &mut player, Message::State { state: BackendState::Degraded, text: None }).await;
    second.kill().await;
    let before = opens(&first);
    gate.player().await.echo(1000, b"others are short").await;
    assert_eq!(opens(&first), before + 1);
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn players_of_one_room_meet_at_one_backend_whatever_their_session() {
    let mut backends = Vec::new();
    for _ in 0..4 {
        backends.push(Backend::echo().await);
    }
    let addresses: Vec<_> = backends.iter().map(Backend::address).collect();
    for balance in ["consistent_hash", "modulo"] {
        let keys = format!("balance = \"{balance}\"\nsticky = false\nhash_on = {{ offset = 6, width = 2 }}");
        let gate = Gate::builder().workers(2).shared("battle", "1000", &addresses, &keys).start().await;
        for room in 0..8_u16 {
            let seen =
                |backend: &Backend| backend.frames().iter().filter(|f| f[6..8] == room.to_be_bytes()).count();
            let before: Vec<usize> = backends.iter().map(seen).collect();
            for _ in 0..5 {
                gate.player().await.echo(1000, &room.to_be_bytes()).await;
            }
            let came: Vec<usize> =
                backends.iter().map(seen).zip(before).map(|(now, before)| now - before).collect();
            assert_eq!(
                came.iter().filter(|count| **count == 5).count(),
                1,
                "{balance} room {room}: {came:?}"
            );
        }
        gate.stop().await;
    }
}

#[tokio::test]
async fn both_of_a_hot_standby_hear_everything_and_only_the_first_is_heard() {
    let (first, second) = (Backend::with(Manner::Silent).await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, "balance = \"hot_standby\"").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"one").await;
    for backend in [&first, &second] {
        backend.has_frames(1).await;
    }
    let session = first.session().await;
    assert_eq!(session, second.session().await);
    let kick = Kick { reason: 0x8002, text: None, retry_after_ms: None, redirect: Redirects::new(&[]) };
    second.say(session, Message::Kick(kick)).await;
    first.say(session, Message::Frame { payload: &crate::fakes::frame(1000, b"of the first") }).await;
    assert_eq!(player.recv().await.body, b"of the first", "the second one's echo and kick were dropped");
    let dropped = || gate.meters().total(|meter| Some(&meter.standby_dropped));
    until("the echo and the kick to be dropped", || dropped() >= 2).await;
    first.kill().await;
    let promoted = crate::fakes::frame(1000, b"promoted");
    within("the promotion", async {
        loop {
            // Dropped until the gate has seen the end of the first one.
            second.say(session, Message::Frame { payload: &promoted }).await;
            if tokio::time::timeout(Duration::from_millis(20), player.recv()).await.is_ok() {
                return;
            }
        }
    })
    .await;
    player.echo(1000, b"two").await;
    assert_eq!(second.frames().len(), 2, "nothing was sent twice");
    drop(player);
    gate.is_empty().await;
}
