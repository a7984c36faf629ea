//! Players whose messages are deflated, by a client by hand.

use realmgate::session::EndReason;
use realmgate::wire::link::{LINK, Message as Link, Scope};
use tungstenite::Message;

use super::{before, frames_of, resume};
use crate::fakes::{
    Backend, Certificates, Event, Frame, Gate, GateBuilder, Heard, Manner, Messenger, Player, Presser, frame,
    press,
};

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn compressing(backend: &Backend) -> GateBuilder {
    before(backend).listener("compression = true")
}

/// Bytes that get smaller.
fn words(length: usize) -> Vec<u8> {
    (0..length)
        .flat_map(|place| format!("{{\"item\":{}}},", place * 7 % 900).into_bytes())
        .take(length)
        .collect()
}

/// Bytes that do not.
fn noise(length: usize) -> Vec<u8> {
    std::iter::repeat_with(rand::random).take(length).collect()
}

async fn press_both_ways(battle: &Backend, player: Player) {
    let mut player = Presser::over(player, OFFER).await;
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(player.extensions.as_deref(), Some(agreed));
    let bodies = [words(3000), b"hi".to_vec(), words(60_000), noise(5000), vec![], words(400)];
    for body in &bodies {
        player.send(1000, body).await;
    }
    player.send_raw(0x82, &frame(1000, b"plain")).await;
    for (body, small) in bodies.iter().zip([true, false, true, false, false, true]) {
        let (back, deflated) = player.recv().await;
        assert_eq!((back.id, &back.body, deflated), (1000, body, small));
    }
    assert_eq!(player.recv().await, (Frame { id: 1000, body: b"plain".to_vec() }, false));
    let plain: Vec<_> = bodies.iter().map(|body| frame(1000, body)).chain([frame(1000, b"plain")]).collect();
    assert_eq!(frames_of(&battle.events()), plain, "the backend does not hear of it");
}

#[tokio::test]
async fn long_messages_go_deflated_both_ways() {
    let battle = Backend::echo().await;
    let gate = compressing(&battle).start().await;
    press_both_ways(&battle, gate.player().await).await;
}

#[tokio::test]
async fn the_same_over_tls() {
    let (battle, certificates) = (Backend::echo().await, Certificates::new());
    let gate = compressing(&battle).start_tls(&certificates).await;
    press_both_ways(&battle, gate.tls_player().await).await;
}

#[tokio::test]
async fn who_does_not_offer_it_or_in_vain_gets_plain_messages() {
    let battle = Backend::echo().await;
    let (on, off) = (compressing(&battle).start().await, before(&battle).start().await);
    let mut browser = on.browser().await;
    browser.echo(1000, &words(3000)).await;
    let cases = [
        (&on, "permessage-deflate; server_max_window_bits=9"),
        (&on, "permessage-deflate; nonsense"),
        (&on, "x-webkit-deflate-frame"),
        (&off, OFFER),
    ];
    for (gate, offer) in cases {
        let mut player = Presser::over(gate.player().await, offer).await;
        assert_eq!(player.extensions, None, "{offer}");
        player.send_raw(0x82, &frame(1000, &words(3000))).await;
        assert_eq!(player.recv().await, (Frame { id: 1000, body: words(3000) }, false));
        player.send(1000, b"not agreed on").await;
        assert_eq!(player.notice().await, r#"{"code":"malformed"}"#);
        assert_eq!(player.closed().await, (1002, "malformed: a reserved bit is set".to_owned()));
    }
}

#[tokio::test]
async fn fragments_of_a_deflated_message_are_one_and_a_ping_between_them_is_answered_first() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = compressing(&battle).start().await;
    let mut player = Presser::over(gate.player().await, OFFER).await;
    let whole = [frame(1000, &words(500)), frame(1001, b"another")].concat();
    let pressed = press(&whole);
    let (first, rest) = pressed.split_at(40);
    for (byte, piece) in [(0x42, first), (0x89, b"?"), (0x00, &[]), (0x80, rest)] {
        player.send_raw(byte, piece).await;
    }
    let pong = Heard { opcode: 10, deflated: false, payload: b"?".to_vec() };
    assert_eq!(player.listen().await, pong);
    battle.has_frames(2).await;
    assert_eq!(frames_of(&battle.events()).concat(), whole);
}

#[tokio::test]
async fn what_does_not_inflate_or_swells_or_is_marked_in_the_wrong_place_ends_the_session() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = compressing(&battle).start().await;
    let pressed = press(&frame(1000, &words(3000)));
    let malformed = r#"{"code":"malformed"}"#;
    let bad = "malformed: a deflated message does not inflate";
    let bit = "malformed: a reserved bit is set";
    let swells = "frame_too_long: a message that inflates to more than the 65536 bytes that are allowed";
    // A thousandth of what it says, and its header tells nothing of that.
    let bomb = press(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() > 60_000 && bomb.len() < 65_536 + 64);
    let cases = [
        (0xC2, &pressed[..pressed.len() - 3], (malformed, 1007, bad)),
        (0xC2, &[0xFF; 30], (malformed, 1007, bad)),
        (0xC2, b"", (malformed, 1007, bad)),
        (0xC9, b"?", (malformed, 1002, bit)),
        (0xC0, &pressed, (malformed, 1002, bit)),
        (
            0xC1,
            &press(b"a text"),
            (malformed, 1003, "malformed: a text where only binary messages are taken"),
        ),
        (
            0xC2,
            &press(&frame(1000, b"and more")[..9]),
            (malformed, 1008, "malformed: the message does not end with a frame"),
        ),
        (0xC2, &bomb, (r#"{"code":"frame_too_long"}"#, 1009, swells)),
    ];
    for (first, payload, (notice, code, words)) in cases {
        let mut player = Presser::over(gate.player().await, OFFER).await;
        player.send_raw(first, payload).await;
        assert_eq!(player.notice().await, notice, "{words}");
        assert_eq!(player.closed().await, (code, words.to_owned()));
    }
    gate.is_empty().await;
    let ended = |end| gate.meters().total(|meter| meter.ended(end));
    assert_eq!((ended(EndReason::Malformed), ended(EndReason::FrameTooLong)), (7, 1));
    assert_eq!(battle.frames(), Vec::<Vec<u8>>::new(), "no backend heard of it");
}

#[tokio::test]
async fn one_frame_for_all_is_what_each_has_agreed_on() {
    let battle = Backend::echo().await;
    let gate = compressing(&battle).workers(2).start().await;
    let (mut pressers, mut browsers) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let mut presser = Presser::over(gate.player().await, OFFER).await;
        presser.send(1000, b"in").await;
        presser.recv().await;
        pressers.push(presser);
        let mut browser = gate.browser().await;
        browser.echo(1000, b"in").await;
        browsers.push(browser);
    }
    let bodies = [words(1000), words(8000), noise(8000), words(60_000), b"short".to_vec(), words(8000)];
    for body in &bodies {
        let payload = frame(1500, body);
        battle.say_on(0, LINK, Link::Broadcast { scope: Scope::All, payload: &payload }).await;
    }
    for presser in &mut pressers {
        for (body, small) in bodies.iter().zip([true, true, false, true, false, true]) {
            let (back, deflated) = presser.recv().await;
            assert_eq!((back.id, &back.body, deflated), (1500, body, small));
        }
    }
    for browser in &mut browsers {
        for body in &bodies {
            assert_eq!(browser.recv().await, Frame { id: 1500, body: body.clone() });
        }
    }
}

/// Says more than the sockets hold, of all kinds, before the player reads.
async fn read_late(battle: &Backend, player: Player) {
    let address = player.address;
    let mut player = Presser::over(player, OFFER).await;
    player.send(1000, b"in").await;
    player.recv().await;
    let opened = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Open { session, address: of, .. } if *of == address => Some(*session),
            _ => None,
        })
    };
    let session = battle.wait("OPEN", opened).await;
    let bodies = (0..60).map(|place| match place % 4 {
        0 => noise(40_000),
        1 => words(60_000 - place),
        2 => noise(place),
        _ => words(300 + place),
    });
    let bodies: Vec<_> = bodies.collect();
    for body in &bodies {
        battle.say(session, Link::Frame { payload: &frame(1500, body) }).await;
    }
    for (place, body) in bodies.iter().enumerate() {
        assert_eq!(player.recv().await.0.body, *body, "{place}");
    }
}

#[tokio::test]
async fn who_reads_late_gets_everything_in_its_order() {
    let battle = Backend::echo().await;
    let gate = compressing(&battle).limit("send_buffer = \"4MiB\"").start().await;
    read_late(&battle, Player::connect_narrow(gate.address()).await).await;
    let certificates = Certificates::new();
    let gate = compressing(&battle).limit("send_buffer = \"4MiB\"").start_tls(&certificates).await;
    read_late(&battle, gate.tls_player().await).await;
}

#[tokio::test]
async fn opaque_messages_are_deflated_for_the_player_alone() {
    let server = Messenger::start().await;
    let gate = Gate::builder()
        .table("[frame.raw]\nlength = { kind = \"opaque\" }\nmax_length = \"1MiB\"")
        .websocket()
        .listener("frame = \"raw\"\ncompression = true")
        .dedicated(
            "any",
            "\"*\"",
            &[server.address()],
            "frame = \"raw\"\nwebsocket = \"/room\"\nhealth.interval = \"1h\"",
        )
        .start()
        .await;
    let mut player = Presser::over(gate.player().await, OFFER).await;
    let mut talk = server.accept().await;
    assert_eq!(talk.request.headers().get("sec-websocket-extensions"), None, "backends are offered none");
    let text = "öffne dich, ".repeat(90);
    player.send_raw(0xC1, &press(text.as_bytes())).await;
    player.send_raw(0xC2, &press(&words(200_000))).await;
    assert_eq!(talk.next().await.expect("a message"), Message::text(text.clone()));
    assert_eq!(talk.next().await.expect("a message"), Message::binary(words(200_000)));
    talk.send(Message::text(text.clone())).await;
    talk.send(Message::binary(words(200_000))).await;
    let heard = Heard { opcode: 1, deflated: true, payload: text.into_bytes() };
    assert_eq!(player.listen().await, heard);
    assert_eq!(player.listen().await, Heard { opcode: 2, deflated: true, payload: words(200_000) });
    player.send_raw(0xC1, &press(&[0xC3; 300])).await;
    assert_eq!(player.closed().await, (1007, "malformed: a text is not UTF-8".to_owned()));
}

#[tokio::test]
async fn what_was_kept_comes_as_the_new_connection_has_agreed_on() {
    let battle = Backend::echo().await;
    let gate = resume::builder(&battle).listener("compression = true").start().await;
    let mut plain = gate.browser().await;
    let (session, shown) = resume::log_in(&battle, &mut plain).await;
    drop(plain);
    let kept = [words(3000), b"kept".to_vec(), words(20_000), noise(900)];
    let bodies: Vec<_> = kept.iter().map(|body| &**body).collect();
    let claim = |token: &str, received: u64| {
        frame(9000, format!(r#"{{"resume":"{token}","received":{received}}}"#).as_bytes())
    };
    resume::has_parked(&gate, 1).await;
    resume::say(&battle, session, &bodies).await;

    let mut pressing = Presser::over(gate.player().await, OFFER).await;
    // The message that shows the token holds a frame for the session behind it.
    let first = [claim(&shown, 0), frame(1000, &words(800))].concat();
    pressing.send_raw(0xC2, &press(&first)).await;
    let notice = pressing.notice().await;
    assert!(notice.contains(r#""frames":0,"lost":0"#), "{notice}");
    let shown = resume::token(&notice);
    for (body, small) in kept.iter().zip([true, false, true, false]) {
        assert_eq!(pressing.recv().await, (Frame { id: 1500, body: body.clone() }, small));
    }
    assert_eq!(pressing.recv().await, (Frame { id: 1000, body: words(800) }, true));
    drop(pressing);
    resume::has_parked(&gate, 2).await;
    resume::say(&battle, session, &bodies).await;

    let mut back = gate.browser().await;
    back.say(Message::binary(claim(&shown, 5))).await;
    let notice = back.notice().await;
    assert!(notice.contains(r#""frames":5,"lost":0"#), "{notice}");
    for body in &kept {
        assert_eq!(back.recv().await, Frame { id: 1500, body: body.clone() });
    }
    back.echo(1000, &words(3000)).await;
}
