//! What an outbox keeps, in which order, and what it knows when its connection is cut.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::base::ProtocolId;
use crate::wire::{Block, ByteOrder, Framing, Heartbeat, IdField, LARGE, Width};

/// These bytes in a block of the pool.
fn block(pool: &Pool, bytes: &[u8]) -> Block {
    let mut block = pool.block();
    Arc::make_mut(&mut block).extend_from_slice(bytes);
    block
}

/// Everything that waits, first come first.
fn all(outbox: &Outbox) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = outbox.runs(&mut slices);
    let runs: Vec<&[u8]> = slices.iter().take(count).map(|slice| &**slice).collect();
    runs.concat()
}

#[test]
fn an_outbox_ends_at_its_limit_and_empties_in_order() {
    let pool = Pool::default();
    let mut outbox = Outbox::new(10);
    assert_eq!(outbox.put(b"abcdef", &pool), Ok(()));
    assert_eq!(outbox.put(b"12345", &pool), Err(Full));
    assert_eq!(outbox.put(b"1234", &pool), Ok(()));
    outbox.took(3, &pool);
    assert_eq!(outbox.pending(), b"def1234");
    outbox.took(7, &pool);
    assert_eq!(outbox.bytes.capacity(), 0, "an empty outbox owns no buffer");
    assert_eq!(outbox.frames(), 2);
}

#[test]
fn a_large_frame_for_many_is_held_once_and_a_small_one_is_copied() {
    let pool = Pool::default();
    let large: Arc<[u8]> = vec![7; SHARED_FROM].into();
    let small: Arc<[u8]> = vec![8; SHARED_FROM - 1].into();
    let mut outboxes: Vec<_> = (0..100).map(|_| Outbox::new(SHARED_FROM * 2)).collect();
    for outbox in &mut outboxes {
        assert_eq!((outbox.put_shared(&large, &pool), outbox.put_shared(&small, &pool)), (Ok(()), Ok(())));
        assert_eq!(outbox.put_shared(&large, &pool), Err(Full));
        assert_eq!(outbox.put_shared(&small, &pool), Err(Full));
    }
    assert_eq!((Arc::strong_count(&large), Arc::strong_count(&small)), (101, 1));
    for outbox in &mut outboxes {
        outbox.took(SHARED_FROM, &pool);
        assert_eq!((outbox.waiting(), outbox.is_one_run()), (SHARED_FROM - 1, true));
    }
    assert_eq!(Arc::strong_count(&large), 1);
}

#[test]
fn a_large_frame_is_held_where_it_was_read_and_counts_as_a_copied_one() {
    let pool = Pool::default();
    let (large, small) = (block(&pool, &[7; LARGE]), block(&pool, &[8; LARGE - 1]));
    let none_spare = pool.least();
    let mut outbox = Outbox::new(3 * LARGE);
    let put = |outbox: &mut Outbox, block: &Block| {
        outbox.put_lent(&Lent { bytes: block, block: Some(block) }, &pool)
    };
    assert_eq!([&large, &small, &large].map(|block| put(&mut outbox, block)), [Ok(()); 3]);
    assert_eq!((put(&mut outbox, &large), put(&mut outbox, &small)), (Err(Full), Err(Full)));
    assert_eq!((outbox.waiting(), outbox.frames()), (3 * LARGE - 1, 3));
    assert_eq!((Arc::strong_count(&large), Arc::strong_count(&small)), (3, 1));
    assert_eq!(all(&outbox), [&**large, &**small, &**large].concat());
    outbox.took(LARGE, &pool);
    assert_eq!((Arc::strong_count(&large), pool.least()), (2, none_spare), "it waits there once more");
    drop(large);
    outbox.took(2 * LARGE - 1, &pool);
    assert_eq!(outbox.waiting(), 0);
    assert!(pool.least() < none_spare, "its block is spare now");
}

#[test]
fn in_messages_a_large_frame_is_copied_behind_its_header() {
    let pool = Pool::default();
    let layout = layout();
    let large = block(&pool, &frame(&layout, 1000, &vec![7; LARGE]));
    let mut outbox = Outbox::of(&layout, true, 3 * LARGE);
    assert_eq!(outbox.put_lent(&Lent { bytes: &large, block: Some(&large) }, &pool), Ok(()));
    assert_eq!((Arc::strong_count(&large), outbox.is_one_run()), (1, true));
    assert_eq!(all(&outbox), in_form(true, &large));
}

#[test]
fn whatever_is_put_in_and_taken_out_in_whatever_pieces_stays_in_order() {
    for seed in 0..60 {
        let (mut dice, pool) = (SmallRng::seed_from_u64(seed), Pool::default());
        let (mut outbox, mut model) = (Outbox::new(60_000), Vec::new());
        for step in 0..300_u32 {
            let byte = u8::try_from(step % 251).expect("small");
            let before = model.len();
            match dice.random_range(0..7) {
                6 => {
                    let block = block(&pool, &vec![byte; dice.random_range(LARGE..LARGE + 100)]);
                    let put = outbox.put_lent(&Lent { bytes: &block, block: Some(&block) }, &pool);
                    put.map(|()| model.extend_from_slice(&block)).ok();
                }
                0 => {
                    let frame: Arc<[u8]> = vec![byte; dice.random_range(SHARED_FROM..9000)].into();
                    outbox.put_shared(&frame, &pool).map(|()| model.extend_from_slice(&frame)).ok();
                }
                1 | 2 => {
                    let frame = vec![byte; dice.random_range(0..500)];
                    outbox.put(&frame, &pool).map(|()| model.extend_from_slice(&frame)).ok();
                }
                3 => {
                    let notice = [byte; 30];
                    model.extend_from_slice(&notice);
                    outbox.append_with(&pool, |out| {
                        out.extend_from_slice(&notice);
                        true
                    });
                }
                _ => {
                    let taken = dice.random_range(0..=model.len().min(20_000));
                    assert!(model.starts_with(outbox.pending()), "seed {seed} step {step}");
                    outbox.took(taken, &pool);
                    model.drain(..taken);
                }
            }
            assert!(model.len() <= 60_000 + 30 * 300, "seed {seed} step {step}: {before}");
            assert_eq!(outbox.waiting(), model.len(), "seed {seed} step {step}");
            assert!(model.starts_with(&all(&outbox)), "seed {seed} step {step}");
            assert_eq!(model.is_empty(), outbox.pending().is_empty(), "seed {seed} step {step}");
        }
        outbox.took(model.len(), &pool);
        assert_eq!((outbox.waiting(), outbox.bytes.capacity(), outbox.front.len()), (0, 0, 0));
    }
}

const NOTICE: u64 = 9000;
const BEAT: u64 = 2;

/// Four bytes of length, two of ID.
fn layout() -> Arc<FrameLayout> {
    let order = ByteOrder::Big;
    Arc::new(FrameLayout {
        framing: Framing::Fixed { offset: 0, width: Width::Four, order, adjust: 0 },
        id: Some(IdField::Fixed { offset: 4, width: Width::Two, order, mask: u64::MAX, shift: 0 }),
        max_length: 1 << 20,
        heartbeat: Some(Heartbeat { id: ProtocolId(1), reply: ProtocolId(BEAT) }),
        notice: Some(ProtocolId(NOTICE)),
    })
}

fn frame(layout: &FrameLayout, id: u64, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    layout.append_frame(ProtocolId(id), body, &mut frame).expect("a frame");
    frame
}

/// An outbox with frames of which it is known which are the game's, and how many bytes are out.
struct Model {
    frames: Vec<(Vec<u8>, bool)>,
    out: usize,
}

impl Model {
    /// The frames that are not out whole.
    fn left(&self) -> &[(Vec<u8>, bool)] {
        let mut end = 0;
        let whole = self.frames.iter().take_while(|(frame, _)| {
            end += frame.len();
            end <= self.out
        });
        &self.frames[whole.count()..]
    }

    fn bytes(&self) -> usize {
        self.frames.iter().map(|(frame, _)| frame.len()).sum()
    }
}

/// What a frame is on the wire.
fn in_form(websocket: bool, frame: &[u8]) -> Vec<u8> {
    if websocket { Outbox::shared_message(frame).to_vec() } else { frame.to_vec() }
}

fn put_any(outbox: &mut Outbox, model: &mut Model, dice: &mut SmallRng, pool: &Pool) {
    let (layout, websocket) = (layout(), outbox.form.is_messages());
    if websocket && dice.random_bool(0.2) {
        let payload = vec![3; dice.random_range(0..126)];
        outbox.append_control(FrameKind::Pong, &payload, pool);
        let mut pong = Vec::new();
        append_frame(FrameKind::Pong, &payload, None, &mut pong);
        return model.frames.push((pong, false));
    }
    let is_game = dice.random_bool(0.7);
    let id = if is_game { 1000 } else { [NOTICE, BEAT][dice.random_range(0..2)] };
    let long = if dice.random_bool(0.1) { 90_000 } else { 300 };
    let bytes = frame(&layout, id, &vec![7; dice.random_range(0..long)]);
    match dice.random_range(0..4) {
        3 => {
            let block = block(pool, &bytes);
            outbox.put_lent(&Lent { bytes: &block, block: Some(&block) }, pool).expect("room");
        }
        0 if !is_game => {
            outbox.append_with(pool, |out| {
                out.extend_from_slice(&bytes);
                true
            });
        }
        1 if bytes.len() < SHARED_FROM => outbox.put_shared(&bytes.clone().into(), pool).expect("room"),
        1 => outbox.put_shared(&in_form(websocket, &bytes).into(), pool).expect("room"),
        _ => outbox.put(&bytes, pool).expect("room"),
    }
    let by_backend = outbox.game;
    let counted = model.frames.iter().filter(|(_, is_game)| *is_game).count() as u64;
    if !is_game && by_backend > counted {
        outbox.uncount();
    }
    model.frames.push((in_form(websocket, &bytes), is_game));
}

fn games(frames: &[(Vec<u8>, bool)]) -> u64 {
    frames.iter().filter(|(_, is_game)| *is_game).count() as u64
}

#[test]
fn a_cut_leaves_whole_frames_and_knows_how_many_went_out() {
    cut(false);
}

#[test]
fn a_cut_leaves_whole_messages_and_knows_how_many_frames_went_out() {
    cut(true);
}

fn cut(websocket: bool) {
    for seed in 0..300 {
        let (mut dice, pool) = (SmallRng::seed_from_u64(seed), Pool::default());
        let mut outbox = Outbox::of(&layout(), websocket, 1 << 30);
        let mut model = Model { frames: Vec::new(), out: 0 };
        let (mut before, steps) = (0, dice.random_range(1..80));
        let counts_from = dice.random_range(0..steps * 2);
        for step in 0..steps {
            if step == counts_from {
                outbox.start_count();
                before = games(&model.frames);
            }
            if dice.random_bool(0.6) {
                put_any(&mut outbox, &mut model, &mut dice, &pool);
            } else {
                let count = dice.random_range(0..=(model.bytes() - model.out).min(70_000));
                outbox.took(count, &pool);
                model.out += count;
            }
            assert_eq!(outbox.waiting(), model.bytes() - model.out, "seed {seed} step {step}");
        }
        outbox.cut();
        let left = model.left().to_vec();
        let kept: Vec<u8> = left.iter().flat_map(|(frame, _)| frame.clone()).collect();
        assert_eq!(outbox.waiting(), kept.len(), "seed {seed}");
        let out = games(&model.frames) - games(&left);
        assert_eq!(outbox.handed(), out.saturating_sub(before), "seed {seed}");
        outbox.connect(b"welcome".to_vec());
        let mut seen = Vec::new();
        while outbox.waiting() > 0 {
            let run = outbox.pending().to_vec();
            outbox.took(run.len(), &pool);
            seen.extend(run);
        }
        assert_eq!(seen, [&in_form(websocket, b"welcome")[..], &kept].concat(), "seed {seed}");
        assert_eq!(outbox.handed(), games(&model.frames) - before, "seed {seed}");
    }
}

#[test]
fn a_message_of_several_frames_counts_them_all_and_is_cut_as_one() {
    let (layout, pool) = (layout(), Pool::default());
    let frames = [frame(&layout, 1000, b"one"), frame(&layout, NOTICE, b"{}"), frame(&layout, 1001, b"two")];
    let mut outbox = Outbox::of(&layout, true, 1000);
    for _ in 0..2 {
        outbox.append(&frames.concat(), &pool);
        outbox.count_frame(true);
        outbox.count_frame(true);
    }
    let message = in_form(true, &frames.concat()).len();
    assert_eq!((outbox.waiting(), outbox.handed()), (2 * message, 0));
    outbox.took(message + 15, &pool);
    outbox.cut();
    assert_eq!((outbox.waiting(), outbox.handed()), (message, 2));
}

#[test]
fn first_words_that_did_not_go_out_whole_are_not_kept_and_what_they_told_is_told_again() {
    for websocket in [false, true] {
        let (layout, pool) = (layout(), Pool::default());
        let (small, first) = (frame(&layout, 1000, b"small"), frame(&layout, NOTICE, b"welcome"));
        let mut outbox = Outbox::of(&layout, websocket, 100);
        outbox.cut();
        let mut kept = Vec::new();
        outbox.put(&small, &pool).expect("room");
        kept.extend(in_form(websocket, &small));
        outbox.lose();
        outbox.lose();
        let words = in_form(websocket, &first).len();
        for out in 0..words {
            outbox.connect(first.clone());
            assert_eq!((outbox.lost(), outbox.handed()), (0, 2));
            if out % 8 == 0 {
                outbox.put(&small, &pool).expect("room");
                kept.extend(in_form(websocket, &small));
            }
            outbox.took(out, &pool);
            outbox.cut();
            assert_eq!(all(&outbox), kept, "{out} bytes out");
            assert_eq!((outbox.waiting(), outbox.lost(), outbox.handed()), (kept.len(), 2, 0));
        }
        assert_eq!(outbox.frames(), 1 + words.div_ceil(8) as u64);
        outbox.connect(first);
        outbox.took(words, &pool);
        outbox.cut();
        assert_eq!((all(&outbox), outbox.lost(), outbox.handed()), (kept.clone(), 0, 2));
        outbox.connect(Vec::new());
        outbox.took(kept.len(), &pool);
        assert_eq!((outbox.waiting(), outbox.bytes.capacity(), outbox.front.len()), (0, 0, 0));
        outbox.put(&small, &pool).expect("room");
        outbox.cut();
        assert_eq!(all(&outbox), in_form(websocket, &small), "no first words wait any more");
    }
}

#[test]
fn without_a_connection_frames_are_kept_until_one_has_no_room_and_then_all_are_lost() {
    let (layout, pool) = (layout(), Pool::default());
    let (small, large) = (frame(&layout, 1000, b"small"), frame(&layout, 1000, &[0; 100]));
    let mut outbox = Outbox::of(&layout, false, 100);
    outbox.cut();
    assert_eq!((outbox.put(&small, &pool), outbox.lost()), (Ok(()), 0));
    assert_eq!(outbox.put(&large, &pool), Err(Full));
    outbox.lose();
    assert_eq!(outbox.put(&small, &pool), Err(Full), "what is kept has no gap");
    outbox.lose();
    assert_eq!((outbox.lost(), outbox.waiting(), outbox.handed()), (2, small.len(), 0));
    outbox.connect(Vec::new());
    assert_eq!((outbox.lost(), outbox.put(&small, &pool)), (0, Ok(())));
}

#[test]
fn who_comes_back_again_and_again_and_reads_nothing_keeps_no_more_than_twice_the_limit() {
    let (layout, pool) = (layout(), Pool::default());
    let small = frame(&layout, 1000, b"0123");
    let mut outbox = Outbox::of(&layout, false, 10 * small.len());
    for frames in [10, 20, 20, 20] {
        while outbox.put(&small, &pool).is_ok() {}
        assert_eq!(outbox.waiting(), frames * small.len());
        outbox.cut();
        assert_eq!(outbox.put(&small, &pool), Err(Full), "without a connection there is no more room");
        outbox.connect(Vec::new());
    }
}
