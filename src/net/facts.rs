//! What is true now, as plain values for operators and their tools: no reference into the running gateway.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::world::{ClusterView, World};
use crate::base::{BackendKey, SessionId};
use crate::cluster::{Backend, ServingState};
use crate::config::{self, AdminState, GroupIndex, Maintenance};
use crate::policy::BreakerState;

/// A cluster now.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Its name.
    pub name: String,
    /// `shared`, `dedicated` or `http`.
    pub link: &'static str,
    /// The rule by which its backends share the sessions.
    pub balance: &'static str,
    /// The group that new sessions meet here.
    pub group: Option<String>,
    /// Whether so few are healthy that health is ignored.
    pub panic: bool,
    /// In the order of the file.
    pub backends: Vec<BackendFacts>,
}

/// A backend now.
#[derive(Clone, Debug)]
pub struct BackendFacts {
    /// `host:port` as the file says it.
    pub address: String,
    /// Empty when none is set.
    pub zone: String,
    /// Its release group.
    pub group: Option<String>,
    /// The weight of the plan in force.
    pub weight: u32,
    /// The weight under slow start.
    pub weight_now: f64,
    /// What the operator wants of it.
    pub admin: AdminState,
    /// Whether its probes say that it lives.
    pub up: bool,
    /// Why it is down, or why it last was.
    pub reason: String,
    /// How long it is still out for what real traffic said of it.
    pub ejected: Option<Duration>,
    /// What it says of its own readiness.
    pub state: ServingState,
    /// What it reported last, 0.0 to 1.0.
    pub load_reported: Option<f64>,
    /// That, and what was sent to it since.
    pub load_predicted: Option<f64>,
    /// The sessions it said it can have.
    pub capacity: Option<u32>,
    /// Sessions of this gateway.
    pub sessions: u32,
    /// Shared links that are up.
    pub links: u32,
    /// Of each route of the cluster, those for players and then those of HTTP.
    pub breakers: Vec<BreakerFacts>,
}

/// A route's breaker at one backend now.
#[derive(Clone, Debug)]
pub struct BreakerFacts {
    /// The route's name; `http.NAME` is one of HTTP.
    pub route: String,
    /// How it stands.
    pub state: BreakerState,
    /// How long it stays open.
    pub remaining: Option<Duration>,
}

/// A route now. What it counted is in its meter.
#[derive(Clone, Debug)]
pub struct RouteFacts {
    /// Its name.
    pub name: String,
    /// Inclusive ranges of protocol IDs.
    pub ids: Vec<(u64, u64)>,
    /// Whether it takes the rest.
    pub catch_all: bool,
    /// The name of its cluster.
    pub cluster: String,
    /// `critical`, `normal` or `optional`.
    pub class: &'static str,
    /// Why it is closed, while it is.
    pub maintenance: Option<Maintenance>,
    /// The worst of its breakers.
    pub breaker: BreakerState,
}

/// A session now.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// Its number.
    pub id: SessionId,
    /// Whose it is, once that is known.
    pub account: Option<String>,
    /// The player's address.
    pub address: SocketAddr,
    /// The listener's name.
    pub listener: String,
    /// `tcp`, `tls`, `ws` or `wss`.
    pub transport: &'static str,
    /// The release group it is in.
    pub group: Option<String>,
    /// Since it came.
    pub age: Duration,
    /// Cluster and address of each backend that knows it.
    pub backends: Vec<(String, String)>,
    /// Whole frames from the player, and to it.
    pub frames: (u64, u64),
    /// Plain bytes from the player, and to it.
    pub bytes: (u64, u64),
    /// Bytes that wait for the player.
    pub buffered: usize,
    /// Whether its connection is gone, and it waits for its player to come back.
    pub away: bool,
    /// The worker it lives on.
    pub worker: usize,
}

/// Who is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One session.
    Session(SessionId),
    /// Every session of an account.
    Account(String),
    /// Every session of an address.
    Address(IpAddr),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(session) => write!(f, "session {session}"),
            Self::Account(account) => write!(f, "account {account:?}"),
            Self::Address(address) => write!(f, "address {address}"),
        }
    }
}

impl World {
    /// Its clusters in the order of the plan; `now` is counted from the process's start.
    #[must_use]
    pub fn cluster_facts(&self, now: Duration) -> Vec<ClusterFacts> {
        self.clusters.iter().map(|cluster| self.facts_of(cluster, now)).collect()
    }

    /// Its routes in the order of the plan.
    #[must_use]
    pub fn route_facts(&self) -> Vec<RouteFacts> {
        self.plan().routes().iter().enumerate().map(|(place, route)| self.route(route, place)).collect()
    }

    fn facts_of(&self, cluster: &ClusterView, now: Duration) -> ClusterFacts {
        let plan = &cluster.plan;
        let backends = plan.backends().iter().zip(cluster.entry.members());
        let backend = |(plan, backend): (&config::Backend, &Arc<Backend>)| {
            let slow_start = backend.slow_start(cluster.entry.slow_start(), now);
            self.backend(plan, backend, slow_start, self.breakers(backend.key(), now), now)
        };
        ClusterFacts {
            name: plan.name().to_owned(),
            link: plan.link().as_str(),
            balance: plan.balance().as_str(),
            group: self.group(plan.active().or(self.plan().release().active())),
            panic: cluster.is_in_panic(now),
            backends: backends.map(backend).collect(),
        }
    }

    fn backend(
        &self,
        plan: &config::Backend,
        backend: &Backend,
        slow_start: f64,
        breakers: Vec<BreakerFacts>,
        now: Duration,
    ) -> BackendFacts {
        let load = backend.load(now);
        BackendFacts {
            address: backend.address().to_owned(),
            zone: plan.zone().to_owned(),
            group: self.group(plan.group()),
            weight: plan.weight(),
            weight_now: f64::from(plan.weight()) * slow_start,
            admin: plan.admin(),
            up: backend.is_up(),
            reason: backend.events().reason(),
            ejected: backend.ejected_for(now),
            state: backend.state(),
            load_reported: load.map(|(reported, _)| reported),
            load_predicted: load.map(|(_, predicted)| predicted),
            capacity: backend.capacity(),
            sessions: backend.sessions(),
            links: backend.links(),
            breakers,
        }
    }

    /// The breakers of every route at a backend, those of HTTP last: the same ones for every release group it serves.
    fn breakers(&self, backend: BackendKey, now: Duration) -> Vec<BreakerFacts> {
        let of_players = self.lanes.iter().flatten().map(|lane| lane.guards.as_slice());
        let of_requests = self.web_lanes().iter().map(|lane| lane.guards());
        let mut breakers: Vec<BreakerFacts> = Vec::new();
        for guards in of_players.chain(of_requests) {
            let at_it = guards.iter().find(|guard| guard.backend().key() == backend);
            let Some(guard) = at_it else { continue };
            if breakers.iter().all(|known| *known.route != **guard.route()) {
                breakers.push(BreakerFacts {
                    route: guard.route().to_string(),
                    state: guard.state(),
                    remaining: guard.remaining(now),
                });
            }
        }
        breakers
    }

    fn route(&self, route: &config::Route, place: usize) -> RouteFacts {
        let cluster = self.plan().clusters().get(route.cluster());
        let lanes = || self.lanes.iter().filter_map(|lanes| lanes.get(place));
        let states = lanes().flat_map(|lane| lane.guards.iter().map(|guard| guard.state()));
        let closed = lanes().find_map(|lane| lane.closed());
        RouteFacts {
            name: route.name().to_owned(),
            ids: route.ids().to_vec(),
            catch_all: route.catch_all(),
            cluster: cluster.map(|cluster| cluster.name().to_owned()).unwrap_or_default(),
            class: route.class().as_str(),
            maintenance: closed.cloned(),
            breaker: states.max_by_key(|state| badness(*state)).unwrap_or(BreakerState::Closed),
        }
    }

    fn group(&self, group: Option<GroupIndex>) -> Option<String> {
        self.plan().groups().get(group?.get()).cloned()
    }
}

/// How bad it is: 0 closed, 1 half open, 2 open.
pub(super) const fn badness(state: BreakerState) -> u32 {
    match state {
        BreakerState::Closed => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
    }
}
