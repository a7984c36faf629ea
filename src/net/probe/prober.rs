//! Everybody who probes: one task for each backend of each cluster.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::watch::Watch;
use crate::config::Plan;
use crate::net::worker::WorkerHandle;
use crate::net::world::World;
use crate::telemetry;

/// Probes every backend of a world.
#[derive(Debug)]
pub struct Prober {
    desk: Arc<Desk>,
    watches: Vec<Watch>,
}

/// What all probes share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) plan: Arc<Plan>,
    /// Those who hear of lost backends.
    pub(super) workers: Arc<[WorkerHandle]>,
    /// When the process started.
    pub(super) started: Instant,
    /// One for each probe that may be in progress.
    pub(super) permits: Semaphore,
}

/// Probes in progress at one time: each holds a descriptor, and more at once would make each of them later.
pub const PROBES_AT_ONCE: usize = 512;

impl Prober {
    /// A prober for the backends of `world`; `started` is when the process started.
    #[must_use]
    pub fn new(world: &World, workers: Arc<[WorkerHandle]>, started: Instant) -> Self {
        let plan = Arc::clone(world.plan());
        let desk = Arc::new(Desk { plan, workers, started, permits: Semaphore::new(PROBES_AT_ONCE) });
        let members = world.clusters.iter().flat_map(|cluster| {
            cluster.entry.members().map(move |backend| (Arc::clone(cluster), Arc::clone(backend)))
        });
        Self {
            watches: members.map(|(cluster, backend)| Watch::new(&desk, cluster, backend)).collect(),
            desk,
        }
    }

    /// Probes until it is dropped.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        for watch in self.watches {
            tasks.spawn(watch.run());
        }
        drop(self.desk);
        while let Some(ended) = tasks.join_next().await {
            if ended.is_err() {
                telemetry::task_failed("the probes of a backend", None);
            }
        }
    }
}
