//! Cuts a stream of bytes into pieces that say their own length. Serves the games' frames and the envelopes of
//! the shared link: what differs is the [`Ruler`].
//!
//! Pieces that lie whole in the input are lent from it. Only what is not lent yet is copied, when the cursor is
//! dropped. A large piece that is not whole yet may get a block of its own: then what is missing can be read straight
//! into it. Nothing is reserved for bytes that have not arrived.

use std::hint::black_box;
use std::sync::Arc;

use super::block::{Begun, Block, Gap, LARGE, Lent, Torn};

/// Knows where a piece ends.
pub(super) trait Ruler {
    /// What is learned about a piece besides its length.
    type Mark;
    /// Why bytes are no piece.
    type Error;

    /// Looks at the front of the unread bytes.
    fn measure(&self, head: &[u8]) -> Result<Look<Self::Mark>, Self::Error>;
}

/// What the front of some bytes says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look<M> {
    /// Nothing before so many bytes are there; never more than the piece itself has.
    Need(usize),
    /// The piece is so long; its last bytes may still be under way.
    Whole { length: usize, mark: M },
}

/// The bytes of a stream that were not lent yet.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    held: Vec<u8>,
    /// How much of `held` was lent already, or [`FAILED`].
    lent: usize,
    /// The piece that the stream stands in, where it has a block of its own. Then nothing else is held.
    large: Option<Box<Begun>>,
}

/// In the place of what was lent, where the stream is lost.
const FAILED: usize = usize::MAX;

impl Cutter {
    pub(super) const fn new() -> Self {
        Self { held: Vec::new(), lent: 0, large: None }
    }

    pub(super) fn pieces<'a, R: Ruler>(&'a mut self, ruler: R, input: &'a [u8]) -> Pieces<'a, R> {
        self.go_on(ruler, input, None)
    }

    pub(super) fn pieces_in<'a, R: Ruler>(&'a mut self, ruler: R, block: &'a Block) -> Pieces<'a, R> {
        self.go_on(ruler, block, Some(block))
    }

    fn go_on<'a, R: Ruler>(
        &'a mut self,
        ruler: R,
        input: &'a [u8],
        block: Option<&'a Block>,
    ) -> Pieces<'a, R> {
        Pieces { is_clear: self.is_clear(), cutter: self, ruler, input, block, unfinished: 0, whole: None }
    }

    pub(super) fn buffered(&self) -> usize {
        self.unread().len() + self.large.as_ref().map_or(0, |large| large.block.len())
    }

    pub(super) fn capacity(&self) -> usize {
        self.held.capacity() + self.large.as_ref().map_or(0, |large| large.block.capacity())
    }

    /// Goes on with the piece that was torn off.
    pub(super) fn adopt(&mut self, begun: Begun) {
        self.large = Some(Box::new(begun));
    }

    /// What is missing of the large piece that the stream stands in.
    pub(super) fn gap(&mut self) -> Option<Gap<'_>> {
        let large = self.large.as_mut()?;
        Gap::new(Arc::make_mut(&mut large.block), large.length)
    }

    const fn has_failed(&self) -> bool {
        self.lent == FAILED
    }

    /// Whether the stream stands between two pieces.
    fn is_clear(&self) -> bool {
        !self.has_failed() && self.large.is_none() && self.unread().is_empty()
    }

    fn unread(&self) -> &[u8] {
        self.held.get(self.lent..).unwrap_or_default()
    }

    fn lend(&mut self, length: usize) -> &[u8] {
        let from = self.lent;
        self.lent += length;
        self.held.get(from..self.lent).unwrap_or_default()
    }

    /// The unfinished piece that is held gets a block of its own, once that is worth it.
    fn part_large(&mut self, length: usize) {
        if self.buffered() >= LARGE / 4 {
            let mut held = std::mem::take(&mut self.held);
            held.drain(..std::mem::take(&mut self.lent));
            self.adopt(Begun::new(Arc::new(held), length, None));
        }
    }

    fn fail(&mut self) {
        *self = Self { lent: FAILED, ..Self::new() };
    }

    fn keep(&mut self, mut rest: &[u8]) {
        if rest.is_empty() && self.held.capacity() == 0 {
            return; // most reads end with a piece
        }
        if let Some(large) = &mut self.large {
            let missing = large.length.saturating_sub(large.block.len()).min(rest.len());
            let (mine, behind) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            Arc::make_mut(&mut large.block).extend_from_slice(mine);
            rest = behind;
        }
        let unread = self.unread();
        // Exact copies give back what a long piece took. Moving only when half is lent keeps a caller that takes
        // one piece a turn linear.
        if unread.is_empty() {
            self.held = rest.to_vec();
            self.lent = 0;
            return;
        }
        if self.lent > unread.len() {
            self.held = unread.to_vec();
            self.lent = 0;
        }
        self.held.extend_from_slice(rest);
    }
}

/// A cursor over the held bytes and one input.
#[derive(Debug)]
pub(super) struct Pieces<'a, R: Ruler> {
    cutter: &'a mut Cutter,
    ruler: R,
    input: &'a [u8],
    /// The next piece begins in the input.
    is_clear: bool,
    /// Where the input lies.
    block: Option<&'a Block>,
    /// How long the piece will be whose end is not in the input.
    unfinished: usize,
    /// A large piece that has become whole.
    whole: Option<Block>,
}

/// The bytes of a piece, the block that they lie in, and what was learned about the piece.
pub(super) type Piece<'a, M> = (Lent<'a>, M);

/// What comes next where that does not lie whole in the input.
enum Found<M> {
    InHeld(usize, M),
    /// The large piece.
    Whole(M),
    Nothing,
}

impl<'a, R: Ruler> Pieces<'a, R> {
    /// The next piece. One that lies whole in the input is handed on without a call, and so not through memory, where its
    /// reader would have to wait for all that is being written before it.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Result<Piece<'_, R::Mark>, R::Error>> {
        if self.is_clear {
            if self.input.is_empty() {
                return None;
            }
            if let Ok(Look::Whole { length, mark }) = self.ruler.measure(self.input)
                && length <= self.input.len()
            {
                return Some(Ok((Lent { bytes: self.lend_input(length), block: self.block }, mark)));
            }
        }
        self.advance_slowly()
    }

    #[inline(never)]
    fn advance_slowly(&mut self) -> Option<Result<Piece<'_, R::Mark>, R::Error>> {
        match self.find() {
            Ok(Found::InHeld(length, mark)) => {
                self.is_clear = self.cutter.unread().len() == length;
                Some(Ok((Lent::alone(self.cutter.lend(length)), mark)))
            }
            Ok(Found::Whole(mark)) => {
                self.is_clear = true;
                let block = self.whole.as_ref()?;
                Some(Ok((Lent { bytes: block, block: Some(block) }, mark)))
            }
            Ok(Found::Nothing) => None,
            Err(error) => {
                self.cutter.fail();
                self.is_clear = false;
                Some(Err(error))
            }
        }
    }

    /// For when there is no whole piece any more. A large one of which at least `least` bytes are there, but not all,
    /// is not kept: its bytes are where they came, and whoever asks has to have them adopted.
    #[inline]
    pub(super) fn finish(&mut self, least: usize) -> Option<Torn> {
        if self.unfinished < LARGE { None } else { self.tear(least) }
    }

    fn tear(&mut self, least: usize) -> Option<Torn> {
        let (block, length) = (self.block?, self.unfinished);
        if !self.cutter.unread().is_empty() {
            self.cutter.part_large(length);
            return None;
        }
        let come = std::mem::take(&mut self.input);
        if come.len() < least.max(1) {
            self.input = come;
            return None;
        }
        Some(Torn { from: block.len() - come.len(), length })
    }

    fn find(&mut self) -> Result<Found<R::Mark>, R::Error> {
        if self.cutter.has_failed() {
            return Ok(Found::Nothing);
        }
        if self.cutter.large.is_some() {
            return self.find_large();
        }
        if !self.is_clear {
            return self.find_held();
        }
        if let Look::Whole { length, .. } = self.ruler.measure(self.input)? {
            self.unfinished = length;
        }
        Ok(Found::Nothing)
    }

    /// Goes on with the large piece: what is missing is copied from the input.
    fn find_large(&mut self) -> Result<Found<R::Mark>, R::Error> {
        let Some(mut large) = self.cutter.large.take() else { return Ok(Found::Nothing) };
        let missing = large.length.saturating_sub(large.block.len());
        if missing > 0 {
            let taken = self.lend_input(missing.min(self.input.len()));
            Arc::make_mut(&mut large.block).extend_from_slice(taken);
        }
        if large.block.len() < large.length {
            self.cutter.large = Some(large);
            return Ok(Found::Nothing);
        }
        let look = self.ruler.measure(&large.block)?;
        self.whole = Some(large.block);
        Ok(match look {
            Look::Whole { mark, .. } => Found::Whole(mark),
            Look::Need(_) => Found::Nothing, // it has been measured with less already
        })
    }

    fn find_held(&mut self) -> Result<Found<R::Mark>, R::Error> {
        loop {
            let unread = self.cutter.unread();
            let (wanted, length) = match self.ruler.measure(unread)? {
                Look::Whole { length, mark } if length <= unread.len() => {
                    return Ok(Found::InHeld(length, mark));
                }
                Look::Whole { length, .. } => (length, length),
                Look::Need(wanted) => (wanted, 0),
            };
            if !self.pull(wanted) {
                self.unfinished = length;
                return Ok(Found::Nothing);
            }
        }
    }

    /// Moves bytes of the input behind the held ones until `wanted` are there; `false` when the input is too
    /// short for that.
    fn pull(&mut self, wanted: usize) -> bool {
        let missing = wanted.saturating_sub(self.cutter.buffered()).max(1);
        let taken = self.lend_input(missing.min(self.input.len()));
        self.cutter.held.extend_from_slice(taken);
        taken.len() == missing
    }

    fn lend_input(&mut self, length: usize) -> &'a [u8] {
        let (lent, rest) = self.input.split_at_checked(length).unwrap_or((self.input, &[]));
        self.input = rest;
        // Touches the next piece's first byte, so that the processor has it in its cache when that piece's turn comes.
        if let Some(first) = rest.first() {
            black_box(*first);
        }
        lent
    }
}

impl<R: Ruler> Drop for Pieces<'_, R> {
    fn drop(&mut self) {
        if !self.cutter.has_failed() {
            self.cutter.keep(self.input);
        }
    }
}
