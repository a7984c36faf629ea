//! The process itself: its number and place, how it turns, and how it stops.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::GatewayId;

/// `[gateway]`.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(in crate::config) id: GatewayId,
    pub(in crate::config) zone: String,
    pub(in crate::config) workers: usize,
    pub(in crate::config) state_dir: PathBuf,
}

/// `[net]`: how workers turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    pub(in crate::config) gather: Option<Duration>,
}

/// `[drain]`: how the process stops.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    pub(in crate::config) lame_duck: Duration,
    pub(in crate::config) spread: Duration,
    pub(in crate::config) deadline: Duration,
}

impl Gateway {
    /// The gateway's number in the fleet.
    #[must_use]
    pub fn id(&self) -> GatewayId {
        self.id
    }

    /// The zone; empty when none is set.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Threads that serve sessions; 0: one per core.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Where operators' runtime changes are kept.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }
}

impl Net {
    /// How far apart a busy worker keeps the turns of its event loop, so that frames gather; `None`: never.
    #[must_use]
    pub fn gather(&self) -> Option<Duration> {
        self.gather
    }
}

impl Drain {
    /// How long new players are still accepted after the order to stop.
    #[must_use]
    pub fn lame_duck(&self) -> Duration {
        self.lame_duck
    }

    /// Over what time the sessions are told and closed.
    #[must_use]
    pub fn spread(&self) -> Duration {
        self.spread
    }

    /// When the process ends whoever is still there.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}
