//! A stream of bytes cut into frames.

use super::block::{Begun, Block, Gap, Lent, Torn};
use super::cutter::{Cutter, Pieces};
use super::layout::FrameLayout;
use super::measure::FrameError;
use crate::base::ProtocolId;

/// Holds what has arrived of an unfinished frame. Idle, it owns no memory.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    cutter: Cutter,
}

/// One whole frame as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// All its bytes, header included.
    pub bytes: &'a [u8],
    /// What it is.
    pub id: ProtocolId,
    /// The block that the bytes lie in, if they lie in one.
    pub block: Option<&'a Block>,
}

/// The frames that are whole now, one after the other. Dropped, it keeps every byte that it did not lend: they
/// come first at the next call.
#[derive(Debug)]
pub struct Frames<'a> {
    pieces: Pieces<'a, &'a FrameLayout>,
}

impl FrameDecoder {
    /// A decoder at a frame boundary.
    #[must_use]
    pub const fn new() -> Self {
        Self { cutter: Cutter::new() }
    }

    /// Goes through the frames that `input` completes. Frames that lie whole in `input` are lent from it
    /// without a copy. An empty `input` brings out what an earlier cursor left.
    ///
    /// The layout must be the same at every call until the decoder is idle.
    pub fn frames<'a>(&'a mut self, layout: &'a FrameLayout, input: &'a [u8]) -> Frames<'a> {
        Frames { pieces: self.cutter.pieces(layout, input) }
    }

    /// As [`FrameDecoder::frames`], where others may hold on to what they are lent: the whole block is the input.
    pub fn frames_in<'a>(&'a mut self, layout: &'a FrameLayout, block: &'a Block) -> Frames<'a> {
        Frames { pieces: self.cutter.pieces_in(layout, block) }
    }

    /// Goes on with the frame that was torn off ([`Frames::finish`]).
    pub fn adopt(&mut self, begun: Begun) {
        self.cutter.adopt(begun);
    }

    /// What is missing of the frame that the stream stands in, where that has a block of its own and much is missing.
    /// What is read into it needs no input: the next cursor finds it.
    pub fn gap(&mut self) -> Option<Gap<'_>> {
        self.cutter.gap()
    }

    /// The bytes that arrived and were not lent.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.cutter.buffered()
    }

    /// The bytes of memory that the decoder owns: 0 while it is idle.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.cutter.capacity()
    }

    /// Whether the stream stands between two frames.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.buffered() == 0
    }
}

impl<'a> Frame<'a> {
    /// One that lies in no block.
    #[must_use]
    pub const fn new(bytes: &'a [u8], id: ProtocolId) -> Self {
        Self { bytes, id, block: None }
    }

    /// Its bytes, and where they lie.
    #[must_use]
    pub const fn lent(&self) -> Lent<'a> {
        Lent { bytes: self.bytes, block: self.block }
    }
}

impl Frames<'_> {
    /// The next whole frame; `None` when the rest is unfinished. After an error the stream is lost: this and
    /// every later cursor of the decoder give nothing more, and its memory is given back.
    #[expect(
        clippy::should_implement_trait,
        reason = "a frame borrows the cursor, which no Iterator can lend"
    )]
    pub fn next(&mut self) -> Option<Result<Frame<'_>, FrameError>> {
        let piece = self.pieces.advance()?;
        Some(piece.map(|(Lent { bytes, block }, id)| Frame { bytes, id, block }))
    }

    /// Ends the cursor. A large frame of which at least `least` bytes are in the block, but not
    /// all, is not kept: it has to be adopted ([`FrameDecoder::adopt`]).
    #[inline]
    #[must_use]
    pub fn finish(mut self, least: usize) -> Option<Torn> {
        self.pieces.finish(least)
    }
}
