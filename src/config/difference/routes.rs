//! Routes of two plans compared.

use super::change::{Change, RouteChange, Swap};
use super::find;
use crate::config::plan::{Plan, Route};

pub(super) fn compare(changes: &mut Vec<Change>, old: &Plan, new: &Plan) {
    let mut add = |route: &Route, what| changes.push(Change::Route { name: route.name.clone(), what });
    for route in &old.routes {
        match find(&new.routes, Route::name, &route.name) {
            Some(later) => one((old, route), (new, later)).into_iter().for_each(|what| add(route, what)),
            None => add(route, RouteChange::Removed),
        }
    }
    for route in &new.routes {
        if find(&old.routes, Route::name, &route.name).is_none() {
            add(route, RouteChange::Added(cluster(new, route)));
        }
    }
}

fn one((old_plan, old): (&Plan, &Route), (new_plan, new): (&Plan, &Route)) -> Vec<RouteChange> {
    let maintenance = match (&old.maintenance, &new.maintenance) {
        (Some(_), None) => Some(RouteChange::Opened),
        (None, Some(words)) => Some(RouteChange::Closed(words.clone())),
        (Some(before), Some(words)) if before != words => Some(RouteChange::Reworded(words.clone())),
        (Some(_), Some(_)) | (None, None) => None,
    };
    let ids = (ids(old) != ids(new)).then(|| Swap { from: shown(old), to: shown(new) });
    [
        ids.map(RouteChange::Ids),
        Swap::of(cluster(old_plan, old), cluster(new_plan, new)).map(RouteChange::Cluster),
        Swap::of(old.class.as_str(), new.class.as_str()).map(RouteChange::Class),
        Swap::of(login(old), login(new)).map(RouteChange::Login),
        Swap::of(limit(old), limit(new)).map(RouteChange::Limit),
        (old.breaker != new.breaker || old.reply != new.reply).then_some(RouteChange::Breaker),
        maintenance,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The IDs whatever their order and however they are cut into ranges.
fn ids(route: &Route) -> (Vec<(u64, u64)>, bool) {
    let mut ranges = route.ids.clone();
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if before.1.checked_add(1) == Some(first) => before.1 = last,
            _ => joined.push((first, last)),
        }
    }
    (joined, route.catch_all)
}

fn shown(route: &Route) -> String {
    let (ranges, catch_all) = ids(route);
    let range =
        |(first, last): (u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ranges.into_iter().map(range).chain(catch_all.then(|| "*".to_owned())).collect::<Vec<_>>().join(",")
}

const fn login(route: &Route) -> &'static str {
    if route.login { "required" } else { "none" }
}

fn limit(route: &Route) -> String {
    route.limit.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn cluster(plan: &Plan, route: &Route) -> String {
    plan.clusters.get(route.cluster).map(|cluster| cluster.name.clone()).unwrap_or_default()
}
