//! The rules of a route and of its cluster, in words.

use super::explain::Line;
use crate::base::{format_duration as time, format_size};
use crate::config::{Backend, Cluster, HashOn, Health, LinkKind, Plan, Probe, ProxyHeader, Route};
use crate::policy::{OutlierRules, RouteClass};

/// What a frame of this route meets.
pub(super) fn describe_route(lines: &mut Vec<Line>, plan: &Plan, route: &Route) {
    lines.push(("rules", format!("class {}; login none", route.class().as_str())));
    describe_breaker(lines, route);
    lines
        .push(("group", "none: no release rules, every backend serves every account and version".to_owned()));
    if let Some(cluster) = plan.clusters().get(route.cluster()) {
        describe_cluster(lines, cluster, route.class());
    }
}

fn describe_breaker(lines: &mut Vec<Line>, route: &Route) {
    let rules = route.breaker();
    lines.push((
        "breaker",
        format!(
            "opens after {} failures in a row, or {}% of at least {} frames within {}; \
             for {}, twice as long at each failed trial, {} at most",
            rules.consecutive,
            rules.failure_rate,
            rules.min_frames,
            time(rules.window),
            time(rules.open),
            time(rules.max_open)
        ),
    ));
    let answer = match route.reply() {
        Some(reply) => format!(
            "{} within {}, or the frame has failed; at most {} frames without one",
            reply.id(),
            time(reply.within()),
            rules.max_in_flight
        ),
        None => "nobody waits for one".to_owned(),
    };
    lines.push(("answer", answer));
}

fn describe_cluster(lines: &mut Vec<Line>, cluster: &Cluster, class: RouteClass) {
    let tls = if cluster.tls().is_some() { ", TLS" } else { "" };
    let connect = time(cluster.connect_timeout());
    let buffer = format_size(cluster.send_buffer() as u64);
    lines.push(("cluster", format!("{} over {}{tls}", cluster.name(), link(cluster))));
    lines.push(("balance", balance(cluster)));
    lines.push(("limits", format!("connected within {connect}, at most {buffer} waiting per link")));
    lines.push(("health", health(cluster.health())));
    lines.push(("outlier", outlier(cluster.outlier())));
    lines.push(("panic", panic(cluster.panic_threshold(), class)));
    lines.extend(cluster.backends().iter().map(|one| ("backend", backend(one))));
}

fn link(cluster: &Cluster) -> &'static str {
    match cluster.link() {
        LinkKind::Shared => "a shared link",
        LinkKind::Dedicated { proxy: ProxyHeader::Off, .. } => "a connection per session",
        LinkKind::Dedicated { proxy: ProxyHeader::V1, .. } => {
            "a connection per session with a PROXY v1 header"
        }
        LinkKind::Dedicated { proxy: ProxyHeader::V2, .. } => {
            "a connection per session with a PROXY v2 header"
        }
    }
}

fn balance(cluster: &Cluster) -> String {
    let key = cluster.balance_key().map(|hash_on| format!(" by {}", key(hash_on))).unwrap_or_default();
    let sticky = if cluster.sticky() { "a session keeps its backend" } else { "every frame is picked anew" };
    let start = match cluster.slow_start() {
        none if none.is_zero() => "a new backend gets its full share at once".to_owned(),
        some => format!("a new backend gets its full share after {}", time(some)),
    };
    let (balance, loss) = (cluster.balance().as_str(), cluster.on_loss().as_str());
    format!("{balance}{key}; {sticky}; on loss {loss}; {start}")
}

fn key(hash_on: HashOn) -> String {
    match hash_on {
        HashOn::Session => "the session".to_owned(),
        HashOn::Account => "the account".to_owned(),
        HashOn::ClientIp => "the player's address".to_owned(),
        HashOn::Field { .. } => format!("the {hash_on} of the frame"),
    }
}

fn health(health: &Health) -> String {
    let probe = match health.probe() {
        Probe::Link => "a PING over a fresh link".to_owned(),
        Probe::Tcp => "a connection".to_owned(),
        Probe::Http { path } => format!("GET {path}"),
        Probe::Frame { send, expect } => {
            format!("a frame of {} bytes, answered by {} certain ones", send.len(), expect.len())
        }
    };
    let rules = health.rules();
    format!(
        "{probe} every {}, within {}; down after {} failures in a row, up after {} successes",
        time(rules.interval),
        time(rules.timeout),
        rules.fall,
        rules.rise
    )
}

fn outlier(rules: &OutlierRules) -> String {
    format!(
        "out after {} failures in a row, for {} times the ejections in a row, {} at most; \
         at most {}% of the cluster, but always one",
        rules.consecutive,
        time(rules.eject),
        time(rules.max_eject),
        rules.max_percent
    )
}

fn panic(threshold: u8, class: RouteClass) -> String {
    if threshold == 0 {
        return "never: unhealthy backends get nothing, however few are healthy".to_owned();
    }
    let then = match class {
        RouteClass::Critical => "frames of this critical route are answered with unavailable",
        RouteClass::Normal | RouteClass::Optional => "health is ignored",
    };
    format!("below {threshold}% of healthy backends {then}")
}

fn backend(backend: &Backend) -> String {
    let zone = match backend.zone() {
        "" => String::new(),
        zone => format!(" zone {zone}"),
    };
    let most = backend.max_sessions().map(|most| format!(" at most {most} sessions")).unwrap_or_default();
    format!("{} weight {}{zone}{most}", backend.address().get(), backend.weight())
}
