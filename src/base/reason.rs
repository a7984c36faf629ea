//! Why a session ended or was refused, as both sides of a link number it.

use std::fmt;

/// The reasons of the link protocol. Below 0x8000 a client may reconnect by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Reason {
    /// The player closed the connection.
    PlayerLeft = 1,
    /// No whole frame within the idle time, or no bytes of one within the frame time.
    Idle = 2,
    /// The backend that held the session is gone.
    BackendLost = 3,
    /// The gateway is stopping.
    GatewayDraining = 4,
    /// The gateway or the backend has no room.
    Overloaded = 5,
    /// The session belongs to another place now.
    Moved = 6,
    /// The player did not take what was sent to it.
    TooSlow = 7,
    /// No login in time.
    LoginTimeout = 8,
    /// The waiting line is full.
    QueueFull = 9,
    /// The backend does not take the session.
    RefusedByBackend = 10,
    /// The route is closed on purpose.
    Maintenance = 11,
    /// A newer login of the same account.
    Replaced = 0x8001,
    /// Thrown out by the game or an operator.
    Kicked = 0x8002,
    /// The login was not accepted.
    Unauthorized = 0x8003,
    /// Bytes that are no frame of the game.
    Malformed = 0x8004,
    /// The client is too old.
    UpdateRequired = 0x8005,
    /// Not welcome for a time.
    Banned = 0x8006,
}

impl Reason {
    /// From this number on a client may not reconnect by itself, whether this version knows the reason or not.
    pub const FOR_GOOD: u16 = 0x8000;

    /// Every reason, for tables and tests.
    pub const ALL: [Self; 17] = [
        Self::PlayerLeft,
        Self::Idle,
        Self::BackendLost,
        Self::GatewayDraining,
        Self::Overloaded,
        Self::Moved,
        Self::TooSlow,
        Self::LoginTimeout,
        Self::QueueFull,
        Self::RefusedByBackend,
        Self::Maintenance,
        Self::Replaced,
        Self::Kicked,
        Self::Unauthorized,
        Self::Malformed,
        Self::UpdateRequired,
        Self::Banned,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The reason with this number; `None` for one that this version does not know.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Whether a client may reconnect by itself.
    #[must_use]
    pub const fn may_reconnect(self) -> bool {
        self.code() < Self::FOR_GOOD
    }

    /// The word for logs and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlayerLeft => "player_left",
            Self::Idle => "idle",
            Self::BackendLost => "backend_lost",
            Self::GatewayDraining => "gateway_draining",
            Self::Overloaded => "overloaded",
            Self::Moved => "moved",
            Self::TooSlow => "too_slow",
            Self::LoginTimeout => "login_timeout",
            Self::QueueFull => "queue_full",
            Self::RefusedByBackend => "refused_by_backend",
            Self::Maintenance => "maintenance",
            Self::Replaced => "replaced",
            Self::Kicked => "kicked",
            Self::Unauthorized => "unauthorized",
            Self::Malformed => "malformed",
            Self::UpdateRequired => "update_required",
            Self::Banned => "banned",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_there_and_back_and_unknown_ones_are_none() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(Reason::from_code(0), None);
        assert_eq!(Reason::from_code(0x7FFF), None);
    }

    #[test]
    fn only_the_high_half_forbids_to_reconnect() {
        assert!(Reason::Maintenance.may_reconnect());
        assert!(!Reason::Replaced.may_reconnect());
    }
}
