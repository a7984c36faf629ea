//! Frames that the gateway itself makes. Header bytes that are neither length nor ID are zero.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use super::layout::{FrameLayout, Framing, IdField};
use super::number::{MAX_VARINT, Varint, max_varint, read_varint, varint_width, write_number, write_varint};
use crate::base::ProtocolId;

/// Why a frame cannot be written in a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The ID does not fit its field.
    IdTooLarge,
    /// The whole frame would be longer than `max_length`.
    TooLong {
        /// Bytes of the whole frame.
        length: usize,
        /// What the layout allows.
        max: u32,
    },
    /// The length field cannot hold the length.
    LengthDoesNotFit,
    /// The length field and the ID share bytes.
    FieldsOverlap,
    /// The layout has no frames or no IDs.
    NoFrames,
}

impl FrameLayout {
    /// Appends one frame with this ID and body. `out` is unchanged after an error.
    ///
    /// # Errors
    /// The ID or the length does not fit the layout.
    pub fn append_frame(&self, id: ProtocolId, body: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (header, value) = self.fit(id, body.len())?;
        let start = out.len();
        out.reserve(header.length + body.len());
        out.resize(start + header.length, 0);
        let bytes = out.get_mut(start..).unwrap_or_default();
        self.write_length(value, bytes.get_mut(header.field).unwrap_or_default());
        self.write_id(id, bytes.get_mut(header.id).unwrap_or_default());
        out.extend_from_slice(body);
        Ok(())
    }

    /// Appends the answer to a heartbeat: a header and nothing behind it. `false`, and `out` unchanged, where the
    /// layout has no heartbeat or cannot write its reply.
    pub fn append_heartbeat_reply(&self, out: &mut Vec<u8>) -> bool {
        self.heartbeat.is_some_and(|heartbeat| self.append_frame(heartbeat.reply, &[], out).is_ok())
    }

    /// What lies behind the header of a whole frame; empty where the frame ends before that.
    #[must_use]
    pub fn body_of<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        self.header_of(frame).and_then(|header| frame.get(header..)).unwrap_or_default()
    }

    /// The longest body that a frame with this ID can carry, in bytes.
    pub(super) fn room_for_body(&self, id: ProtocolId) -> Result<usize, EncodeError> {
        let widths = self.field_widths()?;
        let rooms = widths.map(|width| {
            let header = self.header(id, width)?;
            let field = i64::try_from(self.max_value(width)).unwrap_or(i64::MAX);
            let whole = field.saturating_add(signed(header.field.end)).saturating_add(self.adjust());
            let whole = whole.min(i64::from(self.max_length));
            usize::try_from(whole.saturating_sub(signed(header.length)))
                .map_err(|_| EncodeError::LengthDoesNotFit)
        });
        rooms.max_by_key(|room| room.unwrap_or(0)).unwrap_or(Err(EncodeError::NoFrames))
    }

    fn header_of(&self, frame: &[u8]) -> Option<usize> {
        let field_end = match self.framing {
            Framing::Fixed { offset, width, .. } => usize::from(offset) + width.bytes(),
            Framing::Varint { offset, max_width } => {
                usize::from(offset) + varint_at(frame, usize::from(offset), usize::from(max_width))?
            }
            Framing::Message | Framing::Opaque => 0,
        };
        match self.id {
            Some(IdField::Varint) => Some(field_end + varint_at(frame, field_end, MAX_VARINT)?),
            Some(IdField::Fixed { .. }) | None => Some(self.least_header(field_end)),
        }
    }

    /// The header and the value of the length field for a body of so many bytes.
    fn fit(&self, id: ProtocolId, body: usize) -> Result<(Header, u64), EncodeError> {
        self.check_id(id)?;
        let mut refused = EncodeError::NoFrames;
        for width in self.field_widths()? {
            match self.fit_width(id, body, width) {
                Ok(fits) => return Ok(fits),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn fit_width(&self, id: ProtocolId, body: usize, width: usize) -> Result<(Header, u64), EncodeError> {
        let header = self.header(id, width)?;
        let length = header.length.saturating_add(body);
        if u64::try_from(length).unwrap_or(u64::MAX) > u64::from(self.max_length) {
            return Err(EncodeError::TooLong { length, max: self.max_length });
        }
        let value = signed(length).saturating_sub(signed(header.field.end)).saturating_sub(self.adjust());
        let value = u64::try_from(value).map_err(|_| EncodeError::LengthDoesNotFit)?;
        let fits = match self.framing {
            Framing::Varint { .. } => varint_width(value) == width,
            Framing::Fixed { .. } | Framing::Message | Framing::Opaque => value <= self.max_value(width),
        };
        if fits { Ok((header, value)) } else { Err(EncodeError::LengthDoesNotFit) }
    }

    fn check_id(&self, id: ProtocolId) -> Result<(), EncodeError> {
        match self.id {
            Some(IdField::Fixed { width, mask, shift, .. }) => {
                let placed = id.0.checked_shl(u32::from(shift)).unwrap_or(0);
                let back = placed.checked_shr(u32::from(shift)).unwrap_or(0);
                let fits = back == id.0 && placed & !mask == 0 && placed <= width.max_value();
                if fits { Ok(()) } else { Err(EncodeError::IdTooLarge) }
            }
            Some(IdField::Varint) => Ok(()),
            None => Err(EncodeError::NoFrames),
        }
    }

    fn field_widths(&self) -> Result<RangeInclusive<usize>, EncodeError> {
        match self.framing {
            Framing::Fixed { width, .. } => Ok(width.bytes()..=width.bytes()),
            Framing::Varint { max_width, .. } => Ok(1..=usize::from(max_width)),
            Framing::Message => Ok(0..=0),
            Framing::Opaque => Err(EncodeError::NoFrames),
        }
    }

    fn max_value(&self, width: usize) -> u64 {
        match self.framing {
            Framing::Fixed { width, .. } => width.max_value(),
            Framing::Varint { .. } => max_varint(width),
            Framing::Message | Framing::Opaque => u64::MAX,
        }
    }

    fn adjust(&self) -> i64 {
        match self.framing {
            Framing::Fixed { adjust, .. } => i64::from(adjust),
            Framing::Varint { .. } | Framing::Message | Framing::Opaque => 0,
        }
    }

    fn header(&self, id: ProtocolId, field_width: usize) -> Result<Header, EncodeError> {
        let at = match self.framing {
            Framing::Fixed { offset, .. } | Framing::Varint { offset, .. } => usize::from(offset),
            Framing::Message | Framing::Opaque => 0,
        };
        let field = at..at + field_width;
        let id = match self.id {
            Some(IdField::Fixed { offset, width, .. }) => {
                usize::from(offset)..usize::from(offset) + width.bytes()
            }
            Some(IdField::Varint) => field.end..field.end + varint_width(id.0),
            None => return Err(EncodeError::NoFrames),
        };
        if field.start < id.end && id.start < field.end {
            return Err(EncodeError::FieldsOverlap);
        }
        Ok(Header { length: field.end.max(id.end), field, id })
    }

    fn write_length(&self, value: u64, field: &mut [u8]) {
        match self.framing {
            Framing::Fixed { order, .. } => write_number(value, order, field),
            Framing::Varint { .. } => write_varint(value, field),
            Framing::Message | Framing::Opaque => {}
        }
    }

    fn write_id(&self, id: ProtocolId, field: &mut [u8]) {
        match self.id {
            Some(IdField::Fixed { order, shift, .. }) => {
                write_number(id.0.checked_shl(u32::from(shift)).unwrap_or(0), order, field);
            }
            Some(IdField::Varint) => write_varint(id.0, field),
            None => {}
        }
    }
}

/// Where the parts of one frame's header are, in bytes from its start.
struct Header {
    field: Range<usize>,
    id: Range<usize>,
    length: usize,
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn varint_at(frame: &[u8], at: usize, max_width: usize) -> Option<usize> {
    match read_varint(frame.get(at..)?, max_width) {
        Varint::Whole { width, .. } => Some(width),
        Varint::Torn | Varint::Bad => None,
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdTooLarge => f.write_str("the protocol ID does not fit its field"),
            Self::TooLong { length, max } => {
                write!(f, "the frame would have {length} bytes; at most {max} are allowed")
            }
            Self::LengthDoesNotFit => f.write_str("the length field cannot hold the length"),
            Self::FieldsOverlap => f.write_str("the length field and the ID share bytes"),
            Self::NoFrames => f.write_str("the layout has no frames or no IDs"),
        }
    }
}

impl std::error::Error for EncodeError {}
