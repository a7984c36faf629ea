//! WebSocket on both sides: what a player says in one message a backend hears in one message, and the other way round.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Message;

use crate::fakes::{
    Backend, Certificates, Conversation, Dedicated, Gate, GateBuilder, Messenger, frame, within,
};
use crate::tls::acceptor;

const OPAQUE: &str = "[frame.raw]\nlength = { kind = \"opaque\" }\nmax_length = \"1MiB\"";
/// No probes: an opaque session makes its connection without a word, as a probe does.
const WHOLE: &str = "frame = \"raw\"\nwebsocket = \"/room\"\nhealth.interval = \"1h\"";
/// Longer than answers are awaited, and last words too.
const LONG: Duration = Duration::from_millis(1500);

fn listening() -> GateBuilder {
    Gate::builder().listener("protocol = \"websocket\"\npath = \"/play\"")
}

async fn opaque(server: &Messenger) -> Gate {
    let listener = "protocol = \"websocket\"\npath = \"/play\"\nsubprotocols = [\"v2\"]\nframe = \"raw\"";
    let builder = Gate::builder().table(OPAQUE).listener(listener);
    builder.dedicated("any", "\"*\"", &[server.address()], WHOLE).start().await
}

async fn dial(gate: &Gate) -> Conversation {
    Conversation::dial(gate.address(), "/play", &[]).await
}

/// Both ends of an opaque session.
async fn pair(gate: &Gate, server: &Messenger) -> (Conversation, Conversation) {
    (dial(gate).await, server.accept().await)
}

#[tokio::test]
async fn frames_of_one_message_stay_one_message_for_each_backend() {
    let (chat, mail) = (Messenger::start().await, Messenger::start().await);
    let battle = Backend::echo().await;
    let gate = listening()
        .dedicated("chat", "3000", &[chat.address()], "websocket = \"/chat\"")
        .dedicated("mail", "4000", &[mail.address()], "websocket = \"/mail\"")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut player = dial(&gate).await;
    let ids = [3000, 4000, 1000, 3000, 4000, 3000];
    let frames: Vec<_> = ids.iter().zip(b'a'..).map(|(id, letter)| (*id, vec![letter; 30])).collect();
    let of = |id: u16| -> Vec<u8> {
        let own = frames.iter().filter(|(of, _)| *of == id);
        own.flat_map(|(id, body)| frame(*id, body)).collect()
    };
    let sent: Vec<_> = frames.iter().map(|(id, body)| (*id, &**body)).collect();
    player.send_frames(&sent).await;
    player.send_frames(&[(3000, b"another message")]).await;
    let (mut talk, mut letter) = (chat.accept().await, mail.accept().await);
    assert_eq!(talk.recv().await, of(3000));
    assert_eq!(talk.recv().await, frame(3000, b"another message"));
    assert_eq!(letter.recv().await, of(4000));
    assert_eq!(player.recv().await, of(1000), "a frame of a shared link is a message");

    talk.send_frames(&[(3001, b"one"), (3002, b"two")]).await;
    assert_eq!(player.recv().await, [frame(3001, b"one"), frame(3002, b"two")].concat());
    assert_eq!(talk.request.headers().get("origin"), None);
}

#[tokio::test]
async fn a_frame_that_is_a_message_needs_no_length() {
    let layout = "[frame.short]\nlength = { kind = \"message\" }\nid = { offset = 0, width = 2 }\nnotice = { id = 9000 }";
    let chat = Messenger::start().await;
    let gate = listening()
        .table(layout)
        .listener("frame = \"short\"")
        .dedicated("chat", "3000", &[chat.address()], "websocket = \"/\"\nframe = \"short\"")
        .start()
        .await;
    let mut player = dial(&gate).await;
    for body in [&b""[..], b"one", &[7; 5000]] {
        player.send(Message::binary([&[0x0b, 0xb8], body].concat())).await;
    }
    let mut talk = chat.accept().await;
    for body in [&b""[..], b"one", &[7; 5000]] {
        assert_eq!(talk.recv().await, [&[0x0b, 0xb8], body].concat());
    }
    talk.send(Message::binary(&b"\x0b\xb9answer"[..])).await;
    assert_eq!(player.recv().await, b"\x0b\xb9answer");
    talk.send(Message::binary(&b"\x0b"[..])).await;
    assert_eq!(talk.closed().await.expect("a code").0, 1008);
}

#[tokio::test]
async fn frames_that_no_backend_takes_are_refused_one_by_one() {
    let sour = Messenger::start().await;
    let more = "websocket = \"/\"\nhealth.interval = \"1h\"";
    let builder = listening().dedicated("chat", "3000", &[sour.address()], more);
    sour.refuse(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
    let gate = builder.start().await;
    let mut player = dial(&gate).await;
    player.send_frames(&[(3000, b"one"), (3000, b"two")]).await;
    for _ in 0..2 {
        let notice = String::from_utf8(player.recv().await.split_off(6)).expect("JSON");
        assert!(notice.contains(r#""code":"unavailable","route":"chat","id":3000"#), "{notice}");
    }
}

#[tokio::test]
async fn an_opaque_session_is_passed_on_message_by_message_and_the_server_may_speak_first() {
    let mut server = Messenger::start().await;
    server.subprotocol = Some("v2");
    let gate = opaque(&server).await;
    let headers = [("origin", "https://game.example"), ("sec-websocket-protocol", "v1, v2")];
    let mut player = Conversation::dial(gate.address(), "/play", &headers).await;
    let mut talk = server.accept().await;
    let header = |name| talk.request.headers().get(name).map(|value| value.to_str().expect("text"));
    assert_eq!(header("origin"), Some("https://game.example"));
    assert_eq!(header("sec-websocket-protocol"), Some("v2"), "the one that was chosen");
    assert_eq!(talk.request.uri(), "/room");
    let messages = [
        Message::text("first, ä"),
        Message::binary(vec![1; 10]),
        Message::binary(vec![]),
        Message::text(""),
        Message::binary(vec![2; 200_000]),
        Message::text("last"),
    ];
    for message in &messages {
        talk.send(message.clone()).await;
    }
    for message in &messages {
        assert_eq!(player.next().await.expect("a message"), *message);
        player.send(message.clone()).await;
    }
    for message in &messages {
        assert_eq!(talk.next().await.expect("a message"), *message);
    }
}

#[tokio::test]
async fn how_an_opaque_player_closes_its_server_hears_and_the_other_way_round() {
    let server = Messenger::start().await;
    let gate = opaque(&server).await;
    for (code, reason) in [(1000, ""), (1001, "tab closed"), (4321, "ä")] {
        let (mut player, mut talk) = pair(&gate, &server).await;
        player.send(Message::text("last words")).await;
        player.close(code, reason).await;
        assert_eq!(talk.next().await.expect("a message"), Message::text("last words"));
        assert_eq!(talk.closed().await, Some((code, reason.to_owned())));
        assert_eq!(player.closed().await.expect("a code").0, code);

        let (mut player, mut talk) = pair(&gate, &server).await;
        talk.send(Message::text("last words")).await;
        talk.close(code, reason).await;
        assert_eq!(player.next().await.expect("a message"), Message::text("last words"));
        assert_eq!(player.closed().await, Some((code, reason.to_owned())));
        assert_eq!(talk.closed().await.expect("a code").0, code);
        gate.is_empty().await;
    }
    let (mut player, mut talk) = pair(&gate, &server).await;
    talk.send(Message::Close(None)).await;
    assert_eq!(player.closed().await, None, "no code is no code");
    assert_eq!(talk.closed().await, None);
    let (mut player, mut talk) = pair(&gate, &server).await;
    player.send(Message::Close(None)).await;
    assert_eq!(talk.closed().await, None);
    assert_eq!(player.closed().await, None);
    gate.is_empty().await;
}

#[tokio::test]
async fn what_a_player_said_before_its_close_waits_for_the_upgrade_of_its_server() {
    let server = Messenger::start().await;
    let whole = format!("{WHOLE}\nconnect_timeout = \"60s\"");
    let gate = listening().table(OPAQUE).listener("frame = \"raw\"");
    let gate = gate.dedicated("any", "\"*\"", &[server.address()], &whole).start().await;
    let mut player = dial(&gate).await;
    player.send(Message::text("last words")).await;
    player.close(1000, "").await;
    assert!(timeout(LONG, player.closed()).await.is_err(), "nobody has heard it");
    let mut talk = server.accept().await;
    assert_eq!(talk.next().await.expect("a message"), Message::text("last words"));
    assert_eq!(talk.closed().await, Some((1000, String::new())));
    assert_eq!(player.closed().await.expect("a code").0, 1000);
    gate.is_empty().await;
}

#[tokio::test]
async fn what_a_player_said_before_its_close_waits_for_a_slow_server_until_write_timeout() {
    let server = Messenger::start().await;
    let (much, message) = (36, vec![7; 1_000_000]);
    for (write_timeout, is_heard) in [("60s", true), ("500ms", false)] {
        let gate = listening().table(OPAQUE).listener("frame = \"raw\"");
        let gate = gate.limit(&format!("write_timeout = \"{write_timeout}\""));
        let whole = format!("{WHOLE}\nsend_buffer = \"100MiB\"");
        let gate = gate.dedicated("any", "\"*\"", &[server.address()], &whole).start().await;
        let (mut player, mut talk) = pair(&gate, &server).await;
        for _ in 0..much {
            player.send(Message::binary(message.clone())).await;
        }
        player.close(1000, "").await;
        if is_heard {
            assert!(timeout(LONG, player.closed()).await.is_err(), "not all of it is out");
            for _ in 0..much {
                assert!(talk.recv().await == message);
            }
            assert_eq!(talk.closed().await, Some((1000, String::new())));
        }
        assert_eq!(player.closed().await.expect("a code").0, 1000);
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn what_a_player_said_before_its_close_is_not_lost_with_its_connection() {
    let (chat, mail) = (Dedicated::start().await, Messenger::start().await);
    let patient = "websocket = \"/\"\nhealth.interval = \"1h\"\nconnect_timeout = \"30s\"";
    let gate = listening()
        .dedicated("chat", "3000", &[chat.address()], "health.interval = \"1h\"")
        .dedicated("mail", "4000", &[mail.address()], patient)
        .start()
        .await;
    let mut player = dial(&gate).await;
    player.send_frames(&[(3000, b"hello")]).await;
    let mut talk = chat.accept().await;
    assert_eq!(talk.recv().await.body, b"hello");
    player.send_frames(&[(4000, b"last words")]).await;
    player.close(1000, "").await;
    assert_eq!(talk.end().await.expect("an end in order"), 0, "the gateway has read the Close");

    player.reset();
    talk.send_raw(&frame(3001, b"too late")).await;
    gate.shows("realmgate_listener_connections{listener=\"players\"} 0").await;
    let much = frame(3001, &[7; 1000]).repeat(16_000);
    within("the gateway to read what nobody hears", talk.send_raw(&much)).await;
    let mut letter = mail.accept().await;
    assert_eq!(letter.recv().await, frame(4000, b"last words"));
    assert_eq!(letter.closed().await, Some((1000, String::new())));
    gate.is_empty().await;
}

#[tokio::test]
async fn an_abrupt_end_stays_abrupt() {
    let server = Messenger::start().await;
    let gate = opaque(&server).await;
    let (mut player, mut talk) = pair(&gate, &server).await;
    talk.send(Message::text("one")).await;
    assert_eq!(player.next().await.expect("a message"), Message::text("one"));
    talk.reset();
    assert!(player.next().await.is_err(), "no Close");
    let (player, mut talk) = pair(&gate, &server).await;
    player.reset();
    assert!(talk.next().await.is_err(), "no Close");
    gate.is_empty().await;
}

#[tokio::test]
async fn a_server_that_answers_a_close_and_ends_tls_in_one_breath_ends_the_session() {
    let certificates = Certificates::new();
    certificates.write("backend", &["127.0.0.1"]);
    certificates.write("gateway", &["gateway.test"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (folder, pair) = (certificates.folder.display(), certificates.pair("gateway"));
    let tls = format!("tls = {{ ca = \"{folder}/ca.pem\", {}", pair.trim_start_matches('{'));
    let address = listener.local_addr().expect("bound");
    let gate = listening().table(OPAQUE).listener("frame = \"raw\"");
    let gate = gate.dedicated("any", "\"*\"", &[address], &format!("{WHOLE}\n{tls}")).start().await;
    let upgraded = async {
        let (stream, _) = listener.accept().await.expect("accepting");
        upgrade(acceptor(&certificates, "backend").accept(stream).await.expect("a handshake")).await
    };
    let (mut player, mut server) = tokio::join!(dial(&gate), within("an upgrade", upgraded));

    player.close(1000, "").await;
    within("the Close", server.read_exact(&mut [0; 2 + 4 + 2])).await.expect("a masked Close");
    let (socket, tls) = server.get_mut();
    std::io::Write::write_all(&mut tls.writer(), &[0x88, 2, 3, 0xe8]).expect("it is buffered");
    tls.send_close_notify();
    let mut last = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut last).expect("it is a buffer");
    }
    socket.write_all(&last).await.expect("the gateway takes bytes");
    assert_eq!(player.closed().await.expect("a code").0, 1000);
    let rest = within("the gate's own end", server.read_to_end(&mut Vec::new())).await;
    assert_eq!(rest.expect("no truncation"), 0);
    gate.is_empty().await;
}

/// Agrees to the upgrade that is asked for.
async fn upgrade(mut stream: TlsStream<TcpStream>) -> TlsStream<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text");
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let key = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key")).expect("a key").1;
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.expect("the gateway takes bytes");
    stream
}

#[tokio::test]
async fn a_server_that_breaks_the_rules_is_left_and_its_player_told() {
    let server = Messenger::start().await;
    let gate = opaque(&server).await;
    let cases: [(&[u8], u16); 4] = [
        (&[0x81, 1, 0xff], 1007),
        (&[0x82, 127, 0, 0, 0, 0, 0, 0x20, 0, 0], 1009),
        (&[0x80, 0], 1002),
        (&[0x88, 1, 3], 1002),
    ];
    for (bytes, code) in cases {
        let (mut player, mut talk) = pair(&gate, &server).await;
        talk.send_raw(bytes).await;
        assert_eq!(talk.closed().await.expect("a code").0, code, "{bytes:?}");
        assert_eq!(player.closed().await.expect("a code").0, 1011, "{bytes:?}");
        gate.is_empty().await;
    }
}

#[tokio::test]
async fn a_player_whose_server_refuses_it_is_told() {
    let server = Messenger::start().await;
    let listener = "protocol = \"websocket\"\npath = \"/play\"\nframe = \"raw\"";
    let builder = Gate::builder().table(OPAQUE).listener(listener);
    let builder = builder.dedicated("any", "\"*\"", &[server.address()], WHOLE);
    server.refuse(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    let gate = builder.start().await;
    let mut player = dial(&gate).await;
    assert_eq!(player.closed().await.expect("a code").0, 1011);
    gate.is_empty().await;
}

#[tokio::test]
async fn pings_stay_on_their_own_side() {
    let server = Messenger::start().await;
    let gate = opaque(&server).await;
    let (mut player, mut talk) = pair(&gate, &server).await;
    for side in [&mut player, &mut talk] {
        side.send(Message::Ping(b"hi"[..].to_vec().into())).await;
        assert_eq!(side.any().await.expect("a pong"), Message::Pong(b"hi"[..].to_vec().into()));
    }
    player.send(Message::text("one")).await;
    assert_eq!(talk.any().await.expect("a message"), Message::text("one"));
    talk.send(Message::text("two")).await;
    assert_eq!(player.any().await.expect("a message"), Message::text("two"));
}
