//! How a WebSocket ends: a close with a code and a word, whoever ends it.

use realmgate::base::SessionId;
use realmgate::session::EndReason;
use realmgate::wire::link::{Kick, Message as Link, Redirects};
use tungstenite::Message;

use super::{before, raw};
use crate::fakes::{Backend, Browser, Event, Gate, Manner, frame};

fn ended(gate: &Gate, end: EndReason) -> u64 {
    gate.meters().total(|meter| meter.ended(end))
}

/// The notice and the close that a player reads.
async fn end_of(player: &mut Browser) -> (String, u16, String) {
    let notice = player.notice().await;
    let (code, reason) = player.closed().await;
    (notice, code, reason)
}

#[tokio::test]
async fn a_close_is_answered_with_its_code() {
    let battle = Backend::echo().await;
    let gate = before(&battle).start().await;
    for (code, answer) in [(Some(1000), 1000), (Some(1001), 1001), (Some(4321), 4321), (None, 1005)] {
        let mut player = gate.browser().await;
        player.echo(1000, b"in").await;
        assert_eq!(player.close(code).await.0, answer, "{code:?}");
    }
    let mut gone = gate.browser().await;
    gone.echo(1000, b"in").await;
    gone.finish().await;
    gate.is_empty().await;
    assert_eq!(ended(&gate, EndReason::PlayerLeft), 5);
}

const TORN: &str = "malformed: the message does not end with a frame";

#[tokio::test]
async fn what_breaks_the_rules_is_told_by_its_code() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = before(&battle).start().await;
    let unmasked = frame(1000, b"x");
    let unmasked = [&[0x82, u8::try_from(unmasked.len()).expect("short")][..], &unmasked].concat();
    let long = raw(0x82, &vec![0; 65_537]);
    let cases = [
        (unmasked, 1002, "malformed: a frame is masked where it must not be, or not masked where it must be"),
        (raw(0xC2, b"x"), 1002, "malformed: a reserved bit is set"),
        (raw(0x80, b"x"), 1002, "malformed: a fragment goes on with no message"),
        (raw(0x81, b"hello"), 1003, "malformed: a text where only binary messages are taken"),
        (raw(0x88, &[3, 0xE8, 0xFF]), 1007, "malformed: a text is not UTF-8"),
        (raw(0x82, b"\0\0\0\x05\x03\xE8ab"), 1008, TORN),
        (raw(0x82, b""), 1008, TORN),
        (raw(0x82, &[frame(1000, b"whole"), vec![0]].concat()), 1008, TORN),
    ];
    for (bytes, code, reason) in cases {
        let mut player = gate.browser().await;
        player.send_raw(&bytes).await;
        let expected = (r#"{"code":"malformed"}"#.to_owned(), code, reason.to_owned());
        assert_eq!(end_of(&mut player).await, expected);
    }
    let words = "frame_too_long: a message of 65537 bytes; at most 65536 are allowed";
    let mut player = gate.browser().await;
    player.send_raw(&long[..14]).await;
    let expected = (r#"{"code":"frame_too_long"}"#.to_owned(), 1009, words.to_owned());
    assert_eq!(end_of(&mut player).await, expected);
    gate.is_empty().await;
    assert_eq!((ended(&gate, EndReason::Malformed), ended(&gate, EndReason::FrameTooLong)), (8, 1));
}

async fn opened(backend: &Backend) -> SessionId {
    let last = |events: &[Event]| {
        events.iter().rev().find_map(|event| match event {
            Event::Open { session, .. } => Some(*session),
            _ => None,
        })
    };
    backend.wait("OPEN", last).await
}

#[tokio::test]
async fn a_kick_is_told_by_its_meaning() {
    let battle = Backend::echo().await;
    let gate = before(&battle).start().await;
    for (reason, code, word) in [
        (0x8002, 1008, "kicked"),
        (0x8001, 1008, "replaced"),
        (0x8005, 1008, "update_required"),
        (6, 1001, "moved"),
        (5, 1013, "overloaded"),
        (11, 1013, "maintenance"),
        (2, 1001, "idle"),
        (4, 1001, "shutting_down"),
        (7, 1008, "too_slow"),
        (8, 1008, "login_required"),
        (10, 1011, "unavailable"),
    ] {
        let seen = battle.events().len();
        let mut player = gate.browser().await;
        player.echo(1000, b"in").await;
        assert!(battle.events().len() > seen);
        let session = opened(&battle).await;
        let redirect = Redirects::new(&[]);
        battle.say(session, Link::Kick(Kick { reason, text: None, retry_after_ms: None, redirect })).await;
        let notice = format!(r#"{{"code":"{word}"}}"#);
        assert_eq!(end_of(&mut player).await, (notice, code, word.to_owned()), "{reason}");
    }
}

#[tokio::test]
async fn a_lost_backend_and_a_drain_have_their_codes() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .websocket()
        .shared("battle", "\"1000-1999\"", &[battle.address()], "on_loss = \"close\"")
        .start()
        .await;
    let mut player = gate.browser().await;
    player.echo(1000, b"in").await;
    drop(battle);
    let unavailable = r#"{"code":"unavailable"}"#.to_owned();
    assert_eq!(end_of(&mut player).await, (unavailable, 1011, "unavailable".to_owned()));
    let mut last = gate.browser().await;
    last.say(Message::Ping(b"here"[..].into())).await;
    assert_eq!(last.listen().await, Message::Pong(b"here"[..].into()));
    let drained = tokio::spawn(gate.drain());
    let down = r#"{"code":"shutting_down"}"#.to_owned();
    assert_eq!(end_of(&mut last).await, (down, 1001, "shutting_down".to_owned()));
    assert_eq!(drained.await.expect("no panic"), 0, "nobody was cut");
}

#[tokio::test]
async fn silence_is_asked_about_and_only_who_does_not_answer_is_idle() {
    let battle = Backend::echo().await;
    let gate = before(&battle).limit("idle_timeout = \"400ms\"").start().await;
    let deaf = gate.browser().await;
    let mut alive = gate.browser().await;
    for _ in 0..4 {
        // tungstenite answers by itself: each question lets the session live on.
        assert_eq!(alive.listen().await, Message::Ping(b""[..].into()));
    }
    let mut player = deaf.into_player();
    let (bytes, end) = player.read_to_end().await;
    assert!(end.is_ok());
    assert_eq!(bytes[..2], [0x89, 0], "a ping first");
    let close = [&[0x88, 6][..], &1001_u16.to_be_bytes(), b"idle"].concat();
    assert!(bytes.ends_with(&close), "{bytes:?}");
    alive.echo(1000, b"still here").await;
    gate.has_sessions(1).await;
    assert_eq!(ended(&gate, EndReason::Idle), 1);
}

#[tokio::test]
async fn half_a_message_has_its_time_whatever_pings_come_meanwhile() {
    let battle = Backend::echo().await;
    let gate = before(&battle).limit("frame_timeout = \"300ms\"").start().await;
    let mut player = gate.browser().await;
    player.send_raw(&raw(0x02, b"\0\0\0")).await;
    let mut pongs = 0;
    let (notice, code, reason) = loop {
        player.say(Message::Ping(b""[..].into())).await;
        match player.listen().await {
            Message::Pong(_) => pongs += 1,
            Message::Binary(notice) => {
                let (code, reason) = player.closed().await;
                break (notice, code, reason);
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(notice[6..], br#"{"code":"idle"}"#[..]);
    assert_eq!((code, reason.as_str(), pongs > 0), (1001, "idle", true));
    drop(player);
    gate.is_empty().await;
    assert_eq!(ended(&gate, EndReason::FrameTimeout), 1);
}

#[tokio::test]
async fn pings_count_among_the_frames_of_a_session() {
    let battle = Backend::echo().await;
    let gate = before(&battle).limit("frames_per_session = \"10/m\"").start().await;
    let mut player = gate.browser().await;
    let flood: Vec<u8> = std::iter::repeat_n(raw(0x89, b""), 300).flatten().collect();
    player.send_raw(&flood).await;
    let mut pongs = 0;
    let end = loop {
        match player.listen().await {
            Message::Pong(_) => pongs += 1,
            Message::Binary(notice) => break notice,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end[6..], br#"{"code":"rate_limited"}"#[..]);
    assert_eq!(player.closed().await, (1008, "rate_limited".to_owned()));
    assert_eq!(pongs, 20, "twice the rate");
}
