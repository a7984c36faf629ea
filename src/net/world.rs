//! The one immutable value that says how every frame is decided now.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::bans::Bans;
use super::guard::Guard;
use super::hub;
use super::login::{Gatekeeper, LoginKind};
use super::opened::Opened;
use super::tls::{BackendConnector, ServerTls, Tickets};
use super::web::Web;
use crate::base::{BackendKey, ClusterKey};
use crate::cluster::{Backend, Cluster, Registry, RoutePace};
use crate::config::{self, GroupIndex, LinkKind, Maintenance, Overrides, Plan, Problem, Reply, RouteLimit};
use crate::partners::Keys;
use crate::policy::{Balance, Breaker, OnLoss, RouteClass};
use crate::router::{Groups, RouteIndex, Router};
use crate::telemetry::{ListenerMeter, Meters, RouteMeter};
use crate::wire::link::Transport;

/// A plan with everything it needs to run: built on the side, published at once, never changed.
#[derive(Debug)]
pub struct World {
    generation: u64,
    plan: Arc<Plan>,
    opened: Opened,
    pub(super) router: Router,
    pub(super) groups: Groups,
    names: Vec<Arc<str>>,
    /// By release group (one at least), then by route.
    pub(super) lanes: Vec<Vec<Lane>>,
    /// By release group, then by cluster: what serves that group there.
    views: Vec<Vec<Arc<ClusterView>>>,
    /// Clusters with all their members, whatever their group.
    pub(super) clusters: Vec<Arc<ClusterView>>,
    doors: Vec<Arc<Door>>,
    pub(super) web: Web,
    pub(super) bans: Bans<SystemTime>,
    /// Who may play; `None`: everybody.
    pub(super) gatekeeper: Option<Gatekeeper>,
}

/// What a world is built on besides its plan.
#[derive(Debug)]
pub struct Ground<'a> {
    /// Where clusters, backends and breakers are found again.
    pub registry: &'a mut Registry,
    /// Where everything counts.
    pub meters: &'a Meters,
    /// The runtime changes in force; the plan has them already, but for the bans.
    pub overrides: &'a Overrides,
    /// The number of the world, from 1.
    pub generation: u64,
}

/// A route as the frame path uses it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: Arc<str>,
    pub(super) cluster: usize,
    pub(super) class: RouteClass,
    pub(super) meter: Arc<RouteMeter>,
    /// Its breakers, one for each member that serves the group, in the order of the view.
    pub(super) guards: Vec<Arc<Guard>>,
    /// What answers each of its frames, and in what time.
    pub(super) reply: Option<Reply>,
    /// How many frames it takes.
    pub(super) limit: Option<Limit>,
    closed: Option<Maintenance>,
}

/// The limit of a route, with what is counted against it.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) rules: RouteLimit,
    pub(super) pace: Arc<RoutePace>,
}

/// A cluster as the frame path uses it: all of it, or the part that serves one release group.
#[derive(Debug)]
pub struct ClusterView {
    pub(super) entry: Cluster,
    /// Of all of it: what serves each release group that new sessions may enter, where backends are in groups.
    met: Vec<Cluster>,
    pub(super) plan: config::Cluster,
    pub(super) tls: Option<BackendConnector>,
}

/// A listener as its sessions use it.
#[derive(Debug)]
pub struct Door {
    pub(super) listener: config::Listener,
    pub(super) tls: Option<ServerTls>,
    /// What its accept loop counts; found by name, so that a reload keeps it.
    pub meter: Arc<ListenerMeter>,
}

impl World {
    /// Opens everything a plan names and builds the first world on it.
    ///
    /// # Errors
    /// Every certificate and key that cannot be used, all at once; the registry is untouched then.
    pub fn build(
        plan: Plan,
        registry: &mut Registry,
        meters: &Meters,
        tickets: &Tickets,
        clock: SystemTime,
    ) -> Result<Self, Vec<Problem>> {
        let opened = Opened::read(&plan, tickets, clock)?;
        let overrides = &Overrides::default();
        let ground = Ground { registry, meters, overrides, generation: 1 };
        Ok(Self::assemble(plan, opened, ground))
    }

    /// Builds a world of a plan and what its files contain. Nothing can go wrong here.
    #[must_use]
    pub fn assemble(plan: Plan, opened: Opened, mut ground: Ground<'_>) -> Self {
        let plan = Arc::new(plan);
        let zone = plan.gateway().zone();
        let whole = |(cluster, tls): (&config::Cluster, &Option<BackendConnector>)| {
            let entry = ground.registry.cluster(cluster, zone);
            let met = met(cluster, &plan).into_iter();
            let met = met.filter_map(|group| serving(cluster, &plan, group, ground.registry)).collect();
            Arc::new(ClusterView { entry, met, plan: cluster.clone(), tls: tls.clone() })
        };
        let clusters: Vec<_> = plan.clusters().iter().zip(&opened.connectors).map(whole).collect();
        let groups = 0..u8::try_from(plan.groups().len().max(1)).unwrap_or(u8::MAX);
        let views: Vec<Vec<_>> = groups
            .map(|group| clusters.iter().map(|view| view.part(&plan, group, ground.registry)).collect())
            .collect();
        let lanes = views.iter().map(|views| lanes(&plan, views, &mut ground)).collect();
        let web = Web::new(&plan, &views, &opened, &mut ground);
        let door = |(listener, tls): (&config::Listener, &Option<ServerTls>)| {
            let meter = ground.meters.listener(listener.name());
            Arc::new(Door { listener: listener.clone(), tls: tls.clone(), meter })
        };
        let gatekeeper =
            plan.login().map(|login| Gatekeeper::new(login, &plan, &clusters, opened.verifier.as_ref()));
        Self {
            generation: ground.generation,
            router: Router::new(&plan),
            groups: Groups::new(&plan, opened.accounts.clone()),
            names: plan.groups().iter().map(|name| name.as_str().into()).collect(),
            lanes,
            views,
            clusters,
            web,
            doors: plan.listeners().iter().zip(&opened.doors).map(door).collect(),
            opened,
            plan,
            bans: Bans::new(ground.overrides),
            gatekeeper,
        }
    }

    /// Its number: 1 at the start, one more at each change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The plan it was built from.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What the files of its plan contained.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// What proves the partner at a place of the plan.
    #[must_use]
    pub fn partner_keys(&self, place: usize) -> Option<&Arc<Keys>> {
        self.opened.partners.get(place)
    }

    /// The listeners, in the order of the plan.
    #[must_use]
    pub fn doors(&self) -> &[Arc<Door>] {
        &self.doors
    }

    /// The listener with this name.
    #[must_use]
    pub fn door(&self, name: &str) -> Option<&Arc<Door>> {
        self.doors.iter().find(|door| door.listener.name() == name)
    }

    /// Sessions that this gateway has at each backend now: cluster, address, sessions; in the order of the plan.
    pub fn sessions(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.members().map(|(cluster, backend)| (cluster.name(), backend.address(), backend.sessions()))
    }

    /// Every backend with its cluster.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Arc<ClusterView>, &Arc<Backend>)> {
        self.clusters
            .iter()
            .flat_map(|cluster| cluster.entry.members().map(move |backend| (cluster, backend)))
    }

    /// A route as it is for one release group, with what serves that group there.
    pub(super) fn lane(&self, group: usize, route: RouteIndex) -> Option<(&Lane, &Arc<ClusterView>)> {
        let lane = self.lanes.get(group)?.get(route.get())?;
        Some((lane, self.views.get(group)?.get(lane.cluster)?))
    }

    /// The same by the route's name; the first group's where there is no such group any more.
    pub(super) fn lane_named(&self, group: Option<&str>, name: &str) -> Option<(&Lane, &Arc<ClusterView>)> {
        let group = group.and_then(|group| self.group_place(group)).map_or(0, GroupIndex::get);
        let lane = self.lanes.get(group)?.iter().find(|lane| *lane.name == *name)?;
        Some((lane, self.views.get(group)?.get(lane.cluster)?))
    }

    /// What is the same of a route for every group: its name, its cluster's place, its meter.
    pub(super) fn any_lane(&self, route: RouteIndex) -> Option<&Lane> {
        self.lanes.first()?.get(route.get())
    }

    /// Whether a route with this number still has a limit.
    pub(super) fn has_limit(&self, number: u32) -> bool {
        let limits = || self.lanes.first().into_iter().flatten().filter_map(|lane| lane.limit.as_ref());
        limits().any(|limit| limit.pace.number() == number)
    }

    /// A cluster with all its members.
    pub(super) fn cluster(&self, key: ClusterKey) -> Option<&Arc<ClusterView>> {
        self.clusters.iter().find(|cluster| cluster.key() == key)
    }

    /// What serves a release group at a cluster.
    pub(super) fn view(&self, group: usize, cluster: usize) -> Option<&Arc<ClusterView>> {
        self.views.get(group)?.get(cluster)
    }

    /// What serves each release group at a cluster.
    pub(super) fn views_of(&self, key: ClusterKey) -> impl Iterator<Item = &ClusterView> {
        self.views.iter().flatten().map(|view| &**view).filter(move |view| view.key() == key)
    }

    /// Whether sessions may have a backend of a cluster: it is there, enabled, and some route leads to the cluster.
    pub(super) fn may_use(&self, cluster: &ClusterView, backend: BackendKey) -> bool {
        let place = self.clusters.iter().position(|known| known.key() == cluster.key());
        cluster.lets_serve(backend) && self.plan.routes().iter().any(|route| Some(route.cluster()) == place)
    }

    /// Whether a cluster with this name still has a backend, and an operator lets it serve those it has.
    #[must_use]
    pub fn lets_serve(&self, cluster: &str, backend: BackendKey) -> bool {
        let cluster = self.clusters.iter().find(|known| known.name() == cluster);
        cluster.is_some_and(|known| known.entry.lets_serve(backend))
    }

    /// Whether an operator has banned this address.
    #[must_use]
    pub fn bans_address(&self, address: IpAddr) -> bool {
        self.bans.has_address(address, hub::clock)
    }

    /// How players log in.
    pub(super) fn login_kind(&self) -> LoginKind {
        self.gatekeeper.as_ref().map(Gatekeeper::kind).unwrap_or_default()
    }

    /// How long players may come back to their sessions; `None`: not at all.
    pub(super) fn resume(&self) -> Option<Duration> {
        self.gatekeeper.as_ref()?.resume
    }

    /// Whether some backends are for some sessions only.
    pub(super) fn has_groups(&self) -> bool {
        !self.names.is_empty()
    }

    pub(super) fn group_name(&self, group: GroupIndex) -> Option<Arc<str>> {
        self.names.get(group.get()).cloned()
    }

    /// The name of the group at a place of the views.
    pub(super) fn name_at(&self, place: usize) -> Option<Arc<str>> {
        self.names.get(place).cloned()
    }

    pub(super) fn group_place(&self, name: &str) -> Option<GroupIndex> {
        self.plan.group(name)
    }

    /// A cluster of which some backends are for some sessions only.
    pub(super) fn grouped(&self, cluster: usize) -> Option<&ClusterView> {
        self.clusters.get(cluster).map(|view| &**view).filter(|view| view.plan.has_groups())
    }
}

/// What serves a group at a cluster: its own backends and those of no group; where it has none of its own, what serves
/// the active group.
fn serving(
    cluster: &config::Cluster,
    plan: &Plan,
    group: GroupIndex,
    registry: &mut Registry,
) -> Option<Cluster> {
    let own = cluster.backends().iter().any(|backend| backend.group() == Some(group));
    let active = || cluster.active().or(plan.release().active());
    let serving = if own { group } else { active()? };
    let name = plan.groups().get(serving.get()).map_or("", String::as_str);
    let serves = |backend: &config::Backend| backend.group().is_none_or(|group| group == serving);
    Some(registry.part(cluster, plan.gateway().zone(), name, serves))
}

/// The groups in which new sessions may meet a cluster of which some backends are in groups.
fn met(cluster: &config::Cluster, plan: &Plan) -> BTreeSet<GroupIndex> {
    let canary = || plan.release().canary().iter().map(|rule| rule.group());
    match cluster.active() {
        _ if !cluster.has_groups() => BTreeSet::new(),
        Some(own) => BTreeSet::from([own]),
        None => plan.release().active().into_iter().chain(canary()).collect(),
    }
}

fn lanes(plan: &Plan, views: &[Arc<ClusterView>], ground: &mut Ground<'_>) -> Vec<Lane> {
    let lane = |route: &config::Route| Some(Lane::new(route, views.get(route.cluster())?, ground));
    plan.routes().iter().filter_map(lane).collect()
}

impl Lane {
    fn new(route: &config::Route, cluster: &ClusterView, ground: &mut Ground<'_>) -> Self {
        let name: Arc<str> = route.name().into();
        let breakers = ground.registry.breakers(&name, &cluster.entry);
        let guard = |(backend, breaker): (&Arc<Backend>, Arc<Breaker>)| {
            Guard::new(Arc::clone(&name), Arc::clone(backend), breaker, *route.breaker())
        };
        Self {
            guards: cluster.entry.members().zip(breakers).map(guard).collect(),
            cluster: route.cluster(),
            class: route.class(),
            meter: ground.meters.route(route.name()),
            reply: route.reply().copied(),
            limit: route.limit().map(|rules| Limit { rules: *rules, pace: ground.registry.pace(&name) }),
            closed: route.maintenance().cloned(),
            name,
        }
    }

    /// Why it is closed now. Its end is a time of the clock, as everybody reads it.
    pub(super) fn closed(&self) -> Option<&Maintenance> {
        self.closed.as_ref().filter(|closed| !closed.is_over(hub::clock))
    }
}

impl ClusterView {
    fn part(self: &Arc<Self>, plan: &Plan, group: u8, registry: &mut Registry) -> Arc<Self> {
        let group = plan.group_at(group).filter(|_| self.plan.has_groups());
        let entry = group.and_then(|group| serving(&self.plan, plan, group, registry));
        let part = |entry| Self { entry, met: Vec::new(), plan: self.plan.clone(), tls: self.tls.clone() };
        entry.map_or_else(|| Arc::clone(self), |entry| Arc::new(part(entry)))
    }

    /// Whether so few of those who serve are healthy that health is ignored; of all of a cluster: those who serve some
    /// group that new sessions may enter.
    pub(super) fn is_in_panic(&self, now: Duration) -> bool {
        match self.met.is_empty() {
            true => self.entry.is_in_panic(now),
            false => self.met.iter().any(|part| part.is_in_panic(now)),
        }
    }

    /// Its members and what is true of them now.
    #[must_use]
    pub fn entry(&self) -> &Cluster {
        &self.entry
    }

    /// What the file says of it.
    #[must_use]
    pub fn plan(&self) -> &config::Cluster {
        &self.plan
    }

    /// TLS to its backends; `None`: they are spoken to in plain.
    #[must_use]
    pub fn connector(&self) -> Option<&BackendConnector> {
        self.tls.as_ref()
    }

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

    /// Whether the operator lets a backend serve the sessions it has. Who gets no new ones in a hot standby has none: the
    /// other ones go on with them.
    pub(super) fn lets_serve(&self, backend: BackendKey) -> bool {
        let is_wanted = |place| self.entry.is_wanted(place);
        match self.is_hot_standby() {
            true => self.entry.place_of(backend).is_some_and(is_wanted),
            false => self.entry.lets_serve(backend),
        }
    }

    /// Whether the member at a place goes on with the sessions it has: it serves, or it is only out for a while and
    /// its sessions cannot be moved.
    pub(super) fn keeps_sessions(&self, place: usize, now: Duration) -> bool {
        let lives =
            || self.entry.is_enabled(place) && self.entry.at(place).is_some_and(|backend| backend.is_up());
        self.entry.keeps(place, now) || self.closes_on_loss() && lives()
    }

    pub(super) fn closes_on_loss(&self) -> bool {
        self.plan.on_loss() == OnLoss::Close && !self.is_hot_standby()
    }
}

impl Door {
    /// What the plan says of it.
    #[must_use]
    pub fn listener(&self) -> &config::Listener {
        &self.listener
    }

    /// What its TLS handshakes are made with; `None`: it is plain.
    #[must_use]
    pub fn tls_config(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.as_ref().map(ServerTls::config)
    }

    /// Whether its players speak TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether its players speak WebSocket.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.listener.websocket().is_some()
    }

    /// How its players are connected.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match (self.is_websocket(), self.is_tls()) {
            (false, false) => Transport::Tcp,
            (false, true) => Transport::Tls,
            (true, false) => Transport::Ws,
            (true, true) => Transport::Wss,
        }
    }
}
