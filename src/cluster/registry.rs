//! Stable entries for clusters and backends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::{BackendKey, ClusterKey};
use crate::config;

/// Gives every cluster name and every cluster's address one key for the life of the process.
#[derive(Debug, Default)]
pub struct Registry {
    clusters: HashMap<String, ClusterKey>,
    backends: HashMap<(ClusterKey, String), Arc<Backend>>,
}

/// A cluster of one plan: its stable key and its backends in the order of the file.
#[derive(Debug)]
pub struct Cluster {
    key: ClusterKey,
    name: String,
    backends: Vec<Member>,
}

/// A backend and its place in a cluster of one plan.
#[derive(Debug)]
struct Member {
    backend: Arc<Backend>,
    weight: u32,
}

/// What is true of one backend now, shared by all workers.
#[derive(Debug)]
pub struct Backend {
    key: BackendKey,
    address: String,
    sessions: AtomicU32,
    links: AtomicU32,
    /// Milliseconds since the gateway's start before which no new connection is tried.
    shunned_until: AtomicU64,
    /// Failed connections in a row.
    failures: AtomicU32,
}

impl Registry {
    /// The entries of a cluster of the plan: those known from before keep their keys and their state.
    pub fn cluster(&mut self, plan: &config::Cluster) -> Cluster {
        let next = ClusterKey(u16::try_from(self.clusters.len()).unwrap_or(u16::MAX));
        let key = *self.clusters.entry(plan.name().to_owned()).or_insert(next);
        let backends = plan.backends().iter().map(|backend| self.member(key, backend)).collect();
        Cluster { key, name: plan.name().to_owned(), backends }
    }

    fn member(&mut self, cluster: ClusterKey, plan: &config::Backend) -> Member {
        let address = plan.address().get();
        let next = BackendKey(u32::try_from(self.backends.len()).unwrap_or(u32::MAX));
        let backend = self
            .backends
            .entry((cluster, address.clone()))
            .or_insert_with(|| Arc::new(Backend::new(next, address.clone())));
        Member { backend: Arc::clone(backend), weight: plan.weight() }
    }
}

impl Cluster {
    /// Its key for the life of the process.
    #[must_use]
    pub fn key(&self) -> ClusterKey {
        self.key
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its backends with their weights, in the order of the file.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&Arc<Backend>, u32)> {
        self.backends.iter().map(|member| (&member.backend, member.weight))
    }

    /// The backend at a place of the list.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Arc<Backend>> {
        self.backends.get(place).map(|member| &member.backend)
    }

    /// The backend with this key, if it is still one of the cluster's.
    #[must_use]
    pub fn find(&self, key: BackendKey) -> Option<&Arc<Backend>> {
        self.backends.iter().map(|member| &member.backend).find(|backend| backend.key == key)
    }
}

impl Backend {
    fn new(key: BackendKey, address: String) -> Self {
        Self {
            key,
            address,
            sessions: AtomicU32::new(0),
            links: AtomicU32::new(0),
            shunned_until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
        }
    }

    /// Its key for the life of the process.
    #[must_use]
    pub fn key(&self) -> BackendKey {
        self.key
    }

    /// `host:port` as the configuration says it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sessions that it serves now, over all workers.
    #[must_use]
    pub fn sessions(&self) -> u32 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// A session was bound to it.
    pub fn session_came(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// A session that was bound to it left.
    pub fn session_went(&self) {
        self.sessions.fetch_sub(1, Ordering::Relaxed);
    }

    /// Shared links that are up, at most one per worker.
    #[must_use]
    pub fn links(&self) -> u32 {
        self.links.load(Ordering::Relaxed)
    }

    /// A shared link came up.
    pub fn link_came(&self) {
        self.links.fetch_add(1, Ordering::Relaxed);
    }

    /// A shared link was lost.
    pub fn link_went(&self) {
        self.links.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a new connection may be tried at `since_start`.
    #[must_use]
    pub fn may_be_tried(&self, since_start: Duration) -> bool {
        millis(since_start) >= self.shunned_until.load(Ordering::Relaxed)
    }

    /// A new connection worked: nothing stands against the next one.
    pub fn connected(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.shunned_until.store(0, Ordering::Relaxed);
    }

    /// A new connection failed: the next is tried after a second, two, four, and at last every eight.
    pub fn connect_failed(&self, since_start: Duration) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let wait = Duration::from_secs(1 << failures.min(3));
        self.shunned_until.store(millis(since_start + wait), Ordering::Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend() -> Backend {
        Backend::new(BackendKey(0), "127.0.0.1:1".to_owned())
    }

    #[test]
    fn a_failed_backend_is_left_alone_for_longer_each_time_until_it_works() {
        let backend = backend();
        let mut now = Duration::from_secs(100);
        for wait in [1, 2, 4, 8, 8] {
            backend.connect_failed(now);
            assert!(!backend.may_be_tried(now + Duration::from_secs(wait) - Duration::from_millis(1)));
            now += Duration::from_secs(wait);
            assert!(backend.may_be_tried(now));
        }
        backend.connected();
        backend.connect_failed(now);
        assert!(backend.may_be_tried(now + Duration::from_secs(1)));
    }
}
