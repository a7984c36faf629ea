//! Operators' runtime changes laid over what the file says. A change that fits nothing has no effect and is told; it
//! never makes a plan that `check` would have refused.

use super::nearest::nearest;
use super::overrides::{AdminState, Override, Overrides};
use super::plan::{Backend, Cluster, GroupIndex, Plan};

/// Why a runtime change does not fit a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmatched {
    /// What is wrong with it.
    pub why: Unfit,
    /// What is wrong, in one line.
    pub error: String,
    /// What to do instead.
    pub hint: String,
}

/// What is wrong with a runtime change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It names what is not there.
    Unknown,
    /// It names what is there, and what it wants of it cannot be.
    Impossible,
}

/// The highest weight of a backend.
pub const MOST_WEIGHT: u32 = 65_535;

impl Plan {
    /// The plan with operators' runtime changes laid over it; those that fit nothing any more are left out.
    #[must_use]
    pub fn with(&self, overrides: &Overrides) -> Self {
        let mut plan = self.clone();
        for change in overrides.entries() {
            plan.apply(change);
        }
        plan.give_back_weights(self);
        if !plan.clusters.iter().all(|cluster| serves_somebody(cluster, plan.release.active)) {
            plan.release.clone_from(&self.release);
            plan.give_back_weights(self);
        }
        plan
    }

    /// The runtime changes that fit nothing any more, for the log.
    #[must_use]
    pub fn stale<'o>(&self, overrides: &'o Overrides) -> Vec<&'o Override> {
        let plan = self.with(overrides);
        overrides.entries().iter().filter(|change| !plan.has(change)).collect()
    }

    /// Why a change does not fit this plan; `None`: it does.
    #[must_use]
    pub fn unmatched(&self, change: &Override) -> Option<Unmatched> {
        self.unknown(change).or_else(|| {
            let change_only = Overrides::default().with(change.clone());
            let fits = self.stale(&change_only).is_empty() && !self.stops_the_last(change);
            (!fits).then(|| self.impossible(change))
        })
    }

    /// Whether this plan says by itself what a change wants: then there is nothing to keep.
    #[must_use]
    pub fn says(&self, change: &Override) -> bool {
        match change {
            Override::Ban { .. } => false,
            Override::Release { moving: Some(moving), .. } => {
                self.has(change) && self.release.moving == *moving
            }
            Override::State { .. }
            | Override::Weight { .. }
            | Override::Maintenance { .. }
            | Override::Release { moving: None, .. }
            | Override::Partner { .. } => self.has(change),
        }
    }

    /// Whether a weight of 0 is for the last backend that new sessions find: one with a weight that is drained or
    /// disabled serves none of them.
    fn stops_the_last(&self, change: &Override) -> bool {
        let Override::Weight { cluster, address, weight: 0 } = change else { return false };
        let Some(cluster) = self.clusters.iter().find(|found| found.name == *cluster) else { return false };
        let group = cluster.active.or(self.release.active).filter(|_| cluster.has_groups());
        let serves = |backend: &&Backend| {
            let wanted = backend.weight > 0 && backend.admin == AdminState::Ready;
            wanted && group.is_none_or(|group| backend.serves(group))
        };
        let mut serving = cluster.backends.iter().filter(serves);
        let (first, second) = (serving.next(), serving.next());
        second.is_none() && first.is_some_and(|last| last.address.get() == address)
    }

    fn apply(&mut self, change: &Override) {
        match change {
            Override::State { cluster, address, state } => {
                self.change_backend(cluster, address, |backend| backend.admin = *state);
            }
            Override::Weight { cluster, address, weight } => {
                self.change_backend(cluster, address, |backend| backend.weight = (*weight).min(MOST_WEIGHT));
            }
            Override::Maintenance { route, closed } => {
                let clusters = &self.clusters;
                // As in the file: where no frames are read, none could be refused.
                let opaque = |place: usize| clusters.get(place).is_some_and(Cluster::reads_no_frames);
                if let Some(found) = self.routes.iter_mut().find(|found| found.name == *route)
                    && (closed.is_none() || !opaque(found.cluster))
                {
                    found.maintenance.clone_from(closed);
                }
            }
            Override::Release { active, moving } => {
                if let Some(group) = self.group(active) {
                    self.release.active = Some(group);
                    self.release.moving = moving.unwrap_or(self.release.moving);
                }
            }
            Override::Partner { name, enabled } => {
                if let Some(found) = self.partners.iter_mut().find(|found| found.name == *name) {
                    found.enabled = *enabled;
                }
            }
            Override::Ban { .. } => {}
        }
    }

    fn change_backend(&mut self, cluster: &str, address: &str, change: impl FnOnce(&mut Backend)) {
        let cluster = self.clusters.iter_mut().find(|found| found.name == cluster);
        let backends = cluster.into_iter().flat_map(|cluster| &mut cluster.backends);
        if let Some(backend) = backends.into_iter().find(|backend| backend.address.get() == address) {
            change(backend);
        }
    }

    /// Clusters where nobody would get new sessions have the weights of the file.
    fn give_back_weights(&mut self, file: &Self) {
        let active = self.release.active;
        for (cluster, as_written) in self.clusters.iter_mut().zip(&file.clusters) {
            if serves_somebody(cluster, active) {
                continue;
            }
            for (backend, as_written) in cluster.backends.iter_mut().zip(&as_written.backends) {
                backend.weight = as_written.weight;
            }
        }
    }

    /// Whether the plan is as the change wants it.
    fn has(&self, change: &Override) -> bool {
        let backend = |cluster: &str, address: &str| self.backend(cluster, address);
        match change {
            Override::State { cluster, address, state } => {
                backend(cluster, address).is_some_and(|backend| backend.admin == *state)
            }
            Override::Weight { cluster, address, weight } => {
                backend(cluster, address).is_some_and(|backend| backend.weight == *weight)
            }
            Override::Maintenance { route, closed } => {
                let route = self.routes.iter().find(|found| found.name == *route);
                route.is_some_and(|route| route.maintenance == *closed)
            }
            Override::Release { active, .. } => {
                self.release.active.is_some() && self.release.active == self.group(active)
            }
            Override::Partner { name, enabled } => {
                let partner = self.partners.iter().find(|found| found.name == *name);
                partner.is_some_and(|partner| partner.enabled == *enabled)
            }
            Override::Ban { .. } => true,
        }
    }

    fn backend(&self, cluster: &str, address: &str) -> Option<&Backend> {
        let cluster = self.clusters.iter().find(|found| found.name == cluster)?;
        cluster.backends.iter().find(|backend| backend.address.get() == address)
    }

    fn unknown(&self, change: &Override) -> Option<Unmatched> {
        match change {
            Override::State { cluster, address, .. } | Override::Weight { cluster, address, .. } => {
                let known: Vec<_> = self.clusters.iter().map(Cluster::name).collect();
                let Some(found) = self.clusters.iter().find(|found| found.name == *cluster) else {
                    return Some(no_such(&format!("there is no cluster {cluster}"), cluster, &known));
                };
                let known: Vec<_> = found.backends.iter().map(|one| one.address.get().as_str()).collect();
                let error = format!("the cluster {cluster} has no backend {address}");
                (!known.contains(&address.as_str())).then(|| no_such(&error, address, &known))
            }
            Override::Maintenance { route, .. } => {
                let known: Vec<_> = self.routes.iter().map(|route| route.name.as_str()).collect();
                let error = format!("there is no route {route}");
                (!known.contains(&route.as_str())).then(|| no_such(&error, route, &known))
            }
            Override::Release { active, .. } => {
                let known: Vec<_> = self.groups.iter().map(String::as_str).collect();
                let error = format!("no backend is in the group {active}");
                (!known.contains(&active.as_str())).then(|| no_such(&error, active, &known))
            }
            Override::Partner { name, .. } => {
                let known: Vec<_> = self.partners.iter().map(|partner| partner.name.as_str()).collect();
                let error = format!("there is no [partner.{name}]");
                (!known.contains(&name.as_str())).then(|| no_such(&error, name, &known))
            }
            Override::Ban { .. } => None,
        }
    }

    fn impossible(&self, change: &Override) -> Unmatched {
        let (error, hint) = match change {
            Override::Weight { weight, .. } if *weight > MOST_WEIGHT => {
                (format!("{weight} is no weight"), format!("write 0 to {MOST_WEIGHT}"))
            }
            Override::Weight { cluster, .. } => (
                format!(
                    "no backend of {cluster} that serves would have a weight above 0: new sessions would find nobody"
                ),
                "give another backend a weight above 0 first, or drain this one".to_owned(),
            ),
            Override::Release { active, .. } => (
                format!(
                    "{} would have no backends for new sessions of the group {active}",
                    self.left_empty(active)
                ),
                format!("add backends of {active} to it, or give it its own `active`"),
            ),
            Override::Maintenance { route, .. } => (
                format!("[route.{route}] reads no frames: none would be refused, and no player told"),
                "take the backends out: drain or disable them".to_owned(),
            ),
            Override::State { .. } | Override::Partner { .. } | Override::Ban { .. } => {
                ("this cannot be".to_owned(), "look at the file in force".to_owned())
            }
        };
        Unmatched { why: Unfit::Impossible, error, hint }
    }

    /// The clusters that a group would leave empty.
    fn left_empty(&self, group: &str) -> String {
        let group = self.group(group);
        let empty = self.clusters.iter().filter(|cluster| !serves_somebody(cluster, group));
        empty.map(Cluster::name).collect::<Vec<_>>().join(", ")
    }
}

/// Whether new sessions of the active group find a backend with a weight.
fn serves_somebody(cluster: &Cluster, active: Option<GroupIndex>) -> bool {
    let weighs = || cluster.backends.iter().any(|backend| backend.weight > 0);
    match cluster.active.or(active) {
        Some(group) if cluster.has_groups() => cluster.can_serve(group),
        Some(_) | None => weighs(),
    }
}

fn no_such(error: &str, name: &str, known: &[&str]) -> Unmatched {
    let hint = match (nearest(name, known.iter().copied()), known.is_empty()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, true) => "the file in force has none".to_owned(),
        (None, false) => format!("there are {}", known.join(", ")),
    };
    Unmatched { why: Unfit::Unknown, error: error.to_owned(), hint }
}
