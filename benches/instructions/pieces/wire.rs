//! Bytes to frames and back: what a player sends, over TCP and in WebSocket messages, and the link's envelopes.

use std::hint::black_box;

use realmgate::base::{GatewayId, SessionId};
use realmgate::wire::FrameDecoder;
use realmgate::wire::link::{DEFAULT_MAX_ENVELOPE, EnvelopeDecoder, append_frame_envelope};
use realmgate::wire::websocket::{FrameKind, MessageDecoder, Peer, Reading, append_frame, apply_mask};

use crate::frame::{BURST, burst};
use crate::game::layout;

const MASK: [u8; 4] = [0x6d, 0xb6, 0xb2, 0x80];

pub(crate) fn decode_one(times: u64) {
    decode(times, 1);
}

pub(crate) fn decode_many(times: u64) {
    decode(times, BURST);
}

fn decode(times: u64, a_read: usize) {
    let (layout, read) = (layout(), burst(a_read));
    let mut decoder = FrameDecoder::new();
    for _ in 0..times / a_read as u64 {
        let mut frames = decoder.frames(&layout, black_box(&read));
        while let Some(frame) = frames.next() {
            black_box(frame.expect("frames are whole"));
        }
    }
}

pub(crate) fn append(times: u64) {
    let frame = burst(1);
    let mut out = Vec::new();
    for _ in 0..times / BURST as u64 {
        out.clear();
        for _ in 0..BURST {
            append_frame_envelope(session(), black_box(&frame), &mut out).expect("it fits");
        }
        black_box(out.len());
    }
}

pub(crate) fn envelopes(times: u64) {
    let (frame, mut read) = (burst(1), Vec::new());
    for _ in 0..BURST {
        append_frame_envelope(session(), &frame, &mut read).expect("it fits");
    }
    let mut decoder = EnvelopeDecoder::new();
    for _ in 0..times / BURST as u64 {
        let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, black_box(&read));
        while let Some(envelope) = envelopes.next() {
            black_box(envelope.expect("envelopes are whole").frame());
        }
    }
}

pub(crate) fn message_one(times: u64) {
    messages(times, 1);
}

pub(crate) fn message_many(times: u64) {
    messages(times, BURST);
}

/// What is unmasked in its place is masked again at the next turn: to the decoder both are bytes.
fn messages(times: u64, a_read: usize) {
    let (frame, mut read) = (burst(1), Vec::new());
    for _ in 0..a_read {
        append_frame(FrameKind::Binary, &frame, Some(MASK), &mut read);
    }
    let reading = Reading { peer: Peer::Client, max: 128 * 1024, text: false, deflate: false };
    let mut decoder = MessageDecoder::new(reading);
    for _ in 0..times / a_read as u64 {
        let mut messages = decoder.messages(black_box(&mut read));
        while let Some(message) = messages.next() {
            black_box(message.expect("messages are whole"));
        }
    }
}

pub(crate) fn mask(times: u64) {
    let mut payload = vec![0xA5; 1024];
    for _ in 0..times {
        apply_mask(black_box(&mut payload), black_box(MASK), 0);
    }
}

fn session() -> SessionId {
    SessionId::new(GatewayId::new(1).expect("in range"), 1, 1)
}
