//! Why a listener did not let a connection in, in words.

/// Why a connection was closed before anything of the game was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorRefusal {
    /// The process has little left of something.
    Overload,
    /// The address is banned.
    Banned,
    /// The address is in `deny`.
    Deny,
    /// There is a list `allow`, and the address is not in it.
    Allow,
    /// The listener has as many connections as it may have.
    Connections,
    /// The address has as many connections as it may have.
    ConnectionsPerIp,
    /// New connections from the address come too fast.
    NewPerIp,
    /// Too much of what came from the address was none of the game.
    Glitches,
    /// No PROXY header from a proxy, a wrong one, or one from somebody else.
    ProxyHeader,
    /// The handshake could not begin in time.
    Handshakes,
    /// What was to be the handshake of a WebSocket was none, or not one for here.
    HandshakeRefused,
}

impl DoorRefusal {
    /// Every reason, in the order in which they are looked at.
    pub const ALL: [Self; 11] = [
        Self::Overload,
        Self::Banned,
        Self::Deny,
        Self::Allow,
        Self::Connections,
        Self::ConnectionsPerIp,
        Self::NewPerIp,
        Self::Glitches,
        Self::ProxyHeader,
        Self::Handshakes,
        Self::HandshakeRefused,
    ];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Banned => "banned",
            Self::Deny => "deny",
            Self::Allow => "allow",
            Self::Connections => "connections",
            Self::ConnectionsPerIp => "connections_per_ip",
            Self::NewPerIp => "new_per_ip",
            Self::Glitches => "glitches",
            Self::ProxyHeader => "proxy_header",
            Self::Handshakes => "handshakes",
            Self::HandshakeRefused => "handshake_refused",
        }
    }
}
