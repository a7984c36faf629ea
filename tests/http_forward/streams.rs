//! Many requests on one connection of HTTP/2.

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::origin::{Origin, accept, ok};
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
async fn the_end_of_an_answer_is_waited_for_when_its_listener_goes() {
    let body = "x".repeat(5000);
    let shop = Origin::start(move |_| ok(&body)).await;
    let mut stage = before(&[shop.address]).start().await;
    let mut client = client(&stage, 1000).await;
    let answer = get(&mut client, "/").await;
    // The whole of it was given, and the client has not said that it takes more than the first thousand bytes.
    stage.has_in_flight(&[0]).await;
    let elsewhere = before(&[shop.address]).text().replace("open", "other");
    stage.reload_text(&elsewhere).await;
    // Longer than a connection without an answer may take.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(text(answer).await.len(), 5000);
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    // The settings are those of the connection.
    let stream = u32::from(kind != SETTINGS).to_be_bytes();
    [&length[1..], &[kind, flags], &stream, payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;
/// `POST http://a/`.
const POST: &[u8] = b"\x83\x86\x84\x01\x01a";

#[tokio::test]
async fn a_body_that_its_client_takes_back_never_looks_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let stage = before(&[listener.local_addr().expect("bound")]).start().await;
    for reason in [0_u32, 8] {
        let mut client = stage.client().await;
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let begun = [frame(SETTINGS, 0, b""), frame(HEADERS, END_HEADERS, POST), frame(DATA, 0, b"one")];
        client.send(begun.concat()).await;
        let (mut backend, mut read) = (accept(&listener).await, Vec::new());
        while !read.ends_with(b"\r\n3\r\none\r\n") {
            assert!(within("the beginning", backend.read_buf(&mut read)).await.expect("bytes") > 0);
        }
        client.send([frame(DATA, 0, b"two"), frame(RESET, 0, &reason.to_be_bytes())].concat()).await;
        let rest = async { while backend.read_buf(&mut read).await.is_ok_and(|length| length > 0) {} };
        within("the end", rest).await;
        let read = String::from_utf8(read).expect("text");
        assert!(!read.ends_with("\r\n0\r\n\r\n"), "reset for {reason}: {read}");
        stage.has_in_flight(&[0]).await;
    }
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
