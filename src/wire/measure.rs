//! Where a frame ends and what its protocol ID is, from its first bytes.

use std::fmt;

use super::cutter::{Look, Ruler};
use super::layout::{FrameLayout, Framing, IdField};
use super::number::{MAX_VARINT, Varint, read_field, read_varint};
use crate::base::ProtocolId;

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// The length and the ID can be read; the body may still be under way.
    Frame {
        /// The whole frame in bytes, header included.
        length: usize,
        /// What the frame is.
        id: ProtocolId,
    },
    /// More bytes are needed to read the length or the ID.
    Incomplete,
}

/// Why bytes are no frame of the game. The stream cannot be read on after any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The frame says it is longer than the layout allows. In bytes of the whole frame.
    TooLong {
        /// What the frame says; the highest number where the sum does not fit one.
        claimed: u64,
        /// What the layout allows.
        max: u32,
    },
    /// The frame says it ends inside its own header. In bytes of the whole frame.
    TooShort {
        /// What the frame says.
        claimed: u64,
        /// Where its header ends.
        header: usize,
    },
    /// The length is no number of the layout: a varint too wide or padded, a sum below zero, or a message that
    /// holds more or less than one frame.
    BadLength,
    /// The ID is no number of the layout.
    BadId,
    /// The layout says nothing about ends in a stream: its frames are whole messages, or it has none.
    NotAStream,
}

impl FrameLayout {
    /// Reads the length and the ID of the frame that begins with `head`.
    ///
    /// A layout of messages or without frames is never measured: its streams get [`FrameError::NotAStream`], so
    /// that nobody gathers bytes for an end that never comes.
    ///
    /// # Errors
    /// As soon as the length can be read: it is over `max_length`, below the header's own end or no number of
    /// the layout. Then: the ID is no number of the layout.
    pub fn measure(&self, head: &[u8]) -> Result<Measured, FrameError> {
        Ok(match self.look(head)? {
            Look::Whole { length, mark } => Measured::Frame { length, id: mark },
            Look::Need(_) => Measured::Incomplete,
        })
    }

    /// Reads the ID of a whole message. Under a layout with lengths the message must be exactly one frame.
    ///
    /// # Errors
    /// The message is longer than `max_length`, ends before its ID, is not exactly one frame, or the layout has
    /// no IDs.
    pub fn measure_message(&self, message: &[u8]) -> Result<ProtocolId, FrameError> {
        match self.framing {
            Framing::Opaque => Err(FrameError::NotAStream),
            Framing::Message => {
                let claimed = message.len() as u64;
                match self.look_behind(message, Extent { length: claimed, field_end: 0 })? {
                    Look::Whole { mark, .. } => Ok(mark),
                    Look::Need(header) => Err(FrameError::TooShort { claimed, header }),
                }
            }
            Framing::Fixed { .. } | Framing::Varint { .. } => match self.look(message)? {
                Look::Whole { length, mark } if length == message.len() => Ok(mark),
                Look::Whole { .. } | Look::Need(_) => Err(FrameError::BadLength),
            },
        }
    }

    /// Length and ID of the frame that begins here in a message, which holds whole frames and nothing else: one where the
    /// layout says that a message is a frame, one or more where frames have lengths of their own.
    ///
    /// # Errors
    /// The frame does not end within the message, or is none.
    pub fn measure_in_message(&self, rest: &[u8]) -> Result<(usize, ProtocolId), FrameError> {
        match self.framing {
            Framing::Message | Framing::Opaque => Ok((rest.len(), self.measure_message(rest)?)),
            Framing::Fixed { .. } | Framing::Varint { .. } => match self.measure(rest)? {
                Measured::Frame { length, id } if length <= rest.len() => Ok((length, id)),
                Measured::Frame { .. } | Measured::Incomplete => Err(FrameError::BadLength),
            },
        }
    }

    /// The bytes of the smallest frame; for layouts without varints also where every body begins.
    #[must_use]
    pub fn header_length(&self) -> usize {
        let field_end = match self.framing {
            Framing::Fixed { offset, width, .. } => usize::from(offset) + width.bytes(),
            Framing::Varint { offset, .. } => usize::from(offset) + 1,
            Framing::Message | Framing::Opaque => 0,
        };
        self.least_header(field_end)
    }

    pub(super) fn least_header(&self, field_end: usize) -> usize {
        match self.id {
            Some(IdField::Fixed { offset, width, .. }) => field_end.max(usize::from(offset) + width.bytes()),
            Some(IdField::Varint) => field_end + 1,
            None => field_end,
        }
    }

    fn look(&self, head: &[u8]) -> Result<Look<ProtocolId>, FrameError> {
        match self.read_extent(head)? {
            Look::Whole { mark, .. } => self.look_behind(head, mark),
            Look::Need(bytes) => Ok(Look::Need(bytes)),
        }
    }

    // Both parts of `look` are inlined: it is asked of each frame, both ways, and what they give each other stays in registers.
    #[inline(always)]
    fn read_extent(&self, head: &[u8]) -> Result<Look<Extent>, FrameError> {
        let (field_end, length) = match self.framing {
            Framing::Fixed { offset, width, order, adjust } => {
                let field_end = usize::from(offset) + width.bytes();
                let Some(value) = read_field(head, offset, width, order) else {
                    return Ok(Look::Need(field_end));
                };
                (field_end, self.add(value, field_end, adjust)?)
            }
            Framing::Varint { offset, max_width } => {
                let field = head.get(usize::from(offset)..).unwrap_or_default();
                match read_varint(field, usize::from(max_width)) {
                    Varint::Whole { value, width } => {
                        let field_end = usize::from(offset) + width;
                        (field_end, self.add(value, field_end, 0)?)
                    }
                    Varint::Torn => return Ok(Look::Need(usize::from(offset) + field.len() + 1)),
                    Varint::Bad => return Err(FrameError::BadLength),
                }
            }
            Framing::Message | Framing::Opaque => return Err(FrameError::NotAStream),
        };
        Ok(Look::Whole { length: field_end, mark: Extent { length, field_end } })
    }

    /// `value + field_end + adjust` without ever wrapping.
    fn add(&self, value: u64, field_end: usize, adjust: i32) -> Result<u64, FrameError> {
        let more = i64::try_from(field_end).unwrap_or(i64::MAX).saturating_add(i64::from(adjust));
        value.checked_add_signed(more).ok_or(if more < 0 {
            FrameError::BadLength
        } else {
            FrameError::TooLong { claimed: u64::MAX, max: self.max_length }
        })
    }

    /// Checks the length, then reads the ID.
    #[inline(always)]
    fn look_behind(&self, head: &[u8], extent: Extent) -> Result<Look<ProtocolId>, FrameError> {
        let Extent { length: claimed, field_end } = extent;
        let max = self.max_length;
        let length = match usize::try_from(claimed) {
            Ok(length) if claimed <= u64::from(max) => length,
            Ok(_) | Err(_) => return Err(FrameError::TooLong { claimed, max }),
        };
        let header = self.least_header(field_end);
        if length < header {
            return Err(FrameError::TooShort { claimed, header });
        }
        match self.id {
            Some(IdField::Fixed { offset, width, order, mask, shift }) => {
                let value = read_field(head, offset, width, order);
                Ok(value.map_or(Look::Need(header), |value| {
                    let id = (value & mask).checked_shr(u32::from(shift)).unwrap_or(0);
                    Look::Whole { length, mark: ProtocolId(id) }
                }))
            }
            Some(IdField::Varint) => varint_id(head, field_end, length),
            None => Err(FrameError::BadId),
        }
    }
}

/// What the length field alone says.
#[derive(Clone, Copy)]
struct Extent {
    /// The whole frame, not checked yet.
    length: u64,
    /// Where the length field ends.
    field_end: usize,
}

fn varint_id(head: &[u8], field_end: usize, length: usize) -> Result<Look<ProtocolId>, FrameError> {
    let frame = head.get(..length).unwrap_or(head);
    match read_varint(frame.get(field_end..).unwrap_or_default(), MAX_VARINT) {
        Varint::Whole { value, .. } => Ok(Look::Whole { length, mark: ProtocolId(value) }),
        Varint::Torn if frame.len() == length => {
            Err(FrameError::TooShort { claimed: length as u64, header: length + 1 })
        }
        Varint::Torn => Ok(Look::Need(frame.len().max(field_end) + 1)),
        Varint::Bad => Err(FrameError::BadId),
    }
}

impl Ruler for &FrameLayout {
    type Mark = ProtocolId;
    type Error = FrameError;

    fn measure(&self, head: &[u8]) -> Result<Look<ProtocolId>, FrameError> {
        self.look(head)
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { claimed, max } => {
                write!(f, "a frame of {claimed} bytes; at most {max} are allowed")
            }
            Self::TooShort { claimed, header } => {
                write!(f, "a frame of {claimed} bytes ends inside its header of {header}")
            }
            Self::BadLength => f.write_str("a frame length that is no number of the layout"),
            Self::BadId => f.write_str("a protocol ID that is no number of the layout"),
            Self::NotAStream => f.write_str("the layout has no frames in a stream"),
        }
    }
}

impl std::error::Error for FrameError {}
