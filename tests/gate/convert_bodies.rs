//! Bodies on their way to become frames: how long one may take, and how many there may be at once.

use std::time::Duration;

use crate::fakes::{Backend, Gate, GateBuilder, Manner, within};
use crate::http::Asker;

/// A gate with a route for payments, whose frames may be long.
fn gate(backend: &Backend, limits: &str) -> GateBuilder {
    let none = ["127.0.0.1:1".parse().expect("an address")];
    Gate::builder()
        .dedicated("none", "\"*\"", &none, "frame = \"game\"")
        .table("[frame.large]\nmax_length = \"1000KiB\"\nlength = { width = 4 }\nid = { offset = 4, width = 2 }")
        .table(&format!(
            "[cluster.pay]\nlink = \"shared\"\nframe = \"large\"\nbackends = [{{ address = \"{}\" }}]",
            backend.address()
        ))
        .table(&format!(
            "[listener.open]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
             [listener.open.limits]\nconnections_per_ip = 0\nnew_per_ip = \"off\"\n{limits}"
        ))
        .table("[http.callback]\nlistener = \"open\"\npath = \"/pay\"\ncluster = \"pay\"\nconvert = { id = 1, reply = 2 }")
}

async fn begin(gate: &Gate, length: usize) -> Asker {
    let mut asker = Asker::connect(gate.inner().address("open").expect("the listener for HTTP")).await;
    asker.say(format!("POST /pay HTTP/1.1\r\nHost: open.test\r\nContent-Length: {length}\r\n\r\n")).await;
    asker
}

#[tokio::test]
async fn a_body_that_comes_drop_by_drop_does_not_come_for_ever() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&backend, "write_timeout = \"500ms\"").start().await;
    let mut asker = begin(&gate, 60_000).await;
    let reply = within("the end of its patience", async {
        loop {
            tokio::select! {
                reply = asker.reply() => return reply,
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
            asker.say("1").await; // well within the time for a piece
        }
    })
    .await;
    assert_eq!(reply.status, 408, "{}", String::from_utf8_lossy(&reply.body));
}

#[tokio::test]
async fn an_address_has_half_of_the_room_for_bodies_that_come() {
    let backend = Backend::with(Manner::Silent).await;
    let gate = gate(&backend, "").start().await;
    // Behind 34 bodies of a million bytes less is left of 64 MiB than they have.
    let mut held = Vec::new();
    for _ in 0..35 {
        held.push(begin(&gate, 1_000_000).await);
    }
    let mut replies = tokio::task::JoinSet::new();
    for mut asker in held {
        replies.spawn(async move { (asker.reply().await, asker) });
    }
    let (refused, _) = within("one too many", replies.join_next()).await.expect("one").expect("no panic");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["error"], "too much is asked at once");
    replies.shutdown().await;
    gate.shows("realmgate_listener_connections{listener=\"open\"} 0").await;
    let mut again = begin(&gate, 2).await;
    again.say("{}").await;
    backend.wait("a frame", |events| (!events.is_empty()).then_some(())).await;
}
