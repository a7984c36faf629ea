//! The difference of two plans: what a reload from one to the other changes, and what each change does to the
//! sessions that are in. A pure comparison; how many sessions that are, the running gateway knows.

mod change;
mod clusters;
mod effect;
mod http;
mod listeners;
mod login;
mod partners;
mod process;
mod routes;
mod words;

#[cfg(test)]
mod tests;

use super::Plan;

pub use change::{
    BackendChange, Change, ClusterChange, HttpChange, ListenerChange, LoginChange, Loss, PartnerChange,
    ProcessKey, ReleaseChange, RouteChange, Swap,
};
pub use effect::Touched;

/// What is different, in the order of the file: listeners, clusters, routes, login, partners, release, the
/// process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    changes: Vec<Change>,
}

/// What a reload from one plan to the other changes.
#[must_use]
pub fn difference(old: &Plan, new: &Plan) -> Difference {
    let mut changes = Vec::new();
    listeners::compare(&mut changes, old, new);
    clusters::compare(&mut changes, old, new);
    routes::compare(&mut changes, old, new);
    http::compare(&mut changes, old, new);
    login::compare(&mut changes, old, new);
    partners::compare(&mut changes, old, new);
    process::compare(&mut changes, old, new);
    Difference { changes }
}

impl Difference {
    /// Every change.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What has a name and is found by it.
fn find<'p, T>(list: &'p [T], name_of: impl Fn(&T) -> &str, name: &str) -> Option<&'p T> {
    list.iter().find(|one| name_of(one) == name)
}
