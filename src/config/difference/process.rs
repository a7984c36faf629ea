//! The release, the drain and the process itself of two plans compared.

use super::change::{Change, ProcessKey, ReleaseChange, Swap};
use super::clusters::name_of;
use super::find;
use crate::config::plan::{Admin, CanaryRule, Cluster, Drain, Plan};

pub(super) fn compare(changes: &mut Vec<Change>, old: &Plan, new: &Plan) {
    let (moving, spread) = (new.release.moving, new.release.spread);
    changes.extend(release(old, new).map(|what| Change::Release { what, moving, spread }));
    changes.extend(Swap::of(old.gateway.zone.clone(), new.gateway.zone.clone()).map(Change::Zone));
    changes.extend(Swap::of(old.net.gather, new.net.gather).map(Change::Gather));
    let times = |drain: &Drain| (drain.lame_duck, drain.spread, drain.deadline);
    changes.extend((times(&old.drain) != times(&new.drain)).then_some(Change::Drain));
    changes.extend(process(old, new).into_iter().map(Change::Process));
}

fn release(old: &Plan, new: &Plan) -> impl Iterator<Item = ReleaseChange> {
    let (before, after) = (&old.release, &new.release);
    let active = Swap::of(name_of(old, before.active), name_of(new, after.active));
    let whole = [
        active.map(ReleaseChange::Active),
        (canary(old) != canary(new)).then_some(ReleaseChange::Canary),
        Swap::of(before.moving, after.moving).map(ReleaseChange::Moving),
        Swap::of(before.spread, after.spread).map(ReleaseChange::Spread),
    ];
    whole.into_iter().flatten().chain(own_active(old, new))
}

/// Clusters whose own `active` is another one.
fn own_active(old: &Plan, new: &Plan) -> Vec<ReleaseChange> {
    let one = |cluster: &Cluster| {
        let later = find(&new.clusters, Cluster::name, &cluster.name)?;
        let groups = Swap::of(name_of(old, cluster.active), name_of(new, later.active))?;
        Some(ReleaseChange::ClusterActive { cluster: cluster.name.clone(), groups })
    };
    old.clusters.iter().filter_map(one).collect()
}

/// The rules by name: what they say is what they do, and one for a zone is for everybody here or for nobody.
fn canary(plan: &Plan) -> Vec<(String, String, bool)> {
    let is_here = |who: &CanaryRule| matches!(who, CanaryRule::Zone(zone) if *zone == plan.gateway.zone);
    let rules = plan.release.canary.iter();
    rules.map(|rule| (name_of(plan, Some(rule.group)), rule.who.to_string(), is_here(&rule.who))).collect()
}

fn process(old: &Plan, new: &Plan) -> Vec<ProcessKey> {
    let listen = |admin: &Admin| *admin.listen.get();
    let token = |admin: &Admin| admin.token_file.as_ref().map(|path| path.get().clone());
    let (a, b) = (&old.gateway, &new.gateway);
    let mut keys = vec![
        (ProcessKey::Id, a.id != b.id),
        (ProcessKey::Workers, a.workers != b.workers),
        (ProcessKey::StateDir, a.state_dir != b.state_dir),
        (ProcessKey::Admin, old.admin.is_some() != new.admin.is_some()),
    ];
    if let (Some(a), Some(b)) = (&old.admin, &new.admin) {
        keys.push((ProcessKey::AdminListen, listen(a) != listen(b)));
        keys.push((ProcessKey::AdminToken, token(a) != token(b)));
    }
    keys.into_iter().filter(|(_, differ)| *differ).map(|(key, _)| key).collect()
}
