//! A gateway that has little left, and players that take nothing: what is given up, and who does not notice.

use std::future::Future;
use std::time::Duration;

use realmgate::policy::Resource;
use realmgate::session::EndReason;
use realmgate::telemetry::Refusal;
use realmgate::wire::link::Message;

use crate::fakes::{Backend, Certificates, Gate, GateBuilder, Player, frame, until, within};

/// Reports a pressure much more often than the gate itself looks, until it is told to stop.
async fn pressed<T>(gate: &Gate, sample: f64, level: &str, meanwhile: impl Future<Output = T>) -> T {
    let pressure = gate.inner().pressure();
    let pressing = async {
        loop {
            (0..20).for_each(|_| pressure.report(Resource::Memory, sample));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let reached = async {
        while pressure.level() != level {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        meanwhile.await
    };
    tokio::select! {
        () = pressing => unreachable!("it never ends"),
        result = reached => result,
    }
}

async fn calm(gate: &Gate) {
    until("the gate's own samples to calm it", || gate.inner().pressure().level() == "calm").await;
}

/// Three classes of routes to one backend.
fn classes(battle: &Backend) -> GateBuilder {
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "");
    gate.table("[route.pay]\nids = [2000]\ncluster = \"battle\"\nclass = \"critical\"")
        .table("[route.chat]\nids = [3000]\ncluster = \"battle\"\nclass = \"optional\"")
}

#[tokio::test]
async fn under_pressure_optional_routes_are_shed_and_no_others_until_it_is_calm() {
    let battle = Backend::echo().await;
    let gate = classes(&battle).start().await;
    let mut player = gate.player().await;
    player.echo(3000, b"before").await;
    for (sample, level) in [(0.8, "shedding"), (1.0, "refusing")] {
        pressed(&gate, sample, level, async {
            player.send(3000, b"optional").await;
            let told = player.notice().await;
            assert!(told.starts_with(r#"{"code":"overloaded","route":"chat","retry_after_ms":"#), "{told}");
            player.echo(1000, b"normal").await;
            player.echo(2000, b"critical").await;
        })
        .await;
    }
    let pressure = |counts: &realmgate::telemetry::RouteCounts| counts.refused(Refusal::Pressure).get();
    let chat = gate.meters().route("chat");
    assert_eq!(chat.of(0).map(pressure), Some(2));
    calm(&gate).await;
    player.echo(3000, b"after").await;
    assert!(gate.inner().metrics_page().contains(r#"overload_pressure_ratio{resource="memory"}"#));
}

#[tokio::test]
async fn under_the_worst_pressure_nobody_new_comes_in_and_who_is_in_stays() {
    let battle = Backend::echo().await;
    let gate = classes(&battle).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    pressed(&gate, 1.0, "refusing", async {
        let (rest, _) = gate.player().await.read_to_end().await;
        assert_eq!(rest, b"");
        player.echo(1000, b"still in").await;
    })
    .await;
    let page = gate.inner().metrics_page();
    assert!(page.contains("listener_refused_total{listener=\"players\",reason=\"overload\"} 1\n"), "{page}");
    calm(&gate).await;
    gate.player().await.echo(1000, b"in again").await;
}

/// How much waits for each session.
async fn buffered(gate: &Gate) -> Vec<usize> {
    let worker = gate.inner().workers().first().expect("a worker");
    worker.list(None, 10).await.into_iter().map(|facts| facts.buffered).collect()
}

#[tokio::test]
async fn a_player_with_a_full_buffer_delays_nobody_on_the_same_link() {
    let battle = Backend::echo().await;
    let gate = Gate::builder().limit("send_buffer = \"16MiB\"\nwrite_timeout = \"10m\"");
    let gate = gate.shared("battle", "1000", &[battle.address()], "").start().await;
    let (mut deaf, mut other) = (gate.player().await, gate.player().await);
    deaf.send(1000, b"in").await;
    let (session, pushed) = (battle.session().await, frame(1001, &[5; 60_000]));
    within("more than half of the buffer to wait", async {
        while buffered(&gate).await.into_iter().max() < Some(8 << 20) {
            battle.say(session, Message::Frame { payload: &pushed }).await;
        }
    })
    .await;
    for _ in 0..100 {
        other.echo(1000, b"quick").await;
        battle.say(session, Message::Frame { payload: &frame(1001, b"one more") }).await;
    }
    assert!(buffered(&gate).await.into_iter().max() >= Some(8 << 20), "it still waits");
    gate.has_sessions(2).await;
    assert_eq!(deaf.recv().await.body, b"in", "and nothing is lost");
}

/// A player that reads nothing gets more than the sockets hold and less than the buffer.
async fn stalls(gate: &Gate, battle: &Backend, mut deaf: Player) {
    deaf.send(1000, b"in").await;
    let (session, pushed) = (battle.session().await, frame(1001, &[5; 60_000]));
    within("something to wait", async {
        while buffered(gate).await.into_iter().max() < Some(1 << 20) {
            battle.say(session, Message::Frame { payload: &pushed }).await;
        }
    })
    .await;
    gate.has_sessions(0).await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::TooSlow)), 1);
}

#[tokio::test]
async fn a_player_that_never_reads_is_too_slow_after_the_write_timeout_plain_and_with_tls() {
    let slow = "send_buffer = \"64MiB\"\nwrite_timeout = \"1s\"";
    let battle = Backend::echo().await;
    let plain = Gate::builder().limit(slow).shared("battle", "1000", &[battle.address()], "").start().await;
    stalls(&plain, &battle, plain.player().await).await;

    let (battle, certificates) = (Backend::echo().await, Certificates::new());
    let gate = Gate::builder().limit(slow).shared("battle", "1000", &[battle.address()], "");
    let gate = gate.start_tls(&certificates).await;
    stalls(&gate, &battle, gate.tls_player().await).await;
}

/// In how many hundredths of a second the operating system probes the gate's end of a connection.
fn probe_in(gate: &Gate, player: &Player) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("Linux");
    let (near, far) = (format!(":{:04X}", gate.address().port()), format!(":{:04X}", player.address.port()));
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1)?.ends_with(&near) && fields.get(2)?.ends_with(&far);
        let timer = is_it.then(|| fields.get(5)?.strip_prefix("02:")).flatten()?;
        u64::from_str_radix(timer, 16).ok()
    })
}

async fn first_probe(gate: &Gate, player: &Player) -> u64 {
    within("the timer of the probes", async {
        loop {
            match probe_in(gate, player) {
                Some(hundredths) => return hundredths,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
}

#[tokio::test]
async fn silent_connections_are_probed_and_a_reload_counts_for_new_ones() {
    let battle = Backend::echo().await;
    let with = |idle: &str| {
        let gate = Gate::builder().limit(&format!("idle_timeout = \"{idle}\""));
        gate.shared("battle", "1000", &[battle.address()], "")
    };
    let mut gate = with("1h").start().await;
    let mut old = gate.player().await;
    old.echo(1000, b"in").await;
    gate.reload(with("60s")).await;
    let mut new = gate.player().await;
    new.echo(1000, b"in").await;
    let probed = (first_probe(&gate, &old).await, first_probe(&gate, &new).await);
    assert!((100_000..=120_000).contains(&probed.0), "{probed:?}: a third of an hour");
    assert!((1..=2000).contains(&probed.1), "{probed:?}: a third of a minute");
}
