//! What is kept spare, for how long, and what is not.

use super::*;
use crate::wire::{LARGE, Lent};

/// So many trims as a worker's clockwork asks for in half a minute.
const HALF_A_MINUTE: usize = 120;

fn part(block: &Block) -> Kept {
    Lent { bytes: block, block: Some(block) }.keep().expect("it is large")
}

/// So many large frames, each in a block of the pool.
fn parts(pool: &Pool, count: usize) -> Vec<Kept> {
    let large = |_| {
        let mut block = pool.block();
        Arc::make_mut(&mut block).resize(LARGE, 7);
        part(&block)
    };
    (0..count).map(large).collect()
}

/// The capacity of everything that is spare, and what the pool believes of it.
fn spare<T: Borrow<Vec<u8>>>(spare: &Spare<T>) -> usize {
    let bytes = spare.all.borrow().iter().map(|one| one.borrow().capacity()).sum();
    assert_eq!(spare.bytes.get(), bytes);
    bytes
}

#[test]
fn a_pool_keeps_only_blocks_of_one_size_and_not_too_many() {
    let pool = Pool::default();
    pool.release(part(&Arc::new(vec![7; LARGE])));
    assert_eq!(pool.least(), WORTH_A_BLOCK, "it was not of the pool");
    let most = SPARE_BYTES / BLOCK;
    parts(&pool, most + 9).into_iter().for_each(|part| pool.release(part));
    assert_eq!(spare(&pool.blocks), most * BLOCK);
    assert_eq!((pool.block().len(), pool.block().capacity(), pool.least()), (0, BLOCK, WORTH_A_SPARE));
}

#[test]
fn spare_blocks_are_not_all_for_pieces_of_which_little_has_come() {
    let pool = Pool::default();
    let most = SPARE_BYTES / BLOCK;
    parts(&pool, most).into_iter().for_each(|part| pool.release(part));
    let mut unfinished = Vec::new();
    while pool.least() == WORTH_A_SPARE {
        unfinished.push((pool.block(), pool.counter()));
    }
    assert_eq!(unfinished.len(), MOST_CHEAP);
    assert_eq!(
        spare(&pool.blocks),
        (most - MOST_CHEAP) * BLOCK,
        "the others wait for those of which much has come"
    );
    unfinished.pop();
    assert_eq!(pool.least(), WORTH_A_SPARE, "one of them is whole");
}

#[test]
fn a_pool_gives_back_what_it_was_given_and_keeps_nothing_large() {
    let pool = Pool::default();
    pool.give(Vec::with_capacity(1000));
    assert!(pool.take().capacity() >= 1000);
    assert_eq!(pool.take().capacity(), 0);
    pool.give(Vec::with_capacity(SPARE_CAPACITY + 1));
    assert_eq!(pool.take().capacity(), 0);
}

#[test]
fn half_a_minute_after_a_peak_only_a_little_is_spare() {
    let pool = Pool::default();
    parts(&pool, 1000).into_iter().for_each(|part| pool.release(part));
    (0..100_000).for_each(|place| pool.give(Vec::with_capacity(100 + place % 1000)));
    assert!(spare(&pool.blocks) > 15 * KEPT_BYTES && spare(&pool.buffers) > 15 * KEPT_BYTES);
    (0..HALF_A_MINUTE).for_each(|_| pool.trim());
    for left in [spare(&pool.blocks), spare(&pool.buffers)] {
        assert!((KEPT_BYTES - BLOCK..=KEPT_BYTES).contains(&left), "{left}");
    }
    (0..HALF_A_MINUTE).for_each(|_| pool.trim());
    assert!(spare(&pool.blocks) > KEPT_BYTES - BLOCK, "a little stays for good");
}

#[test]
fn what_is_needed_now_and_then_is_not_given_back() {
    let pool = Pool::default();
    let count = 100;
    parts(&pool, count).into_iter().for_each(|part| pool.release(part));
    pool.trim();
    for _ in 0..HALF_A_MINUTE {
        let used = parts(&pool, count);
        assert_eq!(pool.least(), WORTH_A_BLOCK, "all are in use");
        used.into_iter().for_each(|part| pool.release(part));
        pool.trim();
        assert_eq!(spare(&pool.blocks), count * BLOCK);
    }
}

#[test]
fn a_pause_between_two_peaks_costs_little_of_what_is_spare() {
    let pool = Pool::default();
    parts(&pool, 200).into_iter().for_each(|part| pool.release(part));
    pool.trim();
    let before = spare(&pool.blocks);
    pool.trim();
    let left = spare(&pool.blocks);
    assert!(left < before && left > before - before / 4, "{left} of {before}");
}
