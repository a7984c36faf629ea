//! Everybody who probes: one task for each backend of each cluster.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::watch::Watch;
use crate::base::BackendKey;
use crate::cluster::Backend;
use crate::config;
use crate::net::hub;
use crate::net::worker::WorkerHandle;
use crate::net::world::{ClusterView, World};
use crate::telemetry;

/// Probes every backend of the world in force.
#[derive(Debug)]
pub struct Prober {
    desk: Arc<Desk>,
    watches: HashMap<BackendKey, Watched>,
    tasks: JoinSet<()>,
}

/// A backend that is probed.
#[derive(Debug)]
struct Watched {
    cluster: watch::Sender<Arc<ClusterView>>,
    backend: Arc<Backend>,
    task: AbortHandle,
}

/// What all probes share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) gateway: config::Gateway,
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
        let gateway = world.plan().gateway().clone();
        let desk = Arc::new(Desk { gateway, workers, started, permits: Semaphore::new(PROBES_AT_ONCE) });
        let mut prober = Self { desk, watches: HashMap::new(), tasks: JoinSet::new() };
        drop(prober.admit(world));
        prober
    }

    /// Probes the backends of `world` that are not probed yet, at once; what comes back is heard when each of them
    /// was probed once.
    #[must_use]
    pub fn admit(&mut self, world: &World) -> Vec<oneshot::Receiver<()>> {
        let new = world.members().filter(|(_, backend)| !self.watches.contains_key(&backend.key()));
        let new: Vec<_> = new.map(|(cluster, backend)| (Arc::clone(cluster), Arc::clone(backend))).collect();
        new.into_iter().map(|(cluster, backend)| self.watch(cluster, &backend)).collect()
    }

    fn watch(&mut self, cluster: Arc<ClusterView>, backend: &Arc<Backend>) -> oneshot::Receiver<()> {
        let (probed, is_probed) = oneshot::channel();
        let (cluster, follows) = watch::channel(cluster);
        let watch = Watch::new(&self.desk, follows, Arc::clone(backend), probed);
        let task = self.tasks.spawn(watch.run());
        self.watches.insert(backend.key(), Watched { cluster, backend: Arc::clone(backend), task });
        is_probed
    }

    /// Goes on with the backends of `world`, as it wants them probed, and with no others.
    pub fn follow(&mut self, world: &World) {
        while let Some(ended) = self.tasks.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                telemetry::task_failed("the probes of a backend", None);
            }
        }
        drop(self.admit(world));
        let now = hub::now().saturating_duration_since(self.desk.started);
        let clusters: HashMap<_, _> =
            world.members().map(|(cluster, backend)| (backend.key(), cluster)).collect();
        self.watches.retain(|key, watched| match clusters.get(key) {
            Some(cluster) => {
                watched.cluster.send_replace(Arc::clone(cluster));
                true
            }
            None => {
                watched.task.abort();
                watched.backend.let_go(now);
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use tokio::net::TcpListener;

    use super::*;
    use crate::cluster::Registry;
    use crate::config::{self, Source};
    use crate::net::tls::Tickets;
    use crate::telemetry::Meters;

    fn world(backend: &str, interval: &str, registry: &mut Registry) -> World {
        let text = format!(
            "[gateway]\nid = 1\n[frame.raw]\nlength = {{ kind = \"opaque\" }}\n\
             [listener.players]\nlisten = \"127.0.0.1:0\"\nframe = \"raw\"\n\
             [cluster.any]\nlink = \"dedicated\"\nframe = \"raw\"\nbackends = [{{ address = \"{backend}\" }}]\n\
             health = {{ probe = \"tcp\", interval = \"{interval}\", rise = 5 }}\n\
             [route.any]\nids = [\"*\"]\ncluster = \"any\""
        );
        let plan = config::parse(vec![Source { path: "test.toml".into(), text }]).expect("a plan");
        let tickets = Tickets::new().expect("randomness");
        World::build(plan, registry, &Meters::new(1), &tickets, UNIX_EPOCH).expect("a world")
    }

    async fn comes_up(backend: &Backend) {
        let up = async {
            while !backend.is_up() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), up).await.expect("it comes up");
    }

    #[tokio::test]
    async fn who_comes_later_is_asked_at_once_and_one_success_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let mut registry = Registry::default();
        registry.starts_serving();
        let world = world(&address, "1h", &mut registry);
        let backend = Arc::clone(world.clusters[0].entry.at(0).expect("one"));
        assert!(!backend.is_up());
        let prober = Prober::new(&world, Arc::new([]), hub::now());
        comes_up(&backend).await;
        drop(prober);
    }

    #[tokio::test]
    async fn who_was_down_in_the_process_before_needs_its_whole_row_of_successes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let mut before = Registry::default();
        let old = world(&address, "10ms", &mut before);
        old.clusters[0].entry.at(0).expect("one").set_up(false, Duration::ZERO);
        let mut registry = Registry::default();
        registry.restore(&before.snapshot(Duration::ZERO), Duration::ZERO);
        let world = world(&address, "10ms", &mut registry);
        let backend = Arc::clone(world.clusters[0].entry.at(0).expect("one"));
        assert!(!backend.is_up());
        let prober = Prober::new(&world, Arc::new([]), hub::now());
        comes_up(&backend).await;
        let (probes, failed) = backend.events().probes();
        assert!(probes.count() >= 5 && failed == 0, "{probes:?}");
        drop(prober);
    }

    #[tokio::test]
    async fn who_was_let_go_is_down_until_it_comes_back_and_was_probed_and_then_starts_slowly() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let mut registry = Registry::default();
        let before = world(&address, "1h", &mut registry);
        registry.starts_serving();
        let backend = Arc::clone(before.clusters[0].entry.at(0).expect("one")); // as its sessions hold it
        let began = hub::now();
        let factor = || backend.slow_start(Duration::from_hours(1), began.elapsed());
        let mut prober = Prober::new(&before, Arc::new([]), began);
        assert!(backend.is_up() && factor() >= 1.0);
        prober.follow(&world("127.0.0.1:1", "1h", &mut registry));
        assert!(!backend.is_up());
        let again = world(&address, "1h", &mut registry);
        assert!(Arc::ptr_eq(again.clusters[0].entry.at(0).expect("one"), &backend));
        prober.follow(&again);
        comes_up(&backend).await;
        assert!(factor() < 0.5);
        drop(prober);
    }

    #[tokio::test]
    async fn another_interval_holds_at_once_and_not_only_behind_the_old_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let mut registry = Registry::default();
        registry.starts_serving();
        let before = world(&address.to_string(), "1h", &mut registry);
        let backend = Arc::clone(before.clusters[0].entry.at(0).expect("one"));
        let mut prober = Prober::new(&before, Arc::new([]), hub::now());
        prober.tasks.abort_all();
        prober.watches.clear(); // admitted once more, so that it is heard when it was asked
        for probed in prober.admit(&before) {
            drop(probed.await); // it was asked once
        }
        assert!(!backend.is_up());
        let listener = TcpListener::bind(address).await.expect("the port");
        prober.follow(&world(&address.to_string(), "50ms", &mut registry));
        comes_up(&backend).await;
        drop((prober, listener));
    }
}
