//! What operators are told of the running gate: clusters, backends and routes as they are now.

use std::time::Duration;

use realmgate::config::AdminState;
use realmgate::net::{BackendFacts, ClusterFacts, RouteFacts};
use realmgate::policy::BreakerState;
use realmgate::wire::link::{LINK, LoadReport, Message};

use crate::fakes::{Backend, Dedicated, Gate, within};

/// Long after whatever the gate has done, and before any report is too old.
const NOW: Duration = Duration::from_secs(60);

fn cluster(gate: &Gate, name: &str) -> ClusterFacts {
    let facts = gate.inner().world().cluster_facts(NOW);
    facts.into_iter().find(|cluster| cluster.name == name).expect("a cluster of the test")
}

fn route(gate: &Gate, name: &str) -> RouteFacts {
    let facts = gate.inner().world().route_facts();
    facts.into_iter().find(|route| route.name == name).expect("a route of the test")
}

/// Waits until a backend is so.
async fn backend_is(gate: &Gate, name: &str, so: impl Fn(&BackendFacts) -> bool) -> BackendFacts {
    let reached = async {
        loop {
            let found = cluster(gate, name).backends.into_iter().find(|backend| so(backend));
            if let Some(backend) = found {
                return backend;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within("a backend to be so", reached).await
}

#[tokio::test]
async fn a_cluster_is_told_as_the_file_says_it_and_as_its_backends_say() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .workers(2)
        .table(&format!(
            "[cluster.battle]\nbalance = \"least_load\"\nslow_start = \"0s\"\n\
             backends = [{{ address = \"{}\", zone = \"test\", weight = 40 }}]\n\
             [route.battle]\nids = [1000, \"1100-1199\"]\ncluster = \"battle\"\nclass = \"critical\"",
            battle.address()
        ))
        .start()
        .await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    let report = LoadReport { load: Some(2500), sessions: Some(1), capacity: Some(100) };
    battle.say(LINK, Message::Load(report)).await;
    let backend = backend_is(&gate, "battle", |backend| backend.load_reported.is_some()).await;
    assert_eq!(backend.address, battle.address().to_string());
    assert_eq!((backend.zone.as_str(), backend.weight, backend.weight_now), ("test", 40, 40.0));
    assert_eq!((backend.admin, backend.up, backend.ejected), (AdminState::Ready, true, None));
    assert_eq!((backend.load_reported, backend.capacity), (Some(0.25), Some(100)));
    assert!(backend.load_predicted >= backend.load_reported);
    assert_eq!((backend.sessions, backend.links, backend.reason.as_str()), (1, 2, ""));
    let breakers: Vec<_> = backend.breakers.iter().map(|breaker| (&*breaker.route, breaker.state)).collect();
    assert_eq!(breakers, [("battle", BreakerState::Closed)]);
    let facts = cluster(&gate, "battle");
    assert_eq!((facts.link, facts.balance, facts.panic, facts.group), ("shared", "least_load", false, None));
    let facts = route(&gate, "battle");
    assert_eq!((facts.ids, facts.catch_all), (vec![(1000, 1000), (1100, 1199)], false));
    assert_eq!((facts.cluster.as_str(), facts.class), ("battle", "critical"));
    assert_eq!((facts.maintenance, facts.breaker), (None, BreakerState::Closed));
}

#[tokio::test]
async fn a_backend_that_is_down_has_a_reason_and_keeps_it_when_it_is_up_again() {
    let battle = Backend::echo().await;
    let address = battle.address();
    let quick =
        "panic_threshold = 60\nhealth = { interval = \"50ms\", timeout = \"40ms\", fall = 2, rise = 1 }";
    let gate = Gate::builder().shared("battle", "1000", &[address], quick).start().await;
    battle.kill().await;
    let backend = backend_is(&gate, "battle", |backend| !backend.up).await;
    assert!(backend.reason.contains("cannot connect"), "{}", backend.reason);
    assert!(cluster(&gate, "battle").panic);
    let _again = Backend::at(address).await;
    let backend = backend_is(&gate, "battle", |backend| backend.up).await;
    assert!(!backend.reason.is_empty(), "why it last was");
}

#[tokio::test]
async fn where_health_is_ignored_critical_frames_go_nowhere_and_hear_when_that_is_over() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let addresses = [first.address(), second.address()];
    let quick = "balance = \"backup\"\npanic_threshold = 60\n\
                 health = { interval = \"50ms\", timeout = \"40ms\", fall = 2, rise = 1 }";
    let gate = Gate::builder()
        .shared("battle", "1000", &addresses, quick)
        .table("[route.pay]\nids = [2000]\ncluster = \"battle\"\nclass = \"critical\"")
        .start()
        .await;
    let mut kept = gate.player().await;
    kept.echo(2000, b"by the first, and it stays there").await;
    second.kill().await;
    backend_is(&gate, "battle", |backend| !backend.up).await;
    assert!(cluster(&gate, "battle").panic);
    let mut new = gate.player().await;
    for player in [&mut kept, &mut new] {
        player.echo(1000, b"others play on").await;
        player.send(2000, b"who may be ill").await;
        assert_eq!(player.notice().await, r#"{"code":"unavailable","route":"pay","id":2000}"#);
    }
    let _again = Backend::at(addresses[1]).await;
    for player in [&mut kept, &mut new] {
        assert_eq!(player.notice().await, r#"{"code":"recovered","route":"pay"}"#);
        player.echo(2000, b"again").await;
    }
}

#[tokio::test]
async fn a_route_is_as_bad_as_the_worst_of_its_breakers() {
    let (dead, lives) = (Dedicated::start().await.address(), Dedicated::start().await.echo());
    let rules = "frame = \"game\"\nhealth = { interval = \"1h\" }\noutlier = { consecutive = 1000 }";
    let gate = Gate::builder()
        .dedicated("chat", "2000", &[dead, lives], rules)
        .table("[route.chat.breaker]\nconsecutive = 1\nopen = \"60s\"\nmax_open = \"60s\"")
        .start()
        .await;
    assert_eq!(route(&gate, "chat").breaker, BreakerState::Closed);
    let opened = async {
        while route(&gate, "chat").breaker != BreakerState::Open {
            gate.player().await.echo(2000, b"to whoever serves").await;
        }
    };
    within("the breaker of the dead one to open", opened).await;
    let backends = cluster(&gate, "chat").backends;
    let states: Vec<_> = backends.iter().flat_map(|backend| &backend.breakers).collect();
    assert_eq!(
        states.iter().map(|breaker| breaker.state).collect::<Vec<_>>(),
        [BreakerState::Open, BreakerState::Closed]
    );
    assert!(states[0].remaining.is_some() && states[1].remaining.is_none());
}
