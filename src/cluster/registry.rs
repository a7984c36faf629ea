//! Stable entries for clusters, backends and breakers.

use std::collections::HashMap;
use std::sync::Arc;

use super::backend::Backend;
use super::members::{Cluster, Member};
use super::reports::Crowd;
use crate::base::{BackendKey, ClusterKey};
use crate::config;
use crate::policy::{Breaker, SharedPace};

/// Gives every cluster name and every cluster's address one key for the life of the process, and every route its
/// breakers.
#[derive(Debug, Default)]
pub struct Registry {
    pub(super) clusters: HashMap<String, (ClusterKey, Arc<Crowd>)>,
    pub(super) backends: HashMap<(ClusterKey, String), Arc<Backend>>,
    pub(super) breakers: HashMap<(String, BackendKey), Arc<Breaker>>,
    /// What is counted against the limits of a route, by its name.
    limits: HashMap<String, Arc<RoutePace>>,
    /// Numbers of routes given so far.
    numbers: u32,
    /// The places of the workers' memories of picks, by cluster and release group.
    memories: HashMap<(ClusterKey, String), usize>,
    /// Backends made so far: their keys are never given twice.
    made: u32,
    /// Whether the gateway serves: backends that come from now on are down until a probe succeeds.
    serving: bool,
}

/// How fast the frames of a route come, over all sessions.
#[derive(Debug)]
pub struct RoutePace {
    number: u32,
    /// Of all sessions together.
    pub total: SharedPace,
}

impl RoutePace {
    /// The route's number, by which each session counts its own frames.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Registry {
    /// The entries of a cluster of the plan: those known from before keep their keys and their state.
    pub fn cluster(&mut self, plan: &config::Cluster, zone: &str) -> Cluster {
        self.part(plan, zone, "", |_| true)
    }

    /// The part of a cluster that serves one release group, by the group's name.
    pub fn part(
        &mut self,
        plan: &config::Cluster,
        zone: &str,
        group: &str,
        serves: impl Fn(&config::Backend) -> bool,
    ) -> Cluster {
        let (key, crowd) = self.entry(plan.name());
        let members = plan
            .backends()
            .iter()
            .filter(|backend| serves(backend))
            .map(|backend| Member::new(self.backend(key, &crowd, backend), backend, zone))
            .collect();
        let next = self.memories.len();
        let memory = *self.memories.entry((key, group.to_owned())).or_insert(next);
        Cluster::new(key, memory, plan, members)
    }

    /// Forgets the backends and breakers that nothing refers to any more: those of plans that are no longer in force.
    pub fn forget_unused(&mut self) {
        self.breakers.retain(|_, breaker| Arc::strong_count(breaker) > 1);
        self.limits.retain(|_, pace| Arc::strong_count(pace) > 1);
        self.backends.retain(|_, backend| Arc::strong_count(backend) > 1);
    }

    /// The key of a cluster, and the sessions over all its backends.
    pub(super) fn entry(&mut self, cluster: &str) -> (ClusterKey, Arc<Crowd>) {
        let next = ClusterKey(u16::try_from(self.clusters.len()).unwrap_or(u16::MAX));
        self.clusters.entry(cluster.to_owned()).or_insert((next, Arc::default())).clone()
    }

    fn backend(&mut self, cluster: ClusterKey, crowd: &Arc<Crowd>, plan: &config::Backend) -> Arc<Backend> {
        let address = plan.address().get();
        let place = (cluster, address.clone());
        if let Some(known) = self.backends.get(&place) {
            return Arc::clone(known);
        }
        let key = self.next_backend();
        let new = Arc::new(Backend::new(key, address.clone(), Arc::clone(crowd), !self.serving));
        self.backends.insert(place, Arc::clone(&new));
        new
    }

    pub(super) fn next_backend(&mut self) -> BackendKey {
        self.made += 1;
        BackendKey(self.made - 1)
    }

    /// The breakers of a route, one for each member of its cluster, in the cluster's order.
    pub fn breakers(&mut self, route: &str, cluster: &Cluster) -> Vec<Arc<Breaker>> {
        let keys = cluster.members().map(|backend| backend.key());
        keys.map(|key| Arc::clone(self.breakers.entry((route.to_owned(), key)).or_default())).collect()
    }

    /// The pace of a route with a limit; the same one for as long as some plan in force has it.
    pub fn pace(&mut self, route: &str) -> Arc<RoutePace> {
        let number = self.numbers;
        let new = || Arc::new(RoutePace { number, total: SharedPace::default() });
        let pace = Arc::clone(self.limits.entry(route.to_owned()).or_insert_with(new));
        self.numbers += u32::from(pace.number == number);
        pace
    }

    /// The gateway serves now.
    pub fn starts_serving(&mut self) {
        self.serving = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::tests::{cluster_of, plan};

    #[test]
    fn a_reload_finds_every_entry_again_and_its_state() {
        let mut registry = Registry::default();
        let old = plan("balance = \"random\"", &["10.0.0.1:1", "10.0.0.2:1"]);
        let before = registry.cluster(cluster_of(&old), "");
        registry.starts_serving();
        assert!(before.at(1).expect("two").open_session(9));
        let new = plan("balance = \"least_load\"", &["10.0.0.2:1", "10.0.0.3:1"]);
        let after = registry.cluster(cluster_of(&new), "");
        assert_eq!(before.key(), after.key());
        assert_eq!(after.at(0).expect("two").sessions(), 1);
        assert!(Arc::ptr_eq(before.at(1).expect("two"), after.at(0).expect("two")));
        let (pay, chat) = (registry.pace("pay"), registry.pace("chat").number());
        assert!(Arc::ptr_eq(&pay, &registry.pace("pay")));
        registry.forget_unused();
        assert_eq!(registry.pace("pay").number(), pay.number(), "it is in use");
        assert!(![pay.number(), chat].contains(&registry.pace("chat").number()), "it was forgotten");
        assert!(Arc::ptr_eq(&registry.breakers("pay", &before)[1], &registry.breakers("pay", &after)[0]));
    }

    #[test]
    fn who_comes_with_a_reload_is_down_and_who_was_there_at_the_start_is_up() {
        let mut registry = Registry::default();
        let old = plan("", &["10.0.0.1:1"]);
        assert!(registry.cluster(cluster_of(&old), "").at(0).expect("one").is_up());
        registry.starts_serving();
        let new = plan("", &["10.0.0.1:1", "10.0.0.2:1"]);
        let after = registry.cluster(cluster_of(&new), "");
        assert_eq!(after.members().map(|backend| backend.is_up()).collect::<Vec<_>>(), [true, false]);
    }
}
