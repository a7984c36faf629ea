//! The screen before a real hyper: what passes, what becomes of a bad line wherever it is cut, and upgrades.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

/// What the service behind hyper was asked, with the whole body; `None`: the body broke off.
type Asked = Arc<Mutex<Vec<(String, Option<Vec<u8>>)>>>;

struct Served {
    client: DuplexStream,
    asked: Asked,
    malformed: Arc<AtomicUsize>,
}

impl Served {
    fn asked(&self) -> Vec<(String, Option<Vec<u8>>)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything up to the end of the connection.
    async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        tokio::time::timeout(Duration::from_secs(20), self.client.read_to_end(&mut text))
            .await
            .expect("an end")
            .expect("an end in order");
        String::from_utf8(text).expect("text")
    }

    /// Reads until the text ends so.
    async fn until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let byte = tokio::time::timeout(Duration::from_secs(20), self.client.read_u8()).await;
            text.push(byte.unwrap_or_else(|_| panic!("only {text:?}")).expect("a byte").into());
        }
        text
    }
}

async fn answer(request: Request<Incoming>, asked: Asked, latch: Arc<Latch>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
    let broken = body.is_none();
    let upgrade = head.uri.path() == "/upgrade";
    asked.lock().unwrap_or_else(PoisonError::into_inner).push((head.uri.to_string(), body));
    latch.answered(upgrade);
    let status = match (upgrade, broken) {
        _ if head.headers.contains_key(OVERLONG) => StatusCode::URI_TOO_LONG,
        (true, _) => StatusCode::SWITCHING_PROTOCOLS,
        (false, true) => StatusCode::BAD_REQUEST,
        (false, false) => StatusCode::OK,
    };
    Response::builder().status(status).body(Full::default()).expect("an answer")
}

/// A connection served by hyper behind a screen. What is upgraded is echoed.
fn serve() -> Served {
    let (client, server) = duplex(1024 * 1024);
    let (asked, malformed) = (Asked::default(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&malformed);
    let screen = Screen::new(
        server,
        Arc::new(move |sign| {
            count.fetch_add(usize::from(sign == Sign::Malformed), Ordering::Relaxed);
        }),
    );
    let (told, seen) = (screen.latch(), Arc::clone(&asked));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (seen, told) = (Arc::clone(&seen), Arc::clone(&told));
        if request.uri().path() == "/upgrade" {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgrade.await.expect("an upgrade"));
                let mut bytes = [0; 64];
                while let Ok(length @ 1..) = io.read(&mut bytes).await {
                    io.write_all(&bytes[..length]).await.expect("an echo");
                }
            });
        }
        async move { Ok::<_, Infallible>(answer(request, seen, told).await) }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(screen), service).with_upgrades());
    Served { client, asked, malformed }
}

fn statuses(text: &str) -> Vec<&str> {
    text.match_indices("HTTP/1.1 ")
        .filter_map(|(at, front)| text.get(at + front.len()..at + front.len() + 3))
        .collect()
}

#[tokio::test]
async fn what_was_asked_before_a_bad_line_is_answered_before_it_is_refused() {
    let mut served = serve();
    let stream =
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
        GET /c HTTP/1.1\r\nHost : a\r\n\r\nGET /d HTTP/1.1\r\nHost: a\r\n\r\n";
    served.client.write_all(stream).await.unwrap();
    served.client.shutdown().await.unwrap();
    assert_eq!(statuses(&served.rest().await), ["200", "200", "400"]);
    assert_eq!(served.asked(), [("/a".to_owned(), Some(vec![])), ("/b".to_owned(), Some(b"hi".to_vec()))]);
    assert_eq!(served.malformed.load(Ordering::Relaxed), 1);
}

/// Faults in every place that hyper can be in, each of which hyper alone would take or end elsewhere.
const BAD: [&str; 14] = [
    "GET / HTTP/1.1\nHost: a\n\n",
    "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\x01=b\r\na\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 5\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: \x01\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: 1\r\n Y: 1\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
];

#[tokio::test]
async fn a_bad_line_is_refused_wherever_it_is_cut_and_no_body_is_whole() {
    for bad in BAD {
        for at in 1..bad.len() {
            let mut served = serve();
            let (first, second) = bad.as_bytes().split_at(at);
            served.client.write_all(first).await.unwrap();
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            served.client.write_all(second).await.unwrap();
            served.client.write_all(b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            served.client.shutdown().await.unwrap();
            assert_eq!(statuses(&served.rest().await), ["400"], "{bad:?} cut at {at}");
            let whole = served.asked().into_iter().find(|(_, body)| body.is_some());
            assert_eq!(whole, None, "{bad:?} cut at {at}");
        }
    }
}

const ASK: &[u8] = b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn behind_an_upgrade_bytes_pass_as_they_are() {
    let mut served = serve();
    let stream = [b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", ASK, b"\0\n no HTTP"].concat();
    served.client.write_all(&stream).await.unwrap();
    let text = served.until("\0\n no HTTP").await;
    assert_eq!(statuses(&text), ["200", "101"]);
    served.client.write_all(b"\0 more").await.unwrap();
    served.until("\0 more").await;
    assert_eq!(served.malformed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn behind_an_upgrade_that_is_declined_http_goes_on_as_strictly_as_before() {
    let mut served = serve();
    let declined = String::from_utf8_lossy(ASK).replace("/upgrade", "/no");
    let stream = format!("{declined}GET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.1\nHost: a\r\n\r\n");
    served.client.write_all(stream.as_bytes()).await.unwrap();
    served.client.shutdown().await.unwrap();
    assert_eq!(statuses(&served.rest().await), ["200", "200", "400"]);
    assert_eq!(served.asked().len(), 2);
}

#[tokio::test]
async fn what_a_client_says_behind_the_last_words_is_read_away() {
    let (mut client, server) = duplex(1024);
    let mut screen = Screen::new(server, Arc::new(|_| ()));
    let closing = tokio::spawn(async move { screen.shutdown().await });
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0, "it has heard the end");
    client.write_all(&vec![0; 64 * 1024]).await.expect("all of it is taken");
    assert!(!closing.is_finished(), "it listens still");
    drop(client);
    closing.await.unwrap().expect("an end in order");
}

#[tokio::test]
async fn a_client_that_never_stops_is_not_listened_to_for_ever() {
    let (mut client, server) = duplex(1024);
    let mut screen = Screen::new(server, Arc::new(|_| ()));
    let speaking = tokio::spawn(async move { while client.write_all(&[0; 1024]).await.is_ok() {} });
    screen.shutdown().await.unwrap();
    drop(screen);
    speaking.await.unwrap();
}

#[tokio::test]
async fn a_first_line_that_is_too_long_is_told_so_wherever_it_is_cut() {
    for first in ["GET /", "DELETE /a?b#", "GET http://a.test/?", "\r\nGET /"] {
        let line = format!("{first}{}", "a".repeat(9000));
        for cut in [0, 1, 3, 4, 5, 13, 70, 8200, 8260] {
            let mut served = serve();
            served.client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            served.until("\r\n\r\n").await;
            let (front, rest) = line.split_at(cut);
            served.client.write_all(front.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
            served.client.write_all(rest.as_bytes()).await.unwrap();
            served.client.write_all(b" HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            assert_eq!(statuses(&served.rest().await), ["414"], "{first} {cut}");
            assert_eq!(served.malformed.load(Ordering::Relaxed), 0, "{first} {cut}");
        }
    }
}
