//! The one immutable value that says how every frame is decided now.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, SystemTime};

use super::guard::Guard;
use super::tls::{BackendConnector, ServerTls, Tickets};
use crate::base::ClusterKey;
use crate::cluster::{Backend, Cluster, Registry};
use crate::config::{self, LinkKind, Plan, Problem, Reply};
use crate::policy::{Balance, Breaker, OnLoss, RouteClass};
use crate::router::{RouteIndex, Router};
use crate::telemetry::{ListenerMeter, Meters, RouteMeter};

/// A plan with everything it needs to run: built on the side, published at once, never changed.
#[derive(Debug)]
pub struct World {
    plan: Arc<Plan>,
    pub(super) router: Router,
    pub(super) lanes: Vec<Lane>,
    pub(super) clusters: Vec<Arc<ClusterView>>,
    doors: Vec<Arc<Door>>,
}

/// A route as the frame path uses it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: Arc<str>,
    pub(super) cluster: usize,
    pub(super) class: RouteClass,
    pub(super) meter: Arc<RouteMeter>,
    /// Its breakers, one for each member of the cluster, in the cluster's order.
    pub(super) guards: Vec<Arc<Guard>>,
    /// What answers each of its frames, and in what time.
    pub(super) reply: Option<Reply>,
}

/// A cluster as the frame path uses it.
#[derive(Debug)]
pub(super) struct ClusterView {
    pub(super) entry: Cluster,
    pub(super) plan: config::Cluster,
    pub(super) tls: Option<BackendConnector>,
}

/// A listener as its sessions use it.
#[derive(Debug)]
pub struct Door {
    pub(super) listener: config::Listener,
    pub(super) tls: Option<ServerTls>,
    /// Connections it has now.
    pub(super) connections: AtomicU32,
    /// What its accept loop counts.
    pub meter: Arc<ListenerMeter>,
}

impl World {
    /// Opens everything a plan names: certificates, keys, meters, entries of the registry.
    ///
    /// # Errors
    /// Every certificate and key that cannot be used, all at once; the registry is untouched then.
    pub fn build(
        plan: Plan,
        registry: &mut Registry,
        meters: &Meters,
        tickets: &Tickets,
        now: SystemTime,
    ) -> Result<Self, Vec<Problem>> {
        let plan = Arc::new(plan);
        let mut problems = Vec::new();
        let doors: Vec<_> = collect(
            plan.listeners().iter().map(|listener| Door::new(listener, meters, tickets, now)),
            &mut problems,
        );
        let connectors: Vec<_> = collect(
            plan.clusters()
                .iter()
                .map(|cluster| cluster.tls().map(|tls| BackendConnector::new(tls, now)).transpose()),
            &mut problems,
        );
        if !problems.is_empty() {
            return Err(problems);
        }
        let zone = plan.gateway().zone();
        let view = |(cluster, tls): (&config::Cluster, _)| {
            Arc::new(ClusterView { entry: registry.cluster(cluster, zone), plan: cluster.clone(), tls })
        };
        let clusters: Vec<_> = plan.clusters().iter().zip(connectors).map(view).collect();
        let lane =
            |route: &config::Route| Some(Lane::new(route, clusters.get(route.cluster())?, registry, meters));
        Ok(Self {
            router: Router::new(&plan),
            lanes: plan.routes().iter().filter_map(lane).collect(),
            clusters,
            doors: doors.into_iter().map(Arc::new).collect(),
            plan,
        })
    }

    /// The plan it was built from.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The listeners, in the order of the plan.
    #[must_use]
    pub fn doors(&self) -> &[Arc<Door>] {
        &self.doors
    }

    /// Sessions that this gateway has at each backend now: cluster, address, sessions; in the order of the plan.
    pub fn sessions(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        let all = self
            .clusters
            .iter()
            .flat_map(|cluster| cluster.entry.members().map(move |backend| (cluster, backend)));
        all.map(|(cluster, backend)| (cluster.name(), backend.address(), backend.sessions()))
    }

    pub(super) fn lane(&self, route: RouteIndex) -> Option<(&Lane, &Arc<ClusterView>)> {
        let lane = self.lanes.get(route.get())?;
        Some((lane, self.clusters.get(lane.cluster)?))
    }

    pub(super) fn lane_named(&self, name: &str) -> Option<(&Lane, &Arc<ClusterView>)> {
        let lane = self.lanes.iter().find(|lane| *lane.name == *name)?;
        Some((lane, self.clusters.get(lane.cluster)?))
    }

    pub(super) fn cluster(&self, key: ClusterKey) -> Option<&Arc<ClusterView>> {
        self.clusters.iter().find(|cluster| cluster.key() == key)
    }
}

impl Lane {
    fn new(route: &config::Route, cluster: &ClusterView, registry: &mut Registry, meters: &Meters) -> Self {
        let name: Arc<str> = route.name().into();
        let breakers = registry.breakers(&name, &cluster.entry);
        let guard = |(backend, breaker): (&Arc<Backend>, Arc<Breaker>)| {
            Guard::new(Arc::clone(&name), Arc::clone(backend), breaker, *route.breaker())
        };
        Self {
            guards: cluster.entry.members().zip(breakers).map(guard).collect(),
            cluster: route.cluster(),
            class: route.class(),
            meter: meters.route(route.name()),
            reply: route.reply().copied(),
            name,
        }
    }
}

impl ClusterView {
    pub(super) fn key(&self) -> ClusterKey {
        self.entry.key()
    }

    pub(super) fn name(&self) -> &str {
        self.entry.name()
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self.plan.link(), LinkKind::Shared)
    }

    pub(super) fn is_hot_standby(&self) -> bool {
        self.entry.balance() == Balance::HotStandby
    }

    /// Whether the member at a place goes on with the sessions it has: it serves, or it is only out for a while and
    /// its sessions cannot be moved.
    pub(super) fn keeps_sessions(&self, place: usize, now: Duration) -> bool {
        let lives = || self.entry.at(place).is_some_and(|backend| backend.is_up());
        self.entry.keeps(place, now) || self.closes_on_loss() && lives()
    }

    pub(super) fn closes_on_loss(&self) -> bool {
        self.plan.on_loss() == OnLoss::Close && !self.is_hot_standby()
    }
}

impl Door {
    fn new(
        listener: &config::Listener,
        meters: &Meters,
        tickets: &Tickets,
        now: SystemTime,
    ) -> Result<Self, Vec<Problem>> {
        let tls = match listener.tls() {
            [] => None,
            pairs => Some(ServerTls::new(pairs, tickets, now)?),
        };
        Ok(Self {
            listener: listener.clone(),
            tls,
            connections: AtomicU32::new(0),
            meter: meters.listener(listener.name()),
        })
    }

    /// What the plan says of it.
    #[must_use]
    pub fn listener(&self) -> &config::Listener {
        &self.listener
    }

    /// Whether its players speak TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

fn collect<T>(results: impl Iterator<Item = Result<T, Vec<Problem>>>, problems: &mut Vec<Problem>) -> Vec<T> {
    results.filter_map(|result| result.map_err(|fault| problems.extend(fault)).ok()).collect()
}
