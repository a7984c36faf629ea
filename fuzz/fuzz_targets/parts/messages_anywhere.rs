//! Reads a WebSocket whole and in pieces and compares; writes each message again and reads that.

use realmgate::wire::websocket::{
    FrameKind, Incoming, MessageDecoder, MessageKind, Peer, Reading, WebSocketFault, append_close,
    append_frame,
};

/// The first byte says whose frames they are, whether texts are taken and whether messages may be deflated, the second
/// where to cut.
pub fn run(data: &[u8]) {
    let [choice, cut, stream @ ..] = data else { return };
    let peer = if choice & 1 == 0 { Peer::Client } else { Peer::Server };
    let reading = Reading { peer, max: 1000, text: choice & 2 == 0, deflate: choice & 4 != 0 };
    let whole = decode(reading, &[stream]);
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(whole, decode(reading, &[first, second]));
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(whole, decode(reading, &bytes));
    let (found, _) = whole;
    let again = found.iter().flat_map(|found| write(found, peer)).collect::<Vec<u8>>();
    assert_eq!(decode(Reading { text: true, deflate: true, ..reading }, &[&again]), (found, None));
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Message(MessageKind, Vec<u8>),
    Deflated(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

fn decode(reading: Reading, pieces: &[&[u8]]) -> (Vec<Found>, Option<WebSocketFault>) {
    let mut decoder = MessageDecoder::new(reading);
    let (mut found, mut arrived) = (Vec::new(), 0);
    for piece in pieces {
        let mut input = piece.to_vec();
        arrived += input.len();
        let mut messages = decoder.messages(&mut input);
        while let Some(incoming) = messages.next() {
            found.push(match incoming {
                Ok(Incoming::Message(kind, bytes)) => Found::Message(kind, bytes.to_vec()),
                Ok(Incoming::Deflated(kind, bytes)) => Found::Deflated(kind, bytes.to_vec()),
                Ok(Incoming::Ping(bytes)) => Found::Ping(bytes.to_vec()),
                Ok(Incoming::Pong(bytes)) => Found::Pong(bytes.to_vec()),
                Ok(Incoming::Close(close)) => Found::Close(close.code, close.reason.to_owned()),
                Err(fault) => return (found, Some(fault)),
            });
        }
        drop(messages);
        assert!(decoder.capacity() <= 2 * arrived.max(64), "memory for bytes that did not come");
        assert!(!decoder.is_idle() || decoder.capacity() == 0, "idle with memory");
    }
    (found, None)
}

fn write(found: &Found, peer: Peer) -> Vec<u8> {
    let mask = (peer == Peer::Client).then_some([1, 2, 3, 4]);
    let mut out = Vec::new();
    match found {
        Found::Message(MessageKind::Text, bytes) => append_frame(FrameKind::Text, bytes, mask, &mut out),
        Found::Message(MessageKind::Binary, bytes) => append_frame(FrameKind::Binary, bytes, mask, &mut out),
        Found::Deflated(MessageKind::Text, bytes) => append_frame(FrameKind::Text, bytes, mask, &mut out),
        Found::Deflated(MessageKind::Binary, bytes) => append_frame(FrameKind::Binary, bytes, mask, &mut out),
        Found::Ping(bytes) => append_frame(FrameKind::Ping, bytes, mask, &mut out),
        Found::Pong(bytes) => append_frame(FrameKind::Pong, bytes, mask, &mut out),
        Found::Close(code, reason) => append_close(*code, reason, mask, &mut out),
    }
    if let (Found::Deflated(..), Some(first)) = (found, out.first_mut()) {
        *first |= 0x40;
    }
    out
}
