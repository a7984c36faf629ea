//! What envelopes say, one variant a type. Texts and bytes are lent from the envelope.

use super::kind::Kind;
use super::list::Sessions;
use super::parts::{BackendState, Exception, Hello, HelloAck, Kick, LoadReport, Open, Scope};
use crate::base::{Reason, SessionId};

/// One envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Whom it is about; [`super::LINK`] for the link itself.
    pub session: SessionId,
    /// What it says.
    pub message: Message<'a>,
}

/// What an envelope says. Reasons are numbers as they came, since a newer side may know more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The gateway says who it is.
    Hello(Hello<'a>),
    /// The backend says who it is.
    HelloAck(HelloAck<'a>),
    /// Are you there?
    Ping {
        /// At most 64 bytes, returned as they are.
        payload: &'a [u8],
    },
    /// The answer to a PING.
    Pong {
        /// The PING's payload.
        payload: &'a [u8],
        /// What the backend adds about itself.
        report: LoadReport,
    },
    /// How busy the backend is; at least one field is set.
    Load(LoadReport),
    /// Whether the backend wants sessions.
    State {
        /// How it is.
        state: BackendState,
        /// Why, for people.
        text: Option<&'a str>,
    },
    /// Protocol IDs that fail at the backend.
    Exception(Exception<'a>),
    /// The gateway is leaving.
    GoAway {
        /// Why, for people.
        text: Option<&'a str>,
    },
    /// What was wrong with the envelope before.
    Error {
        /// As a number.
        reason: u16,
        /// For people.
        text: Option<&'a str>,
    },
    /// A session comes.
    Open(Open<'a>),
    /// A session is gone.
    Close {
        /// As a number.
        reason: u16,
        /// For people.
        text: Option<&'a str>,
    },
    /// The player is this account.
    Bind {
        /// At most 128 bytes.
        account: &'a str,
        /// Counts the logins of the account.
        epoch: u64,
    },
    /// Close the player's connection after what was sent before has been flushed.
    Kick(Kick<'a>),
    /// The backend does not take the session.
    Refuse {
        /// As a number.
        reason: u16,
        /// For people.
        text: Option<&'a str>,
    },
    /// From the next frame on, the session's frames of a cluster go elsewhere.
    Move {
        /// The cluster's name.
        cluster: &'a str,
        /// `host:port`.
        backend: &'a str,
    },
    /// The player's send buffer is above its mark.
    Pause,
    /// The player's send buffer is below its mark again.
    Resume,
    /// Attributes that changed.
    Attributes {
        /// A JSON object, not parsed.
        attributes: &'a str,
    },
    /// A frame of the game.
    Frame {
        /// Whole and unchanged.
        payload: &'a [u8],
    },
    /// One frame for listed sessions.
    Multicast {
        /// At most 8,000.
        sessions: Sessions<'a>,
        /// The frame.
        payload: &'a [u8],
    },
    /// One frame for many sessions.
    Broadcast {
        /// For whom.
        scope: Scope<'a>,
        /// The frame.
        payload: &'a [u8],
    },
    /// What was sent to a session did not reach it.
    Undelivered {
        /// As a number.
        reason: u16,
    },
    /// The session enters a room.
    Join {
        /// At most 128 bytes.
        room: &'a str,
    },
    /// The session leaves a room.
    Leave {
        /// At most 128 bytes.
        room: &'a str,
    },
    /// The room ends.
    RoomClose {
        /// At most 128 bytes.
        room: &'a str,
    },
    /// A type of a newer version that may be skipped; it cannot be sent.
    Unknown {
        /// Below 0x80.
        code: u8,
    },
}

impl Message<'_> {
    /// The number of the type, known or not.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match (self.kind(), self) {
            (Some(kind), _) => kind.code(),
            (None, Self::Unknown { code }) => *code,
            (None, _) => 0,
        }
    }

    /// The type; `None` for one that this version does not know.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Hello(_) => Kind::Hello,
            Self::HelloAck(_) => Kind::HelloAck,
            Self::Ping { .. } => Kind::Ping,
            Self::Pong { .. } => Kind::Pong,
            Self::Load(_) => Kind::Load,
            Self::State { .. } => Kind::State,
            Self::Exception(_) => Kind::Exception,
            Self::GoAway { .. } => Kind::GoAway,
            Self::Error { .. } => Kind::Error,
            Self::Open(_) => Kind::Open,
            Self::Close { .. } => Kind::Close,
            Self::Bind { .. } => Kind::Bind,
            Self::Kick(_) => Kind::Kick,
            Self::Refuse { .. } => Kind::Refuse,
            Self::Move { .. } => Kind::Move,
            Self::Pause => Kind::Pause,
            Self::Resume => Kind::Resume,
            Self::Attributes { .. } => Kind::Attributes,
            Self::Frame { .. } => Kind::Frame,
            Self::Multicast { .. } => Kind::Multicast,
            Self::Broadcast { .. } => Kind::Broadcast,
            Self::Undelivered { .. } => Kind::Undelivered,
            Self::Join { .. } => Kind::Join,
            Self::Leave { .. } => Kind::Leave,
            Self::RoomClose { .. } => Kind::RoomClose,
            Self::Unknown { .. } => return None,
        })
    }

    /// The reason it carries, where this version knows its number.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Error { reason, .. }
            | Self::Close { reason, .. }
            | Self::Refuse { reason, .. }
            | Self::Undelivered { reason }
            | Self::Kick(Kick { reason, .. }) => Reason::from_code(*reason),
            Self::Hello(_)
            | Self::HelloAck(_)
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Load(_)
            | Self::State { .. }
            | Self::Exception(_)
            | Self::GoAway { .. }
            | Self::Open(_)
            | Self::Bind { .. }
            | Self::Move { .. }
            | Self::Pause
            | Self::Resume
            | Self::Attributes { .. }
            | Self::Frame { .. }
            | Self::Multicast { .. }
            | Self::Broadcast { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::RoomClose { .. }
            | Self::Unknown { .. } => None,
        }
    }
}
