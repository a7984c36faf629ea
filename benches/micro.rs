//! The frame path in pieces and as a whole, without sockets: what a frame costs before the kernel is asked.
//!
//! `cargo bench --bench micro`; a name behind `--` picks some of them.

#[path = "common/game.rs"]
mod game;

use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use realmgate::base::{GatewayId, ProtocolId, SessionId};
use realmgate::net::{Outbox, Pool};
use realmgate::router::Router;
use realmgate::wire::link::{DEFAULT_MAX_ENVELOPE, EnvelopeDecoder, append_frame_envelope};
use realmgate::wire::{FrameDecoder, FrameLayout, Framing, IdField};

use game::{layout, many_routes};

fn main() {
    divan::main();
}

/// Frames in one buffer: what a busy worker finds in one read.
const FRAMES: usize = 256;

mod decode {
    use super::*;

    #[divan::bench]
    fn fixed_64_bytes(bencher: Bencher) {
        decode(bencher, &layout(), &stream(FRAMES, |out| fixed_frame(1000, 64, out)));
    }

    #[divan::bench]
    fn varint_64_bytes(bencher: Bencher) {
        decode(bencher, &varint(), &stream(FRAMES, varint_frame));
    }

    #[divan::bench]
    fn fixed_64_kib(bencher: Bencher) {
        decode(bencher, &layout(), &stream(4, |out| fixed_frame(1000, 64 * 1024, out)));
    }

    /// Reads that end inside frames: the rest is copied into the decoder and out again.
    #[divan::bench]
    fn fixed_64_bytes_in_torn_reads(bencher: Bencher) {
        let (layout, bytes) = (layout(), stream(FRAMES, |out| fixed_frame(1000, 64, out)));
        let mut decoder = FrameDecoder::new();
        bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
            for read in black_box(&bytes).chunks(1000) {
                let mut frames = decoder.frames(&layout, read);
                while let Some(frame) = frames.next() {
                    black_box(frame.expect("the stream is whole"));
                }
            }
        });
    }
}

mod route {
    use super::*;

    #[divan::bench]
    fn flat(bencher: Bencher) {
        lookup(bencher, 1500);
    }

    #[divan::bench]
    fn high_range(bencher: Bencher) {
        lookup(bencher, 350_500);
    }

    #[divan::bench]
    fn catch_all(bencher: Bencher) {
        lookup(bencher, 60_000);
    }

    fn lookup(bencher: Bencher, id: u64) {
        let router = Router::new(&many_routes(""));
        bencher.counter(ItemsCount::new(FRAMES)).bench(|| {
            for _ in 0..FRAMES {
                black_box(router.route(black_box(ProtocolId(id))));
            }
        });
    }
}

mod envelope {
    use super::*;

    #[divan::bench]
    fn append(bencher: Bencher) {
        let mut frame = Vec::new();
        fixed_frame(1000, 64, &mut frame);
        let mut out = Vec::new();
        bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
            out.clear();
            for _ in 0..FRAMES {
                append_frame_envelope(session(), black_box(&frame), &mut out).expect("it fits");
            }
            black_box(out.len())
        });
    }

    #[divan::bench]
    fn decode_frames(bencher: Bencher) {
        let mut frame = Vec::new();
        fixed_frame(1000, 64, &mut frame);
        let bytes = stream(FRAMES, |out| append_frame_envelope(session(), &frame, out).expect("it fits"));
        let mut decoder = EnvelopeDecoder::new();
        let counted = bencher.counter(ItemsCount::new(FRAMES)).counter(BytesCount::new(bytes.len()));
        counted.bench_local(|| {
            let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, black_box(&bytes));
            while let Some(envelope) = envelopes.next() {
                black_box(envelope.expect("the stream is whole").frame());
            }
        });
    }

    /// A read of the player's side to the bytes of the link: decode, route, append.
    #[divan::bench(args = [64, 1024, 65_536])]
    fn player_to_link(bencher: Bencher, size: usize) {
        let (layout, router) = (layout(), Router::new(&many_routes("")));
        let count = (64 * 1024 / size).max(1);
        let bytes = stream(count, |out| fixed_frame(1000, size, out));
        let (mut decoder, mut out) = (FrameDecoder::new(), Vec::new());
        let counted = bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(bytes.len()));
        counted.bench_local(|| {
            out.clear();
            let mut frames = decoder.frames(&layout, black_box(&bytes));
            while let Some(frame) = frames.next() {
                let frame = frame.expect("the stream is whole");
                black_box(router.route(frame.id)).expect("the ID has a route");
                append_frame_envelope(session(), frame.bytes, &mut out).expect("it fits");
            }
            black_box(out.len())
        });
    }
}

/// A frame for the 5,000 sessions of a room: from the bytes of the link into their outboxes, and out of them again.
mod publish {
    use super::*;

    const SESSIONS: usize = 5000;

    fn outboxes() -> Vec<Outbox> {
        (0..SESSIONS).map(|_| Outbox::new(256 * 1024)).collect()
    }

    /// One BROADCAST.
    #[divan::bench(args = [64, 512, 4096, 65_536])]
    fn once_for_all(bencher: Bencher, size: usize) {
        let (mut outboxes, pool, mut frame) = (outboxes(), Pool::default(), Vec::new());
        fixed_frame(1000, size, &mut frame);
        bencher.counter(ItemsCount::new(SESSIONS)).bench_local(|| {
            let shared: Arc<[u8]> = black_box(&frame).as_slice().into();
            for outbox in &mut outboxes {
                outbox.put_shared(&shared, &pool).expect("there is room");
            }
            outboxes.iter_mut().for_each(|outbox| outbox.took(size, &pool));
        });
    }

    /// The same as one FRAME for each.
    #[divan::bench(args = [64, 512, 4096])]
    fn one_envelope_each(bencher: Bencher, size: usize) {
        let (mut outboxes, pool, mut frame) = (outboxes(), Pool::default(), Vec::new());
        fixed_frame(1000, size, &mut frame);
        let bytes = stream(SESSIONS, |out| append_frame_envelope(session(), &frame, out).expect("it fits"));
        let mut decoder = EnvelopeDecoder::new();
        bencher.counter(ItemsCount::new(SESSIONS)).bench_local(|| {
            let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, black_box(&bytes));
            for outbox in &mut outboxes {
                let envelope = envelopes.next().expect("one for each").expect("the stream is whole");
                let (_, frame) = envelope.frame().expect("a FRAME");
                outbox.put(frame, &pool).expect("there is room");
            }
            drop(envelopes);
            outboxes.iter_mut().for_each(|outbox| outbox.took(size, &pool));
        });
    }
}

fn decode(bencher: Bencher, layout: &FrameLayout, bytes: &[u8]) {
    let count = {
        let mut decoder = FrameDecoder::new();
        let mut frames = decoder.frames(layout, bytes);
        std::iter::from_fn(|| frames.next().map(|frame| frame.is_ok())).filter(|whole| *whole).count()
    };
    let mut decoder = FrameDecoder::new();
    let counted = bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(bytes.len()));
    counted.bench_local(|| {
        let mut frames = decoder.frames(layout, black_box(bytes));
        while let Some(frame) = frames.next() {
            black_box(frame.expect("the stream is whole"));
        }
    });
}

fn stream(count: usize, append: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    (0..count).for_each(|_| append(&mut out));
    out
}

fn fixed_frame(id: u16, size: usize, out: &mut Vec<u8>) {
    let counted = u32::try_from(size - 6).expect("frames here are small");
    out.extend_from_slice(&counted.to_be_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.resize(out.len() + size - 6, 0xA5);
}

/// 64 bytes: one of length, two of ID, the body.
fn varint_frame(out: &mut Vec<u8>) {
    out.extend_from_slice(&[63, 0xE8, 0x07]);
    out.resize(out.len() + 61, 0xA5);
}

fn varint() -> FrameLayout {
    FrameLayout {
        framing: Framing::Varint { offset: 0, max_width: 3 },
        id: Some(IdField::Varint),
        ..layout()
    }
}

fn session() -> SessionId {
    SessionId::new(GatewayId::new(1).expect("in range"), 1, 1)
}
