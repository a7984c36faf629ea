//! What the registry of one process hands to the registry of the next: who is up, cold or out, and which breakers
//! are open. Times count from the moment of asking, so no clock is handed over.
//!
//! What stays behind: sessions and links, which belong to the process that has them; load reports and exceptions,
//! which a backend says again when the new process's links come up; and the pause after a failed connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, ServingState};
use super::registry::Registry;
use crate::base::{BackendKey, ClusterKey};
use crate::policy::{Breaker, BreakerMemory, OutlierMemory};

/// A registry in plain words, in the order of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Every backend that is known.
    pub backends: Vec<BackendMemory>,
    /// Breakers that are not as new ones are.
    pub breakers: Vec<RouteMemory>,
}

/// What is known of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendMemory {
    /// Its cluster's name.
    pub cluster: String,
    /// `host:port` as the configuration says it.
    pub address: String,
    /// Whether its probes say that it lives.
    pub up: bool,
    /// Whether they have called it down: who has never been up needs no row of good ones.
    pub fallen: bool,
    /// How long ago it joined, recovered or was born anew; `None`: not while the process has lived.
    pub cold_for: Option<Duration>,
    /// Its own number of its present life; `None` before its first shared link.
    pub boot: Option<u64>,
    /// What it said last of its readiness.
    pub state: ServingState,
    /// What real traffic says of it.
    pub outlier: OutlierMemory,
}

/// What is known of a route's breaker at one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMemory {
    /// The route's name.
    pub route: String,
    /// The cluster's name.
    pub cluster: String,
    /// The backend's address.
    pub address: String,
    /// The breaker.
    pub breaker: BreakerMemory,
}

impl Registry {
    /// What another process needs to go on from here.
    #[must_use]
    pub fn snapshot(&self, now: Duration) -> Snapshot {
        let names: HashMap<ClusterKey, &str> =
            self.clusters.iter().map(|(name, (key, _))| (*key, name.as_str())).collect();
        let places: HashMap<BackendKey, (&str, &Arc<Backend>)> = self
            .backends
            .iter()
            .filter_map(|((cluster, _), backend)| Some((backend.key(), (*names.get(cluster)?, backend))))
            .collect();
        let mut backends: Vec<_> =
            places.values().map(|(cluster, backend)| BackendMemory::of(cluster, backend, now)).collect();
        backends.sort_by(|a, b| (&a.cluster, &a.address).cmp(&(&b.cluster, &b.address)));
        let breaker = |((route, key), breaker): (&(String, BackendKey), &Arc<Breaker>)| {
            let (cluster, backend) = places.get(key)?;
            let breaker = breaker.remember(now);
            let (cluster, address) = ((*cluster).to_owned(), backend.address().to_owned());
            (!breaker.is_nothing()).then(|| RouteMemory { route: route.clone(), cluster, address, breaker })
        };
        let mut breakers: Vec<_> = self.breakers.iter().filter_map(breaker).collect();
        breakers.sort_by(|a, b| (&a.route, &a.cluster, &a.address).cmp(&(&b.route, &b.cluster, &b.address)));
        Snapshot { backends, breakers }
    }

    /// Goes on from another process's snapshot; to be called before the first plan's clusters are asked for, which
    /// then find these entries. Ages reach back as far as `now` does: let the clock go on from the other process's
    /// start, else whoever is still cold counts as warm.
    pub fn restore(&mut self, snapshot: &Snapshot, now: Duration) {
        for memory in &snapshot.backends {
            let (cluster, crowd) = self.entry(&memory.cluster);
            if self.backends.contains_key(&(cluster, memory.address.clone())) {
                continue;
            }
            let key = self.next_backend();
            let new =
                || Arc::new(Backend::new(key, memory.address.clone(), crowd, memory.up).recall(memory, now));
            self.backends.entry((cluster, memory.address.clone())).or_insert_with(new);
        }
        for memory in &snapshot.breakers {
            let cluster = self.clusters.get(&memory.cluster).map(|(key, _)| *key);
            let backend = cluster.and_then(|key| self.backends.get(&(key, memory.address.clone())));
            if let Some(backend) = backend {
                let breaker = Arc::new(Breaker::recall(&memory.breaker, now));
                self.breakers.insert((memory.route.clone(), backend.key()), breaker);
            }
        }
    }
}

impl BackendMemory {
    fn of(cluster: &str, backend: &Backend, now: Duration) -> Self {
        Self {
            cluster: cluster.to_owned(),
            address: backend.address().to_owned(),
            up: backend.is_up(),
            fallen: backend.has_fallen(),
            cold_for: backend.cold_for(now),
            boot: backend.boot(),
            state: backend.state(),
            outlier: backend.outlier.remember(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;
    use crate::cluster::Cluster;
    use crate::cluster::tests::{cluster_of, plan};
    use crate::policy::{BreakerRules, BreakerState};

    const OLD: Duration = Duration::from_secs(1000);
    const BACKENDS: [&str; 3] = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"];
    const SLOW: Duration = Duration::from_secs(30);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn cluster(registry: &mut Registry) -> Cluster {
        registry.cluster(cluster_of(&plan("", &BACKENDS)), "")
    }

    /// The same cluster in a registry that goes on at `new` from what the old one knew at `old`.
    fn hand_over(registry: &Registry, old: Duration, new: Duration) -> (Registry, Cluster) {
        let mut next = Registry::default();
        next.restore(&registry.snapshot(old), new);
        let cluster = cluster(&mut next);
        (next, cluster)
    }

    #[test]
    fn who_is_down_stays_down_and_who_is_up_stays_up() {
        let mut registry = Registry::default();
        let before = cluster(&mut registry);
        before.at(1).expect("three").set_up(false, OLD);
        assert!(before.at(2).expect("three").set_state(ServingState::Leaving));
        let (_, after) = hand_over(&registry, OLD, OLD);
        assert_eq!(after.members().map(|backend| backend.is_up()).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(after.at(2).expect("three").state(), ServingState::Leaving);
        assert_eq!(after.members().map(|b| b.has_fallen()).collect::<Vec<_>>(), [false, true, false]);
        before.at(1).expect("three").let_go(OLD);
        let (_, after) = hand_over(&registry, OLD, OLD);
        let second = after.at(1).expect("three");
        assert!(!second.is_up() && !second.has_fallen(), "nobody asked it: it joins anew");
    }

    #[test]
    fn an_ejected_backend_stays_out_for_what_was_left() {
        let mut registry = Registry::default();
        let before = cluster(&mut registry);
        let key = before.at(0).expect("three").key();
        let out = (0..100).find_map(|_| before.failed(key, OLD)).expect("seven are enough");
        let (_, after) = hand_over(&registry, OLD + secs(1), secs(9));
        let ejected = after.at(0).expect("three");
        assert!(ejected.is_ejected(secs(9) + out - secs(1) - Duration::from_millis(1)));
        assert!(!ejected.is_ejected(secs(9) + out - secs(1)));
        assert!(!after.at(1).expect("three").is_ejected(secs(9)));
        assert!(
            after.failed(ejected.key(), secs(9) + out).is_some_and(|again| again > out),
            "the next is longer"
        );
    }

    #[test]
    fn who_is_warm_is_warm_and_who_starts_slowly_goes_on_with_it() {
        let mut registry = Registry::default();
        let before = cluster(&mut registry);
        for (place, since) in [(1, secs(900)), (2, OLD - secs(15))] {
            let backend = before.at(place).expect("three");
            backend.set_up(false, since);
            backend.set_up(true, since);
        }
        let factors = |cluster: &Cluster, now: Duration| -> Vec<f64> {
            cluster.members().map(|backend| backend.slow_start(SLOW, now)).collect()
        };
        assert_eq!(factors(&before, OLD), [1.0, 1.0, 0.5]);
        assert_eq!(factors(&hand_over(&registry, OLD, OLD).1, OLD), [1.0, 1.0, 0.5]);
        assert_eq!(factors(&hand_over(&registry, OLD, OLD).1, OLD + secs(15)), [1.0; 3]);
        assert_eq!(
            factors(&hand_over(&registry, OLD, secs(1)).1, secs(1)),
            [1.0; 3],
            "a clock that began anew"
        );
    }

    #[test]
    fn a_known_life_is_warm_and_a_new_one_starts_slowly() {
        let mut registry = Registry::default();
        let before = cluster(&mut registry);
        assert!(
            before.at(0).expect("three").link_came(7, OLD) && before.at(1).expect("three").link_came(7, OLD)
        );
        let (_, after) = hand_over(&registry, OLD, OLD);
        for (place, boot) in [(0, 7), (1, 8), (2, 9)] {
            assert!(after.at(place).expect("three").link_came(boot, OLD), "its first link here");
        }
        let factors: Vec<f64> = after.members().map(|backend| backend.slow_start(SLOW, OLD)).collect();
        assert_eq!(factors, [1.0, 0.1, 1.0], "the second was born anew between the two processes");
    }

    #[test]
    fn an_open_breaker_stays_open_for_what_was_left() {
        let (mut registry, mut dice) = (Registry::default(), SmallRng::seed_from_u64(5));
        let before = cluster(&mut registry);
        let rules = BreakerRules::default();
        let breaker = Arc::clone(&registry.breakers("pay", &before)[1]);
        let fail = |_| {
            let pass = breaker.enter(&rules, OLD, &mut dice).expect("closed");
            breaker.failed(pass, &rules, OLD, &mut dice)
        };
        assert_eq!((0..100).find_map(fail), Some(BreakerState::Open));
        let (old, new) = (OLD + Duration::from_millis(100), secs(2));
        let left = breaker.remaining(old);
        assert!(left.is_some_and(|left| !left.is_zero()));
        assert_eq!(registry.snapshot(old).breakers.len(), 1, "closed ones without a past are not told");
        let (mut registry, after) = hand_over(&registry, old, new);
        let left_after: Vec<_> =
            registry.breakers("pay", &after).iter().map(|breaker| breaker.remaining(new)).collect();
        assert_eq!(left_after, [None, left, None]);
        assert!(registry.breakers("chat", &after).iter().all(|breaker| breaker.remaining(new).is_none()));
    }

    #[test]
    fn what_a_new_plan_does_not_have_harms_nothing() {
        let mut registry = Registry::default();
        let all = cluster(&mut registry);
        registry.breakers("pay", &all);
        let mut next = Registry::default();
        let mut snapshot = registry.snapshot(OLD);
        snapshot.breakers.push(RouteMemory {
            route: "pay".to_owned(),
            cluster: "gone".to_owned(),
            address: "10.9.9.9:1".to_owned(),
            breaker: BreakerMemory::Open { left: secs(9), failed_trials: u32::MAX },
        });
        next.restore(&snapshot, OLD);
        next.restore(&snapshot, OLD);
        let fewer = next.cluster(cluster_of(&plan("", &["10.0.0.3:1", "10.0.0.4:1"])), "");
        let keys: Vec<_> = fewer.members().map(|backend| backend.key().index()).collect();
        assert_eq!(keys, [2, 3], "every backend has a key of its own");
    }
}
