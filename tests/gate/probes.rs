//! Probes through the running gate: each kind up and down, and what a backend's health does to sessions.

use std::net::SocketAddr;
use std::time::Duration;

use realmgate::wire::link::BackendState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fakes::log::{self, Line};
use crate::fakes::{Backend, Certificates, Dedicated, Event, Gate, frame, until, within};
use crate::tls::acceptor;

/// Quick enough for a test.
const QUICK: &str = "interval = \"100ms\", timeout = \"100ms\", fall = 2, rise = 2";
const DOWN: &str = "down";
const UP: &str = "up";
const STATE: &str = "the backend's own state";

/// A server on plain connections, whose manner a test changes while it runs.
struct Server {
    address: SocketAddr,
    answer: watch::Sender<Vec<u8>>,
    _serving: JoinSet<()>,
}

impl Server {
    /// Gives `answer` to whoever sends something, and takes it as a farewell.
    async fn start(answer: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (answer, current) = watch::channel(answer.to_vec());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut talks = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talks.spawn(talk(stream, current.clone()));
            }
        });
        Self { address, answer, _serving: serving }
    }

    fn answers(&self, answer: &[u8]) {
        self.answer.send_replace(answer.to_vec());
    }
}

/// What a player asks; the answer is the server's address.
const WHO: &[u8] = b"who is there?";

/// Nothing to say means to leave the connection open; a player's is open until it leaves.
async fn talk(mut stream: TcpStream, current: watch::Receiver<Vec<u8>>) {
    let mut question = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut question).await {
        let answer = current.borrow().clone();
        if question[..length].ends_with(WHO) {
            let address = stream.local_addr().expect("connected").to_string();
            drop(stream.write_all(&frame(3001, address.as_bytes())).await);
            continue;
        }
        if answer.is_empty() {
            drop(stream.read(&mut question).await);
        }
        drop(stream.write_all(&answer).await);
        return;
    }
}

fn health(more: &str) -> String {
    log::listen();
    format!("health = {{ {QUICK}, {more} }}")
}

fn is_of(backend: SocketAddr, line: &Line) -> bool {
    line.get("backend") == backend.to_string()
}

async fn hears(backend: SocketAddr, begin: &str, count: usize) -> Line {
    let is_it = |line: &Line| is_of(backend, line) && line.get("message").starts_with(begin);
    within(&format!("{begin} of {backend}"), log::wait(count, is_it)).await
}

#[tokio::test]
async fn a_tcp_probe_is_a_connection_and_nothing_more() {
    let chat = Dedicated::start().await;
    let (address, health) = (chat.address(), health("probe = \"tcp\""));
    let _gate = Gate::builder().dedicated("chat", "3000", &[address], &health).start().await;
    drop(chat);
    let down = hears(address, DOWN, 1).await;
    assert!(down.get("why").starts_with("cannot connect: Connection refused"), "{down:?}");
    let _chat = TcpListener::bind(address).await.expect("the port is free again");
    hears(address, UP, 1).await;
}

#[tokio::test]
async fn a_link_probe_wants_its_ping_back() {
    let battle = Backend::echo().await;
    let health = health("probe = \"link\"");
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], &health).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    battle.set_silent(true);
    let down = hears(battle.address(), DOWN, 1).await;
    assert!(down.get("why").contains("within 100ms"), "{down:?}");
    battle.set_silent(false);
    hears(battle.address(), UP, 1).await;
    assert!(battle.probes() >= 2);
    player.echo(1000, b"still here").await;
}

#[tokio::test]
async fn a_probe_shakes_hands_as_the_cluster_does() {
    let (ours, others) = (Certificates::new(), Certificates::new());
    for name in ["backend", "gateway"] {
        ours.write(name, &["127.0.0.1"]);
        others.write(name, &["127.0.0.1"]);
    }
    let trusted = Backend::tls(acceptor(&ours, "backend")).await;
    let strange = Backend::tls(acceptor(&others, "backend")).await;
    let pair = ours.pair("gateway");
    let tls = format!("tls = {{ ca = \"{}/ca.pem\", {}", ours.folder.display(), pair.trim_start_matches('{'));
    let more = format!("{tls}\n{}", health("probe = \"link\""));
    let backends = [trusted.address(), strange.address()];
    let _gate = Gate::builder().shared("battle", "1000", &backends, &more).start().await;
    let down = hears(strange.address(), DOWN, 1).await;
    assert!(down.get("why").starts_with("cannot connect: invalid peer certificate"), "{down:?}");
    trusted.set_silent(true);
    hears(trusted.address(), DOWN, 1).await;
    trusted.set_silent(false);
    hears(trusted.address(), UP, 1).await;
}

#[tokio::test]
async fn an_http_probe_wants_a_status_of_success() {
    let health = health("probe = \"http\", path = \"/live\"");
    let server = Server::start(b"HTTP/1.1 200 OK\r\n\r\nfine").await;
    let _gate = Gate::builder().dedicated("web", "3000", &[server.address], &health).start().await;
    let answers: [(&[u8], &str); 4] = [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "the answer's status is 503"),
        (b"SSH-2.0-OpenSSH\r\n", "invalid HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "end of file before message length reached"),
        (b"", "no answer within 100ms"),
    ];
    for (count, (answer, why)) in answers.into_iter().enumerate() {
        server.answers(answer);
        let down = hears(server.address, DOWN, count + 1).await;
        assert!(down.get("why").contains(why), "{down:?}");
        server.answers(b"HTTP/1.1 204 No Content\r\n\r\n");
        hears(server.address, UP, count + 1).await;
    }
}

#[tokio::test]
async fn a_frame_probe_compares_the_beginning_of_the_answer() {
    let health = health("probe = \"frame\", send = \"000000020001\", expect = \"00000002\"");
    let server = Server::start(b"\0\0\0\x02\0\x02").await;
    let _gate = Gate::builder().dedicated("chat", "3000", &[server.address], &health).start().await;
    let answers: [(&[u8], &str); 3] = [
        (b"\0\0\0\x09 refused", "the answer begins with 00000009"),
        (b"\0\0", "the answer begins with 0000"),
        (b"", "no answer within 100ms"),
    ];
    for (count, (answer, why)) in answers.into_iter().enumerate() {
        server.answers(answer);
        let down = hears(server.address, DOWN, count + 1).await;
        assert!(down.get("why").contains(why), "{down:?}");
        server.answers(b"\0\0\0\x02\0\x02");
        hears(server.address, UP, count + 1).await;
    }
}

#[tokio::test]
async fn a_probe_tells_a_backend_that_waits_for_a_proxy_header_that_it_is_none_of_the_players() {
    let health = health("probe = \"frame\", send = \"aa\", expect = \"bb\"");
    for (version, header) in
        [("v1", &b"PROXY UNKNOWN\r\n\xaa"[..]), ("v2", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0\xaa")]
    {
        let chat = Dedicated::start().await;
        let more = format!("proxy_protocol = \"{version}\"\n{health}");
        let _gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], &more).start().await;
        assert_eq!(chat.accept().await.read_exact(header.len()).await, header);
    }
}

#[tokio::test]
async fn who_goes_down_by_its_probes_loses_its_sessions_where_the_cluster_closes_on_loss() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let more = format!("on_loss = \"close\"\nbalance = \"backup\"\n{}", health("probe = \"link\""));
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().workers(2).shared("battle", "1000", &backends, &more).start().await;
    let mut players = [gate.player().await, gate.player().await];
    for player in &mut players {
        player.echo(1000, b"in").await;
    }
    assert_eq!(first.frames().len(), 2);
    first.set_silent(true);
    for player in &mut players {
        assert_eq!(player.notice().await, r#"{"code":"unavailable"}"#);
        player.closed().await;
    }
    gate.player().await.echo(1000, b"elsewhere").await;
    assert_eq!(second.frames().len(), 1);
}

#[tokio::test]
async fn a_release_group_that_is_switched_off_keeps_nobody_at_a_backend_that_goes_down() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let (off, also_off) = (Backend::echo().await.kill().await, Backend::echo().await.kill().await);
    let of = |address: SocketAddr, group| format!("{{ address = \"{address}\", group = \"{group}\" }}");
    let backends =
        [of(off, "a"), of(also_off, "a"), of(first.address(), "b"), of(second.address(), "b")].join(", ");
    let text = format!(
        "[cluster.battle]\non_loss = \"close\"\nbalance = \"backup\"\nbackends = [{backends}]\n{}\n\
         [route.battle]\nids = [1000]\ncluster = \"battle\"\n[release]\nactive = \"b\"",
        health("probe = \"link\"")
    );
    let gate = Gate::builder().table(&text).start().await;
    let facts = || gate.inner().world().cluster_facts(Duration::ZERO);
    until("the group to be down", || !facts()[0].backends[..2].iter().any(|it| it.up)).await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    first.set_silent(true);
    assert_eq!(player.notice().await, r#"{"code":"unavailable"}"#);
    player.closed().await;
    assert!(!first.events().contains(&Event::Lost), "long before its link is given up");
    gate.player().await.echo(1000, b"elsewhere").await;
    assert_eq!((first.frames().len(), second.frames().len()), (1, 1));
}

#[tokio::test]
async fn who_was_kept_in_a_panic_is_closed_and_not_moved_when_that_is_over() {
    let more = format!("on_loss = \"close\"\nbalance = \"backup\"\n{}", health("probe = \"link\""));
    let (first, second, third) = (Backend::echo().await, Backend::echo().await, Backend::echo().await);
    let backends = [first.address(), second.address(), third.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, &more).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    for backend in [&third, &second, &first] {
        backend.set_silent(true);
        hears(backend.address(), DOWN, 1).await;
    }
    for backend in [&second, &third] {
        backend.set_silent(false);
        hears(backend.address(), UP, 1).await;
    }
    player.send(1000, b"to the one that is down").await;
    assert_eq!(player.notice().await, r#"{"code":"unavailable"}"#);
    player.closed().await;
    assert_eq!(second.frames().len() + third.frames().len(), 0);
}

#[tokio::test]
async fn the_same_holds_where_each_session_has_its_own_connection() {
    let health = health("probe = \"frame\", send = \"aa\", expect = \"bb\"");
    let more = format!("on_loss = \"close\"\nbalance = \"backup\"\n{health}");
    let servers = [Server::start(b"\xbb").await, Server::start(b"\xbb").await, Server::start(b"\xbb").await];
    let backends = servers.each_ref().map(|server| server.address);
    let gate = Gate::builder().dedicated("web", "3000", &backends, &more).start().await;
    let mut player = gate.player().await;
    player.send(3000, WHO).await;
    assert_eq!(player.recv().await.body, backends[0].to_string().as_bytes());
    for server in servers.iter().rev() {
        server.answers(b"no");
        hears(server.address, DOWN, 1).await;
    }
    for server in &servers[1..] {
        server.answers(b"\xbb");
        hears(server.address, UP, 1).await;
    }
    player.send(3000, WHO).await;
    assert_eq!(player.notice().await, r#"{"code":"unavailable"}"#);
    player.closed().await;
}

#[tokio::test]
async fn sessions_of_a_backend_that_goes_down_move_at_their_next_frame() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let more = format!("balance = \"backup\"\n{}", health("probe = \"link\""));
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, &more).start().await;
    let mut player = gate.player().await;
    player.echo(1000, b"in").await;
    first.set_silent(true);
    hears(first.address(), DOWN, 1).await;
    player.echo(1000, b"moved").await;
    assert_eq!((first.frames().len(), second.frames().len()), (1, 1));
}

#[tokio::test]
async fn what_a_backend_says_of_itself_to_a_probe_counts() {
    let (first, second) = (Backend::echo().await, Backend::echo().await);
    let more = format!("balance = \"backup\"\n{}", health("probe = \"link\""));
    let backends = [first.address(), second.address()];
    let gate = Gate::builder().shared("battle", "1000", &backends, &more).start().await;
    let mut old = gate.player().await;
    old.echo(1000, b"old").await;
    first.set_state(BackendState::Refusing);
    let line = hears(first.address(), STATE, 1).await;
    assert_eq!(line.get("state"), "refusing", "{line:?}");
    gate.player().await.echo(1000, b"new").await;
    old.echo(1000, b"still here").await;
    assert_eq!((first.frames().len(), second.frames().len()), (2, 1));
}

#[tokio::test]
async fn a_body_that_is_a_load_report_is_taken_in() {
    let health = health("probe = \"http\"");
    let (first, second) = (Server::start(&said("{}")).await, Server::start(&said("OK")).await);
    let backends = [first.address, second.address];
    let more = format!("balance = \"backup\"\n{health}");
    let gate = Gate::builder().dedicated("web", "3000", &backends, &more).start().await;
    for (count, state) in ["degraded", "refusing", "ok"].into_iter().enumerate() {
        first.answers(&said(&format!("{{\"load\": 0.5, \"state\": \"{state}\"}}")));
        let line = hears(first.address, STATE, count + 1).await;
        assert_eq!(line.get("state"), state, "{line:?}");
    }
    first.answers(&said("{\"state\": \"refusing\"}"));
    hears(first.address, STATE, 4).await;
    let mut player = gate.player().await;
    player.send(3000, WHO).await;
    assert_eq!(player.recv().await.body, second.address.to_string().as_bytes());
}

/// Waits until a backend of the cluster `web` is known to have this load.
async fn loaded(gate: &Gate, backend: SocketAddr, load: &str) {
    let labels = format!("cluster=\"web\",backend=\"{backend}\",kind=\"reported\"");
    gate.shows(&format!("realmgate_backend_load_ratio{{{labels}}} {load}")).await;
}

/// Who serves a new player of the cluster `web`.
async fn serves(gate: &Gate) -> String {
    let mut player = gate.player().await;
    player.send(3000, WHO).await;
    String::from_utf8(player.recv().await.body.to_vec()).expect("an address")
}

#[tokio::test]
async fn the_load_in_a_body_decides_who_is_picked() {
    let health = health("probe = \"http\"");
    let (first, second) = (Server::start(&said("{}")).await, Server::start(&said("{}")).await);
    let more = format!("balance = \"least_load\"\n{health}");
    let backends = [first.address, second.address];
    let gate = Gate::builder().dedicated("web", "3000", &backends, &more).start().await;
    for (busy, idle) in [(&first, &second), (&second, &first)] {
        busy.answers(&said("{\"load\": 0.75, \"capacity\": 1000}"));
        idle.answers(&said("{\"load\": 0.25, \"capacity\": 1000}"));
        loaded(&gate, busy.address, "0.75").await;
        loaded(&gate, idle.address, "0.25").await;
        for _ in 0..4 {
            assert_eq!(serves(&gate).await, idle.address.to_string());
        }
    }
}

#[tokio::test]
async fn a_body_with_sessions_and_a_capacity_says_who_is_full() {
    let health = health("probe = \"http\"");
    let (first, second) = (Server::start(&said("{}")).await, Server::start(&said("{}")).await);
    let more = format!("balance = \"backup\"\n{health}");
    let backends = [first.address, second.address];
    let gate = Gate::builder().dedicated("web", "3000", &backends, &more).start().await;
    for (sessions, load, serving) in [(8, "1", &second), (0, "0", &first)] {
        first.answers(&said(&format!("{{\"sessions\": {sessions}, \"capacity\": 8}}")));
        loaded(&gate, first.address, load).await;
        assert_eq!(serves(&gate).await, serving.address.to_string());
    }
}

#[tokio::test]
async fn a_body_with_a_capacity_alone_limits_what_this_gateway_gives() {
    let health = health("probe = \"http\"");
    let (first, second) = (Server::start(&said("{}")).await, Server::start(&said("{}")).await);
    let more = format!("balance = \"backup\"\n{health}");
    let backends = [first.address, second.address];
    let gate = Gate::builder().dedicated("web", "3000", &backends, &more).start().await;
    first.answers(&said("{\"load\": 0, \"capacity\": 1}"));
    loaded(&gate, first.address, "0").await;
    let mut player = gate.player().await;
    player.send(3000, WHO).await;
    assert_eq!(player.recv().await.body, first.address.to_string().as_bytes());
    assert_eq!(serves(&gate).await, second.address.to_string());
}

#[tokio::test]
async fn a_wrong_report_is_said_once_and_makes_nobody_dead() {
    let health = health("probe = \"http\"");
    let server = Server::start(&said("{\"load\": \"high\", \"state\": \"refusing\"}")).await;
    let _gate = Gate::builder().dedicated("web", "3000", &[server.address], &health).start().await;
    let wrong = hears(server.address, "its load report is wrong", 1).await;
    assert!(wrong.get("text").starts_with("load"), "{wrong:?}");
    server.answers(&said("{\"state\": \"degraded\"}"));
    hears(server.address, STATE, 1).await;
    // Another test's listener may have had this port before.
    let lines = log::lines(|line| is_of(server.address, line) && line.get("cluster") == "web");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[tokio::test]
async fn who_is_in_doubt_is_asked_sooner() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let health = "health = { interval = \"2s\", probe = \"frame\", send = \"aa\", expect = \"bb\" }";
    let _gate = Gate::builder().dedicated("chat", "3000", &[address], health).start().await;
    let (mut last, mut waits) = (None, Vec::new());
    for answer in [b"\xbb", b"\xcc", b"\xcc", b"\xbb"] {
        let (mut stream, _) = within("a probe", listener.accept()).await.expect("a connection");
        let came = tokio::time::Instant::now();
        waits.extend(last.replace(came).map(|last| came - last));
        stream.read_u8().await.expect("a question");
        stream.write_all(answer).await.expect("written");
    }
    // With the dice an interval is 1.8 s at least, and a quarter of it 0.55 s at most.
    let whole = Duration::from_millis(1700);
    assert!(waits[0] >= whole, "{waits:?}");
    assert!(waits[1] < whole && waits[2] < whole, "in doubt both came sooner: {waits:?}");
}

/// An answer with a body.
fn said(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
