//! A cluster of one plan: its members in the order of the file, and the rules by which they serve.

use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, ServingState};
use crate::base::{BackendKey, ClusterKey};
use crate::config::{self, AdminState};
use crate::policy::{Balance, OutlierRules, Ring, may_eject};

/// A cluster: its stable key, its members, its rules.
#[derive(Debug)]
pub struct Cluster {
    key: ClusterKey,
    memory: usize,
    name: String,
    pub(super) members: Vec<Member>,
    /// Where the backend with a key is among the members, by that key; [`NOWHERE`].
    places: Vec<u32>,
    pub(super) balance: Balance,
    pub(super) ring: Ring,
    pub(super) slow_start: Duration,
    pub(super) panic_threshold: u8,
    /// Whether some members are in the gateway's zone and some are not.
    pub(super) zoned: bool,
    outlier: OutlierRules,
}

/// A backend and its place in a cluster of one plan.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) backend: Arc<Backend>,
    pub(super) weight: u32,
    pub(super) max_sessions: Option<u32>,
    /// Whether it is in the gateway's zone.
    pub(super) local: bool,
    /// What the operator wants of it.
    pub(super) admin: AdminState,
}

const NOWHERE: u32 = u32::MAX;

fn places(members: &[Member]) -> Vec<u32> {
    let keys = || members.iter().map(|member| member.backend.key().index());
    let mut places = vec![NOWHERE; keys().max().map_or(0, |most| most + 1)];
    for (place, key) in (0..).zip(keys()) {
        places.iter_mut().skip(key).take(1).for_each(|slot| *slot = place);
    }
    places
}

impl Member {
    pub(super) fn new(backend: Arc<Backend>, plan: &config::Backend, zone: &str) -> Self {
        let local = !zone.is_empty() && plan.zone() == zone;
        let admin = plan.admin();
        Self { backend, weight: plan.weight(), max_sessions: plan.max_sessions(), local, admin }
    }

    /// Whether the operator lets it serve the sessions it has.
    fn is_enabled(&self) -> bool {
        self.admin != AdminState::Disable
    }

    /// Whether the operator wants sessions there that it does not have.
    pub(super) fn is_wanted(&self) -> bool {
        self.admin == AdminState::Ready && self.weight > 0
    }
}

impl Cluster {
    pub(super) fn new(key: ClusterKey, memory: usize, plan: &config::Cluster, members: Vec<Member>) -> Self {
        let names: Vec<_> = members.iter().map(|member| (member.backend.address(), member.weight)).collect();
        Self {
            key,
            memory,
            name: plan.name().to_owned(),
            balance: plan.balance(),
            ring: Ring::new(plan.balance(), &names),
            slow_start: plan.slow_start(),
            panic_threshold: plan.panic_threshold(),
            zoned: members.iter().any(|member| member.local) && !members.iter().all(|member| member.local),
            outlier: *plan.outlier(),
            places: places(&members),
            members,
        }
    }

    /// Its key for the life of the process.
    #[must_use]
    pub fn key(&self) -> ClusterKey {
        self.key
    }

    /// Where a worker keeps its memory of the picks here: one place for each release group of a cluster, the same for
    /// the life of the process.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The rule by which its backends share the sessions.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.balance
    }

    /// How long a backend starts slowly.
    #[must_use]
    pub fn slow_start(&self) -> Duration {
        self.slow_start
    }

    /// Its backends, in the order of the file.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Arc<Backend>> {
        self.members.iter().map(|member| &member.backend)
    }

    /// The backend at a place of the list.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Arc<Backend>> {
        self.members.get(place).map(|member| &member.backend)
    }

    /// The place of a backend, if it is still one of the cluster's.
    #[must_use]
    pub fn place_of(&self, key: BackendKey) -> Option<usize> {
        let place = self.places.get(key.index()).copied().filter(|place| *place != NOWHERE)?;
        usize::try_from(place).ok()
    }

    /// Whether a backend is one of the cluster's, and the operator lets it serve the sessions it has.
    #[must_use]
    pub fn lets_serve(&self, key: BackendKey) -> bool {
        self.place_of(key).is_some_and(|place| self.is_enabled(place))
    }

    /// Whether the operator lets the member at a place serve the sessions it has.
    #[must_use]
    pub fn is_enabled(&self, place: usize) -> bool {
        self.members.get(place).is_some_and(Member::is_enabled)
    }

    /// Whether the operator wants sessions at the member at a place that it does not have.
    #[must_use]
    pub fn is_wanted(&self, place: usize) -> bool {
        self.members.get(place).is_some_and(Member::is_wanted)
    }

    /// Whether the member at a place serves the sessions it has: enabled, and healthy, or so few are that health is
    /// ignored.
    #[must_use]
    pub fn keeps(&self, place: usize, now: Duration) -> bool {
        let healthy = || self.at(place).is_some_and(|backend| backend.is_healthy(now));
        self.is_enabled(place) && (healthy() || self.is_in_panic(now))
    }

    /// The places of the members that live, in file order: reachable, not about to end, and healthy as far as health
    /// counts now.
    pub fn live(&self, now: Duration, reachable: impl Fn(&Backend) -> bool) -> impl Iterator<Item = usize> {
        let panic = self.is_in_panic(now);
        let lives = move |member: &Member| {
            let backend = &member.backend;
            let able = panic || backend.is_healthy(now);
            able && member.is_wanted() && backend.state() != ServingState::Leaving && reachable(backend)
        };
        self.members.iter().enumerate().filter(move |(_, member)| lives(member)).map(|(place, _)| place)
    }

    /// Counts a failure of real traffic at a backend; how long it is out if that was one too many.
    pub fn failed(&self, backend: BackendKey, now: Duration) -> Option<Duration> {
        let backend = self.at(self.place_of(backend)?)?;
        let out = || self.members().filter(|member| member.is_ejected(now)).count();
        let may = || may_eject(out(), self.members.len(), self.outlier.max_percent);
        backend.failed(&self.outlier, now, may)
    }

    /// Whether fewer than `panic_threshold` percent of the members are healthy; who is disabled is none.
    #[must_use]
    pub fn is_in_panic(&self, now: Duration) -> bool {
        let enabled = || self.members.iter().filter(|member| member.is_enabled());
        let healthy = enabled().filter(|member| member.backend.is_healthy(now)).count();
        healthy * 100 < usize::from(self.panic_threshold) * enabled().count()
    }
}
