//! A stream of bytes cut into envelopes.

use super::super::block::{Begun, Block, Gap, Lent, Torn};
use super::super::cutter::{Cutter, Look, Pieces, Ruler};
use super::error::EnvelopeError;
use super::header::{HEADER_LENGTH, Header, LENGTH_FIELD, LINK, measure};
use super::kind::Kind;
use super::message::Envelope;
use crate::base::SessionId;

/// Holds what has arrived of an unfinished envelope. Idle, it owns no memory.
#[derive(Debug, Default)]
pub struct EnvelopeDecoder {
    cutter: Cutter,
}

/// One whole envelope as it came. Its length and its `tlv_length` are checked, its contents are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEnvelope<'a> {
    /// All its bytes.
    pub bytes: &'a [u8],
    /// The block that the bytes lie in, if they lie in one.
    pub block: Option<&'a Block>,
}

/// The envelopes that are whole now, one after the other. Dropped, it keeps every byte that it did not lend:
/// they come first at the next call.
#[derive(Debug)]
pub struct Envelopes<'a> {
    pieces: Pieces<'a, Limit>,
}

#[derive(Clone, Copy, Debug)]
struct Limit(u32);

impl EnvelopeDecoder {
    /// A decoder between two envelopes.
    #[must_use]
    pub const fn new() -> Self {
        Self { cutter: Cutter::new() }
    }

    /// Goes through the envelopes that `input` completes, lent from it where they lie whole in it.
    /// `max_envelope` limits the length field, in bytes.
    pub fn envelopes<'a>(&'a mut self, max_envelope: u32, input: &'a [u8]) -> Envelopes<'a> {
        Envelopes { pieces: self.cutter.pieces(Limit(max_envelope), input) }
    }

    /// As [`EnvelopeDecoder::envelopes`], where others may hold on to what they are lent: the whole block is the input.
    pub fn envelopes_in<'a>(&'a mut self, max_envelope: u32, block: &'a Block) -> Envelopes<'a> {
        Envelopes { pieces: self.cutter.pieces_in(Limit(max_envelope), block) }
    }

    /// Goes on with the envelope that was torn off ([`Envelopes::finish`]).
    pub fn adopt(&mut self, begun: Begun) {
        self.cutter.adopt(begun);
    }

    /// What is missing of the envelope that the stream stands in, where that has a block of its own and much is missing.
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

    /// Whether the stream stands between two envelopes.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.buffered() == 0
    }
}

impl Envelopes<'_> {
    /// The next whole envelope; `None` when the rest is unfinished. After an error the link is lost: this and
    /// every later cursor of the decoder give nothing more.
    #[expect(
        clippy::should_implement_trait,
        reason = "an envelope borrows the cursor, which no Iterator can lend"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Result<RawEnvelope<'_>, EnvelopeError>> {
        let piece = self.pieces.advance()?;
        Some(piece.map(|(Lent { bytes, block }, ())| RawEnvelope { bytes, block }))
    }

    /// Ends the cursor. A large envelope of which at least `least` bytes are in the block, but
    /// not all, is not kept: it has to be adopted ([`EnvelopeDecoder::adopt`]).
    #[inline]
    #[must_use]
    pub fn finish(mut self, least: usize) -> Option<Torn> {
        self.pieces.finish(least)
    }
}

impl<'a> RawEnvelope<'a> {
    /// The session and the frame of a FRAME without TLVs, which is how frames come; `None` for all others.
    #[must_use]
    pub fn frame(&self) -> Option<(SessionId, &'a [u8])> {
        let Header { code, tlv_length, session, .. } = Header::peek(self.bytes)?;
        let plain = code == Kind::Frame.code() && tlv_length == 0 && session != LINK;
        plain.then(|| (session, self.bytes.get(HEADER_LENGTH..).unwrap_or_default()))
    }

    /// Reads what it says.
    ///
    /// # Errors
    /// The contents break a rule of the link.
    pub fn decode(&self) -> Result<Envelope<'a>, EnvelopeError> {
        Envelope::decode(self.bytes)
    }
}

impl Ruler for Limit {
    type Mark = ();
    type Error = EnvelopeError;

    fn measure(&self, head: &[u8]) -> Result<Look<()>, EnvelopeError> {
        let Some(length) = measure(head, self.0)? else { return Ok(Look::Need(LENGTH_FIELD)) };
        let Some(header) = Header::peek(head) else { return Ok(Look::Need(HEADER_LENGTH)) };
        if header.payload_start() > length {
            return Err(EnvelopeError::TlvsTooLong);
        }
        Ok(Look::Whole { length, mark: () })
    }
}
