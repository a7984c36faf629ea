//! Follows one connection's requests through a stream that is cut anywhere.

use super::chunk::{check_trailer, read_size};
use super::fault::RequestFault;
use super::head::{BodyLength, OpenHead, RequestHead};
use super::{LONGEST_HEAD, LONGEST_LINE, MOST_FIELDS};

/// How many bytes were taken, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// So many from the front of the input.
    pub length: usize,
    /// What they are.
    pub part: Part,
}

/// What some bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Part of a head, of the lines around chunks, or of trailers.
    Framing,
    /// A head ends with the last of them. With [`BodyLength::Empty`] the request ends there, too.
    Head(RequestHead),
    /// Bytes of a body; all of them.
    Data,
    /// As [`Part::Data`], or as [`Part::Framing`] after chunks: and the request ends with the last of them.
    End,
}

/// Finds where each request of a connection begins and ends.
#[derive(Debug)]
pub struct RequestFramer {
    state: State,
    /// The front of a line whose end has not come.
    torn: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Before the first line of a request.
    Between { empty_line: bool },
    /// In a head of so many bytes so far.
    Head { bytes: usize, head: OpenHead },
    /// So many bytes of a body are to come, and then the next request.
    Data(u64),
    /// Before the line that says how long the next chunk is.
    Size,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// Behind the bytes of a chunk.
    ChunkEnd,
    /// Behind the last chunk, with so many bytes and fields of trailers so far.
    Trailers { bytes: usize, fields: usize },
    /// Nothing is read any more.
    Failed(RequestFault),
}

/// The longest line before a chunk; extensions are of no use to anybody.
const LONGEST_SIZE_LINE: usize = 1024;
const LINE_END: &[u8] = b"\r\n";

impl Default for RequestFramer {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestFramer {
    /// At the beginning of a connection.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: State::Between { empty_line: false }, torn: Vec::new() }
    }

    /// Whether the last request is over, and nothing of another has come.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        matches!(self.state, State::Between { .. }) && self.torn.is_empty()
    }

    /// How much of a line has come whose end has not.
    #[must_use]
    pub const fn torn(&self) -> usize {
        self.torn.len()
    }

    /// Whether what comes next is of a head: of the next request's, or of one that has begun.
    #[must_use]
    pub const fn is_at_head(&self) -> bool {
        matches!(self.state, State::Between { .. } | State::Head { .. })
    }

    /// What is kept of a line that is cut. For tests of what a peer can make the gateway hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.torn.capacity()
    }

    /// Takes bytes from the front of `input`: at least one, if it is not empty. Call it again with the rest.
    ///
    /// # Errors
    /// At the first line that is wrong. Nothing is taken then, and every later call says the same.
    pub fn read(&mut self, input: &[u8]) -> Result<Taken, RequestFault> {
        let taken = match self.state {
            State::Failed(fault) => return Err(fault),
            State::Data(left) => Ok(self.data(left, input)),
            State::Chunk(left) => Ok(self.chunk(left, input)),
            State::Between { .. }
            | State::Head { .. }
            | State::Size
            | State::ChunkEnd
            | State::Trailers { .. } => self.lines(input),
        };
        if let Err(fault) = taken {
            *self = Self { state: State::Failed(fault), torn: Vec::new() };
        }
        taken
    }

    fn data(&mut self, left: u64, input: &[u8]) -> Taken {
        let (length, left) = take(left, input);
        let (state, part) =
            if left == 0 { (State::START, Part::End) } else { (State::Data(left), Part::Data) };
        self.state = state;
        Taken { length, part }
    }

    fn chunk(&mut self, left: u64, input: &[u8]) -> Taken {
        let (length, left) = take(left, input);
        self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
        Taken { length, part: Part::Data }
    }

    /// Goes through whole lines until one of them ends a part.
    fn lines(&mut self, input: &[u8]) -> Result<Taken, RequestFault> {
        let mut taken = 0;
        while let Some(rest) = input.get(taken..).filter(|rest| !rest.is_empty()) {
            let limit = self.state.longest_line();
            let Some(length) = find_end(self.torn.len(), rest, limit).map_err(|()| self.state.too_long())?
            else {
                self.torn.extend_from_slice(rest);
                break;
            };
            taken += length;
            let front = rest.get(..length).unwrap_or_default();
            let torn = std::mem::take(&mut self.torn);
            let part = if torn.is_empty() {
                self.state.line(front)?
            } else {
                self.state.line(&[torn.as_slice(), front].concat())?
            };
            if let Some(part) = part {
                return Ok(Taken { length: taken, part });
            }
        }
        Ok(Taken { length: input.len(), part: Part::Framing })
    }
}

impl State {
    const START: Self = Self::Between { empty_line: false };

    /// Takes a whole line with its end. `None`: the part goes on.
    fn line(&mut self, line: &[u8]) -> Result<Option<Part>, RequestFault> {
        let text = line.strip_suffix(LINE_END).ok_or(RequestFault::LineEnd)?;
        match self {
            Self::Between { empty_line } => {
                let repeated = std::mem::replace(empty_line, text.is_empty());
                *self = match (text.is_empty(), repeated) {
                    (true, false) => return Ok(None), // old clients send one behind a body (RFC 9112, 2.2)
                    (true, true) => return Err(RequestFault::RequestLine),
                    (false, _) => Self::Head { bytes: line.len(), head: OpenHead::begin(text)? },
                };
                Ok(None)
            }
            Self::Head { head, .. } if text.is_empty() => {
                let head = head.finish()?;
                *self = Self::behind(head.body);
                Ok(Some(Part::Head(head)))
            }
            Self::Head { bytes, head } => {
                *bytes += line.len();
                head.field(text).map(|()| None)
            }
            Self::Size => {
                let size = read_size(text)?;
                *self = if size == 0 { Self::Trailers { bytes: 0, fields: 0 } } else { Self::Chunk(size) };
                Ok((size > 0).then_some(Part::Framing))
            }
            Self::ChunkEnd if text.is_empty() => {
                *self = Self::Size;
                Ok(None)
            }
            Self::Trailers { .. } if text.is_empty() => {
                *self = Self::START;
                Ok(Some(Part::End))
            }
            Self::Trailers { bytes, fields } => {
                *bytes += line.len();
                *fields += 1;
                check_trailer(text)?;
                if *fields > MOST_FIELDS { Err(RequestFault::TooManyFields) } else { Ok(None) }
            }
            Self::ChunkEnd | Self::Data(_) | Self::Chunk(_) => Err(RequestFault::Chunk),
            Self::Failed(fault) => Err(*fault),
        }
    }

    const fn behind(body: BodyLength) -> Self {
        match body {
            BodyLength::Empty => Self::START,
            BodyLength::Bytes(length) => Self::Data(length),
            BodyLength::Chunked => Self::Size,
        }
    }

    /// How long the next line may be, its end included.
    fn longest_line(&self) -> usize {
        match self {
            Self::Head { bytes, .. } | Self::Trailers { bytes, .. } => {
                LONGEST_LINE.min(LONGEST_HEAD.saturating_sub(*bytes))
            }
            Self::Size => LONGEST_SIZE_LINE,
            Self::ChunkEnd => LINE_END.len(),
            Self::Between { .. } | Self::Data(_) | Self::Chunk(_) | Self::Failed(_) => LONGEST_LINE,
        }
    }

    /// What it is called when a line is longer.
    fn too_long(&self) -> RequestFault {
        match self {
            Self::Head { .. } | Self::Trailers { .. } if self.longest_line() < LONGEST_LINE => {
                RequestFault::HeadTooLong
            }
            Self::ChunkEnd | Self::Size => RequestFault::Chunk,
            Self::Between { .. } => RequestFault::FirstLineTooLong,
            Self::Head { .. } | Self::Trailers { .. } | Self::Data(_) | Self::Chunk(_) | Self::Failed(_) => {
                RequestFault::LineTooLong
            }
        }
    }
}

/// How much of `input` belongs to `left` bytes, and how many are left then.
fn take(left: u64, input: &[u8]) -> (usize, u64) {
    let length = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    (length, left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX)))
}

/// The bytes up to the end of a line of which `torn` bytes are known; `None`: it has not come. The error: the line is
/// longer than `limit`.
fn find_end(torn: usize, rest: &[u8], limit: usize) -> Result<Option<usize>, ()> {
    let room = limit.saturating_sub(torn);
    let front = rest.get(..room).unwrap_or(rest);
    match front.iter().position(|byte| *byte == b'\n') {
        Some(at) => Ok(Some(at + 1)),
        None if front.len() == room => Err(()),
        None => Ok(None),
    }
}
