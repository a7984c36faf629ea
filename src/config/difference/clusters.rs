//! Clusters and backends of two plans compared.

use super::change::{BackendChange, Change, ClusterChange, Loss, Swap};
use super::find;
use crate::config::plan::{Backend, BackendTls, Cluster, GroupIndex, LinkKind, Plan};
use crate::policy::{Balance, OnLoss};
use crate::wire::Framing;

pub(super) fn compare(changes: &mut Vec<Change>, old: &Plan, new: &Plan) {
    for cluster in &old.clusters {
        let mut add = |what| changes.push(Change::Cluster { name: cluster.name.clone(), what });
        match find(&new.clusters, Cluster::name, &cluster.name) {
            Some(later) => {
                keys(cluster, later).into_iter().for_each(add);
                backends(changes, (old, cluster), (new, later));
            }
            None => add(ClusterChange::Removed(loss(cluster))),
        }
    }
    for cluster in &new.clusters {
        if find(&old.clusters, Cluster::name, &cluster.name).is_none() {
            let what = ClusterChange::Added(cluster.backends.len());
            changes.push(Change::Cluster { name: cluster.name.clone(), what });
        }
    }
}

/// What happens to sessions whose backend there is lost. A hot standby has another one that knows them all; where
/// requests are answered there are none.
fn loss(cluster: &Cluster) -> Option<Loss> {
    match (&cluster.link, cluster.on_loss) {
        (LinkKind::Http, _) => None,
        _ if cluster.balance == Balance::HotStandby => Some(Loss::TakenOver),
        (_, OnLoss::Close) => Some(Loss::Closed),
        // Bytes that are not read cannot go on elsewhere.
        (LinkKind::Dedicated { layout, .. }, _) if layout.framing == Framing::Opaque => Some(Loss::Stay),
        (_, OnLoss::Repick) => Some(Loss::Repicked),
    }
}

fn keys(old: &Cluster, new: &Cluster) -> Vec<ClusterChange> {
    let differ = |keys: &[(&'static str, bool)], make: fn(Vec<&'static str>) -> ClusterChange| {
        let keys: Vec<_> = keys.iter().filter(|(_, differ)| *differ).map(|(key, _)| *key).collect();
        (!keys.is_empty()).then(|| make(keys))
    };
    let standby = |cluster: &Cluster| cluster.balance == Balance::HotStandby;
    let [frame, proxy, websocket] = framing(&old.link, &new.link);
    let connections = [
        ("connect_timeout", old.connect_timeout != new.connect_timeout),
        ("send_buffer", old.send_buffer != new.send_buffer),
        ("proxy_protocol", proxy),
        ("frame", frame),
        ("websocket", websocket),
        ("tls", tls(old.tls.as_ref()) != tls(new.tls.as_ref())),
    ];
    let rebinds = standby(old) != standby(new);
    let choice = [
        ("balance", old.balance != new.balance && !rebinds),
        ("hash_on", old.hash_on != new.hash_on && new.sticky),
        ("slow_start", old.slow_start != new.slow_start),
        ("panic_threshold", old.panic_threshold != new.panic_threshold),
        ("sticky", !old.sticky && new.sticky),
        ("order of backends", order(old, new) && !standby(new)),
    ];
    let binding = [
        ("balance", rebinds),
        ("hash_on", old.hash_on != new.hash_on && !new.sticky),
        ("sticky", old.sticky && !new.sticky),
        ("order of backends", order(old, new) && standby(new)),
    ];
    let judgement = [("health", old.health != new.health), ("outlier", old.outlier != new.outlier)];
    [
        Swap::of(old.link.as_str(), new.link.as_str()).map(ClusterChange::Link),
        differ(&connections, ClusterChange::Connections),
        differ(&choice, ClusterChange::Choice),
        differ(&binding, ClusterChange::Binding),
        Swap::of(old.on_loss, new.on_loss).map(ClusterChange::OnLoss),
        differ(&judgement, ClusterChange::Judgement),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whether the layout, the PROXY header and the path for WebSocket of dedicated links differ.
fn framing(old: &LinkKind, new: &LinkKind) -> [bool; 3] {
    match (old, new) {
        (
            LinkKind::Dedicated { layout: a, proxy: p, websocket: v, .. },
            LinkKind::Dedicated { layout: b, proxy: q, websocket: w, .. },
        ) => [a != b, p != q, v != w],
        (LinkKind::Shared | LinkKind::Http, _) | (_, LinkKind::Shared | LinkKind::Http) => [false; 3],
    }
}

/// The files by name.
fn tls(tls: Option<&BackendTls>) -> Option<Vec<&std::path::Path>> {
    let tls = tls?;
    let client = tls.client.iter().flat_map(|pair| [pair.certificate.get(), pair.key.get()]);
    Some([tls.ca.get()].into_iter().chain(client).map(std::path::PathBuf::as_path).collect())
}

/// Whether the backends that are in both stand in another order.
fn order(old: &Cluster, new: &Cluster) -> bool {
    let shared = |cluster: &Cluster, other: &Cluster| -> Vec<String> {
        let known = |backend: &&Backend| find(&other.backends, address, address(backend)).is_some();
        cluster.backends.iter().filter(known).map(|backend| backend.address.get().clone()).collect()
    };
    shared(old, new) != shared(new, old)
}

fn address(backend: &Backend) -> &str {
    backend.address.get()
}

fn backends(
    changes: &mut Vec<Change>,
    (old_plan, old): (&Plan, &Cluster),
    (new_plan, new): (&Plan, &Cluster),
) {
    let mut add = |backend: &Backend, what| {
        let (cluster, address) = (new.name.clone(), backend.address.get().clone());
        changes.push(Change::Backend { cluster, address, loss: loss(old), what });
    };
    for backend in &old.backends {
        match find(&new.backends, address, address(backend)) {
            Some(later) => {
                one((old_plan, backend), (new_plan, later)).into_iter().for_each(|what| add(backend, what));
            }
            None => add(backend, BackendChange::Removed),
        }
    }
    for backend in &new.backends {
        if find(&old.backends, address, address(backend)).is_none() {
            add(backend, BackendChange::Added);
        }
    }
}

fn one((old_plan, old): (&Plan, &Backend), (new_plan, new): (&Plan, &Backend)) -> Vec<BackendChange> {
    let groups = Swap::of(name_of(old_plan, old.group), name_of(new_plan, new.group));
    [
        Swap::of(old.weight, new.weight).map(BackendChange::Weight),
        Swap::of(old.zone.clone(), new.zone.clone()).map(BackendChange::Zone),
        groups.map(BackendChange::Group),
        Swap::of(old.max_sessions, new.max_sessions).map(BackendChange::MaxSessions),
        Swap::of(old.admin, new.admin).map(BackendChange::Admin),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The name of a group, since its place in another plan is another one; empty: none.
pub(super) fn name_of(plan: &Plan, group: Option<GroupIndex>) -> String {
    group.and_then(|group| plan.groups.get(group.get())).cloned().unwrap_or_default()
}
