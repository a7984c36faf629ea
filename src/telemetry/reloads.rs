//! What became of the configurations that were read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::meters::Counter;

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// A new configuration is in force.
    Applied,
    /// It says the same as the one in force.
    Unchanged,
    /// It has mistakes: nothing changed.
    Rejected,
}

/// Reloads since the start. One thread reloads.
#[derive(Debug)]
pub struct Reloads {
    results: [Counter; ReloadResult::ALL.len()],
    generation: AtomicU64,
    /// Whether the last one was rejected.
    rejected: AtomicBool,
}

impl ReloadResult {
    /// Every result, for tables.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Rejected];

    /// The word of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
        }
    }
}

impl Default for Reloads {
    fn default() -> Self {
        Self { results: Default::default(), generation: AtomicU64::new(1), rejected: AtomicBool::new(false) }
    }
}

impl Reloads {
    /// Counts one.
    pub fn reloaded(&self, result: ReloadResult) {
        if let Some(counter) = self.results.get(result as usize) {
            counter.add(1);
        }
        self.rejected.store(result == ReloadResult::Rejected, Ordering::Relaxed);
    }

    /// How often this came of it.
    #[must_use]
    pub fn count(&self, result: ReloadResult) -> u64 {
        self.results.get(result as usize).map_or(0, Counter::get)
    }

    /// Whether the last one was rejected: what is in force is not what is on disk.
    #[must_use]
    pub fn last_was_rejected(&self) -> bool {
        self.rejected.load(Ordering::Relaxed)
    }

    /// The number of the configuration in force, from 1.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// A configuration with this number is in force.
    pub fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_file_is_told_of_until_one_is_taken() {
        let reloads = Reloads::default();
        assert_eq!((reloads.generation(), reloads.last_was_rejected()), (1, false));
        reloads.reloaded(ReloadResult::Rejected);
        reloads.reloaded(ReloadResult::Rejected);
        assert!(reloads.last_was_rejected());
        reloads.reloaded(ReloadResult::Unchanged);
        assert!(!reloads.last_was_rejected());
        assert_eq!(ReloadResult::ALL.map(|result| reloads.count(result)), [0, 1, 2]);
    }
}
