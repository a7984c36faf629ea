//! `[login]` of two plans compared.

use super::change::{Change, LoginChange, Swap};
use crate::config::plan::{Login, LoginWay, Plan, Queue, TokenRules};

pub(super) fn compare(changes: &mut Vec<Change>, old: &Plan, new: &Plan) {
    let found = match (&old.login, &new.login) {
        (None, None) => Vec::new(),
        (None, Some(_)) => vec![LoginChange::Added],
        (Some(before), None) => vec![LoginChange::Removed(before.resume)],
        (Some(before), Some(after)) => one((old, before), (new, after)),
    };
    changes.extend(found.into_iter().map(Change::Login));
}

fn one((old_plan, old): (&Plan, &Login), (new_plan, new): (&Plan, &Login)) -> Vec<LoginChange> {
    let version = |login: &Login| login.versions.as_ref().map(|rule| rule.as_str().to_owned());
    let queue = |login: &Login| login.queue.as_ref().map(numbers);
    [
        Swap::of(way(old_plan, old), way(new_plan, new)).map(LoginChange::Way),
        Swap::of(old.duplicate.as_str(), new.duplicate.as_str()).map(LoginChange::Duplicate),
        Swap::of(old.resume, new.resume).map(LoginChange::Resume),
        (version(old) != version(new)).then_some(LoginChange::Versions),
        (queue(old) != queue(new)).then_some(LoginChange::Queue),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What logs in, in words; two ways with the same words are the same.
fn way(plan: &Plan, login: &Login) -> String {
    match &login.way {
        LoginWay::Route(place) => {
            let name = plan.routes.get(*place).map(|route| route.name.as_str()).unwrap_or_default();
            format!("route {name}")
        }
        LoginWay::Token(rules) => token(rules),
    }
}

fn token(rules: &TokenRules) -> String {
    let audience = rules.trust.audience.as_deref().map(|name| format!(" for {name}")).unwrap_or_default();
    format!(
        "{} token{audience} at byte {} of {}, key {}, skew {}",
        rules.trust.algorithm.as_str(),
        rules.offset,
        rules.id,
        rules.trust.key.get().display(),
        crate::base::format_duration(rules.trust.skew)
    )
}

fn numbers(queue: &Queue) -> (u32, u64, u32, Vec<String>) {
    (queue.above, queue.admit.to_bits(), queue.length, queue.redirect.clone())
}
