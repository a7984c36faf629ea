//! File descriptors: every connection takes one, and the usual soft limit of 1,024 is no limit for a gateway.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{LinkKind, Plan};
use crate::net::PROBES_AT_ONCE;
use crate::telemetry;

/// What the process needs beside connections: logs, event queues, certificates while they are read.
const OWN: u64 = 64;

/// Connections of one thread that wait for requests to one backend, at most.
const WAITING: usize = 32;

/// Raises the soft limit to the hard one and says so when even that is too low for the plan.
pub(super) fn raise(plan: &Plan, workers: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let limit = if raised { maximum } else { current };
    let needed = needed(plan, workers);
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        telemetry::few_descriptors(limit, needed);
    }
}

/// Descriptors in use when every listener is full and as many backends are probed as may be at one time.
fn needed(plan: &Plan, workers: usize) -> u64 {
    let players: u64 =
        plan.listeners().iter().map(|listener| u64::from(listener.limits().connections())).sum();
    let (mut links, mut dedicated, mut probes) = (0, 0, 0);
    for cluster in plan.clusters() {
        probes += cluster.backends().len();
        match cluster.link() {
            LinkKind::Shared => links += cluster.backends().len() * workers,
            LinkKind::Dedicated { .. } => dedicated += 1,
            LinkKind::Http => links += cluster.backends().len() * workers * WAITING,
        }
    }
    OWN + players * (1 + dedicated) + (links + probes.min(PROBES_AT_ONCE)) as u64
}
