//! `[route.NAME.breaker]`: when a route stops sending, and how it knows that it was answered.

use std::collections::BTreeMap;

use super::across::site_of;
use super::layouts::{can_reach, highest_id};
use super::times::{Time, in_order};
use super::{Context, required};
use crate::base::ProtocolId;
use crate::config::plan::{Cluster, LinkKind, Listener, Reply, Route};
use crate::config::problem::Problem;
use crate::config::raw::{self, Field, Named};
use crate::config::site::{Located, Site};
use crate::policy::BreakerRules;
use crate::wire::FrameLayout;

/// The rules and the reply; `None` after a mistake.
pub(super) fn check(
    context: &Context<'_>,
    raw: &Field<raw::Breaker>,
) -> Option<(BreakerRules, Option<Reply>)> {
    match raw {
        Field::Absent => Some((BreakerRules::default(), None)),
        Field::Bad => None,
        Field::Given(table) => {
            let rules = rules(context, table);
            Some((rules, reply(context, &table.get().reply)?))
        }
    }
}

/// What a breaker needs of the frames that the route and its answers are made of.
pub(super) fn across(
    context: &Context<'_>,
    listeners: &[&Listener],
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    for (raw, route) in context.raw.routes.iter().zip(routes) {
        let Some(breaker) = raw.body.breaker.value() else { continue };
        let cluster = route.as_ref().and_then(|route| clusters.get(route.cluster)?.as_ref());
        if cluster.is_some_and(Cluster::reads_no_frames) {
            needs_frames(context, raw, breaker);
            continue;
        }
        needs_reply(context, breaker);
        let given = breaker.reply.value().and_then(|reply| reply.id.given());
        if let (Some(route), Some(cluster), Some(id)) = (route, cluster, given) {
            reply_fits(context, id, &answers(listeners, cluster, route));
            reply_is_no_own_frame(context, id, listeners);
        }
    }
}

fn rules(context: &Context<'_>, table: &Located<raw::Breaker>) -> BreakerRules {
    let (raw, default) = (table.get(), BreakerRules::default());
    let rules = BreakerRules {
        consecutive: raw.consecutive.or(default.consecutive),
        failure_rate: raw.failure_rate.or(default.failure_rate),
        min_frames: raw.min_frames.or(default.min_frames),
        window: raw.window.or(default.window),
        open: raw.open.or(default.open),
        max_open: raw.max_open.or(default.max_open),
        max_in_flight: raw.max_in_flight.or(default.max_in_flight),
    };
    let open = Time { key: "open", raw: &raw.open, value: rules.open };
    let max_open = Time { key: "max_open", raw: &raw.max_open, value: rules.max_open };
    let because = "it would already have been open for longer than it ever may be";
    in_order(context, &open, &max_open, table.site(), because);
    rules
}

fn reply(context: &Context<'_>, field: &Field<raw::Reply>) -> Option<Option<Reply>> {
    let raw = match field {
        Field::Absent => return Some(None),
        Field::Bad => return None,
        Field::Given(raw) => raw.get(),
    };
    let id = required(&raw.id, "id", &raw.site, context.mistakes, |site| {
        Problem::at(site, "the reply has no `id`")
            .because("nobody would have known which frame is the answer")
            .write("add id = and the protocol ID of the answer")
    });
    let within = required(&raw.within, "within", &raw.site, context.mistakes, |site| {
        Problem::at(site, "the reply has no `within`")
            .because("a frame without an answer would never have failed")
            .write("add within = and how long an answer may take, such as \"3s\"")
    });
    Some(Some(Reply { id: ProtocolId(*id?.get()), within: *within?.get() }))
}

/// Rules that count frames or their answers, where a session goes whole to a backend.
fn needs_frames(context: &Context<'_>, raw: &Named<raw::Route>, breaker: &raw::Breaker) {
    let keys = [
        ("max_in_flight", breaker.max_in_flight.given().map(Located::site)),
        ("reply", breaker.reply.given().map(Located::site)),
    ];
    for (key, site) in keys.into_iter().filter_map(|(key, site)| Some((key, site?))) {
        let title = format!("`{key}` needs frames, and the cluster of [route.{}] is opaque", raw.name.get());
        context.add(
            Problem::at(site, title)
                .because("no frames are read there and no answers seen: it would have had no effect")
                .write(format!("remove `{key}`, or describe the frames of the cluster")),
        );
    }
}

fn needs_reply(context: &Context<'_>, breaker: &raw::Breaker) {
    if let (Some(given), true) = (breaker.max_in_flight.given(), breaker.reply.is_absent()) {
        context.add(
            Problem::at(
                given.site(),
                "`max_in_flight` counts frames without an answer, and there is no `reply`",
            )
            .because("nobody would have known when a frame is answered: it would have had no effect")
            .write(
                "add reply = { id = 1001, within = \"3s\" } with the ID of the answer, or remove `max_in_flight`",
            ),
        );
    }
}

/// The layouts in which an answer of this route comes, by name: those of its players over a shared link, the
/// cluster's own over a dedicated one.
fn answers<'p>(
    listeners: &[&'p Listener],
    cluster: &'p Cluster,
    route: &Route,
) -> BTreeMap<&'p str, &'p FrameLayout> {
    match &cluster.link {
        LinkKind::Dedicated { frame, layout, .. } => BTreeMap::from([(frame.as_str(), layout.as_ref())]),
        LinkKind::Http => BTreeMap::new(),
        LinkKind::Shared => {
            let players = listeners.iter().filter(|listener| can_reach(&listener.layout, route));
            players.map(|listener| (listener.frame.as_str(), listener.layout.as_ref())).collect()
        }
    }
}

fn reply_fits(context: &Context<'_>, id: &Located<u64>, layouts: &BTreeMap<&str, &FrameLayout>) {
    let highest = layouts.iter().filter_map(|(name, layout)| Some((name, highest_id(layout.id.as_ref())?)));
    if let Some((name, highest)) =
        highest.min_by_key(|(_, highest)| *highest).filter(|(_, highest)| id.get() > highest)
    {
        let title = format!(
            "the reply {} does not fit the ID field of [frame.{name}]: it ends at {highest}",
            id.get()
        );
        context.add(
            Problem::at(id.site(), title)
                .because("no answer could have come, and every frame of the route would have failed")
                .write(format!("write 0 to {highest}, or a wider ID field")),
        );
    }
}

/// Frames that the gateway answers or writes itself never come from a backend.
fn reply_is_no_own_frame(context: &Context<'_>, id: &Located<u64>, listeners: &[&Listener]) {
    let layouts: BTreeMap<_, _> =
        listeners.iter().map(|listener| (listener.frame.as_str(), &listener.layout)).collect();
    for (frame, layout) in layouts {
        let beat = layout.heartbeat.is_some_and(|beat| [beat.id.0, beat.reply.0].contains(id.get()));
        let notice = layout.notice.is_some_and(|notice| notice.0 == *id.get());
        let what = if beat { "heartbeat" } else { "notice" };
        if beat || notice {
            let raw = context.raw.frames.iter().find(|raw| raw.name.get() == frame);
            context.add(own_frame(id, frame, what, raw.and_then(|raw| site_of(raw, what))));
        }
    }
}

fn own_frame(id: &Located<u64>, frame: &str, what: &str, site: Option<&Site>) -> Problem {
    let title = format!("the reply {} is the {what} of [frame.{frame}]", id.get());
    let problem = Problem::at(id.site(), title)
        .because("the gateway keeps these frames, so no answer of a backend would have been one")
        .write("write the ID with which the backends answer");
    match site {
        Some(site) => problem.see(site, format!("the {what}")),
        None => problem,
    }
}
