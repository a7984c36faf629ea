//! The only way from what is written to a [`Plan`]: defaults are filled in, names are looked up, and whatever
//! does not go together is a mistake. Every rule looks at what could be read and goes on after a mistake, so that
//! one run finds all.

mod across;
mod admin;
mod backends;
mod breaker;
mod clusters;
mod convert;
mod door;
mod frames;
mod hash_on;
mod health;
mod http;
mod identifier;
mod layouts;
mod limit;
mod listeners;
mod login;
mod messages;
mod outlier;
mod partner;
mod release;
mod requests;
mod routes;
mod times;
mod web;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use super::mistakes::Mistakes;
use super::nearest::nearest;
use super::parts::Made;
use super::plan::{
    Admin, Cluster, Drain, Gateway, HttpRoute, Listener, Login, Net, Partner, Plan, Release, Route,
};
use super::problem::{Problem, short};
use super::raw::{self, Field, Raw};
use super::site::{Located, Site};
use super::source::Sources;
use crate::base::GatewayId;
use layouts::Layouts;
use release::Groups;

/// What every rule may look at.
struct Context<'a> {
    raw: &'a Raw,
    sources: &'a Arc<Sources>,
    layouts: Layouts<'a>,
    groups: Groups<'a>,
    mistakes: &'a Mistakes,
}

/// Every part, as far as it could be made.
struct Checked {
    listeners: Vec<Option<Listener>>,
    clusters: Vec<Option<Cluster>>,
    routes: Vec<Option<Route>>,
    http: Vec<Option<HttpRoute>>,
    partners: Vec<Option<Partner>>,
    release: Option<Release>,
    login: Option<Option<Login>>,
    admin: Option<Option<Admin>>,
}

/// The plan, or what could be made of it, and then there is at least one mistake.
pub(super) fn check(raw: &Raw, sources: &Arc<Sources>, mistakes: &Mistakes) -> Result<Plan, Box<Made>> {
    let layouts = Layouts::check(&raw.frames, mistakes);
    let groups = Groups::check(raw, mistakes);
    let context = Context { raw, sources, layouts, groups, mistakes };
    let listeners = listeners::check(&context);
    let clusters = clusters::check(&context);
    let routes = routes::check(&context);
    let http = http::check(&context, &listeners);
    across::check(&context, &listeners, &clusters, &routes);
    across::frames_of_links(&context, &listeners, &clusters, &http);
    requests::across(&context);
    requests::cookies(&context, &clusters, &http);
    let players: Vec<_> = listeners.iter().flatten().filter(|one| one.is_for_players()).collect();
    hash_on::across(&context, &players, &clusters, &routes);
    breaker::across(&context, &players, &clusters, &routes);
    limit::across(&context, &clusters, &routes);
    let release = release::check(&context);
    release::across(&context, release.as_ref(), &clusters);
    let login = login::check(&context);
    login::across(&context, &players, &clusters, &routes);
    let partners = partner::check(&context);
    partner::across(&context, &partners, &http, &listeners);
    convert::across(&context, &clusters, &http);
    web::across(&context, &http);
    let admin = admin::check(&context);
    let drain = drain(&raw.drain, mistakes);
    let checked = Checked { listeners, clusters, routes, http, partners, release, login, admin };
    let made = checked.made();
    checked.into_plan(context, drain).ok_or(made)
}

impl Checked {
    fn made(&self) -> Box<Made> {
        Box::new(Made {
            admin: self.admin.clone().flatten(),
            listeners: self.listeners.iter().flatten().cloned().collect(),
            clusters: self.clusters.iter().flatten().cloned().collect(),
            canary: self.release.iter().flat_map(|release| &release.canary).cloned().collect(),
            partners: self.partners.iter().flatten().cloned().collect(),
            http: self.http.iter().flatten().cloned().collect(),
            login: self.login.clone().flatten(),
        })
    }

    fn into_plan(self, context: Context<'_>, drain: Drain) -> Option<Plan> {
        Some(Plan {
            sources: Arc::clone(context.sources),
            gateway: gateway(&context)?,
            net: net(&context.raw.net),
            drain,
            admin: self.admin?,
            groups: context.groups.names(),
            release: self.release?,
            frames: context.layouts.into_named()?,
            listeners: all(self.listeners)?,
            clusters: all(self.clusters)?,
            routes: all(self.routes)?,
            partners: all(self.partners)?,
            http: all(self.http)?,
            login: self.login?,
        })
    }
}

impl Context<'_> {
    fn add(&self, problem: Problem) {
        self.mistakes.add(problem);
    }

    /// The path of a file as the process can open it: relative ones start at the folder of the configuration file.
    fn resolve(&self, path: &Located<std::path::PathBuf>) -> Located<std::path::PathBuf> {
        let folder = self.sources.file(path.site()).and_then(|file| file.path.parent());
        let full = folder.map_or_else(|| path.get().clone(), |folder| folder.join(path.get()));
        Located::new(full, path.site().clone())
    }
}

fn all<T>(parts: Vec<Option<T>>) -> Option<Vec<T>> {
    parts.into_iter().collect()
}

fn gateway(context: &Context<'_>) -> Option<Gateway> {
    let raw = &context.raw.gateway;
    let state_dir = raw.state_dir.given().map(|path| context.resolve(path).value);
    Some(Gateway {
        id: GatewayId::new(raw.id.or(0))?,
        zone: raw.zone.value().cloned().unwrap_or_default(),
        workers: usize::from(raw.workers.or(0)),
        state_dir: state_dir.unwrap_or_else(|| "/var/lib/realmgate".into()),
    })
}

fn net(raw: &raw::Net) -> Net {
    Net { gather: raw.gather.or(false).then(|| raw.gather_delay.or(Duration::from_micros(500))) }
}

fn drain(raw: &raw::Drain, mistakes: &Mistakes) -> Drain {
    let drain = Drain {
        lame_duck: raw.lame_duck.or(Duration::from_secs(5)),
        spread: raw.spread.or(Duration::from_secs(30)),
        deadline: raw.deadline.or(Duration::from_secs(120)),
    };
    let sites = [raw.deadline.given(), raw.spread.given(), raw.lame_duck.given()];
    if let (true, Some(site)) =
        (drain.lame_duck + drain.spread > drain.deadline, sites.into_iter().flatten().next())
    {
        mistakes.add(
            Problem::at(site.site(), "`deadline` is shorter than `lame_duck` and `spread` together")
                .because("the process would have ended before every player was told")
                .write("write a longer `deadline`, or a shorter `spread`"),
        );
    }
    drain
}

/// A key that must be there; one that is there and wrong has been reported.
fn required<'f, T>(
    field: &'f Field<T>,
    key: &'static str,
    owner: &Site,
    mistakes: &Mistakes,
    missing: impl FnOnce(&Site) -> Problem,
) -> Option<&'f Located<T>> {
    if field.is_absent() {
        mistakes.add(Problem { lacks: Some(key), ..missing(owner) });
    }
    field.given()
}

/// A name that no table has.
fn no_such(kind: &str, name: &Located<String>, known: &[&str]) -> Problem {
    let title = format!("there is no [{kind}.{}]", short(name.get()));
    let write = match (nearest(name.get(), known.iter().copied()), known.is_empty()) {
        (Some(near), _) => format!("write \"{near}\""),
        (None, true) => format!("add a table [{kind}.NAME]"),
        (None, false) => format!("write one of {}", known.join(", ")),
    };
    Problem::at(name.site(), title).because("the name would have led nowhere").write(write)
}
