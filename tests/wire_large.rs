//! Large frames and envelopes among small ones: whatever the reads are, all come whole and in order, a large one lies
//! where it was read, and what is held grows with what has come.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use realmgate::base::{ProtocolId, SessionId};
use realmgate::wire::link::{DEFAULT_MAX_ENVELOPE, EnvelopeDecoder, HEADER_LENGTH, append_frame_envelope};
use realmgate::wire::{
    Begun, Block, ByteOrder, FrameDecoder, FrameError, FrameLayout, Framing, Gap, IdField, LARGE, Lent, Width,
};

/// What one read takes at most here.
const READ: usize = 68 * 1024;

fn layout() -> FrameLayout {
    let order = ByteOrder::Big;
    FrameLayout {
        framing: Framing::Fixed { offset: 0, width: Width::Four, order, adjust: 0 },
        id: Some(IdField::Fixed { offset: 4, width: Width::Two, order, mask: u64::MAX, shift: 0 }),
        max_length: 1 << 20,
        heartbeat: None,
        notice: None,
    }
}

/// A frame of so many bytes, no two of them alike.
fn frame(number: u16, length: usize) -> Vec<u8> {
    let body: Vec<u8> = (0..length - 6)
        .map(|place| u8::try_from(place % 251).expect("small") ^ number.to_be_bytes()[1])
        .collect();
    let mut frame = Vec::new();
    layout().append_frame(ProtocolId(number.into()), &body, &mut frame).expect("short enough");
    assert_eq!(frame.len(), length);
    frame
}

/// What a worker does with one connection: it reads straight what is missing of a large frame, and all else into a block.
struct Reader {
    decoder: FrameDecoder,
    layout: FrameLayout,
    block: Block,
    /// Who begins with less is not adopted.
    least: usize,
    got: Vec<Vec<u8>>,
    /// Frames that lay in a block, so that they could be held.
    held: usize,
    /// Bytes that were read straight.
    straight: usize,
}

impl Reader {
    fn new(least: usize) -> Self {
        let (decoder, layout, block) = (FrameDecoder::new(), layout(), Block::default());
        Self { decoder, layout, block, least, got: Vec::new(), held: 0, straight: 0 }
    }

    /// One read of at most `most` bytes; how many came.
    fn read(&mut self, stream: &[u8], most: usize) -> usize {
        let mut block = Vec::with_capacity(READ);
        let count = match self.decoder.gap().map(Gap::room) {
            Some((into, room)) => {
                let count = room.min(most).min(stream.len());
                assert!(room > 0 && into.capacity() - into.len() >= room);
                into.extend_from_slice(&stream[..count]);
                self.straight += count;
                count
            }
            None => {
                let count = READ.min(most).min(stream.len());
                block.extend_from_slice(&stream[..count]);
                count
            }
        };
        self.block = Arc::new(block);
        self.take();
        count
    }

    fn take(&mut self) {
        let mut frames = self.decoder.frames_in(&self.layout, &self.block);
        while let Some(frame) = frames.next() {
            let frame = frame.expect("a frame");
            let part = frame.lent().keep();
            assert!(part.iter().all(|part| part.bytes() == frame.bytes && frame.bytes.len() >= LARGE));
            self.held += usize::from(part.is_some());
            self.got.push(frame.bytes.to_vec());
        }
        if let Some(torn) = frames.finish(self.least) {
            let rest = &self.block[torn.from..];
            assert!(rest.len() >= self.least && torn.length >= LARGE && torn.length > rest.len());
            self.decoder.adopt(Begun::new(Arc::new(rest.to_vec()), torn.length, None));
        }
    }
}

#[test]
fn a_large_frame_split_at_every_position_comes_whole_between_its_neighbours() {
    let sent = [frame(1, 20), frame(2, LARGE + 100), frame(3, 30)];
    let stream = sent.concat();
    for at in 0..=stream.len() {
        let mut reader = Reader::new([1, 512, 17_000][at % 3]);
        assert_eq!(reader.read(&stream[..at], at), at);
        let mut rest = &stream[at..];
        while !rest.is_empty() {
            let count = reader.read(rest, READ);
            assert!(count > 0, "split at {at}");
            rest = &rest[count..];
        }
        assert!(reader.got == sent, "split at {at}");
        assert!(reader.decoder.is_idle() && reader.decoder.capacity() == 0, "split at {at}");
    }
}

#[test]
fn large_and_small_frames_stay_in_order_in_whatever_pieces_they_come() {
    for seed in 1..=200 {
        let mut dice = SmallRng::seed_from_u64(seed);
        let lengths = |dice: &mut SmallRng| match dice.random_range(0..3) {
            0 => dice.random_range(6..306),
            1 => dice.random_range(LARGE - 50..LARGE + 50),
            _ => dice.random_range(6..300_006),
        };
        let sent: Vec<_> = (0..20).map(|number| frame(number, lengths(&mut dice))).collect();
        let stream = sent.concat();
        let mut reader = Reader::new(dice.random_range(1..=20_000));
        let (mut rest, most) = (&*stream, dice.random_range(1..=100_000));
        while !rest.is_empty() {
            let most = dice.random_range(1..=most);
            rest = &rest[reader.read(rest, most)..];
        }
        assert!(reader.got == sent, "seed {seed}");
        assert!(reader.decoder.is_idle() && reader.decoder.capacity() == 0, "seed {seed}");
    }
}

#[test]
fn whoever_reads_without_blocks_gets_what_was_adopted_too() {
    let sent = [frame(1, 100_000), frame(2, 10)];
    let stream = sent.concat();
    for at in [1_000, 50_000, 69_000] {
        let mut reader = Reader::new(1);
        reader.read(&stream[..at], at);
        // A cursor that is dropped before its first frame keeps what it was given, too.
        drop(reader.decoder.frames(&reader.layout, &stream[at..at + 1]));
        let mut frames = reader.decoder.frames(&reader.layout, &stream[at + 1..]);
        let mut got = Vec::new();
        while let Some(frame) = frames.next() {
            got.push(frame.expect("a frame").bytes.to_vec());
        }
        assert!(frames.finish(1).is_none() && got == sent, "{at}");
        assert!(reader.decoder.is_idle() && reader.decoder.capacity() == 0, "{at}");
    }
}

#[test]
fn a_large_frame_lies_where_it_was_read_and_others_may_keep_it() {
    let (large, small) = (frame(1, LARGE + READ / 4), frame(2, LARGE - 1));
    let mut reader = Reader::new(1);
    reader.read(&large, READ);
    reader.read(&small, READ);
    assert_eq!(reader.held, 1, "a small one is copied");
    let mut block = Vec::with_capacity(READ);
    block.extend_from_slice(&large);
    let block = Arc::new(block);
    let mut decoder = FrameDecoder::new();
    let layout = layout();
    let mut frames = decoder.frames_in(&layout, &block);
    let part = frames.next().expect("it is whole").expect("a frame").lent().keep().expect("it is large");
    assert!(std::ptr::eq(part.bytes(), block.as_slice()));
    drop(frames);
    assert_eq!(Arc::strong_count(&block), 2);
    assert!(Arc::ptr_eq(&part.into_block(), &block));
}

#[test]
fn bytes_of_no_block_of_another_block_or_of_a_much_larger_one_are_not_held() {
    let mut block = Vec::with_capacity(3 * LARGE);
    block.resize(2 * LARGE, 7);
    let (block, other): (Block, Block) = (Arc::new(block), Arc::new(vec![7; 2 * LARGE]));
    let part = |bytes, block| Lent { bytes, block }.keep();
    assert!(part(&block[10..LARGE + 300], Some(&block)).is_none(), "most of it would be held for nothing");
    assert!(part(&block[10..], Some(&block)).is_some_and(|part| part.bytes().len() == 2 * LARGE - 10));
    assert!(part(&block[10..], Some(&other)).is_none());
    assert!(part(&block[10..], None).is_none());
    assert!(part(&[7; LARGE], Some(&block)).is_none());
}

#[test]
fn what_is_held_grows_with_what_has_come_and_not_with_what_is_claimed() {
    let large = frame(1, 1 << 20);
    for step in [1, 100, 5_000, 40_000] {
        let mut reader = Reader::new(20_000);
        let mut come = 0;
        while come < large.len() / 4 {
            come += reader.read(&large[come..], step);
            let held = reader.decoder.capacity();
            assert!(held <= 2 * come + 4096, "{held} bytes for {come} that have come, {step} at a time");
            assert_eq!(reader.decoder.buffered(), come);
        }
        assert!(reader.straight > 0, "{step} at a time");
    }
}

#[test]
fn a_claim_over_the_limit_is_refused_before_anything_is_adopted() {
    let claim = ((1_u32 << 31) - 4).to_be_bytes();
    for least in [1, 4] {
        let mut decoder = FrameDecoder::new();
        let (layout, block) = (layout(), Arc::new(claim.to_vec()));
        let mut frames = decoder.frames_in(&layout, &block);
        let refused = frames.next();
        assert!(matches!(refused, Some(Err(FrameError::TooLong { claimed, .. })) if claimed == 1 << 31));
        assert!(frames.next().is_none() && frames.finish(least).is_none());
        assert!(decoder.gap().is_none());
        assert_eq!((decoder.capacity(), decoder.buffered()), (0, 0));
    }
}

#[test]
fn a_large_envelope_is_read_straight_and_its_frame_can_be_held() {
    let session = SessionId::from_raw(7);
    let sent = [frame(1, 50), frame(2, 64 * 1024), frame(3, 64 * 1024), frame(4, 90)];
    let mut stream = Vec::new();
    for frame in &sent {
        append_frame_envelope(session, frame, &mut stream).expect("it fits");
    }
    let (mut decoder, mut got, mut straight, mut held) = (EnvelopeDecoder::new(), Vec::new(), 0, 0);
    let mut rest = &*stream;
    while !rest.is_empty() {
        let mut block = Vec::with_capacity(READ);
        let (into, most) = decoder.gap().map_or((&mut block, READ), Gap::room);
        let (now, later) = rest.split_at(most.min(rest.len()));
        into.extend_from_slice(now);
        straight += if most < READ { now.len() } else { 0 };
        rest = later;
        let block = Arc::new(block);
        let mut envelopes = decoder.envelopes_in(DEFAULT_MAX_ENVELOPE, &block);
        while let Some(envelope) = envelopes.next() {
            let envelope = envelope.expect("an envelope");
            let (of, frame) = envelope.frame().expect("all are frames");
            assert_eq!(of, session);
            let part = Lent { bytes: frame, block: envelope.block }.keep();
            held += usize::from(part.is_some_and(|part| part.bytes() == frame));
            got.push(frame.to_vec());
        }
        if let Some(torn) = envelopes.finish(512) {
            let mut own = Vec::with_capacity(READ);
            own.extend_from_slice(&block[torn.from..]);
            decoder.adopt(Begun::new(Arc::new(own), torn.length, None));
        }
    }
    assert!(got == sent && decoder.is_idle() && decoder.capacity() == 0);
    assert_eq!(held, 2);
    // The first read ends in the second large one: what is missing of it came by a read of its own.
    assert_eq!(straight, 3 * HEADER_LENGTH + 50 + 2 * 64 * 1024 - READ);
}
