//! What an operator may ask of the running gateway that changes it.

use tokio::sync::oneshot;

use crate::config::Override;

/// An order, who gave it (an address, `SIGHUP`, `watch`), and where the answer goes.
#[derive(Debug)]
pub enum Order {
    /// Read the file again.
    Reload {
        /// Who wants it.
        who: String,
        /// What came of it.
        answer: oneshot::Sender<Result<Reloaded, Refused>>,
    },
    /// A runtime change. Answered when it is on disk and in force.
    Change {
        /// What is changed.
        change: Override,
        /// Who wants it.
        who: String,
        /// What came of it.
        answer: oneshot::Sender<Result<Reloaded, Refused>>,
    },
    /// Drop every runtime change.
    ClearOverrides {
        /// Who wants it.
        who: String,
        /// What came of it.
        answer: oneshot::Sender<Result<Reloaded, Refused>>,
    },
    /// Hand over to a new process of the program's file. Answered when the new one serves, or has failed.
    Upgrade {
        /// Who wants it.
        who: String,
        /// The new process's number.
        answer: oneshot::Sender<Result<u32, Refused>>,
    },
}

/// A new world is in force.
#[derive(Clone, Debug, Default)]
pub struct Reloaded {
    /// Its number, from 1.
    pub generation: u64,
    /// What changed, a line each; none: nothing did.
    pub changes: Vec<String>,
    /// What that does to live sessions, a line each.
    pub effects: Vec<String>,
}

/// Nothing has changed, and why.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Whose fault it is.
    pub why: Why,
    /// What is wrong.
    pub error: String,
    /// What to do instead.
    pub hint: String,
}

/// Why an order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It names something that is not there (404).
    Unknown,
    /// It makes no sense (400).
    Invalid,
    /// It cannot be done now (409).
    Busy,
    /// It went wrong (500).
    Failed,
}
