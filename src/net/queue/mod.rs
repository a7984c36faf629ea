//! What waits for the socket of a backend: small pieces are copied one behind the other, so that one write takes them
//! all; a large one is only referred to, and written from where it lies.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::pool::Pool;
use crate::wire::Kept;

/// Bytes in the order in which they were put in.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// All small pieces.
    bytes: Vec<u8>,
    /// Large ones, and before how many of the small bytes each comes.
    parts: VecDeque<(usize, Kept)>,
    /// What of all large ones is not out yet.
    in_parts: usize,
    /// How much of the small bytes is out.
    out: usize,
    /// How much of the first large one is out.
    part_out: usize,
}

/// How many runs of bytes one write takes at most.
const SLICES: usize = 16;
/// Small bytes are moved to the front when so many in front of them are out.
const MOVE_AT: usize = 64 * 1024;

impl Queue {
    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.copied() + self.in_parts
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// Of the bytes that wait those that were copied here.
    pub(super) fn copied(&self) -> usize {
        self.bytes.len() - self.out
    }

    /// Where small pieces are appended. Nothing else may be done there.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The same, in a buffer of the pool: for who owns none while nothing waits ([`Queue::rest`]).
    pub(super) fn tail_from(&mut self, pool: &Pool) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        &mut self.bytes
    }

    /// Puts a large piece behind all others.
    pub(super) fn push(&mut self, part: Kept) {
        self.in_parts += part.bytes().len();
        self.parts.push_back((self.bytes.len(), part));
    }

    /// One write of what waits, all runs of it at once as far as they fit; how much the socket took.
    pub(super) fn poll_write<S: AsyncWrite>(
        &mut self,
        stream: Pin<&mut S>,
        cx: &mut Context<'_>,
        pool: &Pool,
    ) -> Poll<io::Result<usize>> {
        let took = if self.parts.is_empty() {
            stream.poll_write(cx, self.bytes.get(self.out..).unwrap_or_default())
        } else {
            let (mut slices, mut count) = ([IoSlice::new(&[]); SLICES], 0);
            for (slice, run) in slices.iter_mut().zip(self.runs()) {
                *slice = IoSlice::new(run);
                count += 1;
            }
            stream.poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
        };
        if let Poll::Ready(Ok(count)) = &took {
            self.took(*count, pool);
        }
        took
    }

    /// A copy of all that waits.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.runs().collect::<Vec<_>>().concat()
    }

    /// The runs that wait, first come first.
    fn runs(&self) -> impl Iterator<Item = &[u8]> {
        let (mut from, mut skip) = (self.out, self.part_out);
        let parts = self.parts.iter().flat_map(move |(before, part)| {
            let small = self.bytes.get(mem::replace(&mut from, *before)..*before);
            let large = part.bytes().get(mem::take(&mut skip)..);
            [small.unwrap_or_default(), large.unwrap_or_default()]
        });
        let behind = self.parts.back().map_or(self.out, |(before, _)| *before);
        parts.chain(self.bytes.get(behind..)).filter(|run| !run.is_empty())
    }

    /// The socket took so many; what is out whole is given back.
    fn took(&mut self, mut count: usize, pool: &Pool) {
        while let Some((before, part)) = self.parts.front() {
            let small = before.saturating_sub(self.out).min(count);
            self.out += small;
            count -= small;
            let left = part.bytes().len() - self.part_out;
            let large = left.min(count);
            self.part_out += large;
            self.in_parts -= large;
            count -= large;
            if large < left {
                return;
            }
            self.part_out = 0;
            if let Some((_, part)) = self.parts.pop_front() {
                pool.release(part);
            }
        }
        self.out += count;
    }

    /// Everything is out: gives all memory back.
    pub(super) fn rest(&mut self, pool: &Pool) {
        if self.bytes.capacity() > 0 {
            pool.give(mem::take(&mut self.bytes));
            self.out = 0;
        }
    }

    /// Forgets the small bytes that are out, if that is worth moving the others: for who appends while it writes, and may
    /// never be empty.
    pub(super) fn drop_out(&mut self) {
        if self.out >= MOVE_AT.max(self.bytes.len() / 2) {
            let out = mem::take(&mut self.out);
            self.bytes.drain(..out);
            self.parts.iter_mut().for_each(|(before, _)| *before -= out);
        }
    }

    /// Everything is out: keeps the memory for what comes next, but gives back what only a burst needed.
    pub(super) fn reuse(&mut self, most: usize) {
        debug_assert!(self.is_empty(), "what waits is not forgotten");
        self.bytes.clear();
        self.out = 0;
        if self.bytes.capacity() > most {
            self.bytes = Vec::new();
        }
    }

    /// Gives what waits to an empty one, and takes its memory.
    pub(super) fn swap(&mut self, empty: &mut Self) {
        if !self.is_empty() {
            mem::swap(self, empty);
        }
    }
}

#[cfg(test)]
mod tests;
