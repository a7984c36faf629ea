//! How the gate stops.

use std::sync::Arc;
use std::time::Duration;

use realmgate::app::Gate as RealGate;
use realmgate::base::Phase;
use realmgate::config::{self, Source};
use realmgate::session::EndReason;

use crate::fakes::{Backend, Event, Gate, Player, within};

async fn start(text: String) -> RealGate {
    let plan = config::parse(vec![Source { path: "test.toml".into(), text }]);
    let plan = plan.unwrap_or_else(|report| panic!("{}", report.render(false)));
    RealGate::start(plan).await.expect("the gate starts")
}

#[tokio::test]
async fn a_drain_accepts_for_a_while_then_tells_everyone_and_cuts_nobody() {
    let battle = Backend::echo().await;
    let text = Gate::builder().shared("battle", "1000", &[battle.address()], "").text();
    let text = text
        .replace("lame_duck = \"0s\"", "lame_duck = \"500ms\"")
        .replace("spread = \"0s\"", "spread = \"300ms\"");
    let gate = start(text).await;
    let address = gate.address("players").expect("listening");
    let mut players = Vec::new();
    for _ in 0..10 {
        let mut player = Player::connect(address).await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    let mut phases = gate.phases();
    let draining = tokio::spawn(gate.drain());
    within("the lame duck", phases.wait_for(|phase| *phase == Phase::LameDuck)).await.expect("a phase");
    let mut late = Player::connect(address).await;
    late.echo(1000, b"still accepted").await;
    players.push(late);
    for mut player in players {
        loop {
            let frame = player.recv().await;
            if frame.id == 9000 {
                assert_eq!(frame.body, br#"{"code":"shutting_down"}"#);
                break;
            }
        }
        player.closed().await;
    }
    assert_eq!(within("the end of the drain", draining).await.expect("no panic"), 0, "nobody was cut");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    let closed = |events: &[Event]| {
        (events.iter().filter(|event| matches!(event, Event::Close { reason: 4, .. })).count() == 11)
            .then_some(())
    };
    battle.wait("CLOSE of every session", closed).await;
}

#[tokio::test]
async fn idle_sessions_leave_first() {
    let battle = Backend::echo().await;
    let text = Gate::builder().shared("battle", "1000", &[battle.address()], "").text();
    let text = text.replace("deadline = \"5s\"", "deadline = \"20s\"");
    let gate = start(text.replace("spread = \"0s\"", "spread = \"4s\"")).await;
    let address = gate.address("players").expect("listening");
    let (mut busy, mut idle) = (Player::connect(address).await, Player::connect(address).await);
    idle.echo(1000, b"long ago").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    busy.echo(1000, b"just now").await;
    let draining = tokio::spawn(gate.drain());
    assert!(idle.notice().await.contains("shutting_down"));
    busy.echo(1000, b"still playing").await;
    assert!(busy.notice().await.contains("shutting_down"));
    drop((busy, idle));
    within("the end of the drain", draining).await.expect("no panic");
}

#[tokio::test]
async fn the_deadline_cuts_those_who_do_not_go() {
    let battle = Backend::echo().await;
    let text = Gate::builder()
        .limit("send_buffer = \"4MiB\"")
        .shared("battle", "1000", &[battle.address()], "")
        .text();
    let text = text
        .replace("spread = \"0s\"", "spread = \"200ms\"")
        .replace("deadline = \"5s\"", "deadline = \"200ms\"");
    let gate = start(text).await;
    let mut players = Vec::new();
    for _ in 0..5 {
        let mut player = Player::connect(gate.address("players").expect("listening")).await;
        player.echo(1000, b"in").await;
        players.push(player);
    }
    // The last to be told has its moment just before the deadline and needs longer to go: it never closes.
    let cut = within("the end of the drain", Box::pin(gate.drain())).await;
    assert!(cut > 0, "players that stay are cut at the deadline");
}

#[tokio::test]
async fn whoever_is_there_when_it_stops_is_cut_and_counted_as_that() {
    const MANY: usize = 300; // more than one turn of the event loop looks at
    let chat = Backend::echo().await;
    let gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], "").start().await;
    let meters = Arc::clone(gate.meters());
    let mut players = Vec::new();
    for _ in 0..MANY {
        players.push(gate.player().await);
    }
    gate.has_sessions(MANY).await;
    gate.stop().await;
    let ended = |end| meters.total(|meter| meter.ended(end));
    assert_eq!((ended(EndReason::Cut), ended(EndReason::Bug)), (MANY as u64, 0));
}

#[tokio::test]
async fn an_address_in_use_is_told_and_nothing_is_left_running() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let battle = Backend::echo().await;
    let text = Gate::builder().shared("battle", "1000", &[battle.address()], "").text();
    let text = text.replace("127.0.0.1:0", &taken.local_addr().expect("bound").to_string());
    let plan = config::parse(vec![Source { path: "test.toml".into(), text }]).expect("a plan");
    let error = RealGate::start(plan).await.expect_err("the address is in use").to_string();
    assert!(error.contains("cannot listen here") && error.contains("test.toml"), "{error}");
    assert_eq!(battle.events(), [], "no link was made");
}
