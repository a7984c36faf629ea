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

    /// What it was when the session ended so before the handshake was through; `None`: it was not let begin.
    #[must_use]
    pub fn cut_short_by(end: EndReason) -> Option<Self> {
        if end == EndReason::TlsFailed {
            Some(Self::Failed)
        } else if end == EndReason::HandshakeTimeout {
            Some(Self::Timeout)
        } else if matches!(end, EndReason::ProxyHeader | EndReason::Banned | EndReason::Refused) {
            None
        } else {
            Some(Self::Abandoned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_the_session_did_not_outlive_is_judged_by_its_end() {
        assert_eq!(Handshake::cut_short_by(EndReason::TlsFailed), Some(Handshake::Failed));
        assert_eq!(Handshake::cut_short_by(EndReason::HandshakeTimeout), Some(Handshake::Timeout));
        for end in [EndReason::PlayerLeft, EndReason::PlayerReset, EndReason::Draining, EndReason::Cut] {
            assert_eq!(Handshake::cut_short_by(end), Some(Handshake::Abandoned));
        }
        for end in [EndReason::ProxyHeader, EndReason::Banned, EndReason::Refused] {
            assert_eq!(Handshake::cut_short_by(end), None);
        }
    }
}
