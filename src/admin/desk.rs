//! What the API looks at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{mpsc, watch};

use super::order::Order;
use crate::base::Phase;
use crate::config::{Banned, Overrides};
use crate::net::{self, Commons, WorkerHandle, World};
use crate::telemetry::Meters;

/// Everything the API reads, and where its orders go.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The world in force.
    pub world: Arc<ArcSwap<World>>,
    /// What was counted.
    pub meters: Arc<Meters>,
    /// Where the sessions live.
    pub workers: Arc<[WorkerHandle]>,
    /// The runtime changes in force.
    pub overrides: Arc<ArcSwap<Overrides>>,
    /// How many mistakes the file on disk has, if it was refused.
    pub refused: Arc<ArcSwapOption<String>>,
    /// Where each listener really listens, by name.
    pub addresses: Arc<ArcSwap<Vec<(String, SocketAddr)>>>,
    /// How far the process is.
    pub phase: watch::Receiver<Phase>,
    /// What all threads share beside the world.
    pub commons: Arc<Commons>,
    /// When the registry's time began: at the start of the first process of a line of upgrades.
    pub started: Instant,
    /// When this process started.
    pub up_since: Instant,
    /// Who carries orders out, one after the other.
    pub orders: mpsc::Sender<Order>,
}

impl Desk {
    pub(super) fn address(&self, listener: &str) -> Option<SocketAddr> {
        let addresses = self.addresses.load();
        addresses.iter().find(|(name, _)| name == listener).map(|(_, address)| *address)
    }

    pub(super) fn uptime(&self) -> Duration {
        net::now().saturating_duration_since(self.up_since)
    }

    /// The registry's time.
    pub(super) fn now(&self) -> Duration {
        net::now().saturating_duration_since(self.started)
    }

    /// Whom backends banned, and how long they still are.
    pub(super) fn ordered_bans(&self) -> Vec<(Banned, Duration)> {
        let now = self.now();
        let left = |(who, until): (Banned, Duration)| (who, until.saturating_sub(now));
        self.commons.bans(now).into_iter().map(left).collect()
    }

    /// The same moment for people: bans and maintenance are told in their time.
    pub(super) fn clock() -> SystemTime {
        net::clock()
    }
}
