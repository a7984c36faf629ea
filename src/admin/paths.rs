//! The table of the API's paths.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::{self, Answer};
use super::body::shown;
use super::changes::{self, Ask};
use super::desk::Desk;
use super::{plan, views};
use crate::base::Phase;
use crate::net;

/// What is asked for, without its body.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: String,
    /// The parts of the path, percent-decoded.
    pub(super) path: Vec<String>,
    /// The pairs of the query, percent-decoded.
    pub(super) query: Vec<(String, String)>,
}

/// What is behind a path.
#[derive(Clone, Copy, Debug)]
enum Place<'p> {
    Status,
    Clusters,
    Cluster(&'p str),
    Routes,
    Sessions,
    Partners,
    Config,
    Overrides,
    Bans,
    Metrics,
    Alive,
    Ready,
    Backend(&'p str, &'p str),
    Maintenance(&'p str),
    Partner(&'p str),
    Release,
    KickSession(&'p str),
    KickAccount(&'p str),
    Ban,
    Reload,
    ClearOverrides,
    Upgrade,
}

/// The table. Reads are GET, changes POST.
fn find<'p>(method: &str, path: &[&'p str]) -> Option<Place<'p>> {
    Some(match (method, path) {
        ("GET", ["v1", "status"]) => Place::Status,
        ("GET", ["v1", "clusters"]) => Place::Clusters,
        ("GET", ["v1", "clusters", name]) => Place::Cluster(name),
        ("GET", ["v1", "routes"]) => Place::Routes,
        ("GET", ["v1", "sessions"]) => Place::Sessions,
        ("GET", ["v1", "partners"]) => Place::Partners,
        ("GET", ["v1", "config"]) => Place::Config,
        ("GET", ["v1", "overrides"]) => Place::Overrides,
        ("GET", ["v1", "bans"]) => Place::Bans,
        ("GET", ["metrics"]) => Place::Metrics,
        ("GET", ["healthz"]) => Place::Alive,
        ("GET", ["readyz"]) => Place::Ready,
        ("POST", ["v1", "backends", cluster, address]) => Place::Backend(cluster, address),
        ("POST", ["v1", "routes", name, "maintenance"]) => Place::Maintenance(name),
        ("POST", ["v1", "partners", name]) => Place::Partner(name),
        ("POST", ["v1", "release"]) => Place::Release,
        ("POST", ["v1", "sessions", id, "kick"]) => Place::KickSession(id),
        ("POST", ["v1", "accounts", name, "kick"]) => Place::KickAccount(name),
        ("POST", ["v1", "bans"]) => Place::Ban,
        ("POST", ["v1", "reload"]) => Place::Reload,
        ("POST", ["v1", "overrides", "clear"]) => Place::ClearOverrides,
        ("POST", ["v1", "upgrade"]) => Place::Upgrade,
        _ => return None,
    })
}

/// What a question gets whose path is not there or takes another method, whatever its body is; `None`: it may be asked.
pub(super) fn refused(question: &Question) -> Option<Answer> {
    let path = question.parts();
    find(&question.method, &path).is_none().then(|| elsewhere(&path))
}

impl Question {
    fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

/// What a change leaves in the log, also when whoever asked does not wait for the answer.
#[derive(Debug)]
struct Entry<'a> {
    who: &'a str,
    what: String,
    status: u16,
}

/// Answers a question that may be asked, within some time. Every change leaves a line in the log.
pub(super) async fn answer(question: &Question, ask: &Ask<'_>, time: Duration) -> Answer {
    let path = question.parts();
    let Some(place) = find(&question.method, &path) else { return elsewhere(&path) };
    let mut entry = (question.method == "POST").then(|| Entry {
        who: ask.who,
        what: shown(&format!("/{} {}", path.join("/"), String::from_utf8_lossy(ask.body))),
        status: 0,
    });
    let answer = timeout(time, enter(place, question, ask)).await.unwrap_or_else(|_| Err(too_long()));
    let answer = answer.unwrap_or_else(|refused| refused);
    if let Some(entry) = &mut entry {
        entry.status = answer.status().as_u16();
    }
    answer
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        crate::telemetry::operator_asked(self.who, &self.what, self.status);
    }
}

fn too_long() -> Answer {
    let hint = "it may still be done: look at the log and at realmgate ctl status";
    answer::error(StatusCode::GATEWAY_TIMEOUT, "this takes too long to wait for it", hint)
}

async fn enter(place: Place<'_>, question: &Question, ask: &Ask<'_>) -> Result<Answer, Answer> {
    let desk = ask.desk;
    let world = desk.world.load_full();
    let json = |value: Value| Ok(answer::json(&value));
    match place {
        Place::Status => json(views::status(desk)),
        Place::Clusters => json(views::clusters(&world.cluster_facts(desk.now()))),
        Place::Cluster(name) => cluster(desk, name),
        Place::Routes => json(views::routes(&world.route_facts(), &desk.meters)),
        Place::Sessions => sessions(question, desk).await,
        Place::Partners => json(views::partners(world.plan(), desk.commons.partners(), Desk::clock())),
        Place::Config => json(plan::view(world.plan())),
        Place::Overrides => json(views::overrides(&desk.overrides.load(), Desk::clock())),
        Place::Bans => json(views::bans(&desk.overrides.load(), desk.ordered_bans(), Desk::clock())),
        Place::Metrics => Ok(answer::metrics(metrics(desk))),
        Place::Alive => Ok(answer::word("ok")),
        Place::Ready => ready(desk),
        Place::Backend(cluster, address) => changes::backend(ask, cluster, address).await,
        Place::Maintenance(name) => changes::maintenance(ask, name).await,
        Place::Partner(name) => changes::partner(ask, name).await,
        Place::Release => changes::release(ask).await,
        Place::KickSession(id) => changes::kick_session(ask, id).await,
        Place::KickAccount(name) => changes::kick_account(ask, name).await,
        Place::Ban => changes::ban(ask).await,
        Place::Reload => changes::reload(ask).await,
        Place::ClearOverrides => changes::clear(ask).await,
        Place::Upgrade => changes::upgrade(ask).await,
    }
}

fn metrics(desk: &Desk) -> String {
    net::metrics_page(&desk.world.load(), &desk.meters, &desk.commons, &desk.workers, desk.now())
}

/// A path that is not there, or not for this method.
fn elsewhere(path: &[&str]) -> Answer {
    let allowed: Vec<_> = ["GET", "POST"].into_iter().filter(|method| find(method, path).is_some()).collect();
    match allowed.as_slice() {
        [] => {
            answer::error(StatusCode::NOT_FOUND, "there is no such path", "docs/admin-api.md lists them all")
        }
        allowed => answer::wrong_method(&allowed.join(", ")),
    }
}

fn cluster(desk: &Desk, name: &str) -> Result<Answer, Answer> {
    let facts = desk.world.load().cluster_facts(desk.now());
    match facts.iter().find(|cluster| cluster.name == name) {
        Some(cluster) => Ok(answer::json(&views::cluster(cluster))),
        None => {
            let names: Vec<_> = facts.iter().map(|cluster| cluster.name.as_str()).collect();
            let error = format!("there is no [cluster.{}]", shown(name));
            let hint = format!("the clusters are: {}", names.join(", "));
            Err(answer::error(StatusCode::NOT_FOUND, &error, &hint))
        }
    }
}

/// Whether the process takes players.
fn ready(desk: &Desk) -> Result<Answer, Answer> {
    let phase = *desk.phase.borrow();
    if phase == Phase::Serving {
        return if desk.commons.pressure().refuses_sessions() {
            Err(overloaded(desk))
        } else {
            Ok(answer::word(phase.as_str()))
        };
    }
    let told =
        json!({ "error": "it takes no players", "hint": "send them elsewhere", "phase": phase.as_str() });
    Err(answer::with(StatusCode::SERVICE_UNAVAILABLE, &told))
}

/// It has so little left of something that it takes nobody.
fn overloaded(desk: &Desk) -> Answer {
    let (resource, pressure) = desk.commons.pressure().worst();
    let told = json!({
        "error": "it is overloaded and takes no new players",
        "hint": "send them elsewhere until it is below 80 % again",
        "phase": desk.phase.borrow().as_str(),
        "resource": resource,
        "pressure": views::rounded(pressure),
    });
    answer::with(StatusCode::SERVICE_UNAVAILABLE, &told)
}

async fn sessions(question: &Question, desk: &Desk) -> Result<Answer, Answer> {
    let find =
        |key: &str| question.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let known = ["account", "limit"];
    if let Some((unknown, _)) = question.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(super::body::unknown(unknown, &known));
    }
    let limit = find("limit").map_or(Some(DEFAULT_LIMIT), |text| text.parse().ok());
    let limit = limit.filter(|limit| *limit <= MOST_LISTED);
    let limit = limit.ok_or_else(|| super::body::wrong("limit", &format!("a number up to {MOST_LISTED}")))?;
    let mut all = Vec::new();
    for worker in desk.workers.iter() {
        all.extend(worker.list(find("account"), limit.saturating_sub(all.len())).await);
    }
    let total = desk.workers.iter().map(|worker| worker.sessions()).sum();
    Ok(answer::json(&views::sessions(&all, total)))
}

const DEFAULT_LIMIT: usize = 100;
/// Each one asked takes a turn of its session.
const MOST_LISTED: usize = 10_000;
