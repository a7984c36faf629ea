//! What must stay apart when a link, a backend's life or a pair of backends changes in between.

use std::net::SocketAddr;
use std::time::Duration;

use realmgate::base::Reason;
use realmgate::config::{AdminState, Override};
use realmgate::wire::link::{BackendState, Exception, LINK, LoadReport, Message};

use crate::fakes::{Backend, Event, Gate, Manner, Player, frame, log, within};

fn opens(backend: &Backend) -> usize {
    backend.events().iter().filter(|event| matches!(event, Event::Open { .. })).count()
}

/// Sends a frame again and again until it comes back.
pub(crate) async fn until_echoed(player: &mut Player, id: u16, body: &[u8]) {
    within("an echo", async {
        loop {
            player.send(id, body).await;
            let answer = tokio::time::timeout(Duration::from_millis(100), player.recv()).await;
            if answer.is_ok_and(|frame| frame.body == body) {
                return;
            }
        }
    })
    .await;
}

/// Says something on the link and waits until the gate has read it: the player gets a frame that follows it.
async fn say_and_see(backend: &Backend, player: &mut Player, message: Message<'_>) {
    backend.say(LINK, message).await;
    backend.say(backend.session().await, Message::Frame { payload: &frame(999, b"seen") }).await;
    assert_eq!(player.recv().await.id, 999);
}

#[tokio::test]
async fn an_answer_that_was_lost_with_its_link_is_not_held_against_the_backend() {
    let pay = Backend::with(Manner::Silent).await;
    let breaker =
        "[route.pay.breaker]\nconsecutive = 1\nopen = \"60s\"\nreply = { id = 2000, within = \"300ms\" }";
    let gate = Gate::builder().shared("pay", "2000", &[pay.address()], "").table(breaker).start().await;
    let mut player = gate.player().await;
    player.send(2000, b"lost with the link").await;
    pay.has_frames(1).await;
    let address = pay.kill().await;
    let _pay = Backend::at(address).await;
    until_echoed(&mut player, 2000, b"first").await;
    tokio::time::sleep(Duration::from_millis(350)).await; // what was awaited would be overdue by now
    player.send(2000, b"second").await;
    loop {
        let body = player.recv().await.body;
        assert!(!body.starts_with(br#"{"code":"unavailable""#), "the breaker is open");
        if body == b"second" {
            return;
        }
    }
}

#[tokio::test]
async fn a_backend_that_refused_a_session_is_asked_again_in_its_next_life() {
    let battle = Backend::with(Manner::Refuse).await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"x").await;
    assert!(player.notice().await.contains("unavailable"));
    let address = battle.kill().await;
    let _battle = Backend::at(address).await;
    until_echoed(&mut player, 1000, b"again").await;
}

#[tokio::test]
async fn a_session_that_nobody_wanted_hears_when_somebody_does() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let (mut inside, mut outside) = (gate.player().await, gate.player().await);
    inside.echo(1000, b"in").await;
    say_and_see(&battle, &mut inside, Message::State { state: BackendState::Refusing, text: None }).await;
    outside.send(1000, b"x").await;
    assert!(outside.notice().await.contains("unavailable"));
    battle.say(LINK, Message::State { state: BackendState::Ok, text: None }).await;
    assert!(outside.notice().await.contains("recovered"));
}

#[tokio::test]
async fn each_session_hears_of_the_ids_that_it_was_refused() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "\"1000-1999\"", &[battle.address()], "").start().await;
    let (mut long, mut short) = (gate.player().await, gate.player().await);
    long.echo(1000, b"in").await;
    for (id, for_ms) in [(1500, 60_000), (1600, 300)] {
        let exception = Exception { first_id: id, last_id: id, for_ms, text: None };
        say_and_see(&battle, &mut long, Message::Exception(exception)).await;
    }
    long.send(1500, b"x").await;
    assert!(long.notice().await.contains("unavailable"));
    short.send(1600, b"x").await;
    assert!(short.notice().await.contains("unavailable"));
    assert!(short.notice().await.contains("recovered"));
    long.send(1, b"").await;
    assert_eq!(long.recv().await.id, 2, "its own ID still fails");
}

#[tokio::test]
async fn the_end_of_a_backend_is_one_failure_however_many_workers_see_it() {
    log::listen();
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    let keys = "balance = \"backup\"\noutlier = { consecutive = 2, eject = \"60s\" }";
    let gate = Gate::builder().workers(8).shared("battle", "1000", &backends, keys).start().await;
    let name = first.address().to_string();
    let address = first.kill().await;
    let first = Backend::at(address).await;
    let hellos =
        |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Hello { .. })).count();
    first.wait("all links to come back", |events| (hellos(events) == 8).then_some(())).await;
    until_echoed(&mut gate.player().await, 1000, b"in").await;
    let lines = log::lines(|line| line.get("backend") == name && line.get("message").starts_with("ejected"));
    assert!(lines.is_empty(), "{lines:?}");
}

#[tokio::test]
async fn a_hot_standby_goes_on_without_who_refuses_and_hears_nothing_twice() {
    let (first, second) = (Backend::echo().await, Backend::with(Manner::Silent).await);
    let backends = [first.address(), second.address()];
    let keys = "balance = \"hot_standby\"\non_loss = \"close\"";
    let gate = Gate::builder().shared("battle", "1000", &backends, keys).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"one").await;
    second.has_frames(1).await;
    let session = second.session().await;
    say_and_see(&first, &mut player, Message::State { state: BackendState::Refusing, text: None }).await;
    let (mut new, before) = (gate.player().await, opens(&first));
    second.behave(Manner::Echo);
    new.echo(1000, b"new").await;
    assert_eq!(opens(&first), before, "who refuses gets no new session, and the other one is heard");
    first.kill().await;
    // The player has heard `one` and `seen` of the first; the second one repeats both, then says what is new.
    let say = async |body: &[u8]| second.say(session, Message::Frame { payload: &frame(1000, body) }).await;
    for body in [&b"one"[..], b"seen"] {
        say(body).await;
    }
    until_echoed(&mut new, 1000, b"the gate has seen the end").await;
    say(b"two").await;
    assert_eq!(player.recv().await.body, b"two", "nothing was heard twice, and nobody was closed");
}

#[tokio::test]
async fn the_second_of_a_hot_standby_that_refuses_gets_no_new_session_and_keeps_those_it_has() {
    let (first, second) = (Backend::echo().await, Backend::with(Manner::Silent).await);
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, "balance = \"hot_standby\"").start().await;
    let (mut old, mut new) = (gate.player().await, gate.player().await);
    old.echo(1000, b"old").await;
    second.has_frames(1).await;
    second.say(LINK, Message::State { state: BackendState::Refusing, text: None }).await;
    second.settled().await;
    new.echo(1000, b"new").await;
    old.echo(1000, b"still heard by both").await;
    second.has_frames(2).await;
    assert_eq!(
        (opens(&second), second.frames()),
        (1, vec![frame(1000, b"old"), frame(1000, b"still heard by both")])
    );
}

#[tokio::test]
async fn a_hot_standby_whose_first_refuses_a_session_is_served_by_the_second() {
    let (first, second) = (Backend::with(Manner::Refuse).await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, "balance = \"hot_standby\"").start().await;
    let mut player = gate.player().await;
    player.send(1000, b"lost").await;
    assert!(player.notice().await.contains("unavailable"));
    until_echoed(&mut player, 1000, b"served").await;
}

#[tokio::test]
async fn a_hot_standby_recovers_with_its_first_or_with_who_takes_its_place() {
    for dies in [false, true] {
        let (first, second) = (Backend::echo().await, Backend::echo().await);
        let backends = [first.address(), second.address()];
        let keys = "balance = \"hot_standby\"";
        let gate = Gate::builder().shared("battle", "\"1000-1999\"", &backends, keys).start().await;
        let mut player = gate.player().await;
        player.echo(1000, b"in").await;
        let for_ms = if dies { 60_000 } else { 300 };
        let exception = Exception { first_id: 1500, last_id: 1500, for_ms, text: None };
        say_and_see(&first, &mut player, Message::Exception(exception)).await;
        player.send(1500, b"x").await;
        assert!(player.notice().await.contains("unavailable"));
        if dies {
            first.kill().await;
        }
        assert!(player.notice().await.contains("recovered"), "dies: {dies}");
    }
}

/// Takes a member out of its hot standby, or gives it back: as the operator does, or as it says itself.
async fn puts(gate: &mut Gate, backend: &Backend, by_operator: bool, is_in: bool) {
    if by_operator {
        let address = backend.address().to_string();
        let state = if is_in { AdminState::Ready } else { AdminState::Drain };
        gate.change(Override::State { cluster: "battle".to_owned(), address, state }).await;
    } else {
        let state = if is_in { BackendState::Ok } else { BackendState::Draining };
        backend.say(LINK, Message::State { state, text: None }).await;
    }
    backend.settled().await;
}

#[tokio::test]
async fn who_leaves_a_hot_standby_loses_its_sessions_and_is_told_of_them_anew() {
    for by_operator in [true, false] {
        let (first, second) = (Backend::echo().await, Backend::echo().await);
        let backends = [first.address(), second.address()];
        let keys = "balance = \"hot_standby\"";
        let mut gate = Gate::builder().shared("battle", "1000", &backends, keys).start().await;
        let mut player = gate.player().await;
        player.echo(1000, b"one").await;
        let session = first.session().await;
        puts(&mut gate, &first, by_operator, false).await;
        player.echo(1000, b"two").await;
        let moved = Event::Close { session, reason: Reason::Moved.code() };
        first.wait("CLOSE", |events| events.contains(&moved).then_some(())).await;
        puts(&mut gate, &first, by_operator, true).await;
        player.echo(1000, b"three").await;
        assert_eq!(opens(&first), 2, "by the operator: {by_operator}");
        assert_eq!(first.frames(), [frame(1000, b"one"), frame(1000, b"three")]);
        second.has_frames(3).await;
        assert_eq!(opens(&second), 1);
    }
}

#[tokio::test]
async fn a_session_stays_with_the_second_of_a_hot_standby_while_the_first_is_full() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    let mut gate =
        Gate::builder().shared("battle", "1000", &backends, "balance = \"hot_standby\"").start().await;
    let mut players = [gate.player().await, gate.player().await];
    for player in &mut players {
        player.echo(1000, b"in").await;
    }
    puts(&mut gate, &first, true, false).await;
    for player in &mut players {
        player.echo(1000, b"at the second").await;
    }
    first.forget();
    first.wait("a PING", |events| events.contains(&Event::Ping).then_some(())).await; // what follows is no old report
    let report = LoadReport { sessions: Some(0), capacity: Some(1), load: None };
    first.say(LINK, Message::Load(report)).await;
    puts(&mut gate, &first, true, true).await;
    for body in [b"on", b"up"] {
        for player in &mut players {
            player.echo(1000, body).await;
        }
    }
    assert_eq!(opens(&first), 1, "it has room for one of them");
    second.has_frames(8).await;
    assert_eq!((opens(&second), second.frames().len()), (2, 8), "and nothing was heard twice");
}

#[tokio::test]
async fn a_third_keeps_the_sessions_of_a_hot_standby_while_the_first_is_full() {
    let (first, second, third) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address(), third.address()];
    let mut gate =
        Gate::builder().shared("battle", "1000", &backends, "balance = \"hot_standby\"").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    puts(&mut gate, &first, true, false).await;
    player.echo(1000, b"at the second").await;
    third.has_frames(1).await;
    first.forget();
    first.wait("a PING", |events| events.contains(&Event::Ping).then_some(())).await; // what follows is no old report
    let report = LoadReport { sessions: Some(1), capacity: Some(1), load: None };
    first.say(LINK, Message::Load(report)).await;
    puts(&mut gate, &first, true, true).await;
    player.echo(1000, b"on").await;
    third.has_frames(2).await;
    assert_eq!((opens(&first), opens(&third)), (0, 1), "nobody left whom the first cannot take");
    second.kill().await;
    until_echoed(&mut player, 1000, b"still").await;
    assert_eq!((opens(&first), opens(&third)), (0, 1));
}

/// Sends a frame that nobody serves.
async fn is_unserved(player: &mut Player, id: u16) {
    player.send(id, b"x").await;
    let notice = player.notice().await;
    assert!(notice.contains(r#""code":"unavailable""#), "{notice}");
}

#[tokio::test]
async fn a_backend_that_gets_no_new_sessions_is_no_recovery() {
    for without_weight in [false, true] {
        let (first, second, pay) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
        let mut gate = Gate::builder()
            .shared("battle", "1000", &[first.address(), second.address()], "")
            .shared("pay", "2000", &[pay.address()], "")
            .start()
            .await;
        let (cluster, address) = ("battle".to_owned(), first.address().to_string());
        let out = match without_weight {
            true => Override::Weight { cluster, address, weight: 0 },
            false => Override::State { cluster, address, state: AdminState::Drain },
        };
        gate.change(out).await;
        let [second, pay] = [lost(&gate, "battle", second).await, lost(&gate, "pay", pay).await];
        let mut player = gate.player().await;
        is_unserved(&mut player, 1000).await;
        is_unserved(&mut player, 2000).await;
        let first = Backend::at(lost(&gate, "battle", first).await).await;
        first.wait("a link", |events| events.first().cloned()).await;
        first.settled().await;
        // Whose route works again hears so at one look: of the one, and not of the other.
        let _pay = Backend::at(pay).await;
        let notice = player.notice().await;
        assert!(notice.contains("recovered") && notice.contains("pay"), "{notice}");
        let _second = Backend::at(second).await;
        let notice = player.notice().await;
        assert!(notice.contains("recovered") && notice.contains("battle"), "{notice}");
        player.echo(1000, b"in").await;
    }
}

/// Kills a backend and waits until the gate has seen it; the address it had.
async fn lost(gate: &Gate, cluster: &str, backend: Backend) -> SocketAddr {
    let address = backend.kill().await;
    gate.shows(&format!("realmgate_link_up{{cluster=\"{cluster}\",backend=\"{address}\"}} 0")).await;
    address
}
