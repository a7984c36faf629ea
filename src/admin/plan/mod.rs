//! The plan in force as JSON: everything that decides, and no secret. Of keys and tokens only the paths are told.

mod http;
mod listener;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::base::format_duration;
use crate::config::{
    Backend, CanaryKey, CanaryRule, CertificatePair, Cluster, LinkKind, Located, Login, LoginWay, Partner,
    PartnerAuth, Plan, Probe, ProxyHeader, Reply, Route, RouteLimit,
};
use crate::policy::BreakerRules;

/// `GET /v1/config`.
pub(super) fn view(plan: &Plan) -> Value {
    let drain = plan.drain();
    json!({
        "gateway": {
            "id": plan.gateway().id().get(),
            "zone": plan.gateway().zone(),
            "workers": plan.gateway().workers(),
            "state_dir": plan.gateway().state_dir().display().to_string(),
        },
        "net": {
            "gather": if plan.net().gather().is_some() { "adaptive" } else { "off" },
            "gather_delay": plan.net().gather().map(format_duration),
        },
        "admin": plan.admin().map(|admin| json!({
            "listen": admin.listen().get().to_string(),
            "token_file": admin.token_file().map(|file| file.get().display().to_string()),
        })),
        "drain": {
            "lame_duck": format_duration(drain.lame_duck()),
            "spread": format_duration(drain.spread()),
            "deadline": format_duration(drain.deadline()),
        },
        "frames": plan.frames().iter().map(listener::frame).collect::<Vec<_>>(),
        "listeners": plan.listeners().iter().map(listener::view).collect::<Vec<_>>(),
        "clusters": plan.clusters().iter().map(|one| cluster(plan, one)).collect::<Vec<_>>(),
        "routes": plan.routes().iter().map(|one| route(plan, one)).collect::<Vec<_>>(),
        "http": plan.http().iter().map(|one| http::view(plan, one)).collect::<Vec<_>>(),
        "partners": plan.partners().iter().map(partner).collect::<Vec<_>>(),
        "release": release(plan),
        "login": plan.login().map(|one| login(plan, one)),
    })
}

fn login(plan: &Plan, login: &Login) -> Value {
    let (route, rules) = match login.way() {
        LoginWay::Route(place) => (plan.routes().get(*place).map(Route::name), None),
        LoginWay::Token(rules) => (None, Some(rules)),
    };
    json!({
        "route": route,
        "token": rules.map(|rules| json!({
            "id": rules.id().0,
            "offset": rules.offset(),
            "algorithm": rules.trust().algorithm().as_str(),
            "key": rules.trust().key().get().display().to_string(),
            "audience": rules.trust().audience(),
            "skew": format_duration(rules.trust().skew()),
        })),
        "duplicate": login.duplicate().as_str(),
        "resume": login.resume().map(format_duration),
        "directory": "memory",
        "versions": login.versions().map(|rule| rule.as_str()),
        "queue": login.queue().map(|queue| json!({
            "above": queue.above(),
            "admit_per_second": queue.admit(),
            "length": queue.length(),
            "redirect": queue.redirect(),
        })),
    })
}

/// How it proves who it is, without what proves it.
fn partner(partner: &Partner) -> Value {
    let path = |file: &Located<PathBuf>| file.get().display().to_string();
    let auth = match partner.auth() {
        PartnerAuth::ApiKey { keys } => json!({ "keys_file": path(keys) }),
        PartnerAuth::Hmac { secret } => json!({ "secret_file": path(secret) }),
        PartnerAuth::Jwt(trust) => json!({
            "key": path(trust.key()),
            "algorithm": trust.algorithm().as_str(),
            "audience": trust.audience(),
            "skew": format_duration(trust.skew()),
        }),
        PartnerAuth::Mtls { names } => json!({ "names": names }),
    };
    json!({
        "name": partner.name(),
        "enabled": partner.enabled(),
        "kind": partner.auth().as_str(),
        "auth": auth,
        "allow": partner.networks().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rate_per_second": partner.rate().per_second,
        "burst": partner.rate().burst,
        "daily": partner.daily(),
        "in_flight": partner.in_flight(),
        "connections": partner.connections(),
    })
}

fn cluster(plan: &Plan, cluster: &Cluster) -> Value {
    let (frame, proxy, websocket) = match cluster.link() {
        LinkKind::Shared | LinkKind::Http => (http::frame(plan, cluster), None, None),
        LinkKind::Dedicated { frame, proxy, websocket, .. } => {
            (Some(frame.as_str()), Some(header(*proxy)), websocket.as_deref())
        }
    };
    let tls = cluster
        .tls()
        .map(|tls| json!({ "ca": tls.ca().get().display().to_string(), "client": tls.client().map(pair) }));
    json!({
        "name": cluster.name(),
        "link": cluster.link().as_str(),
        "frame": frame,
        "proxy_protocol": proxy,
        "websocket": websocket.map(without_query),
        "balance": cluster.balance().as_str(),
        "hash_on": cluster.balance_key().map(|key| key.to_string()),
        "sticky": cluster.sticky(),
        "on_loss": cluster.on_loss().as_str(),
        "slow_start": format_duration(cluster.slow_start()),
        "panic_threshold": cluster.panic_threshold(),
        "connect_timeout": format_duration(cluster.connect_timeout()),
        "send_buffer": cluster.send_buffer(),
        "tls": tls,
        "active": group(plan, cluster.active()),
        "health": health(cluster),
        "outlier": {
            "consecutive": cluster.outlier().consecutive,
            "eject": format_duration(cluster.outlier().eject),
            "max_eject": format_duration(cluster.outlier().max_eject),
            "max_percent": cluster.outlier().max_percent,
        },
        "backends": cluster.backends().iter().map(|one| backend(plan, one)).collect::<Vec<_>>(),
    })
}

const fn header(proxy: ProxyHeader) -> &'static str {
    match proxy {
        ProxyHeader::Off => "off",
        ProxyHeader::V1 => "v1",
        ProxyHeader::V2 => "v2",
    }
}

/// A query and the bytes of a probe may hold what lets it in, so they are not told.
fn health(cluster: &Cluster) -> Value {
    let (probe, rules) = (cluster.health().probe(), cluster.health().rules());
    let path = match probe {
        Probe::Http { path } => Some(without_query(path)),
        Probe::Link | Probe::Tcp | Probe::Frame { .. } => None,
    };
    json!({
        "probe": probe.as_str(),
        "path": path,
        "interval": format_duration(rules.interval),
        "timeout": format_duration(rules.timeout),
        "fall": rules.fall,
        "rise": rules.rise,
    })
}

fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

fn pair(pair: &CertificatePair) -> Value {
    json!({
        "certificate": pair.certificate().get().display().to_string(),
        "key": pair.key().get().display().to_string(),
    })
}

fn backend(plan: &Plan, backend: &Backend) -> Value {
    json!({
        "address": backend.address().get(),
        "weight": backend.weight(),
        "zone": backend.zone(),
        "group": group(plan, backend.group()),
        "max_sessions": backend.max_sessions(),
        "admin": backend.admin().as_str(),
    })
}

fn route(plan: &Plan, route: &Route) -> Value {
    let cluster = plan.clusters().get(route.cluster());
    json!({
        "name": route.name(),
        "ids": route.ids(),
        "catch_all": route.catch_all(),
        "cluster": cluster.map(Cluster::name),
        "class": route.class().as_str(),
        "login": if route.needs_login() { "required" } else { "none" },
        "limit": route.limit().map(limit),
        "maintenance": route.maintenance().map(super::views::maintenance),
        "breaker": breaker(route.breaker(), route.reply()),
    })
}

fn breaker(rules: &BreakerRules, reply: Option<&Reply>) -> Value {
    json!({
        "consecutive": rules.consecutive,
        "failure_rate": rules.failure_rate,
        "min_frames": rules.min_frames,
        "window": format_duration(rules.window),
        "open": format_duration(rules.open),
        "max_open": format_duration(rules.max_open),
        "max_in_flight": rules.max_in_flight,
        "reply": reply.map(|reply| json!({
            "id": reply.id().0,
            "within": format_duration(reply.within()),
        })),
    })
}

fn limit(limit: &RouteLimit) -> Value {
    json!({
        "per_session": limit.per_session().map(|rate| rate.to_string()),
        "total": limit.total().map(|rate| rate.to_string()),
        "action": limit.action().as_str(),
        "observe": limit.observe(),
    })
}

fn release(plan: &Plan) -> Value {
    let release = plan.release();
    let canary = release.canary().iter().map(|rule| {
        let who = match rule.who() {
            CanaryRule::Share { of_ten_thousand, by } => {
                let by = match by {
                    CanaryKey::Account => "account",
                    CanaryKey::ClientIp => "client_ip",
                };
                json!({ "percent": f64::from(*of_ten_thousand) / 100.0, "by": by })
            }
            CanaryRule::Accounts(file) => json!({ "accounts": file.get().display().to_string() }),
            CanaryRule::Version(rule) => json!({ "version": rule.as_str() }),
            CanaryRule::Zone(zone) => json!({ "zone": zone }),
        };
        json!({ "group": group(plan, Some(rule.group())), "who": who })
    });
    json!({
        "groups": plan.groups(),
        "active": group(plan, release.active()),
        "move": release.moving().as_str(),
        "spread": format_duration(release.spread()),
        "canary": canary.collect::<Vec<_>>(),
    })
}

fn group(plan: &Plan, group: Option<crate::config::GroupIndex>) -> Option<&str> {
    plan.groups().get(group?.get()).map(String::as_str)
}
