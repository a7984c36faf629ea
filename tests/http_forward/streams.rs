//! Many requests on one connection of HTTP/2.

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::origin::{Origin, ok};
use crate::stage::{Stage, before};
use crate::within;

/// A client that takes so much of an answer ahead of its reader.
async fn client(stage: &Stage, window: u32) -> SendRequest<Empty<Bytes>> {
    let stream = within("a connection", TcpStream::connect(stage.address())).await.expect("the gate listens");
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (sender, connection) =
        within("HTTP/2", builder.handshake(TokioIo::new(stream))).await.expect("HTTP/2");
    drop(tokio::spawn(connection));
    sender
}

async fn get(client: &mut SendRequest<Empty<Bytes>>, path: &str) -> Response<Incoming> {
    within("a stream", client.ready()).await.expect("a connection that lives");
    let request = Request::get(format!("http://shop.test{path}")).body(Empty::new()).expect("a request");
    within("an answer", client.send_request(request)).await.expect("a head")
}

async fn text(answer: Response<Incoming>) -> Bytes {
    within("a body", answer.into_body().collect()).await.expect("a whole answer").to_bytes()
}

#[tokio::test]
async fn an_answer_that_is_not_taken_holds_no_backend_while_the_others_are_taken() {
    let big = "x".repeat(1_000_000);
    let shop = Origin::start(move |asked| if asked.line() == "GET /big" { ok(&big) } else { ok("") }).await;
    let stage = before(&[shop.address]).limit("write_timeout = \"300ms\"").start().await;
    for window in [0, 1000] {
        let mut client = client(&stage, window).await;
        let kept = [get(&mut client, "/big").await, get(&mut client, "/big").await];
        assert_eq!(stage.in_flight(), [2]);
        within("the places at the backend", async {
            while stage.in_flight() != [0] {
                assert_eq!(text(get(&mut client, "/small").await).await, "");
            }
        })
        .await;
        for answer in kept {
            let cut = within("the end", answer.into_body().collect()).await.expect_err("no whole answer");
            assert!(format!("{cut:?}").contains("CANCEL"), "{cut:?}");
        }
        assert_eq!(get(&mut client, "/small").await.status(), 200, "the connection lives");
    }
}
