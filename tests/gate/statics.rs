//! Answers with a fingerprint: files of the gateway, and what it keeps of backends' answers.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fakes::{Folder, Gate, GateBuilder, within};
use crate::http::{Asker, Http2, Reply};

const OPEN: &str = "[listener.open]\nlisten = \"127.0.0.1:0\"\nprotocol = \"http\"\n\
                    [listener.open.limits]\nconnections_per_ip = 0\nnew_per_ip = \"off\"";

fn players() -> GateBuilder {
    Gate::builder().dedicated("none", "\"*\"", &["127.0.0.1:1".parse().expect("an address")], "").table(OPEN)
}

fn with_file(path: &std::path::Path, more: &str) -> GateBuilder {
    let path = path.display();
    players()
        .table(&format!("[http.season]\nlistener = \"open\"\npath = \"/season\"\nfile = \"{path}\"\n{more}"))
}

async fn asker(gate: &Gate) -> Asker {
    Asker::connect(gate.inner().address("open").expect("the listener for HTTP")).await
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: open.test\r\n{headers}\r\n")
}

fn tag(reply: &Reply) -> String {
    reply.header("etag").expect("a fingerprint").to_owned()
}

#[tokio::test]
async fn a_file_is_given_once_and_then_only_its_fingerprint() {
    let folder = Folder::new();
    let path = folder.write("season.json", b"{\"season\": 4}");
    let gate = with_file(&path, "cache = \"1h\"").start().await;
    let mut asker = asker(&gate).await;
    let reply = asker.ask(get("/season", "")).await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"{\"season\": 4}"[..]));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("max-age=3600"));
    let tag = tag(&reply);
    assert_eq!(tag.len(), 34, "{tag}");
    for known in [tag.clone(), format!("W/{tag}"), "*".to_owned(), format!("\"x\", {tag}")] {
        asker.say(get("/season", &format!("If-None-Match: {known}\r\n"))).await;
        let reply = asker.reply().await;
        assert_eq!((reply.status, reply.body.len(), reply.header("etag")), (304, 0, Some(tag.as_str())));
        assert_eq!(reply.header("cache-control"), Some("max-age=3600"));
    }
    let reply = asker.ask(get("/season", "If-None-Match: \"x\"\r\n")).await;
    assert_eq!((reply.status, reply.body.len()), (200, 13));
    let reply = asker.ask("POST /season HTTP/1.1\r\nHost: open.test\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
    gate.stop().await;
}

#[tokio::test]
async fn parts_of_a_file_and_its_head() {
    let folder = Folder::new();
    let path = folder.write("a.txt", b"0123456789");
    let gate = with_file(&path, "").start().await;
    let mut asker = asker(&gate).await;
    let reply = asker.ask(get("/season", "Range: bytes=2-4\r\n")).await;
    assert_eq!((reply.status, reply.body.as_slice()), (206, &b"234"[..]));
    assert_eq!(reply.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!((reply.header("cache-control"), reply.header("accept-ranges")), (None, Some("bytes")));
    let reply = asker.ask(get("/season", "Range: bytes=-3\r\nIf-Range: \"x\"\r\n")).await;
    assert_eq!((reply.status, reply.body.len()), (200, 10));
    let reply = asker.ask(get("/season", "Range: bytes=10-\r\n")).await;
    assert_eq!((reply.status, reply.header("content-range")), (416, Some("bytes */10")));
    let reply = asker.ask(get("/season", "If-Match: \"x\"\r\n")).await;
    assert_eq!((reply.status, reply.body.len()), (412, 0));
    // The head says a length and has no body: the next answer begins right behind it.
    asker.say("HEAD /season HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n").await;
    let head = String::from_utf8(asker.end().await).expect("text").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("content-length: 10\r\n") && head.contains("text/plain"), "{head}");
    gate.stop().await;
}

#[tokio::test]
async fn a_reload_reads_files_again_says_which_have_changed_and_refuses_what_is_none() {
    let folder = Folder::new();
    let path = folder.write("season.json", b"1");
    let mut gate = with_file(&path, "").start().await;
    let mut asker = asker(&gate).await;
    let before = tag(&asker.ask(get("/season", "")).await);
    folder.write("season.json", b"2");
    assert_eq!(asker.ask(get("/season", "")).await.body, b"1", "as it was read");
    gate.reload(with_file(&path, "")).await;
    let reply = asker.ask(get("/season", &format!("If-None-Match: {before}\r\n"))).await;
    assert_eq!((reply.status, reply.body.as_slice()), (200, &b"2"[..]));
    fs::remove_file(&path).expect("it is there");
    let refused = gate.try_reload(with_file(&path, "")).await.expect_err("the file is gone");
    assert!(refused.contains("cannot read") && refused.contains("season.json"), "{refused}");
    folder.write("season.json", &vec![b'x'; (8 << 20) + 1]);
    let refused = gate.try_reload(with_file(&path, "")).await.expect_err("the file is too long");
    assert!(refused.contains("longer than 8MiB"), "{refused}");
    let refused = gate.try_reload(with_file(&folder, "")).await.expect_err("a folder");
    assert!(refused.contains("it is no file"), "{refused}");
    assert_eq!(asker.ask(get("/season", "")).await.body, b"2", "what is in force stays");
    gate.stop().await;
}

/// A backend that counts what it is asked and answers each path in its own way.
struct Origin {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    changed: Arc<Notify>,
    /// Whether it answers.
    open: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (asked, changed) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Notify>::default());
        let (open, is_open) = watch::channel(true);
        let mut tasks = JoinSet::new();
        let (heads, news) = (Arc::clone(&asked), Arc::clone(&changed));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&heads), Arc::clone(&news), is_open.clone()));
            }
        });
        Self { address, asked, changed, open, _tasks: tasks }
    }

    /// How often a path was asked for.
    fn asked(&self, path: &str) -> usize {
        let line = format!("GET {path} ");
        self.asked.lock().expect("no panic").iter().filter(|head| head.starts_with(&line)).count()
    }

    async fn is_asked(&self, path: &str, count: usize) {
        within("a request", async {
            loop {
                let changed = self.changed.notified();
                if self.asked(path) >= count {
                    return;
                }
                changed.await;
            }
        })
        .await;
    }
}

async fn serve(
    mut stream: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    changed: Arc<Notify>,
    mut open: watch::Receiver<bool>,
) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
        read.extend_from_slice(&buffer[..length]);
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(read.drain(..end + 4).collect()).expect("text");
        let path = head.split(' ').nth(1).expect("a target").to_owned();
        let number = {
            let mut asked = asked.lock().expect("no panic");
            asked.push(head);
            asked.len()
        };
        changed.notify_waiters();
        if !path.starts_with("/health") {
            drop(open.wait_for(|open| *open).await);
        }
        if stream.write_all(&said(&path, number)).await.is_err() {
            return;
        }
    }
}

fn said(path: &str, number: usize) -> Vec<u8> {
    let body = match path {
        "/large" => "x".repeat((1 << 20) + 1),
        _ => format!("answer {number}"),
    };
    let more = match path {
        "/cookie" => "Set-Cookie: a=b\r\n",
        "/private" => "Cache-Control: private\r\n",
        "/own" => "ETag: \"own\"\r\nCache-Control: max-age=5\r\n",
        "/aged" => "Age: 1000\r\nCache-Control: max-age=4000\r\n",
        "/over" => "Age: 1000\r\nCache-Control: max-age=1000\r\n",
        _ => "",
    };
    let status = if path == "/fails" { "500 Oh" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n{more}");
    match path {
        // Its end never comes.
        "/drops" => format!("{head}Content-Length: 1000\r\n\r\n{body}").into_bytes(),
        // Its length is not known before its end.
        "/chunks" | "/large" => {
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
                .into_bytes()
        }
        _ => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes(),
    }
}

fn with_cache(origin: &Origin, cache: &str) -> GateBuilder {
    let address = origin.address;
    players()
        .table(&format!("[cluster.web]\nlink = \"http\"\nbackends = [{{ address = \"{address}\" }}]\n"))
        .table("[cluster.web.health]\nprobe = \"tcp\"")
        .table(&format!("[http.web]\nlistener = \"open\"\npath = \"/*\"\ncluster = \"web\"\n{cache}"))
}

#[tokio::test]
async fn an_answer_is_fetched_once_and_given_to_all() {
    let origin = Origin::start().await;
    let mut gate = with_cache(&origin, "cache = \"1h\"").start().await;
    let mut asker = asker(&gate).await;
    for path in ["/a", "/a?b=1", "/chunks"] {
        let first = asker.ask(get(path, "Range: bytes=0-1\r\n")).await;
        let kept = asker.ask(get(path, "")).await;
        assert_eq!((first.status, kept.status, origin.asked(path)), (206, 200, 1), "{path}");
        assert_eq!((first.body.as_slice(), &first.body[..]), (&b"an"[..], &kept.body[..2]));
        assert_eq!(kept.header("cache-control"), Some("max-age=3600"));
        assert!(kept.header("age").is_some() && kept.header("content-type") == Some("text/plain"));
        asker.say(get(path, &format!("If-None-Match: {}\r\n", tag(&kept)))).await;
        assert_eq!(asker.reply().await.status, 304);
        assert_eq!(origin.asked(path), 1);
    }
    let own = asker.ask(get("/own", "If-None-Match: \"own\"\r\n")).await;
    assert_eq!((own.status, own.header("cache-control")), (304, Some("max-age=5")));
    assert_eq!(asker.ask(get("/own", "")).await.header("etag"), Some("\"own\""));
    // Another encoding is another answer, and what comes with a cookie is for its client alone.
    asker.ask(get("/a", "Accept-Encoding: gzip\r\n")).await;
    asker.ask(get("/a", "Cookie: a=b\r\n")).await;
    asker.ask(get("/a", "Authorization: Bearer x\r\n")).await;
    asker.ask(get("/a", "X-Api-Key: x\r\n")).await;
    assert_eq!(origin.asked("/a"), 5);
    // Another world is asked anew.
    gate.reload(with_cache(&origin, "cache = \"1h\"\nretries = 0")).await;
    asker.ask(get("/a", "")).await;
    assert_eq!(origin.asked("/a"), 6);
    gate.stop().await;
}

#[tokio::test]
async fn an_answer_that_somebody_before_has_kept_is_as_old_as_it_is() {
    let origin = Origin::start().await;
    let gate = with_cache(&origin, "cache = \"1h\"").start().await;
    let mut asker = asker(&gate).await;
    for path in ["/aged", "/over"] {
        for _ in 0..2 {
            let age = asker.ask(get(path, "")).await.header("age").expect("an age").parse::<u64>();
            assert!(age.is_ok_and(|age| (1000..1100).contains(&age)), "{path}");
        }
    }
    assert_eq!((origin.asked("/aged"), origin.asked("/over")), (1, 2), "what is over is kept for nobody");
}

#[tokio::test]
async fn what_is_for_one_or_long_or_no_answer_is_kept_for_nobody() {
    let origin = Origin::start().await;
    let gate = with_cache(&origin, "cache = \"1h\"").start().await;
    let mut asker = asker(&gate).await;
    for path in ["/cookie", "/private", "/fails"] {
        for count in 1..=3 {
            let reply = asker.ask(get(path, "")).await;
            assert_eq!((reply.status == 200, origin.asked(path)), (path != "/fails", count), "{path}");
        }
    }
    for count in 1..=2 {
        asker.say("GET /large HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n").await;
        let all = asker.end().await;
        assert!(all.iter().filter(|byte| **byte == b'x').count() >= (1 << 20));
        assert_eq!(origin.asked("/large"), count);
        asker = self::asker(&gate).await;
    }
    gate.stop().await;
}

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one_fetch_and_who_leaves_keeps_nobody_waiting() {
    let origin = Origin::start().await;
    let gate = with_cache(&origin, "cache = \"1h\"").workers(1).start().await;
    origin.open.send_replace(false);
    let mut first = asker(&gate).await;
    first.say(get("/slow", "")).await;
    origin.is_asked("/slow", 1).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        let mut other = asker(&gate).await;
        other.say(get("/slow", "")).await;
        others.push(other);
    }
    // Whoever fetches leaves: one of the others does it then.
    drop(first);
    origin.is_asked("/slow", 2).await;
    origin.open.send_replace(true);
    for other in &mut others {
        assert_eq!(other.reply().await.status, 200);
    }
    assert_eq!(origin.asked("/slow"), 2);
    gate.stop().await;
}

#[tokio::test]
async fn who_has_waited_for_a_fetch_does_not_get_that_time_again() {
    let origin = Origin::start().await;
    let gate = with_cache(&origin, "cache = \"1h\"\ntimeout = \"8s\"")
        .table("[http.web.breaker]\nconsecutive = 1")
        .workers(1)
        .start()
        .await;
    origin.open.send_replace(false);
    let (mut first, mut second) = (asker(&gate).await, asker(&gate).await);
    first.say(get("/slow", "")).await;
    origin.is_asked("/slow", 1).await;
    let began = Instant::now();
    second.say(get("/slow", "")).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    drop(first);
    assert_eq!(second.reply().await.status, 504);
    assert!(began.elapsed() < Duration::from_millis(13_500), "{:?}: it began anew", began.elapsed());
    let state =
        format!("realmgate_route_breaker_state{{route=\"http.web\",backend=\"{}\"}} 0", origin.address);
    assert!(gate.inner().metrics_page().contains(&state), "the backend had next to none of the time");
    gate.stop().await;
}

#[tokio::test]
async fn a_request_with_a_body_keeps_nobody_waiting_and_its_answer_is_its_own() {
    let origin = Origin::start().await;
    let gate = with_cache(&origin, "cache = \"1h\"").workers(1).start().await;
    origin.open.send_replace(false);
    let (mut with_body, mut without) = (asker(&gate).await, asker(&gate).await);
    with_body.say(get("/lock", "Content-Length: 2\r\n")).await;
    origin.is_asked("/lock", 1).await;
    without.say(get("/lock", "")).await;
    origin.is_asked("/lock", 2).await;
    origin.open.send_replace(true);
    let reply = without.reply().await;
    let kept = without.ask(get("/lock", "")).await;
    assert_eq!((kept.body, origin.asked("/lock")), (reply.body, 2));
    gate.stop().await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_to_its_end_keeps_nobody_waiting_for_long() {
    let origin = Origin::start().await;
    let gate = with_cache(&origin, "cache = \"1h\"\ntimeout = \"4s\"").workers(1).start().await;
    let (mut first, mut second) = (asker(&gate).await, asker(&gate).await);
    first.say(get("/drops", "")).await;
    origin.is_asked("/drops", 1).await;
    second.say(get("/drops", "")).await;
    for asker in [&mut first, &mut second] {
        // What is there is given on, until the backend has said nothing for as long as it may.
        let broken_off = String::from_utf8(asker.end().await).expect("text");
        assert!(broken_off.starts_with("HTTP/1.1 200") && broken_off.contains("answer"), "{broken_off}");
    }
    assert_eq!(origin.asked("/drops"), 2, "who waited has asked for itself");
    gate.stop().await;
}

#[tokio::test]
async fn the_answer_to_head_has_the_length_and_no_body_over_http_2_too() {
    let (folder, origin) = (Folder::new(), Origin::start().await);
    let file = folder.write("season.json", b"{\"season\": 4}");
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/examples/third-party.keys");
    let gate = with_cache(&origin, "cache = \"1h\"")
        .table(&format!("[partner.payments]\nauth = {{ kind = \"api_key\", keys_file = \"{keys}\" }}"))
        .table(
            "[http.pay]\nlistener = \"open\"\npath = \"/pay\"\ncluster = \"web\"\npartners = [\"payments\"]",
        )
        .table("[http.post]\nlistener = \"open\"\npath = \"/post\"\nmethods = [\"POST\"]\ncluster = \"web\"")
        .table(&format!(
            "[http.season]\nlistener = \"open\"\npath = \"/season\"\nfile = \"{}\"",
            file.display()
        ))
        .start()
        .await;
    let mut two = Http2::connect(gate.inner().address("open").expect("the listener for HTTP")).await;
    for (path, status) in
        [("/a", 200), ("/a", 200), ("/season", 200), ("/pay", 401), ("/post", 405), ("/a%zz", 400)]
    {
        let uri = format!("http://open.test{path}");
        let whole = two.get(&uri).await;
        let head = hyper::Request::head(&uri).body(http_body_util::Empty::new()).expect("a request");
        let head = two.ask(head).await;
        assert_eq!((whole.status, head.status, head.body.as_slice()), (status, status, &b""[..]), "{path}");
        let length = whole.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{path}");
    }
    let mut one = asker(&gate).await;
    one.say("HEAD /pay HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n").await;
    let head = String::from_utf8(one.end().await).expect("text").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 401 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(head.matches("content-length: ").count(), 1, "{head}");
}
