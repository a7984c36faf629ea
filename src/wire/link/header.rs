//! The sixteen bytes in front of every envelope, and the short way for frames.

use super::error::EnvelopeError;
use super::kind::Kind;
use crate::base::SessionId;

/// The session field of envelopes that speak of the link itself.
pub const LINK: SessionId = SessionId::from_raw(0);

/// The bytes of the header.
pub const HEADER_LENGTH: usize = 16;

/// The bytes of the header that the length field counts.
pub(super) const COUNTED: u32 = 12;
/// The bytes of the length field, which counts what follows it.
pub const LENGTH_FIELD: usize = 4;

/// The header of one envelope, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The bytes behind the length field.
    pub length: u32,
    /// The type, known or not.
    pub code: u8,
    /// The bytes of all TLVs.
    pub tlv_length: u16,
    /// The session, or [`LINK`].
    pub session: SessionId,
}

impl Header {
    /// Reads a header without judging it; `None` below [`HEADER_LENGTH`] bytes.
    #[must_use]
    pub fn peek(head: &[u8]) -> Option<Self> {
        let [l0, l1, l2, l3, code, _flags, t0, t1, s @ ..] = head.first_chunk::<HEADER_LENGTH>()?;
        Some(Self {
            length: u32::from_be_bytes([*l0, *l1, *l2, *l3]),
            code: *code,
            tlv_length: u16::from_be_bytes([*t0, *t1]),
            session: SessionId::from_raw(u64::from_be_bytes(*s)),
        })
    }

    /// Where the payload begins, in bytes from the start of the envelope.
    #[must_use]
    pub fn payload_start(&self) -> usize {
        HEADER_LENGTH + usize::from(self.tlv_length)
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_LENGTH] {
        let length_and_code = u128::from(self.length) << 96 | u128::from(self.code) << 88;
        let all = length_and_code | u128::from(self.tlv_length) << 64 | u128::from(self.session.raw());
        all.to_be_bytes()
    }
}

/// The bytes of the whole envelope that begins with `head`; `None` before its length field is there.
/// `max_envelope` limits the length field, in bytes.
///
/// # Errors
/// The length field is over the limit or ends inside the header: known from the first four bytes on, before
/// anything is reserved.
pub fn measure(head: &[u8], max_envelope: u32) -> Result<Option<usize>, EnvelopeError> {
    let Some(field) = head.first_chunk::<LENGTH_FIELD>() else { return Ok(None) };
    let claimed = u32::from_be_bytes(*field);
    let too_long = EnvelopeError::TooLong { claimed, max: max_envelope };
    if claimed > max_envelope {
        return Err(too_long);
    }
    if claimed < COUNTED {
        return Err(EnvelopeError::TooShort { claimed });
    }
    let length = usize::try_from(claimed).map_err(|_| too_long)?;
    length.checked_add(LENGTH_FIELD).map(Some).ok_or(too_long)
}

/// Appends a FRAME without TLVs: the header and the frame, one reservation. The limit that the other side named
/// at HELLO is the caller's to check: `12 + frame.len()` must not be over it.
///
/// # Errors
/// The frame is longer than a length field can say, or `session` is [`LINK`]; `out` is unchanged then.
pub fn append_frame_envelope(
    session: SessionId,
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EnvelopeError> {
    let head = frame_head(session, frame.len())?;
    out.reserve(HEADER_LENGTH + frame.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(frame);
    Ok(())
}

/// The header of a FRAME without TLVs, for a frame of so many bytes that comes behind it.
///
/// # Errors
/// As [`append_frame_envelope`].
#[inline]
pub fn frame_head(session: SessionId, frame: usize) -> Result<[u8; HEADER_LENGTH], EnvelopeError> {
    let too_long = EnvelopeError::TooLong { claimed: u32::MAX, max: u32::MAX };
    let length = u32::try_from(frame).ok().and_then(|length| length.checked_add(COUNTED)).ok_or(too_long)?;
    if session == LINK {
        return Err(EnvelopeError::WrongSession(Kind::Frame));
    }
    Ok(Header { length, code: Kind::Frame.code(), tlv_length: 0, session }.to_bytes())
}
