//! The rules of a route and of its cluster, in words.

use super::Groups;
use super::explain::{Line, Question};
use super::meeting::{self, Meeting};
use crate::base::{format_duration as time, format_size};
use crate::config::{
    Cluster, HashOn, Health, LimitAction, LinkKind, Maintenance, Plan, Probe, ProxyHeader, Route, RouteLimit,
};
use crate::policy::{OutlierRules, RouteClass};

/// What was asked, and the rules that answer it.
pub(super) struct Asked<'a> {
    pub(super) groups: &'a Groups,
    pub(super) question: &'a Question<'a>,
}

/// What a frame of this route meets.
pub(super) fn describe_route(lines: &mut Vec<Line>, plan: &Plan, route: &Route, asked: &Asked<'_>) {
    let login = if route.needs_login() { "required" } else { "none" };
    lines.push(("rules", format!("class {}; login {login}", route.class().as_str())));
    lines.extend(route.maintenance().map(|closed| maintenance(closed, asked.question)));
    lines.extend(route.limit().map(|limit| ("limit", beyond(limit))));
    describe_breaker(lines, route);
    if let Some(cluster) = plan.clusters().get(route.cluster()) {
        let meeting = Meeting::new(plan, asked.groups, cluster, &asked.question.who);
        lines.push(("group", meeting.why().to_owned()));
        describe_cluster(lines, cluster, route.class());
        lines.extend(cluster.backends().iter().map(|one| ("backend", meeting.backend(plan, one))));
        lines.extend(meeting::hints(plan, &asked.question.who).map(|hint| ("hint", hint)));
    }
}

fn maintenance(closed: &Maintenance, question: &Question<'_>) -> Line {
    let is =
        if closed.is_over(|| question.now) { "over" } else { "closed, frames get the notice maintenance" };
    ("closed", format!("{is}: {closed}"))
}

fn beyond(limit: &RouteLimit) -> String {
    let then = match (limit.observe(), limit.action()) {
        (true, _) => "frames beyond it are counted and go through",
        (false, LimitAction::Notice) => "frames beyond it get the notice rate_limited",
        (false, LimitAction::Drop) => "frames beyond it are dropped",
        (false, LimitAction::Close) => "a frame beyond it gets the notice rate_limited and ends its session",
    };
    format!("{limit}: {then}")
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
}

fn link(cluster: &Cluster) -> &'static str {
    match cluster.link() {
        LinkKind::Shared => "a shared link",
        LinkKind::Http => "requests over HTTP",
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

fn key(hash_on: &HashOn) -> String {
    match hash_on {
        HashOn::Session => "the session".to_owned(),
        HashOn::Account => "the account".to_owned(),
        HashOn::ClientIp => "the player's address".to_owned(),
        HashOn::Field { .. } => format!("the {hash_on} of the frame"),
        HashOn::Header(_) | HashOn::Cookie { .. } | HashOn::Query(_) => {
            format!("the {hash_on} of the request")
        }
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
