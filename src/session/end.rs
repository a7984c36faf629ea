//! Why a session ended: the closed set of the access log, and what player and backends are told.

use crate::base::{Blame, Reason};
use crate::wire::NoticeCode;

/// The `end_reason` of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The player closed in order.
    PlayerLeft,
    /// The player's connection broke.
    PlayerReset,
    /// No whole frame within `idle_timeout`.
    Idle,
    /// A frame was not whole within `frame_timeout`.
    FrameTimeout,
    /// No TLS handshake within `handshake_timeout`.
    HandshakeTimeout,
    /// The TLS handshake or a TLS record was wrong.
    TlsFailed,
    /// Bytes that are no frame of the game.
    Malformed,
    /// A frame that claims to be longer than `max_length`.
    FrameTooLong,
    /// An ID that no route has, on a listener that closes for it.
    UnknownId,
    /// The player did not take what was sent to it.
    TooSlow,
    /// A backend ordered it.
    Kicked,
    /// A backend is gone whose cluster says `on_loss = "close"`, or the one backend of an opaque session.
    BackendLost,
    /// The backend of a dedicated connection closed it in order.
    BackendClosed,
    /// Its release group moved, and it was told.
    Moved,
    /// The gateway is stopping and the session's turn has come.
    Draining,
    /// The gateway's drain deadline has passed.
    Cut,
    /// The session's own task failed.
    Bug,
}

impl EndReason {
    /// Every reason, for counters and tests.
    pub const ALL: [Self; 17] = [
        Self::PlayerLeft,
        Self::PlayerReset,
        Self::Idle,
        Self::FrameTimeout,
        Self::HandshakeTimeout,
        Self::TlsFailed,
        Self::Malformed,
        Self::FrameTooLong,
        Self::UnknownId,
        Self::TooSlow,
        Self::Kicked,
        Self::BackendLost,
        Self::BackendClosed,
        Self::Moved,
        Self::Draining,
        Self::Cut,
        Self::Bug,
    ];

    /// The word for the access log and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlayerLeft => "player_left",
            Self::PlayerReset => "player_reset",
            Self::Idle => "idle",
            Self::FrameTimeout => "frame_timeout",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::TlsFailed => "tls_failed",
            Self::Malformed => "malformed",
            Self::FrameTooLong => "frame_too_long",
            Self::UnknownId => "unknown_id",
            Self::TooSlow => "too_slow",
            Self::Kicked => "kicked",
            Self::BackendLost => "backend_lost",
            Self::BackendClosed => "backend_closed",
            Self::Moved => "moved",
            Self::Draining => "draining",
            Self::Cut => "cut",
            Self::Bug => "bug",
        }
    }

    /// What the player is told before the connection ends; `None` where nobody reads it any more, or nobody
    /// could yet.
    #[must_use]
    pub const fn notice(self) -> Option<NoticeCode> {
        match self {
            Self::Idle | Self::FrameTimeout => Some(NoticeCode::Idle),
            Self::Malformed => Some(NoticeCode::Malformed),
            Self::FrameTooLong => Some(NoticeCode::FrameTooLong),
            Self::UnknownId => Some(NoticeCode::UnknownId),
            Self::TooSlow => Some(NoticeCode::TooSlow),
            Self::Kicked => Some(NoticeCode::Kicked),
            Self::BackendLost => Some(NoticeCode::Unavailable),
            Self::Moved => Some(NoticeCode::Moved),
            Self::Draining => Some(NoticeCode::ShuttingDown),
            Self::PlayerLeft
            | Self::PlayerReset
            | Self::HandshakeTimeout
            | Self::TlsFailed
            | Self::BackendClosed
            | Self::Cut
            | Self::Bug => None,
        }
    }

    /// What the session's backends are told in CLOSE.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::PlayerLeft
            | Self::PlayerReset
            | Self::HandshakeTimeout
            | Self::TlsFailed
            | Self::BackendClosed
            | Self::Bug => Reason::PlayerLeft,
            Self::Idle | Self::FrameTimeout => Reason::Idle,
            Self::Malformed | Self::FrameTooLong | Self::UnknownId => Reason::Malformed,
            Self::TooSlow => Reason::TooSlow,
            Self::Kicked => Reason::Kicked,
            Self::BackendLost => Reason::BackendLost,
            Self::Moved => Reason::Moved,
            Self::Draining | Self::Cut => Reason::GatewayDraining,
        }
    }

    /// Whether the gateway chose the moment, so that answers on their way may still arrive.
    #[must_use]
    pub const fn is_planned(self) -> bool {
        matches!(self, Self::Moved | Self::Draining)
    }

    /// Who has to act.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::BackendLost | Self::BackendClosed => Blame::Backend,
            Self::Moved | Self::Draining | Self::Cut => Blame::Operator,
            Self::Bug => Blame::Bug,
            Self::PlayerLeft
            | Self::PlayerReset
            | Self::Idle
            | Self::FrameTimeout
            | Self::HandshakeTimeout
            | Self::TlsFailed
            | Self::Malformed
            | Self::FrameTooLong
            | Self::UnknownId
            | Self::TooSlow
            | Self::Kicked => Blame::Player,
        }
    }
}
