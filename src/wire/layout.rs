//! What a game's frames look like: where the length is, where the protocol ID is, and which frames the gateway
//! itself answers or writes.

use crate::base::ProtocolId;

/// How to find the frames of one game in a stream of bytes. Made only from a checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameLayout {
    /// Where a frame ends.
    pub framing: Framing,
    /// Where the protocol ID is; `None` only for [`Framing::Opaque`].
    pub id: Option<IdField>,
    /// The longest whole frame in bytes, header included.
    pub max_length: u32,
    /// The frame that the gateway answers itself and never forwards.
    pub heartbeat: Option<Heartbeat>,
    /// The protocol ID of the frames that the gateway writes to players; `None`: it writes none.
    pub notice: Option<ProtocolId>,
}

/// Where a frame ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A length field of fixed width: whole frame = `offset + width + value + adjust` bytes.
    Fixed {
        /// Bytes before the length field.
        offset: u16,
        /// Bytes of the length field.
        width: Width,
        /// The order of these bytes.
        order: ByteOrder,
        /// Added to the value: negative where the value counts header bytes too.
        adjust: i32,
    },
    /// A LEB128 length that counts the bytes after it.
    Varint {
        /// Bytes before the length field.
        offset: u16,
        /// The most bytes the length may take: 1..=5.
        max_width: u8,
    },
    /// One message of the transport (WebSocket) is one frame.
    Message,
    /// No frames are read: the session's bytes go whole to one cluster.
    Opaque,
}

/// Where the protocol ID of a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdField {
    /// A number of fixed width: ID = `(value & mask) >> shift`.
    Fixed {
        /// Counted from the first byte of the frame.
        offset: u16,
        /// Bytes of the number.
        width: Width,
        /// The order of these bytes.
        order: ByteOrder,
        /// The bits that belong to the ID.
        mask: u64,
        /// How far the ID is shifted to the left in them: 0..=63.
        shift: u8,
    },
    /// A LEB128 number in the first bytes after the length.
    Varint,
}

/// The bytes of a fixed number: 1, 2, 3, 4 or 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// u8
    One = 1,
    /// u16
    Two = 2,
    /// Three bytes, as some games use for lengths.
    Three = 3,
    /// u32
    Four = 4,
    /// u64
    Eight = 8,
}

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The high byte first.
    Big,
    /// The low byte first.
    Little,
}

/// A frame of the game that asks "are you there" and the one that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What the player sends.
    pub id: ProtocolId,
    /// What the gateway answers: a header with this ID and nothing behind it.
    pub reply: ProtocolId,
}

impl FrameLayout {
    /// Whether the gateway itself writes frames with this ID to players. What a backend sends with it cannot be told
    /// apart from those.
    #[must_use]
    pub fn is_of_gateway(&self, id: ProtocolId) -> bool {
        self.notice == Some(id) || self.heartbeat.is_some_and(|heartbeat| heartbeat.reply == id)
    }

    /// Whether the ends of its frames can be found in a run of bytes.
    #[must_use]
    pub const fn is_stream(&self) -> bool {
        matches!(self.framing, Framing::Fixed { .. } | Framing::Varint { .. })
    }
}

impl Width {
    /// The width with so many bytes; `None` for one that layouts do not have.
    #[must_use]
    pub const fn from_bytes(bytes: i64) -> Option<Self> {
        match bytes {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            3 => Some(Self::Three),
            4 => Some(Self::Four),
            8 => Some(Self::Eight),
            _ => None,
        }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self as usize
    }

    /// The highest number that fits.
    #[must_use]
    pub const fn max_value(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}
