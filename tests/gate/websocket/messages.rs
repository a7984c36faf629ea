//! Frames in messages, fragments, and the control frames of WebSocket.

use tungstenite::Message;

use super::{before, frames_of, raw};
use crate::fakes::{Backend, Dedicated, Frame, Gate, Manner, frame};

#[tokio::test]
async fn a_message_holds_several_frames_and_each_goes_where_it_belongs() {
    let (battle, shop) = (Backend::echo().await, Backend::echo().await);
    let gate = before(&battle).shared("shop", "2000", &[shop.address()], "").start().await;
    let mut player = gate.browser().await;
    let message = [frame(1000, b"one"), frame(2000, b"two"), frame(1, b""), frame(1001, &[3; 9000])].concat();
    player.say(Message::binary(message)).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(player.recv().await);
    }
    answers.sort_by_key(|frame| frame.id);
    let expected = [(2, vec![]), (1000, b"one".to_vec()), (1001, vec![3; 9000]), (2000, b"two".to_vec())];
    assert_eq!(answers, expected.map(|(id, body)| Frame { id, body }));
}

#[tokio::test]
async fn fragments_are_one_message_and_a_ping_between_them_is_answered_first() {
    let battle = Backend::with(Manner::Silent).await;
    let gate = before(&battle).start().await;
    let mut player = gate.browser().await;
    let whole = frame(1000, &[9; 500]);
    let pieces = [raw(0x02, &whole[..3]), raw(0x89, b"?"), raw(0x00, &whole[3..3]), raw(0x80, &whole[3..])];
    for byte in pieces.concat() {
        player.send_raw(&[byte]).await;
    }
    assert_eq!(player.listen().await, Message::Pong(b"?"[..].into()));
    let come = |events: &[_]| (!frames_of(events).is_empty()).then(|| frames_of(events));
    assert_eq!(battle.wait("the frame", come).await, [whole]);
}

#[tokio::test]
async fn every_ping_is_answered_while_the_player_reads() {
    let battle = Backend::echo().await;
    let gate = before(&battle).start().await;
    let mut player = gate.browser().await;
    for number in 0..10_u8 {
        player.say(Message::Ping(vec![number; usize::from(number)].into())).await;
    }
    for number in 0..10_u8 {
        assert_eq!(player.listen().await, Message::Pong(vec![number; usize::from(number)].into()));
    }
    player.echo(1000, b"and on").await;
}

#[tokio::test]
async fn a_frame_alone_in_a_message_needs_no_length() {
    let battle = Backend::echo().await;
    let gate = Gate::builder()
        .websocket()
        .listener("frame = \"message\"")
        .table(
            "[frame.message]\nlength = { kind = \"message\" }\n\
             id = { offset = 0, width = 2, order = \"little\" }\nnotice = { id = 9000, body = \"json\" }\n\
             heartbeat = { id = 1, reply = 2 }",
        )
        .shared("battle", "\"1000-1999\"", &[battle.address()], "")
        .start()
        .await;
    let mut player = gate.browser().await;
    let framed = |id: u16, body: &[u8]| [&id.to_le_bytes()[..], body].concat();
    for length in [0, 1, 200, 60_000] {
        let message = Message::binary(framed(1000, &vec![4; length]));
        player.say(message.clone()).await;
        assert_eq!(player.listen().await, message, "{length}");
    }
    player.say(Message::binary(framed(1, b""))).await;
    assert_eq!(player.listen().await, Message::binary(framed(2, b"")));
    player.say(Message::binary(framed(77, b"nobody's"))).await;
    let notice = framed(9000, br#"{"code":"unknown_id","id":77}"#);
    assert_eq!(player.listen().await, Message::binary(notice));
    player.say(Message::binary(vec![1])).await;
    assert_eq!(player.listen().await, Message::binary(framed(9000, br#"{"code":"malformed"}"#)));
    let words = "malformed: a frame of 1 bytes ends inside its header of 2";
    assert_eq!(player.closed().await, (1008, words.to_owned()));
}

#[tokio::test]
async fn what_a_dedicated_backend_says_comes_in_messages_of_one_frame() {
    let server = Dedicated::start().await;
    let gate = Gate::builder().websocket().dedicated("world", "1000", &[server.address()], "").start().await;
    let mut player = gate.browser().await;
    player.say(Message::binary([frame(1000, b"a"), frame(1000, b"b")].concat())).await;
    let mut connection = server.accept().await;
    assert_eq!(connection.recv().await, Frame { id: 1000, body: b"a".to_vec() });
    assert_eq!(connection.recv().await, Frame { id: 1000, body: b"b".to_vec() });
    connection.send_raw(&[frame(1000, b"c"), frame(1000, &[8; 70])].concat()).await;
    assert_eq!(player.listen().await, Message::binary(frame(1000, b"c")));
    assert_eq!(player.listen().await, Message::binary(frame(1000, &[8; 70])));
}

#[tokio::test]
async fn what_a_player_sent_before_its_close_reaches_a_dedicated_backend_and_an_answer_comes_back() {
    let server = Dedicated::start().await;
    let gate = Gate::builder().websocket().dedicated("world", "1000", &[server.address()], "").start().await;
    let mut player = gate.browser().await;
    player.send_raw(&[raw(0x82, &frame(1000, b"last")), raw(0x88, &[3, 0xE8])].concat()).await;
    let mut connection = server.accept().await;
    assert_eq!(connection.recv().await, Frame { id: 1000, body: b"last".to_vec() });
    assert_eq!(connection.end().await.ok(), Some(0), "an end in order");
    drop(connection);
    assert_eq!(player.closed().await, (1000, String::new()));
    gate.is_empty().await;
}
