//! The rules of frames told a second time: every layout of the configuration contract, cut at every place.

use realmgate::base::ProtocolId;
use realmgate::wire::{
    ByteOrder, EncodeError, FrameDecoder, FrameError, FrameLayout, Framing, Heartbeat, IdField, Measured,
    Width,
};

const MAX: u32 = 4096;

fn fixed_id(offset: u16, width: Width, order: ByteOrder) -> Option<IdField> {
    Some(IdField::Fixed { offset, width, order, mask: width.max_value(), shift: 0 })
}

fn layout(framing: Framing, id: Option<IdField>) -> FrameLayout {
    FrameLayout { framing, id, max_length: MAX, heartbeat: None, notice: None }
}

fn fixed(offset: u16, width: Width, order: ByteOrder, adjust: i32) -> Framing {
    Framing::Fixed { offset, width, order, adjust }
}

/// Every kind of layout that has an end in a stream, with a name for messages.
fn layouts() -> Vec<(String, FrameLayout)> {
    let mut all = Vec::new();
    for width in [Width::One, Width::Two, Width::Three, Width::Four, Width::Eight] {
        for order in [ByteOrder::Big, ByteOrder::Little] {
            let bytes = u16::try_from(width.bytes()).expect("at most eight");
            let name = |kind| format!("{kind} {width:?} {order:?}");
            let whole = -i32::from(bytes) - 3;
            let behind = fixed_id(bytes + 3, Width::Two, order);
            all.push((name("counts the body"), layout(fixed(0, width, order, 0), behind)));
            all.push((name("counts the whole"), layout(fixed(3, width, order, whole), behind)));
            let before = fixed_id(0, Width::Two, order);
            all.push((name("counts less"), layout(fixed(2, width, order, 5), before)));
            all.push((name("then a varint"), layout(fixed(1, width, order, 0), Some(IdField::Varint))));
        }
    }
    for max_width in 2..=5 {
        let framing = Framing::Varint { offset: 0, max_width };
        all.push((format!("varint of {max_width}"), layout(framing, Some(IdField::Varint))));
    }
    all.push(("mqtt".into(), layout(Framing::Varint { offset: 1, max_width: 4 }, Some(nibble()))));
    all
}

fn nibble() -> IdField {
    IdField::Fixed { offset: 0, width: Width::One, order: ByteOrder::Big, mask: 0xF0, shift: 4 }
}

/// Bodies from nothing to more than one varint byte can count, each with its own ID.
fn frames(layout: &FrameLayout) -> Vec<(ProtocolId, Vec<u8>)> {
    let needs_body = layout.append_frame(ProtocolId(1), &[], &mut Vec::new()).is_err();
    let least = if needs_body { 5 } else { 0 };
    (0_u8..10)
        .map(|n| {
            let body = vec![n ^ 0xA5; least + usize::from(n) * usize::from(n) * 2];
            let id = ProtocolId(u64::from(n) + 1);
            let mut frame = Vec::new();
            layout.append_frame(id, &body, &mut frame).expect("the layout holds it");
            assert_eq!(layout.body_of(&frame), body);
            (id, frame)
        })
        .collect()
}

fn drain(
    decoder: &mut FrameDecoder,
    layout: &FrameLayout,
    input: &[u8],
    out: &mut Vec<(ProtocolId, Vec<u8>)>,
) {
    let mut frames = decoder.frames(layout, input);
    while let Some(frame) = frames.next() {
        let frame = frame.expect("a frame");
        out.push((frame.id, frame.bytes.to_vec()));
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("64 bits")).expect("below limit")
    }
}

#[test]
fn a_stream_split_at_any_position_gives_the_same_frames() {
    for (name, layout) in layouts() {
        let sent = frames(&layout);
        let stream: Vec<u8> = sent.iter().flat_map(|(_, frame)| frame.clone()).collect();
        for at in 0..=stream.len() {
            let (mut decoder, mut got) = (FrameDecoder::new(), Vec::new());
            drain(&mut decoder, &layout, &stream[..at], &mut got);
            drain(&mut decoder, &layout, &stream[at..], &mut got);
            assert_eq!(got, sent, "{name} split at {at}");
            assert!(decoder.is_idle() && decoder.capacity() == 0, "{name} split at {at}");
        }
    }
}

#[test]
fn a_stream_of_single_bytes_gives_the_same_frames() {
    for (name, layout) in layouts() {
        let sent = frames(&layout);
        let (mut decoder, mut got) = (FrameDecoder::new(), Vec::new());
        for byte in sent.iter().flat_map(|(_, frame)| frame) {
            drain(&mut decoder, &layout, &[*byte], &mut got);
        }
        assert_eq!(got, sent, "{name}");
        assert_eq!(decoder.capacity(), 0, "{name}");
    }
}

#[test]
fn random_splits_and_cursors_left_early_lose_nothing() {
    let cases = (1..=40_u64).flat_map(|seed| layouts().into_iter().map(move |case| (seed, case)));
    for (seed, (name, layout)) in cases {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let sent = frames(&layout);
        let stream: Vec<u8> = sent.iter().flat_map(|(_, frame)| frame.clone()).collect();
        let (mut decoder, mut got) = (FrameDecoder::new(), Vec::new());
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(dice.below(rest.len().min(300)) + 1);
            rest = later;
            let mut cursor = decoder.frames(&layout, now);
            for _ in 0..dice.below(4) {
                let Some(frame) = cursor.next() else { break };
                let frame = frame.unwrap();
                got.push((frame.id, frame.bytes.to_vec()));
            }
        }
        drain(&mut decoder, &layout, &[], &mut got);
        assert_eq!(got, sent, "{name} seed {seed}");
        assert_eq!(decoder.capacity(), 0, "{name} seed {seed}");
    }
}

#[test]
fn a_whole_frame_is_lent_from_the_input_itself() {
    let layout = layout(fixed(0, Width::Four, ByteOrder::Big, 0), fixed_id(4, Width::Two, ByteOrder::Big));
    let mut input = Vec::new();
    layout.append_frame(ProtocolId(9), b"body", &mut input).unwrap();
    input.push(0);
    let mut decoder = FrameDecoder::new();
    let mut frames = decoder.frames(&layout, &input);
    let frame = frames.next().unwrap().unwrap();
    assert!(std::ptr::eq(frame.bytes, &raw const input[..10]));
    assert!(frames.next().is_none());
    drop(frames);
    assert_eq!((decoder.buffered(), decoder.is_idle()), (1, false));
}

#[test]
fn only_what_completes_a_frame_is_copied_behind_it() {
    let layout = layout(fixed(0, Width::Two, ByteOrder::Big, 0), fixed_id(2, Width::One, ByteOrder::Big));
    let mut input = Vec::new();
    for _ in 0..50 {
        layout.append_frame(ProtocolId(9), &[7; 97], &mut input).unwrap();
    }
    let mut decoder = FrameDecoder::new();
    assert!(decoder.frames(&layout, &input[..40]).next().is_none());
    let mut frames = decoder.frames(&layout, &input[40..]);
    let held = frames.next().unwrap().unwrap();
    assert!(!input.as_ptr_range().contains(&held.bytes.as_ptr()));
    let lent = frames.next().unwrap().unwrap();
    assert!(std::ptr::eq(lent.bytes, &raw const input[100..200]));
}

fn first_error(layout: &FrameLayout, input: &[u8]) -> Option<FrameError> {
    let mut decoder = FrameDecoder::new();
    let error = decoder.frames(layout, input).next().and_then(Result::err);
    if error.is_some() {
        assert!(decoder.frames(layout, &[0, 0, 0, 3, 1, 1, 1]).next().is_none(), "nothing after an error");
        assert_eq!(decoder.capacity(), 0);
    }
    error
}

#[test]
fn a_claim_is_refused_before_the_id_and_before_memory() {
    let layout = layout(fixed(0, Width::Four, ByteOrder::Big, 0), fixed_id(4, Width::Two, ByteOrder::Big));
    let claimed = (1_u64 << 31) + 4;
    assert_eq!(
        first_error(&layout, &0x8000_0000_u32.to_be_bytes()),
        Some(FrameError::TooLong { claimed, max: MAX })
    );
    assert_eq!(first_error(&layout, &[0, 0, 0, 1]), Some(FrameError::TooShort { claimed: 5, header: 6 }));
    assert_eq!(first_error(&layout, &[0; 4]), Some(FrameError::TooShort { claimed: 4, header: 6 }));
    assert_eq!(first_error(&layout, &(MAX - 4).to_be_bytes()), None);
    let claimed = u64::from(MAX) + 1;
    assert_eq!(
        first_error(&layout, &(MAX - 3).to_be_bytes()),
        Some(FrameError::TooLong { claimed, max: MAX })
    );

    let mut decoder = FrameDecoder::new();
    for byte in [0x80, 0, 0] {
        assert!(decoder.frames(&layout, &[byte]).next().is_none());
        assert!(decoder.capacity() <= 8);
    }
    assert!(decoder.frames(&layout, &[0]).next().is_some_and(|frame| frame.is_err()));
    assert_eq!((decoder.capacity(), decoder.buffered()), (0, 0));
}

#[test]
fn a_length_inside_the_limit_reserves_only_what_came() {
    let framing = fixed(0, Width::Four, ByteOrder::Big, 0);
    let small = layout(framing, fixed_id(4, Width::Two, ByteOrder::Big));
    let layout = FrameLayout { max_length: u32::MAX, ..small };
    let mut decoder = FrameDecoder::new();
    assert!(decoder.frames(&layout, &[0x7F, 0xFF, 0xFF, 0xFF, 0, 1]).next().is_none());
    assert!(decoder.frames(&layout, &[0; 10]).next().is_none());
    assert!(decoder.capacity() <= 32, "{}", decoder.capacity());
}

#[test]
fn sums_never_wrap_in_eight_bytes() {
    let at = |adjust, value: u64| {
        let framing = fixed(2, Width::Eight, ByteOrder::Big, adjust);
        let layout = layout(framing, fixed_id(0, Width::Two, ByteOrder::Big));
        first_error(&layout, &[&[0, 1], &value.to_be_bytes()[..]].concat())
    };
    let too_long = |claimed| Some(FrameError::TooLong { claimed, max: MAX });
    assert_eq!(at(0, u64::MAX), too_long(u64::MAX));
    assert_eq!(at(i32::MAX, u64::MAX), too_long(u64::MAX));
    assert_eq!(at(i32::MIN, u64::MAX), too_long(u64::MAX - (1 << 31) + 10));
    assert_eq!(at(-11, 0), Some(FrameError::BadLength));
    assert_eq!(at(i32::MIN, 5), Some(FrameError::BadLength));
    assert_eq!(at(-10, 0), Some(FrameError::TooShort { claimed: 0, header: 10 }));
    assert_eq!(at(-10, 10), None);
}

#[test]
fn hostile_varints_are_refused() {
    let layout = layout(Framing::Varint { offset: 0, max_width: 3 }, Some(IdField::Varint));
    assert_eq!(first_error(&layout, &[0x80, 0x80, 0x80]), Some(FrameError::BadLength));
    assert_eq!(first_error(&layout, &[0x85, 0x00, 1]), Some(FrameError::BadLength));
    assert_eq!(first_error(&layout, &[0]), Some(FrameError::TooShort { claimed: 1, header: 2 }));
    let claimed = (1 << 21) + 2;
    assert_eq!(first_error(&layout, &[0xFF, 0xFF, 0x7F]), Some(FrameError::TooLong { claimed, max: MAX }));
    assert_eq!(first_error(&layout, &[2, 0x80]), None);
    assert_eq!(first_error(&layout, &[2, 0x80, 0x80]), Some(FrameError::TooShort { claimed: 3, header: 4 }));
    assert_eq!(first_error(&layout, &[12, 0x80, 0x00]), Some(FrameError::BadId));
    assert_eq!(first_error(&layout, &[&[20], &[0xFF; 11][..]].concat()), Some(FrameError::BadId));
}

#[test]
fn random_bytes_never_panic_and_never_hold_more_than_came() {
    for seed in 1..=200_u64 {
        let mut dice = Dice(seed);
        for (name, layout) in layouts() {
            let mut decoder = FrameDecoder::new();
            let mut came = 0;
            for _ in 0..8 {
                let input: Vec<u8> =
                    (0..dice.below(20)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
                came += input.len();
                let mut frames = decoder.frames(&layout, &input);
                while frames.next().is_some() {}
                drop(frames);
                assert!(decoder.capacity() <= (2 * came).max(8), "{name} seed {seed}");
            }
        }
    }
}

#[test]
fn a_message_is_one_frame() {
    let ids = fixed_id(0, Width::Two, ByteOrder::Little);
    let layout = FrameLayout { max_length: 8, ..layout(Framing::Message, ids) };
    assert_eq!(layout.measure_message(&[1, 2]), Ok(ProtocolId(0x0201)));
    assert_eq!(layout.measure_message(&[1]), Err(FrameError::TooShort { claimed: 1, header: 2 }));
    assert_eq!(layout.measure_message(&[0; 9]), Err(FrameError::TooLong { claimed: 9, max: 8 }));
    assert_eq!(layout.measure(&[1, 2, 3]), Err(FrameError::NotAStream));
    let mut out = Vec::new();
    layout.append_frame(ProtocolId(0x0201), b"hello!", &mut out).unwrap();
    assert_eq!(out, b"\x01\x02hello!");
    assert_eq!(layout.body_of(&out), b"hello!");
    let refused = layout.append_frame(ProtocolId(1), b"hello!!", &mut out);
    assert_eq!(refused, Err(EncodeError::TooLong { length: 9, max: 8 }));
    assert_eq!(out.len(), 8);
}

#[test]
fn a_message_of_a_layout_with_lengths_is_exactly_one_frame() {
    let layout = layout(fixed(0, Width::One, ByteOrder::Big, 0), fixed_id(1, Width::One, ByteOrder::Big));
    assert_eq!(layout.measure_message(&[2, 7, 0]), Ok(ProtocolId(7)));
    assert_eq!(layout.measure_message(&[2, 7]), Err(FrameError::BadLength));
    assert_eq!(layout.measure_message(&[2, 7, 0, 0]), Err(FrameError::BadLength));
    assert_eq!(layout.measure_message(&[]), Err(FrameError::BadLength));
}

#[test]
fn without_frames_nothing_is_gathered_and_nothing_written() {
    let raw = FrameLayout { notice: Some(ProtocolId(1)), ..layout(Framing::Opaque, None) };
    assert_eq!(raw.measure(&[]), Err(FrameError::NotAStream));
    assert_eq!(raw.measure_message(b"x"), Err(FrameError::NotAStream));
    assert_eq!(first_error(&raw, b"anything"), Some(FrameError::NotAStream));
    assert_eq!(raw.append_frame(ProtocolId(1), b"", &mut Vec::new()), Err(EncodeError::NoFrames));
    assert_eq!(raw.header_length(), 0);
}

#[test]
fn measuring_tells_length_and_id_before_the_body_is_there() {
    let layout = layout(fixed(0, Width::Four, ByteOrder::Big, 0), fixed_id(4, Width::Two, ByteOrder::Big));
    assert_eq!(layout.measure(&[0, 0, 0, 100, 0]), Ok(Measured::Incomplete));
    assert_eq!(
        layout.measure(&[0, 0, 0, 100, 1, 2]),
        Ok(Measured::Frame { length: 104, id: ProtocolId(0x0102) })
    );
    assert_eq!(layout.header_length(), 6);
}

#[test]
fn what_does_not_fit_a_layout_is_not_written() {
    let mut out = vec![1, 2, 3];
    let small = layout(fixed(0, Width::One, ByteOrder::Big, 0), fixed_id(1, Width::One, ByteOrder::Big));
    assert_eq!(small.append_frame(ProtocolId(256), b"", &mut out), Err(EncodeError::IdTooLarge));
    assert_eq!(small.append_frame(ProtocolId(1), &[0; 255], &mut out), Err(EncodeError::LengthDoesNotFit));
    let overlap = layout(fixed(0, Width::Two, ByteOrder::Big, 0), fixed_id(1, Width::One, ByteOrder::Big));
    assert_eq!(overlap.append_frame(ProtocolId(1), b"", &mut out), Err(EncodeError::FieldsOverlap));
    let mqtt = layout(Framing::Varint { offset: 1, max_width: 1 }, Some(nibble()));
    assert_eq!(mqtt.append_frame(ProtocolId(16), b"", &mut out), Err(EncodeError::IdTooLarge));
    assert_eq!(mqtt.append_frame(ProtocolId(15), &[0; 128], &mut out), Err(EncodeError::LengthDoesNotFit));
    assert_eq!(out, [1, 2, 3]);
    mqtt.append_frame(ProtocolId(15), &[7], &mut out).unwrap();
    assert_eq!(out, [1, 2, 3, 0xF0, 1, 7]);
}

#[test]
fn header_bytes_that_are_neither_length_nor_id_are_zero() {
    let heartbeat = Some(Heartbeat { id: ProtocolId(1), reply: ProtocolId(2) });
    let ids = fixed_id(6, Width::Two, ByteOrder::Big);
    let layout = FrameLayout { heartbeat, ..layout(fixed(2, Width::Two, ByteOrder::Little, 0), ids) };
    let mut out = Vec::new();
    assert!(layout.append_heartbeat_reply(&mut out));
    assert_eq!(out, [0, 0, 4, 0, 0, 0, 0, 2]);
    assert!(!FrameLayout { heartbeat: None, ..layout }.append_heartbeat_reply(&mut out));
    assert_eq!(out.len(), 8);
}
