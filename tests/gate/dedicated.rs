//! The rules of dedicated connections at the gate.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use realmgate::config::{AdminState, Override};
use realmgate::session::EndReason;
use realmgate::wire::link::Message;
use tokio::time::timeout;

use crate::fakes::{Backend, Connection, Dedicated, Event, Gate, Player, frame};

/// More bytes than all sockets hold.
const MUCH: usize = 36_000_000;

#[tokio::test]
async fn a_session_has_one_connection_per_backend_and_its_bytes_are_untouched() {
    let chat = Dedicated::start().await;
    let gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], "").start().await;
    let mut player = gate.player().await;
    let sent = [frame(3000, b"one"), frame(3000, &[9; 50_000]), frame(3000, b"")].concat();
    player.send_raw(&sent).await;
    let mut connection = chat.accept().await;
    assert_eq!(connection.read_exact(sent.len()).await, sent);
    drop(player);
    assert_eq!(connection.end().await.expect("an end in order"), 0);
}

#[tokio::test]
async fn what_many_players_say_at_once_goes_there_and_back_and_their_last_words_too() {
    let chat = Dedicated::start().await.echo();
    let gate = Gate::builder().dedicated("chat", "3000", &[chat], "").start().await;
    let mut players = Vec::new();
    for _ in 0..40 {
        players.push(gate.player().await);
    }
    for round in 0..50_u8 {
        for player in &mut players {
            player.send(3000, &[round; 100]).await;
        }
        for player in &mut players {
            assert_eq!(player.recv().await.body, [round; 100]);
        }
    }
    for player in &mut players {
        player.send(3000, b"last").await;
        player.finish().await;
    }
    for player in &mut players {
        assert_eq!(player.recv().await.body, b"last");
        player.closed().await;
    }
}

#[tokio::test]
async fn what_a_player_said_before_it_erred_reaches_its_backend() {
    let chat = Dedicated::start().await;
    let gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(3000, b"in").await;
    let mut connection = chat.accept().await;
    assert_eq!(connection.recv().await.body, b"in");
    player.send_raw(&[&frame(3000, b"last")[..], &[255; 6]].concat()).await;
    assert_eq!(connection.recv().await.body, b"last");
    assert_eq!(connection.end().await.expect("an end in order"), 0);
}

#[tokio::test]
async fn answers_of_several_clusters_never_interleave_inside_a_frame() {
    let (chat, mail) = (Dedicated::start().await, Dedicated::start().await);
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .dedicated("chat", "3000", &[chat.address()], "")
        .dedicated("mail", "4000", &[mail.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut player = gate.player().await;
    player.send(3000, b"hello").await;
    player.send(4000, b"post").await;
    let (mut chat, mut mail) = (chat.accept().await, mail.accept().await);
    let (half, letter) = (frame(3001, &[1; 1000]), frame(4001, &[2; 1000]));
    chat.send_raw(&half[..500]).await;
    mail.send_raw(&letter).await;
    player.send(1000, b"between").await;
    let mut between = [player.recv().await.id, player.recv().await.id];
    between.sort_unstable();
    assert_eq!(between, [1000, 4001], "whole frames pass while one is half here");
    chat.send_raw(&half[500..]).await;
    let frame = player.recv().await;
    assert_eq!((frame.id, frame.body), (3001, vec![1; 1000]));
}

#[tokio::test]
async fn a_proxy_header_tells_the_backend_the_players_address() {
    for (version, text) in [("v1", true), ("v2", false)] {
        let chat = Dedicated::start().await;
        let more = format!("proxy_protocol = \"{version}\"");
        let gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], &more).start().await;
        let mut player = gate.player().await;
        player.send(3000, b"hello").await;
        let mut connection = chat.accept().await;
        let (from, to) = (player.address.port(), gate.address().port());
        if text {
            let header = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\n");
            assert_eq!(connection.read_exact(header.len()).await, header.as_bytes());
        } else {
            let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01".to_vec();
            header.extend(from.to_be_bytes());
            header.extend(to.to_be_bytes());
            assert_eq!(connection.read_exact(header.len()).await, header);
        }
        assert_eq!(connection.recv().await.body, b"hello");
    }
}

#[tokio::test]
async fn what_waits_for_a_backend_that_cannot_be_reached_goes_to_the_next_one() {
    let gone = Dedicated::start().await.address();
    let chat = Dedicated::start().await;
    let backends = [gone, chat.address()];
    let gate = Gate::builder().dedicated("chat", "3000", &backends, "balance = \"backup\"").start().await;
    let mut player = gate.player().await;
    player.send(3000, b"one").await;
    player.send(3000, b"two").await;
    let mut connection = chat.accept().await;
    assert_eq!(connection.recv().await.body, b"one");
    assert_eq!(connection.recv().await.body, b"two");
    drop((player, connection));
    gate.is_empty().await;
}

/// A gate with two backends of which one cannot be reached, and a player whose first frame, `\0`, is at the other one. Each
/// frame names its backend by its first byte, in the order of their addresses.
async fn one_of_two(breaker: &str) -> (Gate, Player, Connection) {
    let chat = Dedicated::start().await;
    let gone = SocketAddr::from(([127, 0, 0, 2], chat.address().port()));
    let named =
        "balance = \"modulo\"\nhash_on = { offset = 6, width = 1 }\nsticky = false\nhealth.interval = \"1h\"";
    let gate = Gate::builder().dedicated("chat", "3000", &[chat.address(), gone], named).table(breaker);
    let gate = gate.start().await;
    let mut player = gate.player().await;
    player.send(3000, b"\0").await;
    let mut connection = chat.accept_any().await;
    assert_eq!(connection.recv().await.body, b"\0");
    (gate, player, connection)
}

#[tokio::test]
async fn what_moves_to_a_connection_that_stands_goes_out_at_once() {
    let (gate, mut player, mut connection) = one_of_two("").await;
    player.send(3000, b"\x01").await;
    assert_eq!(connection.recv().await.body, b"\x01");
    drop((player, connection));
    gate.is_empty().await;
}

#[tokio::test]
async fn what_moves_goes_nowhere_where_its_routes_breaker_lets_nothing_in() {
    let breaker = "[route.chat.breaker]\nmax_in_flight = 1\nreply = { id = 3001, within = \"60s\" }";
    let (_gate, mut player, _connection) = one_of_two(breaker).await;
    player.send(3000, b"\x01").await;
    assert!(player.notice().await.contains("\"code\":\"unavailable\""));
}

#[tokio::test]
async fn who_has_said_its_last_and_reaches_nobody_hears_so_and_is_gone() {
    let gone = Dedicated::start().await.address();
    let gate = Gate::builder().dedicated("chat", "3000", &[gone], "").start().await;
    let mut player = gate.player().await;
    player.send(3000, b"bye").await;
    player.finish().await;
    assert!(player.notice().await.contains("\"code\":\"unavailable\""));
    player.closed().await;
    gate.is_empty().await;
}

#[tokio::test]
async fn an_upload_goes_on_as_soon_as_its_backend_has_taken_what_waited() {
    let server = Dedicated::start().await;
    let (gate, mut player) = opaque(&server, "send_buffer = \"64KiB\"").await;
    let mut connection = server.accept_any().await;
    let bytes: Vec<u8> = (0..32 << 20).map(|place: u32| place.to_le_bytes()[0]).collect();
    let (sent, got) = tokio::join!(player.try_send_raw(&bytes), connection.read_exact(bytes.len()));
    sent.expect("it is read");
    assert!(got == bytes);
    drop((player, connection));
    gate.is_empty().await;
}

#[tokio::test]
async fn a_backend_that_was_left_and_takes_nothing_keeps_nobody_from_being_read() {
    let (stuck, battle) = (Dedicated::start().await, Backend::echo().await);
    // Its handshake is never answered: the frames wait for that.
    let cluster =
        "websocket = \"/\"\nconnect_timeout = \"60s\"\nsend_buffer = \"128KiB\"\nhealth.interval = \"1h\"";
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let mut gate = gate.dedicated("chat", "3000", &[stuck.address()], cluster).start().await;
    let mut player = gate.player().await;
    let mut bytes = frame(3000, &[7; 30_000]).repeat(MUCH / 30_000);
    bytes.extend(frame(1000, b"read on"));
    let takes_nothing = {
        let mut sending = pin!(player.try_send_raw(&bytes));
        let takes_nothing = tokio::select! {
            _ = &mut sending => panic!("it has to wait"),
            connection = stuck.accept_any() => connection,
        };
        assert!(timeout(Duration::from_secs(1), &mut sending).await.is_err());
        let (cluster, address) = ("chat".to_owned(), stuck.address().to_string());
        gate.change(Override::State { cluster, address, state: AdminState::Disable }).await;
        // What was left may still answer for ten seconds.
        timeout(Duration::from_secs(9), sending).await.expect("it is read").expect("a connection");
        takes_nothing
    };
    while player.recv().await.id != 1000 {} // what could not go to the other cluster is told
    drop(takes_nothing);
}

#[tokio::test]
async fn frames_for_a_backend_that_takes_nothing_are_refused_and_the_others_go_their_way() {
    let (stuck, battle) = (Dedicated::start().await, Backend::echo().await);
    let cluster = "send_buffer = \"128KiB\"\nhealth.interval = \"1h\"";
    let gate = Gate::builder().shared("battle", "1000", &[battle.address()], "");
    let gate = gate.dedicated("chat", "3000", &[stuck.address()], cluster).start().await;
    let mut player = Player::connect_to_break(gate.address()).await;
    let mut bytes = frame(3000, &[7; 30_000]).repeat(MUCH / 30_000);
    bytes.extend(frame(1, b""));
    // A connection that takes nothing is given up by the operating system after 15 seconds.
    let sending = timeout(Duration::from_secs(13), player.try_send_raw(&bytes));
    let (sent, _takes_nothing) = tokio::join!(sending, stuck.accept_any());
    sent.expect("it is read").expect("a connection");
    let mut refused = 0;
    loop {
        let answer = player.recv().await;
        if answer.id == 2 {
            break;
        }
        let notice = String::from_utf8(answer.body).expect("JSON");
        assert!(notice.starts_with(r#"{"code":"overloaded","route":"chat","id":3000"#), "{notice}");
        refused += 1;
    }
    assert!(refused > 0, "all of it went into sockets");
    player.echo(1000, b"plays on").await;
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn an_opaque_session_whose_backend_takes_nothing_is_idle_in_the_end() {
    let stuck = Dedicated::start().await;
    let gate = Gate::builder()
        .table(OPAQUE)
        .listener("frame = \"raw\"")
        .limit("idle_timeout = \"1s\"")
        .dedicated(
            "any",
            "\"*\"",
            &[stuck.address()],
            "frame = \"raw\"\nsend_buffer = \"64KiB\"\nhealth.interval = \"1h\"",
        )
        .start()
        .await;
    let mut player = gate.player().await;
    let bytes = vec![7; MUCH];
    let (sent, _takes_nothing) = tokio::join!(player.try_send_raw(&bytes), stuck.accept_any());
    drop(sent); // what comes behind the end is thrown away
    gate.is_empty().await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::Idle)), 1);
}

#[tokio::test]
async fn a_lost_backend_is_picked_anew_or_ends_the_session_as_on_loss_says() {
    let chat = Dedicated::start().await;
    let gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(3000, b"one").await;
    chat.accept().await.lose_after(b"one").await;
    player.send(1, b"").await;
    assert_eq!(player.recv().await.id, 2, "the session goes on");
    // A frame that meets the dying connection may be lost with it; one after it is not.
    let mut second = loop {
        player.send(3000, b"two").await;
        tokio::select! {
            connection = chat.accept() => break connection,
            () = tokio::task::yield_now() => {}
        }
    };
    assert_eq!(second.recv().await.body, b"two");

    let gate =
        Gate::builder().dedicated("chat", "3000", &[chat.address()], "on_loss = \"close\"").start().await;
    let mut player = gate.player().await;
    player.send(3000, b"one").await;
    chat.accept().await.lose_after(b"one").await;
    assert_eq!(player.notice().await, r#"{"code":"unavailable"}"#);
    player.closed().await;
    drop(player);
    gate.is_empty().await;
}

#[tokio::test]
async fn a_backend_that_closes_in_order_ends_the_session_only_where_on_loss_says_so() {
    let chat = Dedicated::start().await;
    let closes = async |player: &mut Player| {
        player.send(3000, b"let me in").await;
        let mut connection = chat.accept().await;
        assert_eq!(connection.recv().await.body, b"let me in");
        tokio::io::AsyncWriteExt::shutdown(&mut connection.stream).await.expect("an end in order");
        assert_eq!(connection.end().await.expect("an end in order"), 0);
    };
    let gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], "").start().await;
    let mut player = gate.player().await;
    closes(&mut player).await;
    player.send(1, b"").await;
    assert_eq!(player.recv().await.id, 2, "it hears nothing of that, and the session goes on");
    player.send(3000, b"who am I").await;
    let mut second = chat.accept().await;
    assert_eq!(second.recv().await.body, b"who am I", "the new connection knows nothing of the former one");
    drop((player, second));
    gate.is_empty().await;

    let gate =
        Gate::builder().dedicated("chat", "3000", &[chat.address()], "on_loss = \"close\"").start().await;
    let mut player = gate.player().await;
    closes(&mut player).await;
    player.closed().await;
    gate.is_empty().await;
    assert_eq!(gate.meters().total(|meter| meter.ended(EndReason::BackendClosed)), 1);
}

#[tokio::test]
async fn a_backend_that_sends_no_frame_is_dropped_before_it_harms_the_player() {
    let chat = Dedicated::start().await;
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .dedicated("chat", "3000", &[chat.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut player = gate.player().await;
    player.send(3000, b"hello").await;
    let mut connection = chat.accept().await;
    assert_eq!(connection.recv().await.body, b"hello");
    connection.send_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(matches!(connection.end().await, Ok(0) | Err(_)), "the gateway closed it");
    player.echo(1000, b"unharmed").await;
}

#[tokio::test]
async fn a_half_close_reaches_the_backend_and_its_last_answer_the_player() {
    let chat = Dedicated::start().await;
    let gate = Gate::builder().dedicated("chat", "3000", &[chat.address()], "").start().await;
    let mut player = gate.player().await;
    player.send(3000, b"bye").await;
    player.finish().await;
    let mut connection = chat.accept().await;
    assert_eq!(connection.recv().await.body, b"bye");
    assert_eq!(connection.end().await.expect("a half-close"), 0);
    connection.send_raw(&frame(3001, b"good bye")).await;
    assert_eq!(player.recv().await.body, b"good bye");
    drop(connection);
    player.closed().await;
    gate.has_sessions(0).await;
}

#[tokio::test]
async fn a_shared_backend_is_told_of_a_half_close_as_of_an_end_and_its_frames_on_the_way_still_arrive() {
    let (chat, battle) = (Dedicated::start().await, Backend::echo().await);
    let gate = Gate::builder()
        .dedicated("chat", "3000", &[chat.address()], "")
        .shared("battle", "1000", &[battle.address()], "")
        .start()
        .await;
    let mut player = gate.player().await;
    player.echo(1000, b"to battle").await;
    player.send(3000, b"bye").await;
    player.finish().await;
    let session = battle.session().await;
    let hears = async |what: &str, event: Event| {
        battle.wait(what, |events| events.contains(&event).then_some(())).await;
    };
    hears("its CLOSE", Event::Close { session, reason: 1 }).await;
    battle.say(session, Message::Join { room: "hall" }).await;
    hears("that nobody joins", Event::Undelivered { session, reason: 1 }).await;
    battle.say(session, Message::Frame { payload: &frame(1001, b"on its way") }).await;
    assert_eq!(player.recv().await.body, b"on its way");
    drop(chat.accept().await);
    player.closed().await;
    gate.is_empty().await;
}

const OPAQUE: &str = r#"[frame.raw]
length = { kind = "opaque" }"#;

/// No probes: on such a connection nothing need ever be said, so that they could not be told apart.
async fn opaque(server: &Dedicated, more: &str) -> (Gate, Player) {
    let gate = Gate::builder()
        .table(OPAQUE)
        .listener("frame = \"raw\"")
        .dedicated(
            "any",
            "\"*\"",
            &[server.address()],
            &format!("frame = \"raw\"\nhealth.interval = \"1h\"\n{more}"),
        )
        .start()
        .await;
    let player = gate.player().await;
    (gate, player)
}

#[tokio::test]
async fn an_opaque_session_is_passed_on_whole_and_the_server_may_speak_first() {
    let server = Dedicated::start().await;
    let (gate, mut player) = opaque(&server, "").await;
    let mut connection = server.accept_any().await;
    connection.send_raw(&frame(7, b"welcome")).await;
    assert_eq!(player.recv().await.body, b"welcome");
    player.send_raw(b"\xff\xff\xff\xff anything").await;
    assert_eq!(connection.read_exact(13).await, b"\xff\xff\xff\xff anything");
    player.finish().await;
    assert_eq!(connection.end().await.expect("a half-close"), 0);
    connection.send_raw(&frame(8, b"the rest")).await;
    assert_eq!(player.recv().await.body, b"the rest");
    drop(connection);
    player.closed().await;
    gate.has_sessions(0).await;
}

#[tokio::test]
async fn an_opaque_end_of_the_server_is_passed_on_as_it_was() {
    let server = Dedicated::start().await;
    let (_gate, mut player) = opaque(&server, "").await;
    let mut connection = server.accept_any().await;
    connection.send_raw(b"bye").await;
    tokio::io::AsyncWriteExt::shutdown(&mut connection.stream).await.expect("a half-close");
    let (rest, end) = player.read_to_end().await;
    assert_eq!((rest.as_slice(), end.is_ok()), (&b"bye"[..], true));
    player.send_raw(b"one more").await;
    assert_eq!(connection.read_exact(8).await, b"one more");
    drop(player);
    assert_eq!(connection.end().await.expect("an end in order"), 0);

    let (_gate, mut player) = opaque(&server, "").await;
    let mut connection = server.accept_any().await;
    player.send_raw(b"last").await;
    assert_eq!(connection.read_exact(4).await, b"last");
    connection.reset();
    let (_, end) = player.read_to_end().await;
    assert!(end.is_err(), "an abrupt end stays abrupt");
}

#[tokio::test]
async fn what_a_player_sends_behind_the_end_of_its_server_arrives_whole_and_then_its_own_end() {
    let server = Dedicated::start().await;
    let (gate, mut player) = opaque(&server, "send_buffer = \"100MiB\"").await;
    let mut connection = server.accept_any().await;
    tokio::io::AsyncWriteExt::shutdown(&mut connection.stream).await.expect("a half-close");
    player.closed().await;
    player.send_raw(&vec![7; MUCH]).await;
    player.finish().await;
    assert_eq!(connection.end().await.expect("an end in order"), MUCH);
    gate.is_empty().await;
}
