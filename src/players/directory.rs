//! One seat per account: who sits, and who has to go.

use std::fmt::Debug;
use std::time::Duration;

use crate::base::SessionId;
use crate::config::Duplicate;

/// How new a login is; compared field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// The number that came with the login: the epoch of a BIND, or when a token was issued (seconds since 1970).
    pub login: u64,
    /// In which order the gateway accepted the connections.
    pub arrival: u64,
}

/// A login that wants a seat.
#[derive(Clone, Copy, Debug)]
pub struct Seating<'a> {
    /// Whose.
    pub account: &'a str,
    /// For which connection.
    pub session: SessionId,
    /// How new it is.
    pub epoch: Epoch,
    /// What becomes of two of them.
    pub duplicate: Duplicate,
    /// The time since the process's start.
    pub now: Duration,
}

/// What becomes of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It has the seat; these sessions had it before and have to go.
    Seated(Vec<SessionId>),
    /// A newer login has it, or had it a moment ago.
    Older,
    /// Another one has it, and keeps it.
    Taken,
}

/// Where accounts sit. One for all threads: of two logins at the same moment the same one wins on every worker.
pub trait Directory: Debug + Send + Sync {
    /// A login wants its seat; a session that has one keeps it, with the epoch it comes with now.
    fn claim(&self, seating: &Seating<'_>) -> Claim;

    /// The player of a session that has a seat is away, or is back. A session whose player is away goes for any new login
    /// of the account.
    fn set_away(&self, account: &str, session: SessionId, away: bool);

    /// The player of a session that has a seat is back by another connection: its login is as new as that one. False if it
    /// has the seat no more.
    fn renew(&self, account: &str, session: SessionId, arrival: u64) -> bool;

    /// Logins are numbered in another way from now on: all that are known count as the oldest.
    fn renumber(&self);

    /// A session that had a seat is over. Nothing happens if another one has it by now.
    fn release(&self, account: &str, session: SessionId, now: Duration);

    /// The sessions of an account that have a seat, the oldest login first.
    fn sessions(&self, account: &str) -> Vec<SessionId>;
}
