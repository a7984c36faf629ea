//! Why bytes are no envelope, or a message cannot be sent as one.

use std::fmt;

use super::kind::Kind;
use super::limits::MAX_PING;
use super::tlv::Tlv;
use crate::base::Reason;

/// Why bytes are no envelope. The link cannot be used on after any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// The length field is over the limit. In bytes behind that field.
    TooLong {
        /// What the envelope says.
        claimed: u32,
        /// What was agreed at HELLO.
        max: u32,
    },
    /// The length field ends inside the header. In bytes behind that field.
    TooShort {
        /// What the envelope says.
        claimed: u32,
    },
    /// The bytes are not exactly one envelope.
    NotWhole,
    /// The TLVs are longer than the envelope.
    TlvsTooLong,
    /// A TLV ends behind the last of them.
    TornTlv,
    /// A type that must be understood and is not.
    UnknownType(u8),
    /// A session where the type speaks of the link, or none where it speaks of a session.
    WrongSession(Kind),
    /// A TLV that the type cannot do without.
    Missing(Tlv),
    /// A TLV whose value is too long or no such value.
    BadTlv(Tlv),
    /// The payload of a PING or PONG is too long.
    PingTooLong,
}

impl EnvelopeError {
    /// The reason to put into an ERROR envelope beside the text.
    #[must_use]
    pub const fn reason(self) -> Reason {
        Reason::Malformed
    }

    /// The word for metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_long",
            Self::TooShort { .. } => "too_short",
            Self::NotWhole => "not_whole",
            Self::TlvsTooLong => "tlvs_too_long",
            Self::TornTlv => "torn_tlv",
            Self::UnknownType(_) => "unknown_type",
            Self::WrongSession(_) => "wrong_session",
            Self::Missing(_) => "missing_tlv",
            Self::BadTlv(_) => "bad_tlv",
            Self::PingTooLong => "ping_too_long",
        }
    }
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { claimed, max } => write!(f, "length {claimed} is over the limit of {max}"),
            Self::TooShort { claimed } => write!(f, "length {claimed} is below 12"),
            Self::NotWhole => f.write_str("not exactly one envelope"),
            Self::TlvsTooLong => f.write_str("tlv_length is longer than the envelope"),
            Self::TornTlv => f.write_str("a TLV ends behind tlv_length"),
            Self::UnknownType(code) => write!(f, "type {code} is not known and must not be skipped"),
            Self::WrongSession(kind) => {
                write!(f, "the session field does not fit the type {}", kind.as_str())
            }
            Self::Missing(tlv) => write!(f, "the TLV {} is missing", tlv.as_str()),
            Self::BadTlv(tlv) => write!(f, "the TLV {} is too long or has no valid value", tlv.as_str()),
            Self::PingTooLong => write!(f, "a ping carries more than {MAX_PING} bytes"),
        }
    }
}

impl std::error::Error for EnvelopeError {}
