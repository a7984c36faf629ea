//! Connections that become a WebSocket's: bytes both ways, unread, and every kind of end.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::origin::{Origin, accept, ending, ok, said, values};
use crate::stage::{Client, Setting, Stage, before};
use crate::within;

const UPGRADE: &str = "GET /play?room=1 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: game\r\nOrigin: https://a\r\n\r\n";
const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A tunnel through a gate: the client's end, the backend's end, and the head that the backend read.
struct Tunnel {
    stage: Stage,
    client: Client,
    backend: TcpStream,
    head: String,
}

async fn listener() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    (listener.local_addr().expect("bound"), listener)
}

impl Tunnel {
    async fn open() -> Self {
        Self::open_in(|setting| setting).await
    }

    async fn open_in(set: impl Fn(Setting) -> Setting) -> Self {
        let (address, listener) = listener().await;
        let stage = set(before(&[address])).start().await;
        let mut client = stage.client().await;
        client.send(UPGRADE).await;
        let mut backend = accept(&listener).await;
        // One write of the gate: a server that reads once sees the whole head.
        let mut read = vec![0; 64 * 1024];
        let length = within("the head", backend.read(&mut read)).await.expect("bytes");
        assert_eq!(ending(&read[..length], b"\r\n\r\n"), Some(length), "the head comes whole and alone");
        let head = String::from_utf8(read[..length].to_vec()).expect("text");
        backend.write_all(AGREED).await.expect("taken");
        let answer = within("the answer", client.head()).await.expect("a head");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert_eq!(values(&answer, "upgrade"), ["websocket"], "{answer}");
        assert_eq!(values(&answer, "connection"), ["upgrade"], "{answer}");
        assert_eq!(values(&answer, "sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], "{answer}");
        Self { stage, client, backend, head }
    }

    async fn backend_hears(&mut self, bytes: &[u8]) {
        let mut heard = vec![0; bytes.len()];
        within("bytes at the backend", self.backend.read_exact(&mut heard)).await.expect("bytes");
        assert_eq!(heard, bytes);
    }

    async fn both_ways(&mut self) {
        self.client.send("to the backend").await;
        self.backend_hears(b"to the backend").await;
        self.backend.write_all(b"to the client").await.expect("taken");
        self.client.hears(b"to the client").await;
    }
}

/// How a connection ends.
async fn end(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let mut byte = [0; 1];
    within("the end", stream.read(&mut byte)).await.map_err(|error| error.kind())
}

fn abort(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket");
    drop(stream);
}

#[tokio::test]
async fn the_head_goes_through_whole_and_then_bytes_both_ways() {
    let mut tunnel = Tunnel::open().await;
    assert!(tunnel.head.starts_with("GET /play?room=1 HTTP/1.1\r\n"), "{}", tunnel.head);
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "game"),
        ("origin", "https://a"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(values(&tunnel.head, name), [value], "{}", tunnel.head);
    }
    tunnel.both_ways().await;
    let long: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let (mut client, mut backend) = (tunnel.client.stream, tunnel.backend);
    let (sent, mut heard) = (long.clone(), vec![0; long.len()]);
    let writing = async { client.write_all(&sent).await.expect("taken") };
    let reading = async { backend.read_exact(&mut heard).await.expect("bytes") };
    within("a long stretch", async { tokio::join!(writing, reading) }).await;
    assert!(heard == long, "as they were sent");
}

#[tokio::test]
async fn what_comes_with_the_heads_is_not_lost() {
    let (address, listener) = listener().await;
    let stage = before(&[address]).start().await;
    let mut client = stage.client().await;
    client.send(format!("{UPGRADE}early client")).await;
    let mut backend = accept(&listener).await;
    let mut read = Vec::new();
    while ending(&read, b"\r\n\r\n").is_none() {
        within("the head", backend.read_buf(&mut read)).await.expect("bytes");
    }
    backend.write_all(&[AGREED, b"early backend"].concat()).await.expect("taken");
    within("the answer", client.head()).await.expect("a head");
    client.hears(b"early backend").await;
    while !read.ends_with(b"\r\n\r\nearly client") {
        assert!(within("the client's bytes", backend.read_buf(&mut read)).await.expect("bytes") > 0);
    }
}

#[tokio::test]
async fn a_half_close_is_one_on_the_other_side_too() {
    let mut tunnel = Tunnel::open().await;
    tunnel.client.stream.shutdown().await.expect("a half-close");
    assert_eq!(end(&mut tunnel.backend).await, Ok(0));
    tunnel.backend.write_all(b"still there").await.expect("taken");
    tunnel.client.hears(b"still there").await;
    drop(tunnel.backend);
    assert!(tunnel.client.end().await.is_ok());
    tunnel.stage.has_in_flight(&[0]).await;

    let mut tunnel = Tunnel::open().await;
    tunnel.backend.shutdown().await.expect("a half-close");
    assert_eq!(end(&mut tunnel.client.stream).await, Ok(0));
    tunnel.client.send("still there").await;
    tunnel.backend_hears(b"still there").await;
}

#[tokio::test]
async fn an_abrupt_end_is_abrupt_on_the_other_side_too() {
    let mut tunnel = Tunnel::open().await;
    tunnel.both_ways().await;
    abort(tunnel.client.stream);
    assert_eq!(end(&mut tunnel.backend).await, Err(ErrorKind::ConnectionReset));
    tunnel.stage.has_in_flight(&[0]).await;

    let mut tunnel = Tunnel::open().await;
    tunnel.both_ways().await;
    abort(tunnel.backend);
    assert_eq!(end(&mut tunnel.client.stream).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_tunnel_is_a_session_of_its_backend() {
    let tunnel = Tunnel::open().await;
    tunnel.stage.has_in_flight(&[1]).await;
    drop((tunnel.client, tunnel.backend));
    tunnel.stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn a_tunnel_in_which_nobody_says_anything_ends() {
    let mut tunnel = Tunnel::open_in(|setting| setting.limit("idle_timeout = \"300ms\"")).await;
    tunnel.both_ways().await;
    assert_eq!(end(&mut tunnel.backend).await, Ok(0));
    assert!(tunnel.client.end().await.is_ok());
    tunnel.stage.has_in_flight(&[0]).await;
}

#[tokio::test]
async fn a_tunnel_of_which_one_side_takes_nothing_ends_however_much_that_side_says() {
    let Tunnel { stage, client, mut backend, .. } =
        Tunnel::open_in(|setting| setting.limit("write_timeout = \"300ms\"")).await;
    SockRef::from(&client.stream).set_recv_buffer_size(16 * 1024).expect("a socket");
    // Both go on until the gate ends it.
    let flooding = tokio::spawn(async move { while backend.write_all(&[7; 64 * 1024]).await.is_ok() {} });
    let mut stream = client.stream;
    let talking = tokio::spawn(async move {
        let mut said = 0;
        while stream.write_all(b"x").await.is_ok() {
            said += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        said
    });
    stage.has_in_flight(&[0]).await;
    let ends = within("both sides to hear of it", async { tokio::join!(flooding, talking) }).await;
    let said = ends.1.expect("a count");
    assert!(said < 40, "{said} bytes: it was the system that lost patience, five seconds later");
}

#[tokio::test]
async fn a_tunnel_lives_through_reloads_and_ends_with_its_backend() {
    let mut tunnel = Tunnel::open().await;
    let backend = tunnel.backend.local_addr().expect("bound");
    let other = Origin::named("other").await;
    tunnel.stage.reload(before(&[backend, other.address])).await;
    tunnel.both_ways().await;
    tunnel.stage.reload(before(&[other.address])).await;
    assert_eq!(end(&mut tunnel.backend).await, Ok(0), "its backend is gone");
    assert!(tunnel.client.end().await.is_ok());
}

#[tokio::test]
async fn a_drain_cuts_the_tunnels_that_are_left_at_its_deadline() {
    let mut tunnel = Tunnel::open().await;
    tunnel.both_ways().await;
    let draining = tokio::spawn(tunnel.stage.drain());
    assert!(end(&mut tunnel.backend).await.is_ok_and(|length| length == 0));
    assert!(tunnel.client.end().await.is_ok());
    within("the end of the drain", draining).await.expect("it drains");
}

#[tokio::test]
async fn a_backend_that_refuses_is_heard() {
    let mut shop =
        Origin::start(|asked| if asked.all("upgrade").is_empty() { ok("hi") } else { said(403, "", "no") })
            .await;
    let stage = before(&[shop.address]).start().await;
    let mut client = stage.client().await;
    client.send(UPGRADE).await;
    assert_eq!(client.answer(false).await.told(), (403, "no"));
    assert_eq!(shop.asked().await.one("upgrade"), "websocket");
    assert_eq!(
        client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.told(),
        (200, "hi"),
        "and the connection goes on"
    );
}

#[tokio::test]
async fn who_leaves_before_the_backend_has_agreed_gives_up_its_place() {
    for leaves in [true, false] {
        let (address, listener) = listener().await;
        let stage = before(&[address]).route("timeout = \"5m\"").start().await;
        let mut client = stage.client().await;
        client.send(UPGRADE).await;
        let mut backend = accept(&listener).await;
        stage.has_in_flight(&[1]).await;
        if leaves {
            abort(client.stream);
        } else {
            client.stream.shutdown().await.expect("a half-close");
        }
        stage.has_in_flight(&[0]).await;
        let mut read = Vec::new();
        within("the end", async {
            while backend.read_buf(&mut read).await.is_ok_and(|length| length > 0) {}
        })
        .await;
    }
}

#[tokio::test]
async fn a_tunnel_ends_with_its_listener() {
    let mut tunnel = Tunnel::open().await;
    let address = tunnel.backend.local_addr().expect("bound");
    let text = before(&[address]).text().replace("open", "other");
    tunnel.stage.reload_text(&text).await;
    assert_eq!(end(&mut tunnel.backend).await, Ok(0));
    assert!(tunnel.client.end().await.is_ok());
    tunnel.stage.has_in_flight(&[0]).await;
}
