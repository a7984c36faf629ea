//! HTTP routes of two plans compared.

use super::change::{Change, HttpChange, Swap};
use super::find;
use crate::config::plan::{HttpRoute, Plan};

pub(super) fn compare(changes: &mut Vec<Change>, old: &Plan, new: &Plan) {
    let mut add = |route: &HttpRoute, what| changes.push(Change::Http { name: route.name.clone(), what });
    for route in &old.http {
        match find(&new.http, HttpRoute::name, &route.name) {
            Some(later) => one((old, route), (new, later)).into_iter().for_each(|what| add(route, what)),
            None => add(route, HttpChange::Removed),
        }
    }
    for route in &new.http {
        if find(&old.http, HttpRoute::name, &route.name).is_none() {
            add(route, HttpChange::Added(format!("{} for {}", new.answers(route), new.askers(route))));
        }
    }
}

fn one((old_plan, old): (&Plan, &HttpRoute), (new_plan, new): (&Plan, &HttpRoute)) -> Vec<HttpChange> {
    let keys = rules(old, new);
    let askers = Swap::of(old_plan.askers(old), new_plan.askers(new));
    let askers = askers.map(|swap| match new.partners.is_empty() {
        true => HttpChange::Opened(swap.from),
        false => HttpChange::Partners(swap),
    });
    [
        Swap::of(old_plan.asked_at(old), new_plan.asked_at(new)).map(HttpChange::Requests),
        askers,
        Swap::of(old_plan.answers(old), new_plan.answers(new)).map(HttpChange::Target),
        layout(old, new).map(HttpChange::Layout),
        (!keys.is_empty()).then_some(HttpChange::Rules(keys)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The frames that requests become, where they have kept their name and look different.
fn layout(old: &HttpRoute, new: &HttpRoute) -> Option<String> {
    let (old, new) = (old.target.conversion()?, new.target.conversion()?);
    (old.frame == new.frame && old.layout != new.layout).then(|| new.frame.clone())
}

fn rules(old: &HttpRoute, new: &HttpRoute) -> Vec<&'static str> {
    let keys = [
        ("strip", old.strip != new.strip),
        ("timeout", old.timeout != new.timeout),
        ("retries", old.retries != new.retries),
        ("max_body", old.max_body != new.max_body),
        ("cache", old.cache != new.cache),
        ("breaker", old.breaker != new.breaker),
    ];
    keys.iter().filter(|(_, differ)| *differ).map(|(key, _)| *key).collect()
}
