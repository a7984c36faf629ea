//! A deflated message to what it says, in memory that its limit bounds.

use flate2::{Decompress, FlushDecompress, Status};

use super::FLUSHED;
use crate::wire::websocket::decoder::MessageKind;
use crate::wire::websocket::fault::WebSocketFault;

/// Inflates messages, one after the other. It owns nothing before the first, and then what the longest needed.
#[derive(Debug, Default)]
pub struct Inflater {
    state: Option<Decompress>,
    out: Vec<u8>,
}

/// How far the message has come.
struct Progress<'a> {
    state: &'a mut Decompress,
    out: &'a mut Vec<u8>,
    /// Bytes of `out` that are the message's.
    length: usize,
    max: u32,
    /// Streams of blocks that have ended in it.
    ends: usize,
    /// Whether nothing has come since the last of them.
    is_at_end: bool,
}

/// A block that ends a stream behind the flush: whole messages come to it, torn ones do not.
const LAST_BLOCK: [u8; 5] = [0x01, 0x00, 0x00, 0xFF, 0xFF];
/// What is reserved at first.
const FIRST: usize = 4096;
/// A message may hold several streams, each of which begins anew. Clients send one; beginning anew costs more than the
/// two bytes that ask for it.
const MOST_ENDS: usize = 8;

impl Inflater {
    /// The bytes of memory that messages have needed.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.out.capacity()
    }

    /// What a message of this kind says; lent until the next one.
    ///
    /// # Errors
    /// It does not inflate, is longer than `max`, or a text that is not UTF-8.
    pub fn inflate(&mut self, kind: MessageKind, payload: &[u8], max: u32) -> Result<&[u8], WebSocketFault> {
        let state = self.state.get_or_insert_with(|| Decompress::new(false));
        state.reset(false);
        let out = &mut self.out;
        let mut progress = Progress { state, out, length: 0, max, ends: 0, is_at_end: false };
        for part in [payload, &FLUSHED, &LAST_BLOCK] {
            progress.take(part)?;
        }
        let (length, is_whole) = (progress.length, progress.is_at_end);
        let message = self.out.get(..length).filter(|_| is_whole).ok_or(WebSocketFault::NotDeflate)?;
        match kind {
            MessageKind::Text if std::str::from_utf8(message).is_err() => Err(WebSocketFault::NotUtf8),
            MessageKind::Text | MessageKind::Binary => Ok(message),
        }
    }
}

impl Progress<'_> {
    /// Goes through some more of the input, to the last byte that comes of it.
    fn take(&mut self, mut input: &[u8]) -> Result<(), WebSocketFault> {
        loop {
            let (consumed, produced, status) = self.step(input)?;
            input = input.get(consumed..).unwrap_or_default();
            if consumed + produced > 0 {
                self.is_at_end = false;
            }
            if status == Status::StreamEnd {
                self.end_stream()?;
            } else if consumed + produced == 0 {
                return if input.is_empty() { Ok(()) } else { Err(WebSocketFault::NotDeflate) };
            }
            if self.is_at_end && input.is_empty() {
                return Ok(());
            }
        }
    }

    /// What follows begins anew.
    fn end_stream(&mut self) -> Result<(), WebSocketFault> {
        self.ends += 1;
        self.is_at_end = true;
        self.state.reset(false);
        if self.ends > MOST_ENDS { Err(WebSocketFault::NotDeflate) } else { Ok(()) }
    }

    /// How many bytes went in, how many came out, and whether the stream is over.
    fn step(&mut self, input: &[u8]) -> Result<(usize, usize, Status), WebSocketFault> {
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        if self.length == self.out.len() && self.length < max {
            let more = self.length.max(FIRST).saturating_mul(2).min(max);
            self.out.resize(more, 0);
        }
        let mut beyond = [0];
        let most = self.out.len().min(max);
        let is_full = self.length == most;
        let room = match is_full {
            true => beyond.as_mut_slice(), // nothing may come any more
            false => self.out.get_mut(self.length..most).unwrap_or_default(),
        };
        let before = (self.state.total_in(), self.state.total_out());
        let status = self.state.decompress(input, room, FlushDecompress::None);
        let status = status.map_err(|_| WebSocketFault::NotDeflate)?;
        let consumed = count(self.state.total_in() - before.0);
        let produced = count(self.state.total_out() - before.1);
        if is_full && produced > 0 {
            return Err(WebSocketFault::Swells { max: self.max });
        }
        self.length += produced;
        Ok((consumed, produced, status))
    }
}

/// What went through a slice fits a `usize`.
fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
