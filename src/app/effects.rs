//! What a change does to live sessions, with their number, before it happens.

use crate::admin::Reloaded;
use crate::config::{self, Change, Cluster, Plan, ReleaseChange, Touched};
use crate::net::{Opened, World};

/// The lines for the log and for whoever asked: how the plan that counts now differs from the one that `was`, and what
/// that does in the old world; `sessions` is how many there are now.
pub(super) fn tell(old: &World, was: &Plan, (new, opened): (&Plan, &Opened), sessions: usize) -> Reloaded {
    let difference = config::difference(was, new);
    let mut changes = difference.changes().to_vec();
    let is_told = |change: &Change| matches!(change, Change::Release { what: ReleaseChange::Canary, .. });
    if opened.lists_others(old.opened()) && !changes.iter().any(is_told) {
        let (moving, spread) = (new.release().moving(), new.release().spread());
        changes.push(Change::Release { what: ReleaseChange::Accounts, moving, spread });
    }
    Reloaded {
        generation: old.generation() + 1,
        changes: changes.iter().map(Change::what).collect(),
        effects: changes.iter().map(|change| effect(change, old, new, sessions)).collect(),
    }
}

fn effect(change: &Change, old: &World, new: &Plan, all: usize) -> String {
    let touched = match change.touches() {
        Touched::Nobody => None,
        Touched::Everybody => Some(all),
        Touched::ListenerSessions(name) => old.door(&name).map(|door| in_usize(door.meter.connections())),
        Touched::ClusterSessions(name) => Some(at(old, |cluster, _| cluster == name)),
        Touched::RouteSessions(name) => {
            cluster_of(old, &name).map(|name| at(old, |cluster, _| cluster == name))
        }
        Touched::BackendSessions { cluster: name, address: backend } => {
            Some(at(old, |cluster, address| cluster == name && address == backend))
        }
        Touched::AwaySessions => Some(old.doors().iter().map(|door| in_usize(door.meter.away())).sum()),
        Touched::OtherGroup => Some(in_other_group(old, new)),
    };
    let sessions = match touched {
        None => String::new(),
        Some(1) => " (1 session)".to_owned(),
        Some(count) => format!(" ({count} sessions)"),
    };
    format!("{}: {}{sessions}", change.what(), change.effect())
}

/// Sessions at the backends that this is true of: cluster, address.
fn at(world: &World, is_it: impl Fn(&str, &str) -> bool) -> usize {
    let at_them = world.sessions().filter(|(cluster, address, _)| is_it(cluster, address));
    at_them.map(|(_, _, sessions)| in_usize(sessions)).sum()
}

fn cluster_of<'w>(world: &'w World, route: &str) -> Option<&'w str> {
    let route = world.plan().routes().iter().find(|known| known.name() == route)?;
    Some(world.plan().clusters().get(route.cluster())?.name())
}

/// Sessions at backends of other groups than the one that is active in the new plan: a session that is at several clusters is counted where most are.
fn in_other_group(old: &World, new: &Plan) -> usize {
    let of_cluster = |cluster: &Cluster| {
        let active = cluster.active().or(new.release().active());
        let is_other = |address: &str| {
            let backend = cluster.backends().iter().find(|backend| backend.address().get() == address);
            backend.and_then(|backend| backend.group()).is_some_and(|group| Some(group) != active)
        };
        at(old, |name, address| name == cluster.name() && is_other(address))
    };
    new.clusters().iter().map(of_cluster).max().unwrap_or_default()
}

fn in_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
