//! What the API shows: the facts of the running gateway as JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::desk::Desk;
use crate::config::{Banned, Maintenance, Override, Overrides, Partner, Plan, format_moment};
use crate::net::{BackendFacts, BreakerFacts, ClusterFacts, Pressure, RouteFacts, SessionFacts};
use crate::partners::{self, Book, Refusals, day_of};
use crate::telemetry::{Meters, Refusal};

/// `GET /v1/status`.
pub(super) fn status(desk: &Desk) -> Value {
    let world = desk.world.load();
    let listeners = world.doors().iter().map(|door| {
        let listener = door.listener();
        json!({
            "name": listener.name(),
            "address": desk.address(listener.name()).map(|address| address.to_string()),
            "tls": door.is_tls(),
            "connections": door.meter.connections(),
        })
    });
    let workers: Vec<_> = desk.workers.iter().map(|worker| worker.sessions()).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_s": desk.uptime().as_secs(),
        "phase": desk.phase.borrow().as_str(),
        "generation": world.generation(),
        "file": world.plan().origin().display().to_string(),
        "file_hash": format!("{:016x}", world.plan().hash()),
        "file_refused": desk.refused.load().as_deref(),
        "sessions": workers.iter().sum::<usize>(),
        "sessions_by_worker": workers,
        "players_in": desk.meters.line.inside(),
        "queue_length": desk.meters.line.waiting(),
        "listeners": listeners.collect::<Vec<_>>(),
        "pressure": pressure(desk.commons.pressure()),
        "overrides": desk.overrides.load().in_force(Desk::clock()).count(),
    })
}

/// How near the process is to its end, and what it gives up for that.
fn pressure(pressure: &Pressure) -> Value {
    let each = pressure.each().map(|(resource, ratio)| (resource.to_owned(), json!(rounded(ratio))));
    let level = ("level".to_owned(), json!(pressure.level()));
    Value::Object([level].into_iter().chain(each).collect())
}

/// A ratio for people.
pub(super) fn rounded(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

/// `GET /v1/clusters`.
pub(super) fn clusters(facts: &[ClusterFacts]) -> Value {
    json!({ "clusters": facts.iter().map(cluster).collect::<Vec<_>>() })
}

/// `GET /v1/clusters/NAME`.
pub(super) fn cluster(facts: &ClusterFacts) -> Value {
    json!({
        "name": facts.name,
        "link": facts.link,
        "balance": facts.balance,
        "group": facts.group,
        "panic": facts.panic,
        "backends": facts.backends.iter().map(backend).collect::<Vec<_>>(),
    })
}

fn backend(facts: &BackendFacts) -> Value {
    json!({
        "address": facts.address,
        "zone": facts.zone,
        "group": facts.group,
        "weight": facts.weight,
        "weight_now": facts.weight_now,
        "admin": facts.admin.as_str(),
        "health": if facts.up { "up" } else { "down" },
        "reason": facts.reason,
        "ejected_ms": facts.ejected.map(millis),
        "state": facts.state.as_str(),
        "load_reported": facts.load_reported,
        "load_predicted": facts.load_predicted,
        "capacity": facts.capacity,
        "sessions": facts.sessions,
        "links": facts.links,
        "breakers": facts.breakers.iter().map(breaker).collect::<Vec<_>>(),
    })
}

fn breaker(facts: &BreakerFacts) -> Value {
    json!({
        "route": facts.route,
        "state": facts.state.as_str(),
        "remaining_ms": facts.remaining.map(millis),
    })
}

/// `GET /v1/routes`.
pub(super) fn routes(facts: &[RouteFacts], meters: &Meters) -> Value {
    json!({ "routes": facts.iter().map(|facts| route(facts, meters)).collect::<Vec<_>>() })
}

fn route(facts: &RouteFacts, meters: &Meters) -> Value {
    let meter = meters.route(&facts.name);
    let refused: serde_json::Map<_, _> = Refusal::ALL
        .into_iter()
        .map(|refusal| (refusal.as_str().to_owned(), json!(meter.total(|counts| counts.refused(refusal)))))
        .collect();
    json!({
        "name": facts.name,
        "ids": facts.ids,
        "catch_all": facts.catch_all,
        "cluster": facts.cluster,
        "class": facts.class,
        "frames_in": meter.total(|counts| &counts.frames_in),
        "frames_out": meter.total(|counts| &counts.frames_out),
        "refused": refused,
        "observed": meter.total(|counts| &counts.observed),
        "breaker": facts.breaker.as_str(),
        "maintenance": facts.maintenance.as_ref().map(maintenance),
    })
}

pub(super) fn maintenance(words: &Maintenance) -> Value {
    let until = words.until.map(format_moment);
    json!({
        "message": words.message,
        "retry_after_ms": words.retry_after.map(millis),
        "until": until,
    })
}

/// `GET /v1/partners`; what they have had on the day of `clock`.
pub(super) fn partners(plan: &Plan, book: &Book, clock: SystemTime) -> Value {
    let today = day_of(clock.duration_since(UNIX_EPOCH).unwrap_or_default());
    let one = |partner: &Partner| {
        let standing = book.partner(partner.name());
        json!({
            "name": partner.name(),
            "enabled": partner.enabled(),
            "auth": partner.auth().as_str(),
            "rate_per_second": partner.rate().per_second,
            "burst": partner.rate().burst,
            "daily": partner.daily(),
            "used_today": standing.daily().used(today),
            "in_flight": standing.in_flight(),
            "in_flight_most": partner.in_flight(),
            "connections": standing.connections(),
            "connections_most": partner.connections(),
            "passed": standing.passed(),
            "refused": refusals(&standing.refused),
        })
    };
    json!({
        "partners": plan.partners().iter().map(one).collect::<Vec<_>>(),
        "strangers": { "refused": refusals(&book.strangers) },
    })
}

fn refusals(refused: &Refusals) -> serde_json::Map<String, Value> {
    partners::Refusal::ALL.iter().map(|why| (why.as_str().to_owned(), json!(refused.of(*why)))).collect()
}

/// `GET /v1/sessions`.
pub(super) fn sessions(facts: &[SessionFacts], total: usize) -> Value {
    json!({ "sessions": facts.iter().map(session).collect::<Vec<_>>(), "total": total })
}

fn session(facts: &SessionFacts) -> Value {
    let backends =
        facts.backends.iter().map(|(cluster, address)| json!({ "cluster": cluster, "address": address }));
    json!({
        "session": facts.id.to_string(),
        "account": facts.account,
        "address": facts.address.to_string(),
        "listener": facts.listener,
        "transport": facts.transport,
        "group": facts.group,
        "age_ms": millis(facts.age),
        "backends": backends.collect::<Vec<_>>(),
        "frames_in": facts.frames.0,
        "frames_out": facts.frames.1,
        "bytes_in": facts.bytes.0,
        "bytes_out": facts.bytes.1,
        "buffered": facts.buffered,
        "away": facts.away,
        "worker": facts.worker,
    })
}

/// `GET /v1/overrides`; what is over at `clock` is none any more.
pub(super) fn overrides(overrides: &Overrides, clock: SystemTime) -> Value {
    json!({ "overrides": overrides.in_force(clock).map(super::store::to_json).collect::<Vec<_>>() })
}

/// `GET /v1/bans`: those of operators, and `ordered` by backends with how long they last.
pub(super) fn bans(overrides: &Overrides, ordered: Vec<(Banned, Duration)>, clock: SystemTime) -> Value {
    let in_force = overrides.without_expired(clock);
    let own = in_force.bans().map(|(who, until)| (who.clone(), until, "operator"));
    let ordered = ordered.into_iter().map(|(who, left)| (who, clock + left, "backend"));
    let one = |(who, until, by): (Banned, SystemTime, &str)| {
        let mut entry = super::store::to_json(&Override::Ban { who, until });
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("by".to_owned(), by.into());
        }
        entry
    };
    json!({ "bans": own.chain(ordered).map(one).collect::<Vec<_>>() })
}

fn millis(time: Duration) -> u64 {
    crate::base::millis(time)
}
