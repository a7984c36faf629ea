//! Bodies on their way: streamed both ways, never more than was said, and held back where that was asked.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::origin::{Deed, Origin, accept, ok, values};
use crate::stage::{Stage, before};
use crate::within;

#[tokio::test]
async fn bodies_arrive_as_they_were_sent_whatever_their_framing() {
    let mut shop = Origin::start(|asked| {
        Deed::Say(
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                asked.body.len(),
                String::from_utf8_lossy(&asked.body)
            )
            .into_bytes(),
        )
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    let mut client = stage.client().await;
    let known = client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!((known.told(), shop.asked().await.one("content-length")), ((200, "hello"), "5"));
    let pieces =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(client.ask(pieces).await.told(), (200, "hello"));
    let asked = shop.asked().await;
    assert_eq!((asked.body.as_slice(), asked.one("transfer-encoding")), (&b"hello"[..], "chunked"));
}

#[tokio::test]
async fn trailers_of_answers_go_through_and_those_of_requests_do_not() {
    let mut shop = Origin::start(|_| {
        Deed::Say(
            b"HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n".to_vec(),
        )
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: x-mine\r\n\
                   Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-mine: 1\r\n\r\n";
    let answered = stage.ask(request).await;
    assert_eq!((answered.text(), answered.trailers.as_str()), ("hi", "x-sum: 7\r\n"), "{}", answered.head);
    let asked = shop.asked().await;
    assert_eq!((asked.trailers.as_str(), asked.one("te")), ("", "trailers"));
}

/// A backend that reads and writes as its test says.
async fn by_hand() -> (std::net::SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    (listener.local_addr().expect("bound"), listener)
}

#[tokio::test]
async fn the_beginning_of_a_body_is_there_before_its_end_is_written() {
    let (address, listener) = by_hand().await;
    let stage = before(&[address]).start().await;
    let mut client = stage.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst").await;
    let mut backend = accept(&listener).await;
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\nfirst") {
        assert!(within("the first half", backend.read_buf(&mut read)).await.expect("bytes") > 0);
    }
    client.send("later").await;
    while !read.ends_with(b"firstlater") {
        assert!(within("the second half", backend.read_buf(&mut read)).await.expect("bytes") > 0);
    }
    backend.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await.expect("taken");
    let head = within("the head of the answer", client.head()).await.expect("a head");
    assert_eq!(values(&head, "content-length"), ["10"]);
    client.hears(b"first").await;
    backend.write_all(b"later").await.expect("taken");
    client.hears(b"later").await;
}

#[tokio::test]
async fn a_client_that_asks_first_waits_for_the_backends_word() {
    let mut shop = Origin::start(|asked| ok(std::str::from_utf8(&asked.body).expect("text"))).await;
    let stage = before(&[shop.address]).start().await;
    let mut client = stage.client().await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    let go_on = within("the word", client.head()).await.expect("a head");
    assert!(go_on.starts_with("HTTP/1.1 100 "), "{go_on}");
    client.send("hi").await;
    assert_eq!(client.answer(false).await.told(), (200, "hi"));
    assert_eq!(shop.asked().await.one("expect"), "100-continue");
}

#[tokio::test]
async fn a_backend_that_does_not_want_the_body_never_gets_it() {
    let shop = Origin::start(|_| crate::origin::said(417, "", "no")).await;
    let stage = before(&[shop.address]).start().await;
    let mut client = stage.client().await;
    // The fake answers at once when it reads x-doubt.
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nX-Doubt: 1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await;
    let answered = client.answer(false).await;
    assert_eq!(answered.told(), (417, "no"), "no word to go on came before");
    stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_whole() {
    for deed in [
        Deed::SayAndLeave(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        Deed::SayAndLeave(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec()),
        Deed::SayAndLeave(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf\r\n".to_vec()),
    ] {
        let shop = Origin::start(move |_| deed.clone()).await;
        let stage = before(&[shop.address]).start().await;
        let mut client = stage.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let whole = within("the end", client.try_answer(false)).await;
        assert!(whole.is_none(), "{whole:?}");
        stage.has_in_flight(&[0]).await;
        // What comes in chunks is delimited for this one by the end of the connection.
        let mut older = stage.client().await;
        older.send("GET / HTTP/1.0\r\n\r\n").await;
        let cut = older.end().await;
        assert_eq!(cut.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset));
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_at_the_backend() {
    let (address, listener) = by_hand().await;
    let stage = before(&[address]).start().await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut backend = accept(&listener).await;
    let mut read = Vec::new();
    within("a request", backend.read_buf(&mut read)).await.expect("bytes");
    stage.has_in_flight(&[1]).await;
    drop(client);
    within("the end", async { while backend.read_buf(&mut read).await.is_ok_and(|length| length > 0) {} })
        .await;
    stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn a_request_has_its_line_in_the_log_also_when_its_client_leaves_before_the_answer() {
    crate::log::listen();
    let shop =
        Origin::start(|asked| if asked.line() == "GET /log/left" { Deed::Wait } else { ok("hi") }).await;
    let stage = before(&[shop.address]).start().await;
    stage.get("/log/answered?secret=1").await;
    let mut client = stage.client().await;
    client.send("GET /log/left HTTP/1.1\r\nHost: a\r\n\r\n").await;
    stage.has_in_flight(&[1]).await;
    drop(client);
    for (path, status, bytes) in [("/log/answered", "200", "2"), ("/log/left", "499", "0")] {
        let line = within("a line of the log", crate::log::wait(1, |line| line.get("path") == path)).await;
        let told = ["status", "bytes_out", "http", "listener", "method"].map(|name| line.get(name));
        assert_eq!(told, [status, bytes, "shop", "open", "GET"], "{line:?}");
    }
}

/// How a client does not say all of its body.
#[derive(Clone, Copy, Debug)]
enum Lapse {
    /// What comes is no chunk.
    NoChunk,
    /// It is longer than the route takes.
    TooLong,
    /// It ends its side.
    Leaves,
    /// It says nothing, and the listener does not wait for that.
    Silent,
    /// It says nothing, and the backend waits for it.
    Waited,
}

/// Breaks an upload off while it is answered.
async fn lapse(stage: &Stage, listener: &TcpListener, lapse: Lapse) {
    let mut client = stage.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let mut backend = accept(listener).await;
    let mut read = Vec::new();
    while !read.ends_with(b"first\r\n") {
        assert!(within("the first piece", backend.read_buf(&mut read)).await.expect("bytes") > 0);
    }
    backend.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await.expect("taken");
    let head = within("the head of the answer", client.head()).await.expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{lapse:?}: {head}");
    client.hears(b"first").await;
    match lapse {
        Lapse::NoChunk => client.send("zz\r\n").await,
        Lapse::TooLong => client.send("8\r\n12345678\r\n").await,
        Lapse::Leaves => client.stream.shutdown().await.expect("a half-close"),
        Lapse::Silent | Lapse::Waited => {}
    }
    within("the end", async { while backend.read_buf(&mut read).await.is_ok_and(|length| length > 0) {} })
        .await;
    stage.has_in_flight(&[0, 0]).await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_while_it_is_answered_is_not_the_backends_failure() {
    for (limit, timeout, what) in [
        ("1m", "1m", Lapse::NoChunk),
        ("1m", "1m", Lapse::TooLong),
        ("1m", "1m", Lapse::Leaves),
        ("2s", "1m", Lapse::Silent),
        ("1m", "2s", Lapse::Waited),
    ] {
        let (address, listener) = by_hand().await;
        let other = Origin::named("the other").await;
        let stage = before(&[address, other.address])
            .limit(&format!("write_timeout = \"{limit}\""))
            .cluster("balance = \"backup\"\npanic_threshold = 0")
            .route(&format!("timeout = \"{timeout}\"\nmax_body = \"10B\""))
            .table("[cluster.shop.outlier]\nconsecutive = 1")
            .start()
            .await;
        lapse(&stage, &listener, what).await;
        let answering = async {
            let mut backend = accept(&listener).await;
            backend.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none").await.expect("taken");
            within("a request", backend.read_buf(&mut Vec::new())).await.expect("bytes");
            backend
        };
        let mut client = stage.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        tokio::select! {
            _backend = answering => assert_eq!(client.answer(false).await.told(), (200, "one"), "{what:?}"),
            _ = client.stream.readable() => panic!("{what:?}: {:?}", client.answer(false).await),
        }
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_the_client() {
    let (address, listener) = by_hand().await;
    let stage = before(&[address]).route("max_body = \"16MiB\"").start().await;
    let client = stage.client().await;
    let (mut reading, mut writing) = client.stream.into_split();
    let request = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n";
    let sending = tokio::spawn(async move {
        let taken = writing.write_all(request).await;
        // As much as is taken: the gate ends the connection when the answer is told.
        let mut piece = tokio::io::repeat(7).take(8_000_000);
        drop((taken, tokio::io::copy(&mut piece, &mut writing).await));
    });
    let mut backend = accept(&listener).await;
    let mut read = vec![0; 1024];
    within("the head", backend.read(&mut read)).await.expect("bytes");
    backend.write_all(b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno").await.expect("taken");
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\nno") {
        let length = within("the answer", reading.read_buf(&mut heard)).await.expect("bytes");
        assert!(length > 0, "{}", String::from_utf8_lossy(&heard));
    }
    assert!(heard.starts_with(b"HTTP/1.1 409 "), "{}", String::from_utf8_lossy(&heard));
    stage.has_in_flight(&[0]).await;
    drop(reading);
    within("the client to give up", sending).await.expect("it ends");
}

#[tokio::test]
async fn a_client_of_the_older_version_is_served() {
    let mut shop = Origin::start(|_| {
        Deed::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n".to_vec())
    })
    .await;
    let stage = before(&[shop.address]).start().await;
    let mut client = stage.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    client.end().await.expect("in order");
    let text = String::from_utf8(client.read).expect("text");
    assert!(text.starts_with("HTTP/1.0 200 ") && text.ends_with("\r\n\r\nhi"), "{text}");
    let asked = shop.asked().await;
    assert_eq!((asked.line(), asked.one("host")), ("GET /", stage.address().to_string().as_str()));
}
