//! Offers, messages there and back, and what is none.

use std::sync::Arc;

use super::deflater::FROM;
use super::*;
use crate::wire::websocket::{
    FrameKind, MessageKind, WebSocketFault, append_frame, head_length, measure_sent,
};

const MAX: u32 = 64 * 1024;

fn written(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_frame(kind, payload, None, &mut out);
    out
}

/// The frame as it goes out.
fn sent(frame: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(Deflater::default().append_first(frame, &mut out), frame.len());
    out
}

/// The payload of one that was deflated.
fn deflated(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let frame = sent(&written(kind, payload));
    let measured = measure_sent(&frame).expect("a frame");
    let opcode = if kind == FrameKind::Text { 1 } else { 2 };
    assert_eq!((frame[0], measured.length), (0xC0 | opcode, frame.len()), "final, deflated, whole");
    assert_eq!(measured.head, head_length(frame.len() - measured.head));
    frame[measured.head..].to_vec()
}

fn inflate(payload: &[u8], max: u32) -> Result<Vec<u8>, WebSocketFault> {
    Inflater::default().inflate(MessageKind::Binary, payload, max).map(<[u8]>::to_vec)
}

/// Bytes that do not get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn offers_are_answered_as_the_standard_says() {
    let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let window = format!("{plain}; server_max_window_bits=15");
    for (offer, answer) in [
        ("permessage-deflate", Some(plain)),
        ("Permessage-Deflate ; Client_Max_Window_Bits", Some(plain)),
        ("permessage-deflate; client_max_window_bits=8", Some(plain)),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", Some(plain)),
        ("permessage-deflate; server_max_window_bits=15", Some(&window)),
        ("permessage-deflate; server_max_window_bits = \"15\"; client_max_window_bits", Some(&window)),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", Some(plain)),
        ("x-webkit-deflate-frame, permessage-deflate", Some(plain)),
        (
            "other; with=\"a \\\", permessage-deflate, \", permessage-deflate; server_max_window_bits=15",
            Some(&window),
        ),
        ("", None),
        ("permessage", None),
        ("x-webkit-deflate-frame", None),
        ("other; with=\"a, permessage-deflate, b\"", None),
        ("permessage-deflate; server_max_window_bits=10", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=015", None),
        ("permessage-deflate; client_max_window_bits=7", None),
        ("permessage-deflate; client_max_window_bits=16", None),
        ("permessage-deflate; client_max_window_bits=", None),
        ("permessage-deflate; client_no_context_takeover=1", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits=10", None),
        ("permessage-deflate; more", None),
        ("permessage-deflate;", None),
    ] {
        assert_eq!(agree([offer]), answer, "{offer}");
    }
    assert_eq!(agree(["other", "permessage-deflate; more", "permessage-deflate"]), Some(plain));
}

#[test]
fn what_gets_smaller_goes_deflated_and_comes_back() {
    let mut inflater = Inflater::default();
    for length in [FROM, 1000, 5000, 65_000, 1_000_000] {
        let words: Vec<u8> = (0..length)
            .flat_map(|place| format!("{{\"x\":{}}}", place % 700).into_bytes())
            .take(length)
            .collect();
        for kind in [FrameKind::Binary, FrameKind::Text] {
            let payload = deflated(kind, &words);
            assert!(payload.len() < words.len() / 2, "{length}");
            assert_eq!(inflater.inflate(MessageKind::Text, &payload, 1_000_000), Ok(&*words), "{length}");
        }
    }
}

#[test]
fn what_is_short_or_dense_or_no_message_goes_as_it_is() {
    for frame in [
        written(FrameKind::Binary, &[7; FROM - 1]),
        written(FrameKind::Binary, &[]),
        written(FrameKind::Text, &noise(FROM)),
        written(FrameKind::Binary, &noise(70_000)),
        written(FrameKind::Ping, &[7; 125]),
        written(FrameKind::Close, &[3, 0xE8]),
    ] {
        assert_eq!(sent(&frame), frame);
    }
    let half = &written(FrameKind::Binary, &[7; 1000])[..3];
    assert_eq!(sent(half), half);
}

#[test]
fn one_of_a_run_is_taken_at_a_time_and_nothing_is_carried_over() {
    let frames = [[1; 300], [1; 300], [2; 300]].map(|body| written(FrameKind::Binary, &body));
    let run = frames.concat();
    let (mut deflater, mut rest, mut forms) = (Deflater::default(), &*run, Vec::new());
    while !rest.is_empty() {
        let mut form = Vec::new();
        rest = &rest[deflater.append_first(rest, &mut form)..];
        forms.push(form);
    }
    assert_eq!(forms, frames.map(|frame| sent(&frame)));
    assert_eq!(forms[0], forms[1]);
}

#[test]
fn a_frame_for_many_is_the_same_for_each() {
    let frames = [vec![3; 9000], noise(9000), vec![4; 9000]].map(|body| written(FrameKind::Binary, &body));
    let mut deflater = Deflater::default();
    for frame in &frames {
        let shared: Arc<[u8]> = frame.as_slice().into();
        for _ in 0..3 {
            let mut out = vec![9];
            deflater.append_shared(&shared, &mut out);
            assert_eq!(out[1..], sent(frame));
        }
    }
}

#[test]
fn the_examples_of_the_standard_inflate() {
    let hello = Ok(b"Hello".to_vec());
    assert_eq!(inflate(&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], MAX), hello);
    assert_eq!(
        inflate(&[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], MAX),
        hello,
        "stored"
    );
    assert_eq!(inflate(&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], MAX), hello, "with a last block");
    let two = [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00];
    assert_eq!(inflate(&two, MAX), hello, "in two blocks");
    assert_eq!(inflate(&[0x00], MAX), Ok(Vec::new()));
}

#[test]
fn what_does_not_inflate_is_told_and_the_next_message_is_read() {
    let whole = deflated(FrameKind::Binary, &b"every word of it, ".repeat(40));
    let mut inflater = Inflater::default();
    let mut bad: Vec<Vec<u8>> = (0..whole.len() - 1).map(|cut| whole[..cut].to_vec()).collect();
    bad.extend([
        vec![0x07],
        vec![0xFF; 20],
        vec![0x00, 0x05, 0x00, 0x00, 0x00],
        [&whole[..], &[1, 2]].concat(),
    ]);
    // Beginning anew again and again.
    bad.push([0x03, 0x00].repeat(1000));
    for payload in bad {
        let fault = inflater.inflate(MessageKind::Binary, &payload, MAX).map(<[u8]>::to_vec);
        assert_eq!(fault, Err(WebSocketFault::NotDeflate), "{payload:?}");
        assert!(inflater.inflate(MessageKind::Binary, &whole, MAX).is_ok(), "after {payload:?}");
    }
}

#[test]
fn a_text_is_checked_when_it_is_inflated() {
    let payload = deflated(FrameKind::Text, &[0xE2; 400]);
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(MessageKind::Text, &payload, MAX), Err(WebSocketFault::NotUtf8));
    assert_eq!(inflater.inflate(MessageKind::Binary, &payload, MAX), Ok(&[0xE2; 400][..]));
}

#[test]
fn a_message_has_its_limit_and_costs_no_more_than_that() {
    let exactly = deflated(FrameKind::Binary, &vec![7; 65_536]);
    let beyond = deflated(FrameKind::Binary, &vec![7; 65_537]);
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(MessageKind::Binary, &exactly, MAX), Ok(&[7; 65_536][..]));
    assert_eq!(inflater.inflate(MessageKind::Binary, &beyond, MAX), Err(WebSocketFault::Swells { max: MAX }));
    assert_eq!(inflater.capacity(), 65_536);
    assert_eq!(inflate(&deflated(FrameKind::Binary, &[7; 300]), 0).map_err(|fault| fault.code()), Err(1009));
}

#[test]
fn a_bomb_is_no_larger_than_a_message() {
    let mut mebibyte = deflated(FrameKind::Binary, &vec![0; 1024 * 1024]);
    mebibyte.extend(FLUSHED);
    let gibibyte = mebibyte.repeat(1024);
    assert!(gibibyte.len() < 8 * 1024 * 1024, "{}", gibibyte.len());
    let mut inflater = Inflater::default();
    let fault = inflater.inflate(MessageKind::Binary, &gibibyte, MAX).map(<[u8]>::len);
    assert_eq!(fault, Err(WebSocketFault::Swells { max: MAX }));
    assert!(inflater.capacity() <= 65_536, "{}", inflater.capacity());
}
