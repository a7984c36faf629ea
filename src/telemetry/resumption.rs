//! What became of the tokens that players showed to come back to their sessions, in words.

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// The player is back in its session.
    Resumed,
    /// It was never issued, was shown before, came too late, or is of a listener with other frames.
    Unknown,
    /// The frame that should show it does not.
    Malformed,
    /// The player had logged in on this connection already.
    LoggedIn,
    /// The session ended while the connection was on its way to it.
    Gone,
}

impl Resumption {
    /// Every result, for tables.
    pub const ALL: [Self; 5] = [Self::Resumed, Self::Unknown, Self::Malformed, Self::LoggedIn, Self::Gone];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::LoggedIn => "logged_in",
            Self::Gone => "gone",
        }
    }
}
