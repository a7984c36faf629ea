//! What waits for a backend, in which order it goes out, and what becomes of the blocks.

use std::sync::Arc;
use std::task::Waker;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::wire::{Block, LARGE, Lent};

/// A socket that takes up to so many bytes of each write, and keeps them.
struct Sink {
    most: usize,
    got: Vec<u8>,
}

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.most);
        self.got.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(bytes.iter().all(|slice| !slice.is_empty()));
        let mut all: Vec<u8> = bytes.iter().flat_map(|slice| slice.to_vec()).collect();
        all.truncate(self.most);
        self.got.extend_from_slice(&all);
        Poll::Ready(Ok(all.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn block(pool: &Pool, byte: u8, length: usize) -> Block {
    let mut block = pool.block();
    Arc::make_mut(&mut block).resize(length, byte);
    block
}

fn part(block: &Block) -> Kept {
    Lent { bytes: block, block: Some(block) }.keep().expect("it is large")
}

/// One write, unless nothing waits.
fn write(queue: &mut Queue, sink: &mut Sink, pool: &Pool) {
    if !queue.is_empty() {
        let took = queue.poll_write(Pin::new(sink), &mut Context::from_waker(Waker::noop()), pool);
        assert!(matches!(took, Poll::Ready(Ok(1..))));
    }
    if queue.is_empty() {
        queue.rest(pool);
        assert_eq!(queue.bytes.capacity(), 0, "it owns no buffer while nothing waits");
    }
}

#[test]
fn small_and_large_pieces_go_out_in_order_whatever_the_socket_takes() {
    for seed in 0..20 {
        let (mut dice, pool) = (SmallRng::seed_from_u64(seed), Pool::default());
        let (mut queue, mut model) = (Queue::default(), Vec::new());
        let mut sink = Sink { most: 0, got: Vec::new() };
        for step in 0..200_u32 {
            let byte = u8::try_from(step % 251).expect("small");
            match dice.random_range(0..4) {
                0 => {
                    let block = block(&pool, byte, dice.random_range(LARGE..LARGE + 3000));
                    queue.push(part(&block));
                    model.extend_from_slice(&block);
                }
                1 => {
                    let small = vec![byte; dice.random_range(1..500)];
                    queue.tail_from(&pool).extend_from_slice(&small);
                    model.extend_from_slice(&small);
                }
                _ => {
                    sink.most = dice.random_range(1..100_000);
                    write(&mut queue, &mut sink, &pool);
                }
            }
            assert!(model.starts_with(&sink.got), "seed {seed} step {step}");
            let left = &model[sink.got.len()..];
            assert_eq!(queue.waiting(), left.len(), "seed {seed} step {step}");
            assert!(queue.to_vec() == left, "seed {seed} step {step}");
        }
    }
}

#[test]
fn a_block_that_is_out_is_used_again_unless_somebody_else_keeps_it() {
    let pool = Pool::default();
    let (mut queue, mut other) = (Queue::default(), Queue::default());
    let mut sink = Sink { most: usize::MAX, got: Vec::new() };
    let cx = &mut Context::from_waker(Waker::noop());
    let block = block(&pool, 7, LARGE);
    let (address, least) = (block.as_ptr(), pool.least());
    queue.push(part(&block));
    other.push(part(&block));
    drop(block);
    assert!(queue.poll_write(Pin::new(&mut sink), cx, &pool).is_ready() && queue.is_empty());
    assert_eq!(pool.least(), least, "the other one has not written it");
    assert!(other.poll_write(Pin::new(&mut sink), cx, &pool).is_ready());
    assert!(pool.least() < least, "one is spare");
    let again = pool.block();
    assert!(again.is_empty() && std::ptr::eq(again.as_ptr(), address));
}

#[test]
fn a_queue_that_was_written_gives_its_memory_to_another_unless_only_a_burst_needed_it() {
    let (mut queue, mut other, pool) = (Queue::default(), Queue::default(), Pool::default());
    for (most, keeps) in [(100, true), (99, false)] {
        queue.tail().extend_from_slice(&[1; 100]);
        queue.tail().shrink_to_fit();
        queue.push(part(&block(&pool, 2, LARGE)));
        queue.took(100 + LARGE, &pool);
        queue.reuse(most);
        assert_eq!((queue.waiting(), queue.bytes.capacity() > 0), (0, keeps));
    }
    other.swap(&mut queue);
    assert!(queue.is_empty(), "nothing waited");
    other.tail().push(3);
    other.swap(&mut queue);
    assert_eq!((queue.to_vec(), queue.waiting(), other.waiting()), (vec![3], 1, 0));
}

#[test]
fn what_never_empties_does_not_grow_and_stays_in_order() {
    for with_large in [false, true] {
        let (mut queue, pool) = (Queue::default(), Pool::default());
        let mut sink = Sink { most: 9_000, got: Vec::new() };
        let mut model = Vec::new();
        while model.len() < 40 * MOVE_AT {
            let small = [u8::try_from(model.len() / 1000 % 251).expect("small"); 1000];
            queue.tail_from(&pool).extend_from_slice(&small);
            model.extend(small);
            if with_large && model.len() % 50_000 < 1000 {
                queue.push(part(&block(&pool, 255, LARGE)));
                model.extend([255; LARGE]);
            }
            if queue.waiting() > 10_000 {
                write(&mut queue, &mut sink, &pool);
                queue.drop_out();
            }
            assert!(queue.waiting() > 0 && queue.bytes.len() <= 3 * MOVE_AT, "{}", queue.bytes.len());
        }
        sink.got.extend(queue.to_vec());
        assert!(sink.got == model, "{with_large}");
    }
}
