//! Messages that come whole, torn, in fragments and wrong.

use super::*;
use crate::wire::websocket::{FrameKind, append_close, append_frame};

const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const CLIENT: Reading = Reading { peer: Peer::Client, max: 1000, text: true, deflate: false };

/// What came, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kept {
    Message(MessageKind, Vec<u8>),
    Deflated(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

fn keep(incoming: Incoming<'_>) -> Kept {
    match incoming {
        Incoming::Message(kind, bytes) => Kept::Message(kind, bytes.to_vec()),
        Incoming::Deflated(kind, bytes) => Kept::Deflated(kind, bytes.to_vec()),
        Incoming::Ping(bytes) => Kept::Ping(bytes.to_vec()),
        Incoming::Pong(bytes) => Kept::Pong(bytes.to_vec()),
        Incoming::Close(close) => Kept::Close(close.code, close.reason.to_owned()),
    }
}

type Decoded = (Vec<Kept>, Option<WebSocketFault>);

fn decode_in(reading: Reading, pieces: &[&[u8]]) -> (Decoded, MessageDecoder) {
    let mut decoder = MessageDecoder::new(reading);
    let (mut found, mut arrived, mut fault) = (Vec::new(), 0, None);
    for piece in pieces {
        let mut input = piece.to_vec();
        arrived += input.len();
        let mut messages = decoder.messages(&mut input);
        while let Some(incoming) = messages.next() {
            match incoming {
                Ok(incoming) => found.push(keep(incoming)),
                Err(error) => assert_eq!(fault.replace(error), None, "a second fault"),
            }
        }
        drop(messages);
        assert!(decoder.capacity() <= 2 * arrived.max(8), "memory for bytes that did not come");
        assert!(!decoder.is_idle() || decoder.capacity() == 0, "idle with memory");
    }
    ((found, fault), decoder)
}

/// Decodes a stream whole, in any two pieces, and byte for byte: each time the same.
fn decode_with(reading: Reading, stream: &[u8]) -> Decoded {
    let (whole, _) = decode_in(reading, &[stream]);
    for cut in 0..=stream.len() {
        let (first, second) = stream.split_at(cut);
        assert_eq!(decode_in(reading, &[first, second]).0, whole, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(decode_in(reading, &bytes).0, whole, "byte for byte");
    whole
}

fn decode(stream: &[u8]) -> Decoded {
    decode_with(CLIENT, stream)
}

/// A frame with this first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_frame(FrameKind::Binary, payload, Some(MASK), &mut out);
    out[0] = first;
    out
}

fn binary(bytes: &[u8]) -> Kept {
    Kept::Message(MessageKind::Binary, bytes.to_vec())
}

fn text(text: &str) -> Kept {
    Kept::Message(MessageKind::Text, text.as_bytes().to_vec())
}

#[test]
fn messages_of_all_lengths_come_out_as_they_were_however_they_are_cut() {
    let mut stream = Vec::new();
    let mut expected = Vec::new();
    for length in [0, 1, 125, 126, 127, 700] {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
        stream.extend(frame(0x82, &bytes));
        expected.push(binary(&bytes));
    }
    stream.extend(frame(0x81, "Hellö 𝄞".as_bytes()));
    expected.push(text("Hellö 𝄞"));
    assert_eq!(decode(&stream), (expected, None));
}

#[test]
fn a_server_does_not_mask_and_its_messages_come_out_too() {
    let server = Reading { peer: Peer::Server, ..CLIENT };
    let mut stream = Vec::new();
    append_frame(FrameKind::Text, b"one", None, &mut stream);
    append_frame(FrameKind::Binary, &[9; 300], None, &mut stream);
    append_close(Some(1001), "gone", None, &mut stream);
    let expected = vec![text("one"), binary(&[9; 300]), Kept::Close(Some(1001), "gone".into())];
    assert_eq!(decode_with(server, &stream), (expected, None));
    assert_eq!(decode_with(server, &frame(0x82, b"x")), (vec![], Some(WebSocketFault::Masking)));
}

#[test]
fn fragments_become_one_message_and_control_frames_between_them_come_first() {
    let stream = [
        frame(0x01, "Hell".as_bytes()),
        frame(0x89, b"are you there"),
        frame(0x00, &"ö".as_bytes()[..1]),
        frame(0x8A, b""),
        frame(0x00, b""),
        frame(0x80, &"ö".as_bytes()[1..]),
        frame(0x02, b""),
        frame(0x80, b""),
    ];
    let expected =
        vec![Kept::Ping(b"are you there".to_vec()), Kept::Pong(vec![]), text("Hellö"), binary(b"")];
    assert_eq!(decode(&stream.concat()), (expected, None));
}

#[test]
fn nothing_is_read_behind_a_close() {
    let close = |payload: &[u8]| frame(0x88, payload);
    let said = [close(&[3, 0xE8, b'b', b'y', b'e']), frame(0x82, b"x"), frame(0xF5, b"nonsense")].concat();
    assert_eq!(decode(&said), (vec![Kept::Close(Some(1000), "bye".into())], None));
    assert_eq!(decode(&close(&[])), (vec![Kept::Close(None, String::new())], None));
    let amid = [frame(0x02, b"half"), close(&[])].concat();
    assert_eq!(decode(&amid), (vec![Kept::Close(None, String::new())], None));
    for bad in [&[3][..], &[3, 0xED], &[0, 0]] {
        assert_eq!(decode(&close(bad)), (vec![], Some(WebSocketFault::BadClose)), "{bad:?}");
    }
    assert_eq!(decode(&close(&[3, 0xE8, 0xC3])), (vec![], Some(WebSocketFault::NotUtf8)));
}

#[test]
fn what_breaks_the_rules_is_a_fault_however_it_is_cut() {
    use WebSocketFault as Fault;
    let mut unmasked = Vec::new();
    append_frame(FrameKind::Binary, b"x", None, &mut unmasked);
    let padded = [&[0x82, 0xFE, 0, 5][..], &MASK, &[0; 5]].concat();
    let too_wide = [&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &MASK].concat();
    let cases = [
        (frame(0xC2, b"x"), Fault::ReservedBits),
        (frame(0xA2, b"x"), Fault::ReservedBits),
        (frame(0x92, b"x"), Fault::ReservedBits),
        (frame(0xC9, b"x"), Fault::ReservedBits),
        (frame(0x83, b"x"), Fault::ReservedOpcode),
        (frame(0x87, b""), Fault::ReservedOpcode),
        (frame(0x8B, b"x"), Fault::ReservedOpcode),
        (frame(0x8F, b""), Fault::ReservedOpcode),
        (unmasked, Fault::Masking),
        (padded, Fault::PaddedLength),
        (frame(0x89, &[0; 126]), Fault::LongControl),
        (frame(0x09, b"x"), Fault::FragmentedControl),
        (frame(0x80, b"x"), Fault::NothingToContinue),
        (frame(0x00, b""), Fault::NothingToContinue),
        ([frame(0x02, b"x"), frame(0x82, b"y")].concat(), Fault::Interrupted),
        ([frame(0x01, b"x"), frame(0x02, b"y")].concat(), Fault::Interrupted),
        ([frame(0x02, b"x"), frame(0x80, b"y"), frame(0x80, b"z")].concat(), Fault::NothingToContinue),
        (frame(0x81, b"\xC3"), Fault::NotUtf8),
        (frame(0x81, b"\xED\xA0\x80"), Fault::NotUtf8),
        (too_wide, Fault::TooLong { claimed: 1 << 63, max: 1000 }),
    ];
    for (stream, fault) in cases {
        let (mut before, found) = decode(&stream);
        assert_eq!(found, Some(fault), "{stream:?}");
        before.retain(|kept| *kept != binary(b"xy"));
        assert_eq!(before, [], "{stream:?}");
    }
}

#[test]
fn a_length_is_refused_by_its_header_and_all_fragments_count() {
    let head = &frame(0x82, &[0; 1001])[..8];
    let ((found, fault), decoder) = decode_in(CLIENT, &[head]);
    assert_eq!((found, fault), (vec![], Some(WebSocketFault::TooLong { claimed: 1001, max: 1000 })));
    assert_eq!(decoder.capacity(), 0);
    assert_eq!(decode(&frame(0x82, &[0; 1000])), (vec![binary(&[0; 1000])], None));
    let fragments = [frame(0x02, &[1; 600]), frame(0x00, &[2; 400]), frame(0x80, &[3])].concat();
    assert_eq!(decode(&fragments), (vec![], Some(WebSocketFault::TooLong { claimed: 1001, max: 1000 })));
}

#[test]
fn a_text_that_cannot_become_utf_8_is_refused_before_it_is_whole() {
    let begun = frame(0x01, b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90");
    assert_eq!(decode(&begun), (vec![], Some(WebSocketFault::NotUtf8)));
    let half = &frame(0x81, b"\xF4\x90zzzzzzz")[..8];
    assert_eq!(decode(half).1, Some(WebSocketFault::NotUtf8), "inside a frame");
    let may_still = frame(0x01, b"\xCE\xBA\xF4\x8F");
    assert_eq!(decode(&may_still), (vec![], None));
}

#[test]
fn where_no_texts_are_taken_the_header_of_one_is_enough() {
    let bytes_only = Reading { text: false, ..CLIENT };
    let head = &frame(0x81, b"never read")[..6];
    assert_eq!(decode_with(bytes_only, head), (vec![], Some(WebSocketFault::Text)));
    assert_eq!(decode_with(bytes_only, &frame(0x82, b"x")), (vec![binary(b"x")], None));
}

#[test]
fn a_cursor_that_is_dropped_keeps_what_it_did_not_come_to_as_it_came() {
    let stream = [frame(0x82, b"first"), frame(0x82, b"second"), frame(0x82, b"third")].concat();
    let (first, second) = stream.split_at(stream.len() - 3);
    let mut decoder = MessageDecoder::new(CLIENT);
    let mut input = first.to_vec();
    let mut messages = decoder.messages(&mut input);
    assert_eq!(messages.next().map(|found| found.map(keep)), Some(Ok(binary(b"first"))));
    drop(messages);
    assert!(!decoder.is_idle());
    assert!(decoder.messages(&mut second.to_vec()).next().is_none(), "it would overtake the rest");
    let mut rest = decoder.take_rest();
    assert_eq!(rest, stream[frame(0x82, b"first").len()..]);
    let mut messages = decoder.messages(&mut rest);
    assert_eq!(messages.next().map(|found| found.map(keep)), Some(Ok(binary(b"second"))));
    assert_eq!(messages.next().map(|found| found.map(keep)), Some(Ok(binary(b"third"))));
    assert!(messages.next().is_none());
    drop(messages);
    assert!(decoder.is_idle() && decoder.capacity() == 0);
}

#[test]
fn the_first_frame_of_a_message_says_that_all_of_it_is_deflated() {
    let agreed = Reading { deflate: true, ..CLIENT };
    let (not_utf8, kept) = ([0xF2, 0x48, 0xFF], Kept::Deflated(MessageKind::Text, vec![0xF2, 0x48, 0xFF]));
    let pieces = [
        frame(0x41, &not_utf8[..1]),
        frame(0x89, b"?"),
        frame(0x00, &not_utf8[1..2]),
        frame(0x80, &not_utf8[2..]),
        frame(0xC1, &not_utf8),
        frame(0xC2, b"x"),
        frame(0x81, b"plain"),
        frame(0x01, b"in "),
        frame(0x80, b"two"),
    ];
    let deflated = Kept::Deflated(MessageKind::Binary, b"x".to_vec());
    let found = vec![Kept::Ping(b"?".to_vec()), kept.clone(), kept, deflated, text("plain"), text("in two")];
    assert_eq!(decode_with(agreed, &pieces.concat()), (found, None));

    let begun = frame(0x42, b"x");
    for bad in [
        [&begun[..], &frame(0xC0, b"y")].concat(),
        frame(0xC9, b"?"),
        frame(0xCA, b"?"),
        frame(0xC8, &[3, 0xE8]),
        frame(0xA2, b"another bit"),
        frame(0xD2, b"another bit"),
        frame(0xE2, b"and another bit"),
    ] {
        assert_eq!(decode_with(agreed, &bad), (vec![], Some(WebSocketFault::ReservedBits)), "{bad:?}");
    }
    assert_eq!(decode(&frame(0xC2, b"not agreed on")), (vec![], Some(WebSocketFault::ReservedBits)));
    let plain = [&begun[..], &frame(0x80, b"y"), &frame(0x81, &not_utf8)].concat();
    let fault = decode_with(agreed, &plain).1;
    assert_eq!(fault, Some(WebSocketFault::NotUtf8), "the next message is checked again");
}

#[test]
fn a_deflated_message_may_be_a_little_longer_than_what_it_says() {
    let agreed = Reading { deflate: true, ..CLIENT };
    let most = 1000 + 16;
    assert_eq!(decode_with(agreed, &frame(0xC2, &vec![7; most])).1, None);
    for bad in [
        frame(0xC2, &vec![7; most + 1])[..8].to_vec(),
        [frame(0x42, &vec![7; most]), frame(0x00, b"x")].concat(),
        [frame(0xC2, b"short"), frame(0x82, &[7; 1001])].concat(),
    ] {
        let fault = decode_with(agreed, &bad).1;
        assert!(matches!(fault, Some(WebSocketFault::TooLong { max: 1000, .. })), "{fault:?}");
    }
}
