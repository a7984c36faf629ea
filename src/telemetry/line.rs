//! The waiting line in numbers.

use std::sync::atomic::{AtomicU32, Ordering};

use super::meters::Counter;

/// How many are in and how many wait; the control thread writes, every thread may read.
#[derive(Debug, Default)]
pub struct LineMeter {
    /// Players that were let in from the line.
    pub admitted: Counter,
    inside: AtomicU32,
    waiting: AtomicU32,
}

/// Why a player who had logged in did not even wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineRefusal {
    /// The line is full.
    Overloaded,
    /// The line is full, and the player was told of another gateway.
    Redirected,
}

impl LineMeter {
    /// So many players are in, and so many places of the line are taken.
    pub fn set(&self, inside: u32, waiting: u32) {
        self.inside.store(inside, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Players that are in.
    #[must_use]
    pub fn inside(&self) -> u32 {
        self.inside.load(Ordering::Relaxed)
    }

    /// Places of the line that are taken.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl LineRefusal {
    /// Every refusal, for tables.
    pub const ALL: [Self; 2] = [Self::Overloaded, Self::Redirected];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Redirected => "redirected",
        }
    }
}
