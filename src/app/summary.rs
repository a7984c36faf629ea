//! What `realmgate check` says of a configuration without mistakes: a line per listener, route and cluster, and one
//! each for the API and the release where there are.

use crate::base::format_duration as time;
use crate::config::{
    Admin, Backend, Canary, Cluster, GroupIndex, Health, HttpRoute, HttpTarget, LinkKind, Listener, Moving,
    Partner, Plan, Protocol, Route,
};
use crate::policy::{BreakerRules, OutlierRules};

/// The lines, each with its end.
pub(super) fn summary(plan: &Plan) -> String {
    let listeners = plan.listeners().iter().map(listener);
    let routes = plan.routes().iter().map(|one| route(plan, one));
    let clusters = plan.clusters().iter().map(|one| cluster(plan, one));
    let partners = plan.partners().iter().map(partner);
    let rest = [plan.admin().map(admin), release(plan)].into_iter().flatten();
    let http = plan.http().iter().map(|one| http(plan, one));
    listeners
        .chain(routes)
        .chain(http)
        .chain(clusters)
        .chain(partners)
        .chain(rest)
        .map(|line| line + "\n")
        .collect()
}

fn http(plan: &Plan, route: &HttpRoute) -> String {
    let strip = route.strip().map(|strip| format!(" without {strip}")).unwrap_or_default();
    let cache = route.cache().map(|time_| format!("; fresh for {}", time(time_))).unwrap_or_default();
    let (asked, askers, answers) = (plan.asked_at(route), plan.askers(route), plan.answers(route));
    let rules = match route.target() {
        HttpTarget::Cluster(_) => format!(
            "; {} tried again within {}; {}",
            route.retries(),
            time(route.timeout()),
            breaker(route.breaker())
        ),
        HttpTarget::Convert(_) => format!("; within {}; {}", time(route.timeout()), breaker(route.breaker())),
        HttpTarget::File(_) => String::new(),
    };
    format!("http     {} {asked} of {askers} -> {answers}{strip}{rules}{cache}", route.name())
}

fn partner(partner: &Partner) -> String {
    let switch = if partner.enabled() { "" } else { " switched off" };
    let rate = partner.rate();
    let daily = partner.daily().map(|most| format!(", {most} a day")).unwrap_or_default();
    format!(
        "partner  {}{switch} {}; {}/s, burst {}{daily}, {} in flight, {} connections",
        partner.name(),
        partner.auth().as_str(),
        rate.per_second,
        rate.burst,
        partner.in_flight(),
        partner.connections(),
    )
}

fn admin(admin: &Admin) -> String {
    let token = if admin.token_file().is_some() { "with a token" } else { "without a token" };
    format!("admin    {} {token}", admin.listen().get())
}

/// `None` where there are no groups.
fn release(plan: &Plan) -> Option<String> {
    let release = plan.release();
    let active = plan.release().active()?;
    let canary: Vec<String> = release.canary().iter().map(|rule| canary(plan, rule)).collect();
    let canary = if canary.is_empty() { String::new() } else { format!("; canary {}", canary.join(", ")) };
    let moving = match release.moving() {
        Moving::Natural => "natural".to_owned(),
        Moving::Forced => format!("forced over {}", time(release.spread())),
    };
    Some(format!("release  active {}, move {moving}{canary}", group_name(plan, active)))
}

fn canary(plan: &Plan, rule: &Canary) -> String {
    format!("{} -> {}", rule.who(), group_name(plan, rule.group()))
}

fn group_name(plan: &Plan, group: GroupIndex) -> &str {
    plan.groups().get(group.get()).map_or("", String::as_str)
}

fn listener(listener: &Listener) -> String {
    let is_tls = !listener.tls().is_empty();
    let how = match (listener.protocol(), is_tls) {
        (Protocol::Tcp, false) => "tcp",
        (Protocol::Tcp, true) => "tls",
        (Protocol::WebSocket, false) => "ws",
        (Protocol::WebSocket, true) => "wss",
        (Protocol::Http, false) => "http",
        (Protocol::Http, true) => "https",
    };
    let (name, address) = (listener.name(), listener.listen().get());
    let path = listener.websocket().map(|rules| format!(" {}", rules.path())).unwrap_or_default();
    match listener.is_for_players() {
        true => format!("listener {name} {address} {how}{path} frames [frame.{}]", listener.frame()),
        false => format!("listener {name} {address} {how}"),
    }
}

fn route(plan: &Plan, route: &Route) -> String {
    let cluster = plan.clusters().get(route.cluster()).map_or("", |cluster| cluster.name());
    let reply = route.reply().map(|reply| {
        let most = route.breaker().max_in_flight;
        format!("; reply {} within {}, {most} in flight", reply.id(), time(reply.within()))
    });
    let (ids, breaker) = (ids_of(route), breaker(route.breaker()));
    let closed = route.maintenance().map(|closed| format!("; maintenance {closed}")).unwrap_or_default();
    format!("route    {} {ids} -> {cluster}; {breaker}{}{closed}", route.name(), reply.unwrap_or_default())
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

fn cluster(plan: &Plan, cluster: &Cluster) -> String {
    let link = cluster.link().as_str();
    // A request has its backend to its end and no longer.
    let is_web = matches!(cluster.link(), LinkKind::Http);
    let loss = if is_web { String::new() } else { format!(" on loss {}", cluster.on_loss().as_str()) };
    let connect = time(cluster.connect_timeout());
    let backends: Vec<String> = cluster.backends().iter().map(|one| backend(plan, one)).collect();
    let active =
        cluster.active().map(|group| format!(" active {}", group_name(plan, group))).unwrap_or_default();
    [
        format!("cluster  {} {link} {}{loss} connect {connect}{active}", cluster.name(), balance(cluster)),
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

fn backend(plan: &Plan, backend: &Backend) -> String {
    let zone = match backend.zone() {
        "" => String::new(),
        zone => format!(" zone {zone}"),
    };
    let most = backend.max_sessions().map(|most| format!(" at most {most}")).unwrap_or_default();
    let group =
        backend.group().map(|group| format!(" group {}", group_name(plan, group))).unwrap_or_default();
    format!("{}{zone}{most}{group}", backend.address().get())
}
