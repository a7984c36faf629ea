//! The one immutable value that says how every frame is decided now.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::SystemTime;

use super::tls::{BackendConnector, ServerTls, Tickets};
use crate::base::{BackendKey, ClusterKey};
use crate::cluster::{Cluster, Registry};
use crate::config::{self, LinkKind, Plan, Problem};
use crate::policy::{Balance, OnLoss, RouteClass};
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
    pub(super) name: String,
    pub(super) cluster: usize,
    pub(super) class: RouteClass,
    pub(super) meter: Arc<RouteMeter>,
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
        let clusters = plan.clusters().iter().zip(connectors).map(|(cluster, tls)| {
            Arc::new(ClusterView { entry: registry.cluster(cluster), plan: cluster.clone(), tls })
        });
        Ok(Self {
            router: Router::new(&plan),
            lanes: plan.routes().iter().map(|route| Lane::new(route, meters)).collect(),
            clusters: clusters.collect(),
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

    pub(super) fn lane(&self, route: RouteIndex) -> Option<(&Lane, &Arc<ClusterView>)> {
        let lane = self.lanes.get(route.get())?;
        Some((lane, self.clusters.get(lane.cluster)?))
    }
}

impl Lane {
    fn new(route: &config::Route, meters: &Meters) -> Self {
        Self {
            name: route.name().to_owned(),
            cluster: route.cluster(),
            class: route.class(),
            meter: meters.route(route.name()),
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

    pub(super) fn balance(&self) -> Balance {
        self.plan.balance()
    }

    pub(super) fn closes_on_loss(&self) -> bool {
        self.plan.on_loss() == OnLoss::Close
    }

    pub(super) fn has(&self, backend: BackendKey) -> bool {
        self.entry.find(backend).is_some()
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
