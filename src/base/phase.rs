//! How far a process is.

/// How far the gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It opens, binds and tries its links.
    Starting,
    /// Players are accepted.
    Serving,
    /// The order to stop has come; players are still accepted.
    LameDuck,
    /// Nobody is accepted; sessions are told and closed.
    Draining,
    /// Nothing is left.
    Stopped,
}

impl Phase {
    /// The word for people and programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::LameDuck => "lame_duck",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}
