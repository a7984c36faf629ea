//! Dedicated backends that speak WebSocket, behind players over TCP.

use tungstenite::protocol::Message;

use crate::fakes::{Backend, Conversation, Gate, GateBuilder, Messenger, Player, frame};

const REFUSED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

fn before(backends: &[&Messenger], more: &str) -> GateBuilder {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address()).collect();
    Gate::builder().dedicated("chat", "3000", &addresses, &format!("websocket = \"/play?v=2\"\n{more}"))
}

/// A player that has been heard by the backend.
async fn met(gate: &Gate, chat: &Messenger) -> (Player, Conversation) {
    let mut player = gate.player().await;
    player.send(3000, b"hello").await;
    let mut talk = chat.accept().await;
    assert_eq!(talk.recv().await, frame(3000, b"hello"));
    (player, talk)
}

#[tokio::test]
async fn each_frame_is_a_message_and_a_message_may_bring_several_frames() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "").start().await;
    let mut player = gate.player().await;
    let sent = [frame(3000, b"one"), frame(3000, &[9; 60_000]), frame(3000, b"")];
    player.send_raw(&sent.concat()).await;
    let mut talk = chat.accept().await;
    for frame in &sent {
        assert_eq!(talk.recv().await, *frame);
    }
    talk.send_frames(&[(3001, b"first"), (3002, &[7; 1000]), (3003, b"")]).await;
    for (id, length) in [(3001, 5), (3002, 1000), (3003, 0)] {
        let frame = player.recv().await;
        assert_eq!((frame.id, frame.body.len()), (id, length));
    }
    let (request, host) = (&talk.request, chat.address().to_string());
    assert_eq!(request.uri().to_string(), "/play?v=2");
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().expect("text"));
    assert_eq!(header("host"), Some(&*host));
    assert_eq!(header("x-forwarded-for"), Some("127.0.0.1"));
    for absent in ["origin", "sec-websocket-protocol", "sec-websocket-extensions"] {
        assert_eq!(header(absent), None, "{absent}");
    }
    drop(player);
    assert_eq!(talk.closed().await, Some((1000, String::new())));
    gate.is_empty().await;
}

#[tokio::test]
async fn messages_in_fragments_and_in_pieces_reach_the_player_whole() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "").start().await;
    let (mut player, mut talk) = met(&gate, &chat).await;
    let whole = [frame(3001, &[1; 300]), frame(3002, b"end")].concat();
    let (first, second) = whole.split_at(150);
    let mut bytes = vec![0x02, 126, 0, 150];
    bytes.extend_from_slice(first);
    bytes.extend([0x89, 2, b'h', b'i']); // a ping between the fragments
    bytes.extend([0x80, 126]);
    bytes.extend(u16::try_from(second.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(second);
    for piece in bytes.chunks(7) {
        talk.send_raw(piece).await;
    }
    assert_eq!(player.recv().await.body, [1; 300]);
    assert_eq!(player.recv().await.body, b"end");
    assert_eq!(talk.any().await.expect("a pong"), Message::Pong(b"hi"[..].to_vec().into()));
}

#[tokio::test]
async fn the_gateway_answers_pings_and_the_player_hears_nothing_of_them() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "").start().await;
    let (mut player, mut talk) = met(&gate, &chat).await;
    for payload in [&b""[..], b"one", &[3; 125]] {
        talk.send(Message::Ping(payload.to_vec().into())).await;
        assert_eq!(talk.any().await.expect("a pong"), Message::Pong(payload.to_vec().into()));
    }
    talk.send_frames(&[(3001, b"still here")]).await;
    assert_eq!(player.recv().await.body, b"still here");
}

#[tokio::test]
async fn a_proxy_header_comes_before_the_upgrade() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "proxy_protocol = \"v1\"").start().await;
    let mut player = gate.player().await;
    player.send(3000, b"hello").await;
    let header =
        format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", player.address.port(), gate.address().port());
    let (found, mut talk) = chat.accept_behind(header.len()).await;
    assert_eq!(found, header.as_bytes());
    assert_eq!(talk.recv().await, frame(3000, b"hello"));
}

#[tokio::test]
async fn a_backend_that_closes_is_picked_anew_or_ends_the_session_as_on_loss_says() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "").start().await;
    let (mut player, mut talk) = met(&gate, &chat).await;
    talk.close(4001, "next room").await;
    assert_eq!(talk.closed().await, Some((4001, String::new())), "a Close is answered by its code");
    drop(talk);
    player.send(1, b"").await;
    assert_eq!(player.recv().await.id, 2, "the session goes on");
    player.send(3000, b"again").await;
    assert_eq!(chat.accept().await.recv().await, frame(3000, b"again"));

    let gate = before(&[&chat], "on_loss = \"close\"").start().await;
    let (mut player, mut talk) = met(&gate, &chat).await;
    talk.close(1000, "").await;
    player.closed().await;
    gate.is_empty().await;
}

#[tokio::test]
async fn an_end_without_a_close_is_a_loss() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "on_loss = \"close\"").start().await;
    let (mut player, talk) = met(&gate, &chat).await;
    drop(talk); // an end in order of TCP, and none of WebSocket
    assert_eq!(player.notice().await, r#"{"code":"unavailable"}"#);
    player.closed().await;
    gate.is_empty().await;
}

#[tokio::test]
async fn backends_hear_why_the_session_ended() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "").start().await;
    let (mut player, mut talk) = met(&gate, &chat).await;
    player.send_raw(&[0xff; 8]).await;
    assert_eq!(talk.closed().await, Some((1001, "frame_too_long".to_owned())));
    gate.is_empty().await;

    let (player, mut talk) = met(&gate, &chat).await;
    gate.drain().await;
    assert_eq!(talk.closed().await, Some((1001, "draining".to_owned())));
    drop(player);
}

#[tokio::test]
async fn a_half_close_is_a_close_and_the_last_answer_reaches_the_player() {
    let chat = Messenger::start().await;
    let gate = before(&[&chat], "").start().await;
    let (mut player, mut talk) = met(&gate, &chat).await;
    player.finish().await;
    talk.send_frames(&[(3001, b"good bye")]).await;
    assert_eq!(talk.closed().await, Some((1000, String::new())));
    assert_eq!(player.recv().await.body, b"good bye");
    assert!(talk.next().await.is_err(), "its Close is out, and the gateway has gone");
    player.closed().await;
    gate.has_sessions(0).await;
}

#[tokio::test]
async fn what_waits_for_a_backend_that_refuses_goes_to_the_next_one_message_by_message() {
    let (sour, chat) = (Messenger::start().await, Messenger::start().await);
    let backends = [&sour, &chat];
    let builder = before(&backends, "balance = \"backup\"\nhealth.interval = \"1h\"");
    let refusing = sour.refuse(REFUSED);
    let gate = builder.start().await;
    let mut player = gate.player().await;
    player.send(3000, b"one").await;
    player.send(3000, b"two").await;
    let mut talk = chat.accept().await;
    assert_eq!(talk.recv().await, frame(3000, b"one"));
    assert_eq!(talk.recv().await, frame(3000, b"two"));
    assert_ne!(refusing, chat.address());
}

#[tokio::test]
async fn with_nobody_left_the_player_is_told_for_each_frame() {
    let answers: [&[u8]; 4] = [
        REFUSED,
        b"SSH-2.0-game\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
        b"",
    ];
    for answer in answers {
        let sour = Messenger::start().await;
        let builder = before(&[&sour], "health.interval = \"1h\"");
        sour.refuse(answer);
        let gate = builder.start().await;
        let mut player = gate.player().await;
        player.send_raw(&[frame(3000, b"one"), frame(3000, b"two")].concat()).await;
        for _ in 0..2 {
            let notice = player.notice().await;
            assert!(notice.contains(r#""code":"unavailable","route":"chat","id":3000"#), "{notice}");
        }
        player.send(1, b"").await;
        assert_eq!(player.recv().await.id, 2, "the session goes on");
    }
}

#[tokio::test]
async fn what_is_no_message_of_whole_frames_ends_the_connection_and_harms_nobody() {
    let torn = frame(3001, b"torn");
    let masked = [0x82, 0x80, 1, 2, 3, 4];
    let too_long = [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0];
    let half = [&[0x82, 5][..], &torn[..5]].concat();
    let more = [&[0x82, 12][..], &torn, &[0, 0]].concat();
    let cases: [(&[u8], u16); 8] = [
        (&masked, 1002),
        (&too_long, 1009),
        (&half, 1008),
        (&more, 1008),
        (&[0x82, 0], 1008),
        (&[0x81, 2, b'h', b'i'], 1003),
        (&[0xC2, 0], 1002),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 1002),
    ];
    let (chat, battle) = (Messenger::start().await, Backend::echo().await);
    let gate = before(&[&chat], "").shared("battle", "1000", &[battle.address()], "").start().await;
    for (bytes, code) in cases {
        let (mut player, mut talk) = met(&gate, &chat).await;
        talk.send_raw(bytes).await;
        let (found, reason) = talk.closed().await.expect("a code");
        assert_eq!(found, code, "{bytes:?}: {reason}");
        assert!(!reason.is_empty(), "{bytes:?}");
        player.echo(1000, b"unharmed").await;
        drop(player);
        gate.is_empty().await;
    }
}
