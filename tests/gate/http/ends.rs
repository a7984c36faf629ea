//! How the gate's own end reaches those who ask.

use std::time::{Duration, SystemTime};

use realmgate::config::{Banned, Override};

use super::{Asker, Http2, answered, gate, get, open, route};
use crate::fakes::{Gate, within};

#[tokio::test]
async fn a_drain_ends_idle_connections_in_order() {
    let gate = gate("").table(&route("all", "path = \"/*\"")).start().await;
    let (mut one, mut two) = (Asker::connect(open(&gate)).await, Http2::connect(open(&gate)).await);
    one.ask(get("/a")).await;
    two.get("http://open.test/a").await;
    assert_eq!(gate.drain().await, 0, "nobody is cut");
    assert_eq!(one.end().await, b"");
    within("the end of HTTP/2", two.connection).await.expect("no panic").expect("GOAWAY, and then the end");
}

/// A connection that the gate has let in and on which nothing is said.
async fn silent(gate: &Gate) -> Asker {
    let asker = Asker::connect(open(gate)).await;
    gate.shows("realmgate_listener_connections{listener=\"open\"} 1").await;
    asker
}

#[tokio::test]
async fn a_connection_on_which_nothing_was_ever_said_ends_as_idle_ones_do() {
    let builder = || gate("idle_timeout = \"1h\"").table(&route("all", "path = \"/*\""));
    let gate = builder().drains("spread = \"10ms\"\ndeadline = \"24h\"").start().await;
    let mut one = silent(&gate).await;
    assert_eq!(gate.drain().await, 0, "nobody is cut");
    assert_eq!(one.end().await, b"");

    let mut gate = builder().start().await;
    let mut two = silent(&gate).await;
    let none = ["127.0.0.1:1".parse().expect("an address")];
    gate.reload(Gate::builder().dedicated("none", "\"*\"", &none, "")).await;
    assert_eq!(two.end().await, b"", "its listener is gone");

    let mut gate = builder().start().await;
    let mut three = silent(&gate).await;
    let who = Banned::Address("127.0.0.1".parse().expect("an address"));
    #[expect(clippy::disallowed_methods, reason = "bans are told in the time of people")]
    let until = SystemTime::now() + Duration::from_secs(3600);
    gate.change(Override::Ban { who, until }).await;
    assert_eq!(three.end().await, b"");
}

#[tokio::test]
async fn who_asks_while_the_gate_drains_is_answered_and_told_to_go() {
    let builder = gate("").table(&route("all", "path = \"/*\""));
    // An idle connection ends at some moment within a day; one that is asked on, with that answer.
    let gate = builder.drains("spread = \"24h\"\ndeadline = \"24h\"").start().await;
    let mut phases = gate.inner().phases();
    let mut one = Asker::connect(open(&gate)).await;
    one.ask(get("/a")).await;
    let meters = std::sync::Arc::clone(gate.meters());
    let drained = tokio::spawn(gate.drain());
    within("the drain", phases.wait_for(|phase| *phase == realmgate::base::Phase::Draining))
        .await
        .expect("a gate");
    let asked = async {
        let mut asked = 2;
        while one.ask(get("/b")).await.header("connection") != Some("close") {
            asked += 1; // its thread has not heard of the drain yet
        }
        asked
    };
    let asked = within("the last answer", asked).await;
    assert_eq!(one.end().await, b"");
    assert_eq!(within("the end of the drain", drained).await.expect("no panic"), 0);
    assert_eq!(meters.http("all").answered().iter().map(|(_, _, count)| count).sum::<u64>(), asked);
}

#[tokio::test]
async fn a_stop_leaves_nobody_waiting() {
    let gate = gate("").table(&route("all", "path = \"/*\"")).start().await;
    let mut begun = Asker::connect(open(&gate)).await;
    begun.ask(get("/a")).await;
    begun.say("GET / HTTP/1.1\r\n").await;
    assert_eq!(answered(&gate, "all"), 1);
    gate.stop().await;
    assert_eq!(begun.end().await, b"");
}

#[tokio::test]
async fn a_ban_ends_connections_that_are_there_and_lets_no_other_in() {
    let mut gate = gate("").table(&route("all", "path = \"/*\"")).start().await;
    let (mut one, mut two) = (Asker::connect(open(&gate)).await, Http2::connect(open(&gate)).await);
    one.ask(get("/a")).await;
    two.get("http://open.test/a").await;
    let who = Banned::Address("127.0.0.1".parse().expect("an address"));
    #[expect(clippy::disallowed_methods, reason = "bans are told in the time of people")]
    let until = SystemTime::now() + Duration::from_secs(3600);
    gate.change(Override::Ban { who, until }).await;
    assert_eq!(one.end().await, b"");
    within("the end of HTTP/2", two.connection).await.expect("no panic").expect("GOAWAY, and then the end");
    assert_eq!(Asker::connect(open(&gate)).await.end().await, b"");
}
