//! What a peer may do wrong, and the close code that says so.

use std::fmt;

/// Why what came is no WebSocket, or none that is taken here. The connection cannot be read on after any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSocketFault {
    /// A reserved bit that no extension has given a meaning.
    ReservedBits,
    /// An opcode that has no meaning.
    ReservedOpcode,
    /// A client that does not mask, or a server that does.
    Masking,
    /// A length that a shorter form could say.
    PaddedLength,
    /// A control frame of more than 125 bytes.
    LongControl,
    /// A control frame in fragments.
    FragmentedControl,
    /// A fragment that goes on with no message.
    NothingToContinue,
    /// A message inside the fragments of another one.
    Interrupted,
    /// A close frame of one byte, or with a code that is not for the wire.
    BadClose,
    /// A text or a reason that is not UTF-8.
    NotUtf8,
    /// A message that says it is deflated, and does not inflate.
    NotDeflate,
    /// A text where only bytes are taken.
    Text,
    /// A message that says it is longer than allowed. In bytes of all its payload so far.
    TooLong {
        /// What it says.
        claimed: u64,
        /// What is allowed.
        max: u32,
    },
    /// A deflated message that says more than allowed; how much more, nobody looked.
    Swells {
        /// What is allowed, in bytes.
        max: u32,
    },
}

impl WebSocketFault {
    /// The close code that tells the peer.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode
            | Self::Masking
            | Self::PaddedLength
            | Self::LongControl
            | Self::FragmentedControl
            | Self::NothingToContinue
            | Self::Interrupted
            | Self::BadClose => 1002,
            Self::Text => 1003,
            Self::NotUtf8 | Self::NotDeflate => 1007,
            Self::TooLong { .. } | Self::Swells { .. } => 1009,
        }
    }
}

impl fmt::Display for WebSocketFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedBits => "a reserved bit is set",
            Self::ReservedOpcode => "a reserved opcode",
            Self::Masking => "a frame is masked where it must not be, or not masked where it must be",
            Self::PaddedLength => "a length in a longer form than it needs",
            Self::LongControl => "a control frame of more than 125 bytes",
            Self::FragmentedControl => "a control frame in fragments",
            Self::NothingToContinue => "a fragment goes on with no message",
            Self::Interrupted => "a message begins inside another one",
            Self::BadClose => "a close frame with half a code, or a code that is not for the wire",
            Self::NotUtf8 => "a text is not UTF-8",
            Self::NotDeflate => "a deflated message does not inflate",
            Self::Text => "a text where only binary messages are taken",
            Self::TooLong { claimed, max } => {
                return write!(f, "a message of {claimed} bytes; at most {max} are allowed");
            }
            Self::Swells { max } => {
                return write!(f, "a message that inflates to more than the {max} bytes that are allowed");
            }
        })
    }
}

impl std::error::Error for WebSocketFault {}
