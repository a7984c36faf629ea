//! Identifiers that cross rooms and wires.

use std::fmt;

/// The number in a frame that says what the frame is. Fields of up to eight bytes fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolId(pub u64);

impl fmt::Display for ProtocolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A cluster for as long as the process lives: its name, as a place in a list. Kept over reloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterKey(pub u16);

impl ClusterKey {
    /// The place in lists that are kept by cluster.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A backend of a cluster for as long as the process lives: cluster and address, as a place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendKey(pub u32);

impl BackendKey {
    /// The place in lists that are kept by backend.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The number of a gateway in its fleet: 0..=4095.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GatewayId(u16);

impl GatewayId {
    /// The highest number that fits the twelve bits of a session ID.
    pub const MAX: u16 = 4095;

    /// `None` above [`GatewayId::MAX`].
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        if id <= Self::MAX { Some(Self(id)) } else { None }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// One player's connection, unique over the fleet and over restarts: gateway (12 bits), start of the gateway
/// (20 bits), counter (32 bits). Never 0 for a counter from 1 on, since 0 names the link itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// Puts an ID together; of `start` only the low 20 bits are kept.
    #[must_use]
    pub const fn new(gateway: GatewayId, start: u32, counter: u32) -> Self {
        let start = (start & 0x000F_FFFF) as u64;
        Self((gateway.0 as u64) << 52 | start << 32 | counter as u64)
    }

    /// The eight bytes of the wire as a number.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The number that goes over the wire.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Its counter.
    #[must_use]
    pub const fn counter(self) -> u32 {
        (self.0 & 0xFFFF_FFFF) as u32
    }
}

impl std::str::FromStr for SessionId {
    type Err = NoSession;

    /// Sixteen hexadecimal digits, as they are shown.
    fn from_str(text: &str) -> Result<Self, NoSession> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or(NoSession)
    }
}

/// The text is no session's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSession;

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_keeps_its_three_parts_apart() {
        let gateway = GatewayId::new(4095).expect("in range");
        assert_eq!(SessionId::new(gateway, 0xFFFF_FFFF, 7).raw(), 0xFFFF_FFFF_0000_0007);
        let gateway = GatewayId::new(1).expect("in range");
        assert_eq!(SessionId::new(gateway, 2, 3).to_string(), "0010000200000003");
    }

    #[test]
    fn a_gateway_id_ends_at_twelve_bits() {
        assert!(GatewayId::new(4096).is_none());
    }
}
