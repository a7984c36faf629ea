//! What envelopes say, one variant a type. Texts and bytes are lent from the envelope.

use std::net::SocketAddr;

use super::kind::Kind;
use super::limits::{DEFAULT_MAX_ENVELOPE, VERSION};
use super::list::{Redirects, Sessions};
use crate::base::{GatewayId, Reason, SessionId};

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

/// The gateway's first envelope on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The version of the link.
    pub version: u16,
    /// Who speaks.
    pub gateway_id: GatewayId,
    /// Which of the gateway's connections this is.
    pub worker: u16,
    /// The cluster that the gateway takes the backend for.
    pub cluster: &'a str,
    /// Where the gateway stands.
    pub zone: Option<&'a str>,
    /// The highest length field that the gateway takes, in bytes; the default where none came.
    pub max_envelope: u32,
}

/// The backend's first envelope on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloAck<'a> {
    /// The version of the link.
    pub version: u16,
    /// What the backend calls itself.
    pub name: Option<&'a str>,
    /// New at each start of the backend.
    pub boot_id: u64,
    /// How many sessions it takes.
    pub capacity: Option<u32>,
    /// How it is; `Ok` where none came.
    pub state: BackendState,
    /// The highest length field that the backend takes, in bytes; the default where none came.
    pub max_envelope: u32,
}

/// How busy a backend is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// 0..=10000 for 0..100 %.
    pub load: Option<u16>,
    /// The sessions it has.
    pub sessions: Option<u32>,
    /// The sessions it takes.
    pub capacity: Option<u32>,
}

/// Protocol IDs that fail at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception<'a> {
    /// The first of them.
    pub first_id: u32,
    /// The last of them, not below the first.
    pub last_id: u32,
    /// For how long, in milliseconds.
    pub for_ms: u32,
    /// Why, for people.
    pub text: Option<&'a str>,
}

/// A session that comes to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// Where the player is.
    pub client_address: SocketAddr,
    /// How the player is connected.
    pub transport: Transport,
    /// The name of the listener where the player arrived.
    pub listener: &'a str,
    /// Who the player is, once known.
    pub account: Option<&'a str>,
    /// The version of the client.
    pub version: Option<&'a str>,
    /// The release group.
    pub group: Option<&'a str>,
    /// A JSON object, not parsed.
    pub attributes: Option<&'a str>,
}

/// The end of a session that the backend wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kick<'a> {
    /// As a number.
    pub reason: u16,
    /// For the player.
    pub text: Option<&'a str>,
    /// When the client may try again, in milliseconds.
    pub retry_after_ms: Option<u32>,
    /// Where the client may go instead.
    pub redirect: Redirects<'a>,
}

/// Whether a backend wants sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum BackendState {
    /// As usual.
    #[default]
    Ok = 0,
    /// Only when others are short.
    Degraded = 1,
    /// No new sessions: the backend's own breaker.
    Refusing = 2,
    /// No new sessions: it is being emptied.
    Draining = 3,
    /// It ends soon.
    Stopping = 4,
}

/// How a player is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Transport {
    /// Plain TCP.
    Tcp = 1,
    /// TLS.
    Tls = 2,
    /// WebSocket over plain TCP.
    Ws = 3,
    /// WebSocket over TLS.
    Wss = 4,
}

/// For whom a BROADCAST is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All sessions of the gateway.
    All,
    /// Those in a room.
    Room(&'a str),
    /// Those of a release group.
    Group(&'a str),
    /// Those of gateways in a zone.
    Zone(&'a str),
}

impl<'a> Hello<'a> {
    /// A HELLO of this version with the default limit.
    #[must_use]
    pub const fn new(gateway_id: GatewayId, worker: u16, cluster: &'a str) -> Self {
        let max_envelope = DEFAULT_MAX_ENVELOPE;
        Self { version: VERSION, gateway_id, worker, cluster, zone: None, max_envelope }
    }
}

impl HelloAck<'_> {
    /// A HELLO_ACK of this version with the default limit.
    #[must_use]
    pub const fn new(boot_id: u64) -> Self {
        let (state, max_envelope) = (BackendState::Ok, DEFAULT_MAX_ENVELOPE);
        Self { version: VERSION, name: None, boot_id, capacity: None, state, max_envelope }
    }
}

impl BackendState {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Ok),
            1 => Some(Self::Degraded),
            2 => Some(Self::Refusing),
            3 => Some(Self::Draining),
            4 => Some(Self::Stopping),
            _ => None,
        }
    }
}

impl Transport {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The transport with this number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Tcp),
            2 => Some(Self::Tls),
            3 => Some(Self::Ws),
            4 => Some(Self::Wss),
            _ => None,
        }
    }
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
