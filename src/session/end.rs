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
    /// No handshake of TLS or WebSocket within `handshake_timeout`.
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
    /// Nobody logged in within `login_timeout`.
    LoginTimeout,
    /// A newer login of the same account took the seat.
    Replaced,
    /// The login was not accepted.
    Unauthorized,
    /// The client's version is not one that may play.
    UpdateRequired,
    /// The account or the address is banned.
    Banned,
    /// More frames than the route or the listener takes, where that closes.
    RateLimited,
    /// The waiting line is full.
    QueueFull,
    /// The waiting line is full, and another gateway was named.
    Redirected,
    /// The connection went over to the session that it resumes.
    Resumed,
    /// The player did not come back to its session in time.
    NotResumed,
    /// The connection's first bytes were no PROXY header where one is required, or one where none is allowed.
    ProxyHeader,
    /// The listener let it in no further: the limits of the address behind its proxy, or too many handshakes.
    Refused,
    /// What was to be the handshake of a WebSocket was none, or not one for its listener.
    HandshakeRefused,
    /// The session's own task failed.
    Bug,
}

impl EndReason {
    /// Every reason, for counters and tests.
    pub const ALL: [Self; 30] = [
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
        Self::LoginTimeout,
        Self::Replaced,
        Self::Unauthorized,
        Self::UpdateRequired,
        Self::Banned,
        Self::RateLimited,
        Self::QueueFull,
        Self::Redirected,
        Self::Resumed,
        Self::NotResumed,
        Self::ProxyHeader,
        Self::Refused,
        Self::HandshakeRefused,
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
            Self::LoginTimeout => "login_timeout",
            Self::Replaced => "replaced",
            Self::Unauthorized => "unauthorized",
            Self::UpdateRequired => "update_required",
            Self::Banned => "banned",
            Self::RateLimited => "rate_limited",
            Self::QueueFull => "queue_full",
            Self::Redirected => "redirected",
            Self::Resumed => "resumed",
            Self::NotResumed => "not_resumed",
            Self::ProxyHeader => "proxy_header",
            Self::Refused => "refused",
            Self::HandshakeRefused => "handshake_refused",
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
            Self::LoginTimeout => Some(NoticeCode::LoginRequired),
            Self::Replaced => Some(NoticeCode::Replaced),
            Self::Unauthorized => Some(NoticeCode::Unauthorized),
            Self::UpdateRequired => Some(NoticeCode::UpdateRequired),
            Self::Banned => Some(NoticeCode::Kicked),
            Self::RateLimited => Some(NoticeCode::RateLimited),
            Self::QueueFull => Some(NoticeCode::Overloaded),
            Self::Redirected => Some(NoticeCode::Redirect),
            Self::PlayerLeft
            | Self::PlayerReset
            | Self::HandshakeTimeout
            | Self::TlsFailed
            | Self::BackendClosed
            | Self::Cut
            | Self::Resumed
            | Self::NotResumed
            | Self::ProxyHeader
            | Self::Refused
            | Self::HandshakeRefused
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
            | Self::Resumed
            | Self::NotResumed
            | Self::Refused
            | Self::HandshakeRefused
            | Self::Bug => Reason::PlayerLeft,
            Self::Idle | Self::FrameTimeout => Reason::Idle,
            Self::Malformed | Self::FrameTooLong | Self::UnknownId | Self::ProxyHeader => Reason::Malformed,
            Self::TooSlow => Reason::TooSlow,
            Self::Kicked => Reason::Kicked,
            Self::BackendLost => Reason::BackendLost,
            Self::Moved => Reason::Moved,
            Self::Draining | Self::Cut => Reason::GatewayDraining,
            Self::LoginTimeout => Reason::LoginTimeout,
            Self::Replaced => Reason::Replaced,
            Self::Unauthorized => Reason::Unauthorized,
            Self::UpdateRequired => Reason::UpdateRequired,
            Self::Banned => Reason::Banned,
            Self::RateLimited => Reason::Overloaded,
            Self::QueueFull | Self::Redirected => Reason::QueueFull,
        }
    }

    /// The close code that a WebSocket player reads (RFC 6455, 7.4.1).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            // Nothing was wrong, or nobody reads it.
            Self::PlayerLeft
            | Self::PlayerReset
            | Self::BackendClosed
            | Self::Resumed
            | Self::HandshakeTimeout
            | Self::TlsFailed
            | Self::ProxyHeader
            | Self::Refused
            | Self::HandshakeRefused => 1000,
            // This end of the connection goes away; another connection may find its place.
            Self::Idle
            | Self::FrameTimeout
            | Self::Moved
            | Self::Draining
            | Self::Cut
            | Self::Redirected
            | Self::NotResumed => 1001,
            // What the player did, or is, is not taken here.
            Self::Malformed
            | Self::UnknownId
            | Self::TooSlow
            | Self::Kicked
            | Self::LoginTimeout
            | Self::Replaced
            | Self::Unauthorized
            | Self::UpdateRequired
            | Self::Banned
            | Self::RateLimited => 1008,
            Self::FrameTooLong => 1009,
            Self::BackendLost | Self::Bug => 1011,
            Self::QueueFull => 1013,
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
            Self::Moved | Self::Draining | Self::Cut | Self::QueueFull | Self::Redirected => Blame::Operator,
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
            | Self::Kicked
            | Self::LoginTimeout
            | Self::Replaced
            | Self::Unauthorized
            | Self::UpdateRequired
            | Self::Banned
            | Self::RateLimited
            | Self::Resumed
            | Self::NotResumed
            | Self::ProxyHeader
            | Self::Refused
            | Self::HandshakeRefused => Blame::Player,
        }
    }
}
