//! How a cluster's backends share its sessions.

/// The rule by which the next backend of a cluster is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, each as often as its weight says.
    RoundRobin,
    /// Drawn, each as often as its weight says.
    Random,
    /// The first live one in the order of the file.
    Backup,
}

/// What happens to the sessions of a backend that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// They go on; their next frame of that cluster picks another backend.
    Repick,
    /// They are told `unavailable` and closed.
    Close,
}
