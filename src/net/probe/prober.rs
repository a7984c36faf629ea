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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use tokio::net::TcpListener;

    use super::*;
    use crate::cluster::Registry;
    use crate::config::{self, Source};
    use crate::net::hub;
    use crate::net::tls::Tickets;
    use crate::telemetry::Meters;

    fn world(backend: &str, registry: &mut Registry) -> World {
        let text = format!(
            "[gateway]\nid = 1\n[frame.raw]\nlength = {{ kind = \"opaque\" }}\n\
             [listener.players]\nlisten = \"127.0.0.1:0\"\nframe = \"raw\"\n\
             [cluster.any]\nlink = \"dedicated\"\nframe = \"raw\"\nbackends = [{{ address = \"{backend}\" }}]\n\
             health = {{ probe = \"tcp\", interval = \"1h\", rise = 5 }}\n\
             [route.any]\nids = [\"*\"]\ncluster = \"any\""
        );
        let plan = config::parse(vec![Source { path: "test.toml".into(), text }]).expect("a plan");
        let tickets = Tickets::new().expect("randomness");
        World::build(plan, registry, &Meters::new(1), &tickets, UNIX_EPOCH).expect("a world")
    }

    #[tokio::test]
    async fn who_comes_later_is_asked_at_once_and_one_success_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let mut registry = Registry::default();
        registry.starts_serving();
        let world = world(&address, &mut registry);
        let backend = Arc::clone(world.clusters[0].entry.at(0).expect("one"));
        assert!(!backend.is_up());
        let prober = tokio::spawn(Prober::new(&world, Arc::new([]), hub::now()).run());
        let up = async {
            while !backend.is_up() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), up).await.expect("up after its first probe");
        prober.abort();
    }
}
