//! What became of the TLS handshakes of players, in words.

use crate::session::EndReason;

/// What became of a player's TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// It is through.
    Ok,
    /// What the player sent is wrong, or there is nothing that both sides speak.
    Failed,
    /// It was not through within `handshake_timeout`.
    Timeout,
    /// The player left, or the gateway stopped, before it was through.
    Abandoned,
}

impl Handshake {
    /// Every result, for tables.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::Timeout, Self::Abandoned];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Abandoned => "abandoned",
        }
    }

    /// What it was when the session ended so before the handshake was through.
    #[must_use]
    pub fn cut_short_by(end: EndReason) -> Self {
        if end == EndReason::TlsFailed {
            Self::Failed
        } else if end == EndReason::HandshakeTimeout {
            Self::Timeout
        } else {
            Self::Abandoned
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_the_session_did_not_outlive_is_judged_by_its_end() {
        assert_eq!(Handshake::cut_short_by(EndReason::TlsFailed), Handshake::Failed);
        assert_eq!(Handshake::cut_short_by(EndReason::HandshakeTimeout), Handshake::Timeout);
        for end in [EndReason::PlayerLeft, EndReason::PlayerReset, EndReason::Draining, EndReason::Cut] {
            assert_eq!(Handshake::cut_short_by(end), Handshake::Abandoned);
        }
    }
}
