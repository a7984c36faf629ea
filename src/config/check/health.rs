//! `[cluster.NAME.health]`: what a probe does and how many of them decide.

use super::frames::site;
use super::times::{Time, in_order};
use super::{Context, required};
use crate::config::plan::{Health, Probe};
use crate::config::problem::Problem;
use crate::config::raw::{self, Field, Link, ProbeKind};
use crate::config::site::{Located, Site};
use crate::policy::HealthRules;

const DEFAULT_PATH: &str = "/health";

/// The probe of a cluster; `None` after a mistake.
pub(super) fn check(context: &Context<'_>, cluster: &raw::Cluster) -> Option<Health> {
    let table = match &cluster.health {
        Field::Absent => return Some(by_default(cluster)),
        Field::Bad => return None,
        Field::Given(table) => table,
    };
    let rules = rules(context, table);
    let kind = match &table.get().probe {
        Field::Absent => default_probe(cluster),
        Field::Bad => return None,
        Field::Given(kind) => *kind.get(),
    };
    link_on_dedicated(context, cluster, &table.get().probe);
    if let Some(given) = table.get().probe.given().filter(|_| kind == ProbeKind::Frame && is_web(cluster)) {
        context.add(frame_on_web(given.site()));
        return None;
    }
    foreign_keys(context, cluster, table.get(), kind);
    Some(Health { probe: probe(context, table, kind)?, rules })
}

/// What another kind of probe is told by.
fn foreign_keys(context: &Context<'_>, cluster: &raw::Cluster, raw: &raw::Health, kind: ProbeKind) {
    let keys = [
        ("path", ProbeKind::Http, site(&raw.path)),
        ("send", ProbeKind::Frame, site(&raw.send)),
        ("expect", ProbeKind::Frame, site(&raw.expect)),
    ];
    for (key, owner, site) in keys {
        let Some(site) = site.filter(|_| owner != kind) else { continue };
        let write = match owner == ProbeKind::Frame && is_web(cluster) {
            true => format!("remove `{key}`"),
            false => format!("remove `{key}`, or write probe = \"{}\"", owner.as_str()),
        };
        context.add(
            Problem::at(site, format!("`{key}` means nothing to probe = \"{}\"", kind.as_str()))
                .because("it would have had no effect")
                .write(write),
        );
    }
}

fn by_default(cluster: &raw::Cluster) -> Health {
    let probe = if is_dedicated(cluster) { Probe::Tcp } else { Probe::Link };
    Health { probe, rules: HealthRules::default() }
}

/// A shared link can be asked by its own protocol; of a dedicated one only the game knows the words.
fn default_probe(cluster: &raw::Cluster) -> ProbeKind {
    if is_dedicated(cluster) { ProbeKind::Tcp } else { ProbeKind::Link }
}

fn is_dedicated(cluster: &raw::Cluster) -> bool {
    matches!(cluster.link.value(), Some(Link::Dedicated | Link::Http))
}

fn is_web(cluster: &raw::Cluster) -> bool {
    cluster.link.value() == Some(&Link::Http)
}

fn frame_on_web(site: &Site) -> Problem {
    Problem::at(site, "backends with link = \"http\" read no frames")
        .because("no probe would have been answered, and every backend would have been down")
        .write("write probe = \"tcp\" or \"http\"")
}

fn link_on_dedicated(context: &Context<'_>, cluster: &raw::Cluster, probe: &Field<ProbeKind>) {
    let given = probe.given().filter(|probe| *probe.get() == ProbeKind::Link);
    if let (Some(given), true) = (given, is_dedicated(cluster)) {
        let (kind, write) = match is_web(cluster) {
            true => ("link = \"http\"", "write probe = \"tcp\" or \"http\""),
            false => {
                ("dedicated links", "write probe = \"tcp\", \"http\" or \"frame\", or link = \"shared\"")
            }
        };
        context.add(
            Problem::at(given.site(), format!("backends with {kind} do not speak the shared link"))
                .because("no PING would have been answered, and every backend would have been down")
                .write(write),
        );
    }
}

fn probe(context: &Context<'_>, table: &Located<raw::Health>, kind: ProbeKind) -> Option<Probe> {
    let raw = table.get();
    match kind {
        ProbeKind::Link => Some(Probe::Link),
        ProbeKind::Tcp => Some(Probe::Tcp),
        ProbeKind::Http => Some(Probe::Http { path: path(&raw.path)? }),
        ProbeKind::Frame => {
            let send = frame_bytes(context, &raw.send, "send", table.site());
            let expect = frame_bytes(context, &raw.expect, "expect", table.site());
            Some(Probe::Frame { send: send?, expect: expect? })
        }
    }
}

fn path(field: &Field<String>) -> Option<String> {
    match field {
        Field::Absent => Some(DEFAULT_PATH.to_owned()),
        Field::Bad => None,
        Field::Given(path) => Some(path.get().clone()),
    }
}

fn frame_bytes(
    context: &Context<'_>,
    field: &Field<Vec<u8>>,
    key: &'static str,
    owner: &Site,
) -> Option<Vec<u8>> {
    let (because, write) = match key {
        "send" => ("there would have been nothing to ask with", "add send = and a whole frame in hex"),
        _ => (
            "any answer, even a refusal, would have been a good one",
            "add expect = and the first bytes of the answer in hex",
        ),
    };
    let given = required(field, key, owner, context.mistakes, |site| {
        Problem::at(site, format!("probe = \"frame\" has no `{key}`")).because(because).write(write)
    })?;
    Some(given.get().clone())
}

fn rules(context: &Context<'_>, table: &Located<raw::Health>) -> HealthRules {
    let (raw, default) = (table.get(), HealthRules::default());
    let interval = raw.interval.or(default.interval);
    let rules = HealthRules {
        interval,
        timeout: raw.timeout.or(default.timeout.min(interval)),
        fall: raw.fall.or(default.fall),
        rise: raw.rise.or(default.rise),
    };
    let timeout = Time { key: "timeout", raw: &raw.timeout, value: rules.timeout };
    let interval = Time { key: "interval", raw: &raw.interval, value: rules.interval };
    let because = "probes that get no answer would have come at another pace than `interval` says";
    in_order(context, &timeout, &interval, table.site(), because);
    rules
}
