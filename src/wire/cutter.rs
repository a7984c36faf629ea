//! Cuts a stream of bytes into pieces that say their own length. Serves the games' frames and the envelopes of
//! the shared link: what differs is the [`Ruler`].
//!
//! Pieces that lie whole in the input are lent from it. Only what is not lent yet is copied, when the cursor is
//! dropped. Nothing is reserved for bytes that have not arrived.

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
    /// How much of `held` was lent already.
    lent: usize,
    failed: bool,
}

impl Cutter {
    pub(super) const fn new() -> Self {
        Self { held: Vec::new(), lent: 0, failed: false }
    }

    pub(super) fn pieces<'a, R: Ruler>(&'a mut self, ruler: R, input: &'a [u8]) -> Pieces<'a, R> {
        Pieces { cutter: self, ruler, input }
    }

    pub(super) fn buffered(&self) -> usize {
        self.unread().len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.held.capacity()
    }

    fn unread(&self) -> &[u8] {
        self.held.get(self.lent..).unwrap_or_default()
    }

    fn lend(&mut self, length: usize) -> &[u8] {
        let from = self.lent;
        self.lent += length;
        self.held.get(from..self.lent).unwrap_or_default()
    }

    fn fail(&mut self) {
        *self = Self { failed: true, ..Self::new() };
    }

    fn keep(&mut self, rest: &[u8]) {
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
}

/// The bytes of a piece and what was learned about it.
pub(super) type Piece<'a, M> = (&'a [u8], M);

enum Found<M> {
    InInput(usize, M),
    InHeld(usize, M),
    Nothing,
}

impl<'a, R: Ruler> Pieces<'a, R> {
    pub(super) fn advance(&mut self) -> Option<Result<Piece<'_, R::Mark>, R::Error>> {
        if self.cutter.failed {
            return None;
        }
        match self.find() {
            Ok(Found::InInput(length, mark)) => Some(Ok((self.lend_input(length), mark))),
            Ok(Found::InHeld(length, mark)) => Some(Ok((self.cutter.lend(length), mark))),
            Ok(Found::Nothing) => None,
            Err(error) => {
                self.cutter.fail();
                Some(Err(error))
            }
        }
    }

    fn find(&mut self) -> Result<Found<R::Mark>, R::Error> {
        if !self.cutter.unread().is_empty() {
            return self.find_held();
        }
        if self.input.is_empty() {
            return Ok(Found::Nothing);
        }
        Ok(match self.ruler.measure(self.input)? {
            Look::Whole { length, mark } if length <= self.input.len() => Found::InInput(length, mark),
            Look::Whole { .. } | Look::Need(_) => Found::Nothing,
        })
    }

    fn find_held(&mut self) -> Result<Found<R::Mark>, R::Error> {
        loop {
            let unread = self.cutter.unread();
            let wanted = match self.ruler.measure(unread)? {
                Look::Whole { length, mark } if length <= unread.len() => {
                    return Ok(Found::InHeld(length, mark));
                }
                Look::Whole { length, .. } => length,
                Look::Need(length) => length,
            };
            if !self.pull(wanted) {
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
        lent
    }
}

impl<R: Ruler> Drop for Pieces<'_, R> {
    fn drop(&mut self) {
        if !self.cutter.failed {
            self.cutter.keep(self.input);
        }
    }
}
