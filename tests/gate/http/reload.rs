//! A reload while clients keep their connections.

use super::{Asker, Http2, answered, door_at, gate, get, open, route};
use crate::fakes::{Gate, GateBuilder, within};

fn builder(routes: &[&str]) -> GateBuilder {
    routes.iter().fold(gate(""), |builder, path| builder.table(&route(path, &format!("path = \"/{path}\""))))
}

#[tokio::test]
async fn the_next_request_of_a_connection_meets_the_new_routes() {
    let mut gate = builder(&["a"]).start().await;
    let (mut one, mut two) = (Asker::connect(open(&gate)).await, Http2::connect(open(&gate)).await);
    assert_eq!(one.ask(get("/b")).await.status, 404);
    assert_eq!(two.get("http://open.test/b").await.status, 404);
    gate.reload(builder(&["a", "b"])).await;
    one.ask(get("/b")).await;
    two.get("http://open.test/b").await;
    assert_eq!(answered(&gate, "b"), 2);
    gate.reload(builder(&["b"])).await;
    assert_eq!(one.ask(get("/a")).await.status, 404);
    assert_eq!(two.get("http://open.test/a").await.status, 404);
    assert_eq!(gate.meters().listener("open").accepted.get(), 2, "both kept their connections");
}

#[tokio::test]
async fn connections_at_an_address_that_the_listener_has_left_end_in_order() {
    let mut gate = builder(&["a"]).start().await;
    let left = open(&gate);
    let (mut one, mut two) = (Asker::connect(left).await, Http2::connect(left).await);
    one.ask(get("/a")).await;
    two.get("http://open.test/a").await;
    let off = "[listener.open.limits]\nconnections_per_ip = 0\nnew_per_ip = \"off\"";
    gate.reload(door_at("127.0.0.2:0", off).table(&route("a", "path = \"/a\""))).await;
    assert_eq!(one.end().await, b"", "nobody comes in there any more");
    within("the end of HTTP/2", two.connection).await.expect("no panic").expect("in order");
    let mut next = Asker::connect(open(&gate)).await;
    next.ask(get("/a")).await;
    assert_eq!(answered(&gate, "a"), 3);
}

#[tokio::test]
async fn the_first_listener_may_come_later_and_the_last_one_go_again() {
    let players =
        || Gate::builder().dedicated("none", "\"*\"", &["127.0.0.1:1".parse().expect("an address")], "");
    let mut gate = players().start().await;
    assert!(gate.inner().address("open").is_none());
    gate.reload(builder(&["a"])).await;
    let address = open(&gate);
    let (mut one, mut two) = (Asker::connect(address).await, Http2::connect(address).await);
    one.ask(get("/a")).await;
    two.get("http://open.test/a").await;
    assert_eq!(answered(&gate, "a"), 2);
    gate.reload(players()).await;
    assert_eq!(one.end().await, b"", "its listener is gone");
    within("the end of HTTP/2", two.connection).await.expect("no panic").expect("in order");
    tokio::net::TcpStream::connect(address).await.expect_err("nobody listens there");
}
