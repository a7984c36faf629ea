//! What the larger messages are made of.

use std::net::SocketAddr;

use super::limits::{DEFAULT_MAX_ENVELOPE, VERSION};
use super::list::Redirects;
use crate::base::GatewayId;

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
    /// The word of logs and of the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

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
