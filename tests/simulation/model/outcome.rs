//! What is counted.

use super::time::{Tick, in_seconds};

/// What came of one evening.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// When the backends' fate changed, in seconds.
    pub(crate) incident: f64,
    pub(crate) highest: Peak,
    /// The highest load of those the case is about, from the incident on.
    pub(crate) special: Peak,
    /// The sessions that reached the special one from the incident on.
    pub(crate) received: u32,
    /// The same within three seconds after the first, and the capacity it had after them.
    pub(crate) received_first: u32,
    pub(crate) capacity_first: u32,
    /// Everything sent to any backend from the incident on.
    pub(crate) sent: u64,
    /// A gateway had nobody for a player.
    pub(crate) misses: u64,
    /// A backend had no room.
    pub(crate) refused: u64,
    /// A session failed at its backend.
    pub(crate) failures: u64,
    pub(crate) ejections: u64,
    /// Sessions whose backend was lost.
    pub(crate) moves: u64,
    /// From a player's first wish, or from the loss of its backend, until one has it.
    pub(crate) wait: Waits,
    pub(crate) move_wait: Waits,
    /// Players without a backend at the end.
    pub(crate) left_waiting: u64,
    pub(crate) series: Vec<Sample>,
}

/// A load and when it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Peak {
    pub(crate) load: f64,
    pub(crate) at: f64,
}

impl Peak {
    pub(crate) fn see(&mut self, load: f64, now: Tick) {
        if load > self.load {
            *self = Self { load, at: in_seconds(now) };
        }
    }
}

/// Waiting times.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    count: u64,
    sum: u64,
    most: Tick,
}

impl Waits {
    pub(crate) fn add(&mut self, ticks: Tick) {
        self.count += 1;
        self.sum += u64::from(ticks);
        self.most = self.most.max(ticks);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 / 100.0 }
    }

    pub(crate) fn most(&self) -> f64 {
        in_seconds(self.most)
    }
}

/// How it stood at one second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) at: f64,
    pub(crate) highest: f64,
    pub(crate) mean: f64,
    /// The highest of those the case is about; `None` while they are not there.
    pub(crate) special: Option<f64>,
    /// Sessions that have reached those so far, from the incident on.
    pub(crate) received: u32,
    /// Players at the gateways, without a backend.
    pub(crate) waiting: u32,
}

impl Outcome {
    /// The figures in one line.
    pub(crate) fn figures(&self) -> String {
        format!(
            "highest load {:.4} at {:.1} s; special {:.4} at {:.1} s, received {} ({} of {} in three seconds) of {}; \
             {} misses, {} refused, {} failed, {} ejections, {} moves; waited {:.2} s (most {:.1}), moved {:.2} s \
             (most {:.1}); {} left waiting",
            self.highest.load,
            self.highest.at,
            self.special.load,
            self.special.at,
            self.received,
            self.received_first,
            self.capacity_first,
            self.sent,
            self.misses,
            self.refused,
            self.failures,
            self.ejections,
            self.moves,
            self.wait.mean(),
            self.wait.most(),
            self.move_wait.mean(),
            self.move_wait.most(),
            self.left_waiting,
        )
    }
}
