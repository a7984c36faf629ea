//! Memory that goes round among the sessions and links of a worker, so that idle ones own none: buffers for small
//! frames, and blocks that large ones are kept in. Of what nobody has needed for some seconds only a little is kept.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

use crate::wire::{Block, Kept};

/// A worker's spare buffers and blocks.
#[derive(Debug, Default)]
pub struct Pool {
    buffers: Spare<Vec<u8>>,
    /// Blocks that nobody refers to.
    blocks: Spare<Block>,
    /// Every unfinished large piece that was given a block for little refers to it.
    cheap: Arc<()>,
}

/// Memory of one kind that nobody uses now. Who was given back last is taken first, so that those in front rest longest.
#[derive(Debug, Default)]
struct Spare<T> {
    all: RefCell<Vec<T>>,
    /// The capacity of all of them together.
    bytes: Cell<usize>,
    /// The least of it since the last [`Spare::trim`]: what was needed by nobody.
    rested: Cell<usize>,
}

/// What one read takes at most, and what of a large frame is held together: a frame of the default limit with all that
/// may be around it.
pub(super) const BLOCK: usize = 68 * 1024;
/// Who begins with less than this gets a block only if one is spare, so that what is held grows with what has come.
pub(super) const WORTH_A_BLOCK: usize = BLOCK / 4;
/// Less than this is copied at the next read. It is what a block costs a player at least who never sends the rest; in a
/// read that takes one frame of 64 KiB and as much as it can of the next, this is there.
const WORTH_A_SPARE: usize = 2048;
/// So many unfinished large pieces have a block for which little has come; while there are as many, the others wait until
/// much has come of them. Those who never send the rest hold no more blocks than these.
const MOST_CHEAP: usize = 128;
/// How much capacity of each kind a worker keeps spare at most, and how large one buffer may be: what waits for a player
/// of the default `send_buffer`, doubled by its growth.
const SPARE_BYTES: usize = 16 * 1024 * 1024;
const SPARE_CAPACITY: usize = 512 * 1024;
/// How much stays spare that nobody needs.
const KEPT_BYTES: usize = 1024 * 1024;
/// Of the rest one part in so many is given back at a time: a pause between two peaks costs little of it.
const TRIM: usize = 8;

impl Pool {
    /// An empty buffer, with room if one is spare.
    pub(super) fn take(&self) -> Vec<u8> {
        self.buffers.take().unwrap_or_default()
    }

    /// Takes a buffer back, or frees it when enough are spare or it has grown large.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        if (1..=SPARE_CAPACITY).contains(&buffer.capacity()) {
            buffer.clear();
            self.buffers.give(buffer);
        }
    }

    /// An empty block.
    pub(super) fn block(&self) -> Block {
        self.blocks.take().unwrap_or_else(|| Arc::new(Vec::with_capacity(BLOCK)))
    }

    /// How much of a large piece must have come to be worth a block of its own now.
    pub(super) fn least(&self) -> usize {
        let is_cheap = self.blocks.bytes.get() > 0 && Arc::strong_count(&self.cheap) <= MOST_CHEAP;
        if is_cheap { WORTH_A_SPARE } else { WORTH_A_BLOCK }
    }

    /// What counts an unfinished piece that gets a block for little, as long as it holds it.
    pub(super) fn counter(&self) -> Arc<()> {
        Arc::clone(&self.cheap)
    }

    /// Takes the block of a part back if nobody else refers to it, and enough are not spare.
    pub(super) fn release(&self, part: Kept) {
        let mut block = part.into_block();
        let Some(bytes) = Arc::get_mut(&mut block).filter(|bytes| bytes.capacity() == BLOCK) else { return };
        bytes.clear();
        self.blocks.give(block);
    }

    /// Gives some of what nobody has needed since the last time back to the system. The worker's clockwork asks for it, so
    /// that a peak is forgotten within half a minute.
    pub(super) fn trim(&self) {
        self.buffers.trim();
        self.blocks.trim();
    }
}

impl<T: Borrow<Vec<u8>>> Spare<T> {
    fn take(&self) -> Option<T> {
        let one = self.all.borrow_mut().pop()?;
        let bytes = self.bytes.get().saturating_sub(one.borrow().capacity());
        self.bytes.set(bytes);
        self.rested.set(self.rested.get().min(bytes));
        Some(one)
    }

    fn give(&self, one: T) {
        let bytes = self.bytes.get() + one.borrow().capacity();
        if bytes <= SPARE_BYTES {
            self.bytes.set(bytes);
            self.all.borrow_mut().push(one);
        }
    }

    fn trim(&self) {
        let (mut bytes, mut all) = (self.bytes.get(), self.all.borrow_mut());
        let goal = bytes - self.rested.get().saturating_sub(KEPT_BYTES).div_ceil(TRIM);
        let mut count = 0;
        while bytes > goal
            && let Some(one) = all.get(count)
        {
            bytes -= one.borrow().capacity();
            count += 1;
        }
        drop(all.drain(..count));
        self.bytes.set(bytes);
        self.rested.set(bytes);
    }
}

#[cfg(test)]
mod tests;
