//! The fields of envelopes: kind, length, value.

use super::error::EnvelopeError;
use super::limits::{MAX_ADDRESS, MAX_ATTRIBUTES, MAX_NAME, cut_text};

/// What a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Tlv {
    /// u16: the version of the link.
    Version = 1,
    /// u16: 0..=4095.
    GatewayId = 2,
    /// u16: which of the gateway's connections this is.
    Worker = 3,
    /// Text: the name of a cluster.
    Cluster = 4,
    /// Text: the name of a zone.
    Zone = 5,
    /// u32: the highest length field that the sender takes, in bytes.
    MaxEnvelope = 6,
    /// Text: the name of the backend.
    Name = 7,
    /// u64: new at each start of the backend.
    BootId = 8,
    /// u32: sessions.
    Capacity = 9,
    /// u8: the state of the backend.
    State = 10,
    /// u16: 0..=10000 for 0..100 %.
    Load = 11,
    /// u32: sessions.
    Sessions = 12,
    /// u32: the first of some protocol IDs.
    FirstId = 13,
    /// u32: the last of some protocol IDs.
    LastId = 14,
    /// u32: milliseconds.
    ForMs = 15,
    /// Family (4 or 6), address, port.
    ClientAddress = 16,
    /// u8: how the player is connected.
    Transport = 17,
    /// Text: the name of a listener.
    Listener = 18,
    /// Text: an account, not empty.
    Account = 19,
    /// Text: the version of the client.
    ClientVersion = 20,
    /// Text: the release group.
    Group = 21,
    /// Text: a JSON object.
    Attributes = 22,
    /// u64: the count of logins of an account.
    Epoch = 23,
    /// u16: a reason.
    Reason = 24,
    /// Text for people.
    Text = 25,
    /// u32: milliseconds.
    RetryAfterMs = 26,
    /// Text: `host:port`; may repeat.
    Redirect = 27,
    /// Text: `host:port`.
    Backend = 28,
    /// u64 each.
    SessionsList = 29,
    /// Text: the name of a room, not empty.
    Room = 30,
}

impl Tlv {
    /// Every kind in the order of its number.
    pub const ALL: [Self; 30] = [
        Self::Version,
        Self::GatewayId,
        Self::Worker,
        Self::Cluster,
        Self::Zone,
        Self::MaxEnvelope,
        Self::Name,
        Self::BootId,
        Self::Capacity,
        Self::State,
        Self::Load,
        Self::Sessions,
        Self::FirstId,
        Self::LastId,
        Self::ForMs,
        Self::ClientAddress,
        Self::Transport,
        Self::Listener,
        Self::Account,
        Self::ClientVersion,
        Self::Group,
        Self::Attributes,
        Self::Epoch,
        Self::Reason,
        Self::Text,
        Self::RetryAfterMs,
        Self::Redirect,
        Self::Backend,
        Self::SessionsList,
        Self::Room,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The word in the documentation and in ERROR texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::GatewayId => "gateway_id",
            Self::Worker => "worker",
            Self::Cluster => "cluster",
            Self::Zone => "zone",
            Self::MaxEnvelope => "max_envelope",
            Self::Name => "name",
            Self::BootId => "boot_id",
            Self::Capacity => "capacity",
            Self::State => "state",
            Self::Load => "load",
            Self::Sessions => "sessions",
            Self::FirstId => "first_id",
            Self::LastId => "last_id",
            Self::ForMs => "for_ms",
            Self::ClientAddress => "client_address",
            Self::Transport => "transport",
            Self::Listener => "listener",
            Self::Account => "account",
            Self::ClientVersion => "client_version",
            Self::Group => "group",
            Self::Attributes => "attributes",
            Self::Epoch => "epoch",
            Self::Reason => "reason",
            Self::Text => "text",
            Self::RetryAfterMs => "retry_after_ms",
            Self::Redirect => "redirect",
            Self::Backend => "backend",
            Self::SessionsList => "sessions_list",
            Self::Room => "room",
        }
    }
}

/// The fields of one envelope; of a kind that came more than once, the last.
pub(super) struct Fields<'a> {
    last: [Option<&'a [u8]>; SLOTS],
    region: &'a [u8],
}

/// Kinds are 1..=30.
const SLOTS: usize = 31;

impl<'a> Fields<'a> {
    pub(super) fn read(region: &'a [u8]) -> Result<Self, EnvelopeError> {
        let mut fields = Self { last: [None; SLOTS], region };
        let mut rest = region;
        while !rest.is_empty() {
            let (code, value, behind) = split_first(rest).ok_or(EnvelopeError::TornTlv)?;
            if let Some(slot) = fields.last.get_mut(usize::from(code)) {
                *slot = Some(value);
            }
            rest = behind;
        }
        Ok(fields)
    }

    /// All fields as they came, whole.
    pub(super) const fn region(&self) -> &'a [u8] {
        self.region
    }

    pub(super) fn bytes(&self, tlv: Tlv) -> Option<&'a [u8]> {
        self.last.get(usize::from(tlv.code())).copied().flatten()
    }

    pub(super) fn u8(&self, tlv: Tlv) -> Result<Option<u8>, EnvelopeError> {
        Ok(self.array(tlv)?.map(u8::from_be_bytes))
    }

    pub(super) fn u16(&self, tlv: Tlv) -> Result<Option<u16>, EnvelopeError> {
        Ok(self.array(tlv)?.map(u16::from_be_bytes))
    }

    pub(super) fn u32(&self, tlv: Tlv) -> Result<Option<u32>, EnvelopeError> {
        Ok(self.array(tlv)?.map(u32::from_be_bytes))
    }

    pub(super) fn u64(&self, tlv: Tlv) -> Result<Option<u64>, EnvelopeError> {
        Ok(self.array(tlv)?.map(u64::from_be_bytes))
    }

    /// A text inside its limit; texts for people are cut instead.
    pub(super) fn text(&self, tlv: Tlv) -> Result<Option<&'a str>, EnvelopeError> {
        self.bytes(tlv).map(|value| checked_text(tlv, value)).transpose()
    }

    fn array<const N: usize>(&self, tlv: Tlv) -> Result<Option<[u8; N]>, EnvelopeError> {
        self.bytes(tlv).map(|value| value.try_into().map_err(|_| EnvelopeError::BadTlv(tlv))).transpose()
    }
}

/// The first field of a region: its kind, its value and what lies behind it.
pub(super) fn split_first(region: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([code, high, low], rest) = region.split_first_chunk::<3>()?;
    let (value, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
    Some((*code, value, behind))
}

/// The value of a field as the text that its kind allows.
pub(super) fn checked_text(tlv: Tlv, value: &[u8]) -> Result<&str, EnvelopeError> {
    let bad = EnvelopeError::BadTlv(tlv);
    let text = std::str::from_utf8(value).map_err(|_| bad)?;
    let fits = match tlv {
        Tlv::Text => return Ok(cut_text(text)),
        Tlv::Attributes => {
            text.len() <= MAX_ATTRIBUTES && text.trim().starts_with('{') && text.trim().ends_with('}')
        }
        Tlv::Redirect | Tlv::Backend => text.len() <= MAX_ADDRESS && is_host_and_port(text),
        Tlv::Account | Tlv::Room => !text.is_empty() && text.len() <= MAX_NAME,
        Tlv::Cluster | Tlv::Zone | Tlv::Name | Tlv::Listener | Tlv::ClientVersion | Tlv::Group => {
            text.len() <= MAX_NAME
        }
        Tlv::Version
        | Tlv::GatewayId
        | Tlv::Worker
        | Tlv::MaxEnvelope
        | Tlv::BootId
        | Tlv::Capacity
        | Tlv::State
        | Tlv::Load
        | Tlv::Sessions
        | Tlv::FirstId
        | Tlv::LastId
        | Tlv::ForMs
        | Tlv::ClientAddress
        | Tlv::Transport
        | Tlv::Epoch
        | Tlv::Reason
        | Tlv::RetryAfterMs
        | Tlv::SessionsList => false,
    };
    if fits { Ok(text) } else { Err(bad) }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}
