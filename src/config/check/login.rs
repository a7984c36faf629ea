//! `[login]`: that players can log in, and to what.

use std::time::Duration;

use super::layouts::{highest_id, is_opaque};
use super::{Context, no_such, required};
use crate::base::{ProtocolId, Rate};
use crate::config::plan::{
    Cluster, Duplicate, LinkKind, Listener, Login, LoginWay, Queue, Route, TokenRules, TokenTrust,
};
use crate::config::problem::Problem;
use crate::config::raw::{self, Field};
use crate::config::site::{Located, Site};
use crate::wire::{FrameLayout, Framing, IdField};

const DEFAULT_SKEW: Duration = Duration::from_secs(60);
const DEFAULT_ADMIT: Rate = Rate { count: 200, seconds: 1 };
const DEFAULT_LENGTH: u32 = 50_000;

/// How players log in; the outer `None` after a mistake.
pub(super) fn check(context: &Context<'_>) -> Option<Option<Login>> {
    let raw = match &context.raw.login {
        Field::Absent => return Some(None),
        Field::Bad => return None,
        Field::Given(table) => table.get(),
    };
    let way = way(context, raw);
    let queue = match &raw.queue {
        Field::Absent => Some(None),
        Field::Bad => None,
        Field::Given(table) => queue(context, table.get()).map(Some),
    };
    let any_bad = matches!(raw.duplicate, Field::Bad)
        || matches!(raw.resume, Field::Bad)
        || matches!(raw.versions, Field::Bad);
    let login = Login {
        way: way?,
        duplicate: raw.duplicate.or(Duplicate::Replace),
        resume: raw.resume.value().copied(),
        versions: raw.versions.value().cloned(),
        queue: queue?,
    };
    (!any_bad).then_some(Some(login))
}

/// Whether a route wants a login first; `None` after a mistake.
pub(super) fn of_route(
    context: &Context<'_>,
    route: &raw::Named<raw::Route>,
    cluster: Option<usize>,
) -> Option<bool> {
    let is_login = login_route(context).is_some_and(|name| name.get() == route.name.get());
    let opaque = cluster.is_some_and(|cluster| is_opaque_cluster(context, cluster));
    let required = match &route.body.login {
        Field::Bad => return None,
        Field::Absent => return Some(!context.raw.login.is_absent() && !is_login && !opaque),
        Field::Given(required) => required,
    };
    let problem = Problem::at(required.site(), format!("[route.{}] wants a login first", route.name.get()));
    let (why, write) = if !*required.get() {
        return Some(false);
    } else if context.raw.login.is_absent() {
        ("nobody could ever log in: there is no [login]", "add a table [login], or write login = \"none\"")
    } else if is_login {
        (
            "nobody could ever log in: this is the route of [login]",
            "write login = \"none\", or remove `login`",
        )
    } else if opaque {
        ("nobody could log in where no frames are read", "write login = \"none\", or remove `login`")
    } else {
        return Some(true);
    };
    context.add(problem.because(why).write(write));
    None
}

fn login_route<'c>(context: &'c Context<'_>) -> Option<&'c Located<String>> {
    context.raw.login.value()?.route.given()
}

/// Whether the links of a cluster carry bytes that nobody reads, as far as that can be told from the file.
fn is_opaque_cluster(context: &Context<'_>, cluster: usize) -> bool {
    let frame = context.raw.clusters.get(cluster).and_then(|raw| raw.body.frame.value());
    let layout = frame.and_then(|frame| context.layouts.get(frame));
    layout.is_some_and(|layout| is_opaque(&layout))
}

/// Exactly one of the two.
fn way(context: &Context<'_>, raw: &raw::Login) -> Option<LoginWay> {
    match (&raw.route, &raw.token) {
        (Field::Bad, _) | (_, Field::Bad) => None,
        (Field::Absent, Field::Absent) => {
            context.add(
                Problem::at(&raw.site, "[login] does not say how players log in")
                    .because("nobody could ever have logged in")
                    .write("add route = \"login\" for backends that answer with BIND, or a `token`"),
            );
            None
        }
        (Field::Given(route), Field::Given(token)) => {
            context.add(
                Problem::at(token.site(), "[login] has a `route` and a `token`")
                    .see(route.site(), "the route")
                    .because("nobody would have known which of the two counts")
                    .write("keep one of them"),
            );
            None
        }
        (Field::Given(name), Field::Absent) => {
            let place = context.raw.routes.iter().position(|route| route.name.get() == name.get());
            if place.is_none() {
                let known: Vec<_> = context.raw.routes.iter().map(|one| one.name.get().as_str()).collect();
                context.add(no_such("route", name, &known));
            }
            place.map(LoginWay::Route)
        }
        (Field::Absent, Field::Given(raw)) => token(context, raw.get()).map(LoginWay::Token),
    }
}

fn token(context: &Context<'_>, raw: &raw::Token) -> Option<TokenRules> {
    let missing = |site: &Site, key: &str, write: &str| {
        Problem::at(site, format!("`token` has no `{key}`"))
            .because("nobody could ever have logged in")
            .write(write.to_owned())
    };
    let (site, mistakes) = (&raw.site, context.mistakes);
    let id = required(&raw.id, "id", site, mistakes, |site| {
        missing(site, "id", "add id = and the protocol ID of the frame with the token")
    });
    let offset = required(&raw.offset, "offset", site, mistakes, |site| {
        missing(site, "offset", "add offset = and where the token begins, from the frame's first byte")
    });
    let algorithm = required(&raw.algorithm, "algorithm", site, mistakes, |site| {
        missing(site, "algorithm", "add algorithm = \"EdDSA\" or \"ES256\" or \"RS256\" or \"HS256\"")
    });
    let key = required(&raw.key, "key", site, mistakes, |site| {
        missing(site, "key", "add key = and the path of a PEM file, a JWKS or a secret")
    });
    if matches!(raw.audience, Field::Bad) || matches!(raw.skew, Field::Bad) {
        return None;
    }
    Some(TokenRules {
        id: ProtocolId(*id?.get()),
        offset: usize::from(*offset?.get()),
        trust: TokenTrust {
            algorithm: *algorithm?.get(),
            key: context.resolve(key?),
            audience: raw.audience.value().cloned(),
            skew: raw.skew.or(DEFAULT_SKEW),
        },
    })
}

fn queue(context: &Context<'_>, raw: &raw::Queue) -> Option<Queue> {
    let above = required(&raw.above, "above", &raw.site, context.mistakes, |site| {
        Problem::at(site, "`queue` has no `above`")
            .because("nobody would have known when players have to wait")
            .write("add above = and how many sessions may be in")
    });
    if matches!(raw.admit, Field::Bad)
        || matches!(raw.length, Field::Bad)
        || matches!(raw.redirect, Field::Bad)
    {
        return None;
    }
    Some(Queue {
        above: *above?.get(),
        admit: raw.admit.or(DEFAULT_ADMIT).per_second(),
        length: raw.length.or(DEFAULT_LENGTH),
        redirect: raw.redirect.value().into_iter().flatten().map(|place| place.get().clone()).collect(),
    })
}

/// What `[login]`, listeners, clusters and routes must agree on.
pub(super) fn across(
    context: &Context<'_>,
    listeners: &[&Listener],
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    let Some(raw) = context.raw.login.value() else { return };
    bind_comes(context, raw, clusters, routes);
    token_comes(context, raw, listeners);
    let silent = listeners.iter().all(|listener| listener.layout.notice.is_none());
    if let (true, false, Some(given)) = (silent, listeners.is_empty(), raw.resume.given()) {
        context.add(
            Problem::at(given.site(), "no player could be told how to resume: no frame has a `notice`")
                .because("every session would have been kept for nobody")
                .write("add notice = { id = 9000 } to the frame, or remove `resume`"),
        );
    }
}

/// Only a backend of a shared link can say BIND.
fn bind_comes(
    context: &Context<'_>,
    raw: &raw::Login,
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    let Some(given) = raw.route.given() else { return };
    let route = routes.iter().flatten().find(|route| route.name == *given.get());
    let cluster = route.and_then(|route| clusters.get(route.cluster)?.as_ref());
    if let Some(cluster) = cluster.filter(|cluster| !matches!(cluster.link, LinkKind::Shared)) {
        context.add(
            Problem::at(given.site(), format!("the links of [cluster.{}] are not shared", cluster.name))
                .because("its backends could not have said BIND, and nobody could ever have logged in")
                .write("write link = \"shared\" there, or let the gateway verify a `token`"),
        );
    }
}

/// A frame with the token must be able to come, whole, and to hold it behind its header.
fn token_comes(context: &Context<'_>, raw: &raw::Login, listeners: &[&Listener]) {
    let Some(raw) = raw.token.value() else { return };
    let (Some(id), Some(offset)) = (raw.id.given(), raw.offset.given()) else { return };
    let (number, place) = (ProtocolId(*id.get()), usize::from(*offset.get()));
    let framed = || listeners.iter().filter(|listener| !is_opaque(&listener.layout));
    let highest = framed().filter_map(|listener| highest_id(listener.layout.id.as_ref())).max();
    if !listeners.is_empty() && highest.is_none_or(|highest| number.0 > highest) {
        context.add(
            Problem::at(id.site(), format!("no listener has frames with the ID {}", number))
                .because("no token could ever have come")
                .write(match highest {
                    Some(highest) => format!("write an ID from 0 to {highest}"),
                    None => "give a listener a frame with an ID: all of them are opaque".to_owned(),
                }),
        );
        return;
    }
    for listener in framed() {
        if let Some(what) = kept_for(&listener.layout, number) {
            context.add(
                Problem::at(
                    id.site(),
                    format!("the ID {} is the {what} of [frame.{}]", number, listener.frame),
                )
                .because("the gateway keeps these frames, so no token could ever have come")
                .write("write the ID of another frame"),
            );
        }
        let (first, last) = (header(&listener.layout), usize_of(listener.layout.max_length));
        if place < first || place >= last {
            let title = format!("byte {} of a frame of [frame.{}] is in no body", place, listener.frame);
            context.add(
                Problem::at(offset.site(), title)
                    .because("no token could ever have been read")
                    .write(format!("write an offset from {first}, where the body begins, to {}", last - 1)),
            );
        }
    }
}

fn kept_for(layout: &FrameLayout, id: ProtocolId) -> Option<&'static str> {
    let beats = layout.heartbeat.is_some_and(|beat| beat.id == id);
    if beats { Some("heartbeat") } else { (layout.notice == Some(id)).then_some("notice") }
}

/// Where the body begins at the earliest.
fn header(layout: &FrameLayout) -> usize {
    let length = match layout.framing {
        Framing::Fixed { offset, width, .. } => usize::from(offset) + width.bytes(),
        Framing::Varint { offset, .. } => usize::from(offset) + 1,
        Framing::Message | Framing::Opaque => 0,
    };
    match layout.id {
        Some(IdField::Fixed { offset, width, .. }) => length.max(usize::from(offset) + width.bytes()),
        Some(IdField::Varint) => length + 1,
        None => length,
    }
}

fn usize_of(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
