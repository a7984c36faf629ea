//! TOML to a checked [`Plan`], and every mistake of a file at once. `raw` mirrors the file, `check` is the only
//! way to a plan. Reads configuration files and nothing else: certificates and addresses belong to the edge,
//! which reports its findings through the same [`Report`].

mod accounts;
mod check;
mod difference;
mod mistakes;
mod moment;
mod nearest;
mod overlay;
mod overrides;
mod parts;
mod plan;
mod problem;
mod raw;
mod report;
mod site;
mod source;
mod tree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use difference::{
    BackendChange, Change, ClusterChange, Difference, HttpChange, ListenerChange, LoginChange, Loss,
    PartnerChange, ProcessKey, ReleaseChange, RouteChange, Swap, Touched, difference,
};
pub use moment::{format_moment, parse_moment};
pub use nearest::nearest;
pub use overlay::{MOST_WEIGHT, Unfit, Unmatched};
pub use overrides::{AdminState, Banned, Maintenance, Override, Overrides};
pub use parts::Parts;
pub use plan::{
    Admin, Backend, BackendTls, Canary, CanaryKey, CanaryRule, CertificatePair, Cluster, Conversion, Drain,
    Duplicate, Gateway, GroupIndex, HashOn, Health, HttpRoute, HttpTarget, LimitAction, LinkKind, Listener,
    ListenerLimits, Login, LoginWay, Moving, NamedLayout, Net, Network, Partner, PartnerAuth, PathPattern,
    Plan, Probe, Protocol, ProxyHeader, Queue, Release, Reply, Route, RouteLimit, TokenAlgorithm, TokenRules,
    TokenTrust, UnknownId, WebSocketRules,
};
pub use problem::Problem;
pub use report::Report;
pub use site::{Located, Site};
pub use source::Source;

use mistakes::Mistakes;
use parts::Made;
use source::Sources;

/// Reads and checks one file, or every `*.toml` of a folder merged in the order of their names.
///
/// # Errors
///
/// All mistakes at once; a missing, empty or unreadable place is one of them and never means defaults.
pub fn load(path: &Path) -> Result<Plan, Report> {
    match Sources::read(path) {
        Ok(sources) => build(sources),
        Err((sources, problems)) => Err(Report::new(Arc::new(sources), problems)),
    }
}

/// Checks texts that are already in memory, merged in the order given. No input makes it panic.
///
/// # Errors
///
/// All mistakes at once; no text at all is one of them.
pub fn parse(files: Vec<Source>) -> Result<Plan, Report> {
    let origin = match files.as_slice() {
        [only] => only.path.clone(),
        [first, ..] => first.path.parent().map(Path::to_path_buf).unwrap_or_default(),
        [] => PathBuf::new(),
    };
    build(Sources::new(origin, files))
}

fn build(sources: Sources) -> Result<Plan, Report> {
    let sources = Arc::new(sources);
    let mistakes = Mistakes::default();
    let tree = tree::read(&sources, &mistakes);
    let found = Mistakes::default();
    let raw = raw::read(&tree.root, &found);
    let plan = if tree.broken.is_empty() {
        mistakes.extend(found.into_vec());
        check::check(&raw, &sources, &mistakes)
    } else {
        mistakes.extend(off_the_lines(&sources, &tree.broken, found.into_vec()));
        Err(Box::<Made>::default())
    };
    match (plan, mistakes.into_vec()) {
        (Ok(plan), problems) if problems.is_empty() => Ok(plan),
        (Ok(plan), problems) => Err(Report::new(sources, problems).about(plan.into_made())),
        (Err(_), problems) if problems.is_empty() => Err(Report::new(sources, vec![unexplained()])),
        (Err(made), problems) => Err(Report::new(sources, problems).about(made)),
    }
}

/// No rule leads here; should one ever, the operator must not read "0 mistakes".
fn unexplained() -> Problem {
    Problem::without_site("the configuration could not be checked, and no rule says why")
        .because("this is a mistake of the gateway")
        .write("report it with this configuration")
}

/// What stands on a broken line was perhaps read wrong, and what seems to be missing may be on it.
fn off_the_lines(sources: &Sources, broken: &[Site], found: Vec<Problem>) -> Vec<Problem> {
    let ends = sources.line_ends();
    let lines: BTreeSet<_> = broken.iter().filter_map(|site| ends.line(site)).collect();
    let on_one = |problem: &Problem| {
        problem.site().and_then(|site| ends.line(site)).is_some_and(|line| lines.contains(&line))
    };
    found.into_iter().filter(|problem| !on_one(problem)).collect()
}
