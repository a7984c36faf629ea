//! Blocks: bytes that were read at once, or one large piece. Whoever wants a large piece for longer than a moment refers
//! to it where it lies instead of copying it, and thereby keeps its whole block.

use std::ops::Range;
use std::ptr;
use std::sync::Arc;

/// Bytes that several may hold on to. Only who is alone with them may change them.
pub type Block = Arc<Vec<u8>>;

/// A large piece, kept where it lies.
#[derive(Clone, Debug)]
pub struct Kept {
    block: Block,
    range: Range<usize>,
}

/// Bytes for a moment, and the block that they lie in, if they lie in one.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where they lie.
    pub block: Option<&'a Block>,
}

/// An unfinished large piece at the end of a block, for whoever gives it a block of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the bytes are nowhere else"]
pub struct Torn {
    /// Where it begins in the block.
    pub from: usize,
    /// How long it will be.
    pub length: usize,
}

/// A large piece that is not whole yet, alone in its block.
#[derive(Debug)]
pub struct Begun {
    pub(super) block: Block,
    pub(super) length: usize,
    /// For whoever counts such pieces, by the references to it.
    _counted: Option<Arc<()>>,
}

/// What is missing of a large piece: to be read straight to where it belongs.
#[derive(Debug)]
pub struct Gap<'a> {
    block: &'a mut Vec<u8>,
    missing: usize,
}

/// A shorter piece is copied: that costs less than all that it takes to hold it.
pub const LARGE: usize = 32 * 1024;
/// What is missing is read straight if it is at least this much: less comes with what is behind it.
const WORTH_A_READ: usize = 1024;
/// The least room that a piece grows by.
const STEP: usize = 4096;

impl<'a> Lent<'a> {
    /// Bytes that lie in no block.
    #[must_use]
    pub const fn alone(bytes: &'a [u8]) -> Self {
        Self { bytes, block: None }
    }

    /// The bytes to hold on to, if they are worth it: a large piece, in a block of not much more than it.
    #[must_use]
    pub fn keep(&self) -> Option<Kept> {
        if self.bytes.len() < LARGE {
            return None;
        }
        let block = self.block.filter(|block| block.capacity() / 5 <= self.bytes.len() / 2)?;
        let from = self.bytes.as_ptr().addr().checked_sub(block.as_ptr().addr())?;
        let range = from..from.checked_add(self.bytes.len())?;
        let found = block.get(range.clone())?;
        ptr::eq(found, self.bytes).then(|| Kept { block: Arc::clone(block), range })
    }
}

impl Kept {
    /// The piece.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.block.get(self.range.clone()).unwrap_or_default()
    }

    /// The block, for whoever may use it again.
    #[must_use]
    pub fn into_block(self) -> Block {
        self.block
    }
}

impl Begun {
    /// A piece that will be so long, of which the block holds what has come and nothing else. Until it is whole or given
    /// up, it refers to `counter`.
    #[must_use]
    pub const fn new(block: Block, length: usize, counter: Option<Arc<()>>) -> Self {
        Self { block, length, _counted: counter }
    }
}

impl<'a> Gap<'a> {
    /// The gap behind the bytes in `block` if it is worth a read of its own.
    pub(super) fn new(block: &'a mut Vec<u8>, length: usize) -> Option<Self> {
        let missing = length.saturating_sub(block.len());
        (missing >= WORTH_A_READ).then_some(Self { block, missing })
    }

    /// Where the bytes belong, behind those that are there, and how many of them at most. There is room for so many, and
    /// it grows with what has come, not with what is claimed.
    pub fn room(self) -> (&'a mut Vec<u8>, usize) {
        let Self { block, missing } = self;
        if block.capacity() - block.len() < WORTH_A_READ {
            block.reserve_exact(missing.min(block.len().max(STEP)));
        }
        let room = block.capacity() - block.len();
        (block, room.min(missing))
    }
}
