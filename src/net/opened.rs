//! What the files that a plan names contain: certificates, keys, lists of accounts. Everything that can be wrong
//! with a reload beyond the file itself is found here.

use std::time::SystemTime;

use super::tls::{BackendConnector, ServerTls, Tickets};
use crate::config::{Plan, Problem};

/// The contents, in the order of the plan they were read for.
#[derive(Clone, Debug)]
pub struct Opened {
    /// By listener; `None`: it is plain.
    pub(super) doors: Vec<Option<ServerTls>>,
    /// By cluster; `None`: its links are plain.
    pub(super) connectors: Vec<Option<BackendConnector>>,
    /// By canary rule that names a file.
    pub(super) accounts: Vec<Vec<String>>,
}

impl Opened {
    /// Reads them; `now` is what certificates are judged by.
    ///
    /// # Errors
    /// Everything that cannot be used, all at once.
    pub fn read(plan: &Plan, tickets: &Tickets, now: SystemTime) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let doors = plan.listeners().iter().map(|listener| match listener.tls() {
            [] => Ok(None),
            pairs => ServerTls::new(pairs, tickets, now).map(Some),
        });
        let doors = collect(doors, &mut problems);
        let connector = |cluster: &crate::config::Cluster| {
            cluster.tls().map(|tls| BackendConnector::new(tls, now)).transpose()
        };
        let connectors = collect(plan.clusters().iter().map(connector), &mut problems);
        let accounts = plan.account_lists().unwrap_or_else(|found| {
            problems.extend(found);
            Vec::new()
        });
        if problems.is_empty() { Ok(Self { doors, connectors, accounts }) } else { Err(problems) }
    }
}

fn collect<T>(results: impl Iterator<Item = Result<T, Vec<Problem>>>, problems: &mut Vec<Problem>) -> Vec<T> {
    results.filter_map(|result| result.map_err(|fault| problems.extend(fault)).ok()).collect()
}
