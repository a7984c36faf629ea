//! Backends that die, under load and one by one.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::fakes::{Backend, Dedicated, Event, Gate, Player, log, until, within};

const CHILD: &str = "REALMGATE_TEST_BACKEND";

/// Not a test by itself: the other process of the test below, which starts this one by name.
#[tokio::test]
async fn backend_process() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let backend = Backend::echo().await;
    println!("\naddress {}", backend.address());
    let parent_is_gone = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
    parent_is_gone.await.expect("reading standard input");
}

struct BackendProcess {
    child: Child,
    address: SocketAddr,
}

impl BackendProcess {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "loss::backend_process", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut addresses =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("address ")?.parse().ok());
        let address = addresses.next().expect("the backend says where it listens");
        Self { child, address }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it is dead");
    }
}

/// Sends numbered frames in a closed loop until told to stop. A frame may go unanswered only around the kill;
/// how many did.
async fn play(
    mut player: Player,
    id: u16,
    stop: Arc<AtomicBool>,
    killed: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
) -> usize {
    let mut sent = 0_u32;
    let mut lost = 0;
    while !stop.load(Ordering::SeqCst) {
        let first = sent;
        player.send(id, &sent.to_be_bytes()).await;
        sent += 1;
        loop {
            let answer = tokio::time::timeout(Duration::from_millis(200), player.recv()).await;
            match answer {
                Ok(frame) => {
                    let number = u32::from_be_bytes(frame.body.try_into().expect("a number"));
                    assert!((first..sent).contains(&number), "{number} is not of {first}..{sent}");
                    lost += number - first;
                    break;
                }
                Err(_) if killed.load(Ordering::SeqCst) => {
                    player.send(id, &sent.to_be_bytes()).await;
                    sent += 1;
                }
                Err(_) => {}
            }
        }
        rounds.fetch_add(1, Ordering::SeqCst);
    }
    lost as usize
}

#[tokio::test]
async fn killing_one_of_two_backends_loses_only_what_was_in_flight() {
    let doomed = tokio::task::spawn_blocking(BackendProcess::start).await.expect("started");
    let (survivor, pay) = (Backend::echo().await, Backend::echo().await);
    let gate = Gate::builder()
        .workers(2)
        .shared("battle", "1000", &[doomed.address, survivor.address()], "")
        .shared("pay", "2000", &[pay.address()], "")
        .start()
        .await;
    let (stop, killed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (rounds, mut battle, mut payers) = (Arc::new(AtomicUsize::new(0)), Vec::new(), Vec::new());
    for _ in 0..20 {
        let start = |player, id| tokio::spawn(play(player, id, stop.clone(), killed.clone(), rounds.clone()));
        battle.push(start(gate.player().await, 1000));
        payers.push(start(gate.player().await, 2000));
    }
    let more_rounds = async |count: usize| {
        let wanted = rounds.load(Ordering::SeqCst) + count;
        until("rounds of play", || rounds.load(Ordering::SeqCst) >= wanted).await;
    };
    more_rounds(2000).await;
    killed.store(true, Ordering::SeqCst);
    doomed.kill();
    more_rounds(4000).await;
    stop.store(true, Ordering::SeqCst);
    let mut losers = 0;
    for player in battle {
        losers += usize::from(within("a player to end", player).await.expect("no lost or wrong answer") > 0);
    }
    assert!(
        losers <= 10,
        "only the ten sessions of the killed backend had frames in flight there; {losers} lost some"
    );
    for player in payers {
        let lost = within("a player to end", player).await.expect("no wrong answer");
        assert_eq!(lost, 0, "another cluster saw something");
    }
    let opened = survivor.events().iter().filter(|event| matches!(event, Event::Open { .. })).count();
    assert_eq!(opened, 20, "every session is with the survivor now");
    gate.is_empty().await;
}

#[tokio::test]
async fn a_cluster_that_closes_on_loss_ends_the_sessions_of_that_backend_only() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, "on_loss = \"close\"").start().await;
    let (mut lost, mut kept) = (gate.player().await, gate.player().await);
    lost.echo(1000, b"in").await;
    kept.echo(1000, b"in").await;
    assert_eq!((first.frames().len(), second.frames().len()), (1, 1));
    first.kill().await;
    assert_eq!(lost.notice().await, r#"{"code":"unavailable"}"#);
    lost.closed().await;
    kept.echo(1000, b"still here").await;
}

#[tokio::test]
async fn a_backend_that_is_not_heard_for_fifteen_seconds_loses_its_link_and_its_sessions() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address()];
    log::listen();
    // No probe comes in between.
    let more = "balance = \"backup\"\nhealth.interval = \"1h\"";
    let gate = Gate::builder().shared("battle", "1000", &backends, more).start().await;
    let mut player = gate.player().await;
    let began = Instant::now();
    player.echo(1000, b"heard").await;
    first.set_silent(true);
    let questions = |events: &[Event]| events.iter().filter(|event| **event == Event::Ping).count();
    first.wait("ten questions", |events| (questions(events) >= 10).then_some(())).await;
    first.wait("the end of the link", |events| events.contains(&Event::Lost).then_some(())).await;
    assert!(began.elapsed() >= Duration::from_secs(15), "{:?}", began.elapsed());
    let name = first.address().to_string();
    let is_it =
        |line: &log::Line| line.get("backend") == name && line.get("message").starts_with("link lost");
    let line = within("a line of it", log::wait(1, is_it)).await;
    assert_eq!(line.get("why"), "nothing heard for 15 s", "{line:?}");
    player.echo(1000, b"elsewhere").await;
    assert_eq!((first.frames().len(), second.frames().len()), (1, 1));
}

#[tokio::test]
async fn a_backend_that_comes_back_is_found_again() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "").start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    let address = battle.kill().await;
    let unavailable = async {
        loop {
            player.send(1000, b"?").await;
            if let Ok(frame) = tokio::time::timeout(Duration::from_millis(20), player.recv()).await {
                return frame;
            }
        }
    };
    assert_eq!(within("the loss to be seen", unavailable).await.id, 9000);
    let battle = Backend::at(address).await;
    battle.wait("the link to come back", |events| events.first().cloned()).await;
    within("a frame to come through", async {
        loop {
            player.send(1000, b"again").await;
            if player.recv().await.id == 1000 {
                return;
            }
        }
    })
    .await;
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn without_stickiness_every_frame_is_picked_anew() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let (third, fourth) = (Dedicated::start().await.echo(), Dedicated::start().await.echo());
    let gate = Gate::builder()
        .shared("battle", "1000", &[first.address(), second.address()], "sticky = false")
        .dedicated("chat", "3000", &[third, fourth], "sticky = false")
        .start()
        .await;
    let mut player = gate.player().await;
    for turn in 0..10_u8 {
        player.echo(1000, &[turn]).await;
        player.echo(3000, &[turn]).await;
    }
    assert_eq!((first.frames().len(), second.frames().len()), (5, 5));
    drop(player);
    gate.is_empty().await;
}
