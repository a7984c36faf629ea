//! `[http.NAME]` as JSON.

use serde_json::{Value, json};

use super::breaker;
use crate::base::format_duration;
use crate::config::{Cluster, HttpRoute, HttpTarget, Listener, Partner, Plan};

/// The frames that requests become for a cluster, if any do.
pub(super) fn frame<'p>(plan: &'p Plan, cluster: &Cluster) -> Option<&'p str> {
    plan.http().iter().find_map(|route| match route.target() {
        HttpTarget::Convert(frames) => {
            let to = plan.clusters().get(frames.cluster())?;
            (to.name() == cluster.name()).then(|| frames.frame())
        }
        HttpTarget::Cluster(_) | HttpTarget::File(_) => None,
    })
}

pub(super) fn view(plan: &Plan, route: &HttpRoute) -> Value {
    let cluster = route.target().cluster().and_then(|place| plan.clusters().get(place));
    let partners = route.partners().iter().filter_map(|place| plan.partners().get(*place));
    let (convert, file) = match route.target() {
        HttpTarget::Cluster(_) => (None, None),
        HttpTarget::Convert(frames) => (Some((frames.id().0, frames.reply().0)), None),
        HttpTarget::File(file) => (None, Some(file.get().display().to_string())),
    };
    json!({
        "name": route.name(),
        "listener": plan.listeners().get(route.listener()).map(Listener::name),
        "host": route.host(),
        "path": route.path().to_string(),
        "strip": route.strip(),
        "methods": route.methods(),
        "partners": partners.map(Partner::name).collect::<Vec<_>>(),
        "cluster": cluster.map(Cluster::name),
        "convert": convert.map(|(id, reply)| json!({ "id": id, "reply": reply })),
        "file": file,
        "cache": route.cache().map(format_duration),
        "timeout": format_duration(route.timeout()),
        "retries": route.retries(),
        "max_body": (route.max_body() < u64::MAX).then_some(route.max_body()),
        "breaker": breaker(route.breaker(), None),
    })
}
