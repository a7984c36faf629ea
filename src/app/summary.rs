//! What `realmgate check` says of a configuration without mistakes: a line per listener, route and cluster.

use crate::base::format_duration as time;
use crate::config::{Backend, Cluster, Health, LinkKind, Listener, Plan, Route};
use crate::policy::{BreakerRules, OutlierRules};

/// The lines, each with its end.
pub(super) fn summary(plan: &Plan) -> String {
    let listeners = plan.listeners().iter().map(listener);
    let routes = plan.routes().iter().map(|one| route(plan, one));
    let clusters = plan.clusters().iter().map(cluster);
    listeners.chain(routes).chain(clusters).map(|line| line + "\n").collect()
}

fn listener(listener: &Listener) -> String {
    let tls = if listener.tls().is_empty() { "tcp" } else { "tls" };
    let (name, address) = (listener.name(), listener.listen().get());
    format!("listener {name} {address} {tls} frames [frame.{}]", listener.frame())
}

fn route(plan: &Plan, route: &Route) -> String {
    let cluster = plan.clusters().get(route.cluster()).map_or("", |cluster| cluster.name());
    let reply = route.reply().map(|reply| {
        let most = route.breaker().max_in_flight;
        format!("; reply {} within {}, {most} in flight", reply.id(), time(reply.within()))
    });
    let (ids, breaker) = (ids_of(route), breaker(route.breaker()));
    format!("route    {} {ids} -> {cluster}; {breaker}{}", route.name(), reply.unwrap_or_default())
}

fn ids_of(route: &Route) -> String {
    let ranges = route
        .ids()
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    ranges.chain(route.catch_all().then(|| "*".to_owned())).collect::<Vec<_>>().join(",")
}

fn breaker(rules: &BreakerRules) -> String {
    format!(
        "breaker {} in a row or {}% of {} in {}, open {} to {}",
        rules.consecutive,
        rules.failure_rate,
        rules.min_frames,
        time(rules.window),
        time(rules.open),
        time(rules.max_open)
    )
}

fn cluster(cluster: &Cluster) -> String {
    let link = match cluster.link() {
        LinkKind::Shared => "shared",
        LinkKind::Dedicated { .. } => "dedicated",
    };
    let (loss, connect) = (cluster.on_loss().as_str(), time(cluster.connect_timeout()));
    let backends: Vec<String> = cluster.backends().iter().map(backend).collect();
    [
        format!("cluster  {} {link} {} on loss {loss} connect {connect}", cluster.name(), balance(cluster)),
        format!("slow start {}", time(cluster.slow_start())),
        panic(cluster.panic_threshold()),
        health(cluster.health()),
        outlier(cluster.outlier()),
        format!("backends {}", backends.join(", ")),
    ]
    .join("; ")
}

fn balance(cluster: &Cluster) -> String {
    let word = cluster.balance().as_str();
    cluster.balance_key().map_or_else(|| word.to_owned(), |key| format!("{word} on {key}"))
}

fn panic(threshold: u8) -> String {
    if threshold == 0 { "panic never".to_owned() } else { format!("panic below {threshold}%") }
}

fn health(health: &Health) -> String {
    let (probe, rules) = (health.probe().as_str(), health.rules());
    let (interval, timeout) = (time(rules.interval), time(rules.timeout));
    format!("probe {probe} every {interval} within {timeout}, fall {}, rise {}", rules.fall, rules.rise)
}

fn outlier(rules: &OutlierRules) -> String {
    format!(
        "outlier {} in a row, out {} to {}, {}% at most",
        rules.consecutive,
        time(rules.eject),
        time(rules.max_eject),
        rules.max_percent
    )
}

fn backend(backend: &Backend) -> String {
    let zone = match backend.zone() {
        "" => String::new(),
        zone => format!(" zone {zone}"),
    };
    let most = backend.max_sessions().map(|most| format!(" at most {most}")).unwrap_or_default();
    format!("{}{zone}{most}", backend.address().get())
}
