//! `[route.NAME]`: which protocol IDs go where.

use super::{Context, breaker, limit, login, no_such, required};
use crate::config::Maintenance;
use crate::config::plan::{Protocol, Route};
use crate::config::problem::Problem;
use crate::config::raw::{self, Field, Ids, Named};
use crate::config::site::{Located, Site};
use crate::policy::RouteClass;

/// IDs as written, with the route they belong to.
pub(super) struct Claim<'a> {
    pub(super) route: &'a str,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) site: &'a Site,
}

/// Every route; `None` for one with a mistake.
pub(super) fn check(context: &Context<'_>) -> Vec<Option<Route>> {
    let routes = &context.raw.routes;
    let is_http = |raw: &Named<raw::Listener>| raw.body.protocol.value() == Some(&Protocol::Http);
    let listeners = &context.raw.listeners;
    let has_players = listeners.is_empty() || !listeners.iter().all(is_http);
    if !context.raw.any_route && has_players {
        context.add(
            Problem::without_site("there is no [route.NAME]")
                .because("every frame would have been unknown")
                .write("add a route with ids = [\"*\"] and a `cluster`"),
        );
    }
    let checked = routes.iter().map(|raw| one(context, raw)).collect();
    overlaps(context);
    catch_alls(context);
    checked
}

/// The ranges of every route that are in order.
pub(super) fn claims<'a>(context: &Context<'a>) -> Vec<Claim<'a>> {
    let of_route = |route: &'a Named<raw::Route>| {
        let items = route.body.ids.value().into_iter().flatten();
        items.filter_map(move |item| match *item.get() {
            Ids::Range(from, to) if from <= to => {
                Some(Claim { route: route.name.get(), from, to, site: item.site() })
            }
            Ids::Range(..) | Ids::All => None,
        })
    };
    context.raw.routes.iter().flat_map(of_route).collect()
}

fn one(context: &Context<'_>, raw: &Named<raw::Route>) -> Option<Route> {
    let cluster = cluster(context, raw);
    let breaker = breaker::check(context, &raw.body.breaker);
    let limit = limit::check(context, &raw.body.limit);
    let maintenance = maintenance(&raw.body.maintenance);
    let login = login::of_route(context, raw, cluster);
    let items = ids(context, raw)?;
    let catch_all = items.iter().any(|item| *item.get() == Ids::All);
    let range = |item: &Located<Ids>| match *item.get() {
        Ids::Range(from, to) => Some((from, to)),
        Ids::All => None,
    };
    let (breaker, reply) = breaker?;
    Some(Route {
        name: raw.name.get().clone(),
        ids: items.iter().filter_map(range).collect(),
        catch_all,
        cluster: cluster?,
        class: raw.body.class.or(RouteClass::Normal),
        breaker,
        reply,
        maintenance: maintenance?,
        login: login?,
        limit: limit?,
    })
}

fn maintenance(field: &Field<raw::Maintenance>) -> Option<Option<Maintenance>> {
    match field {
        Field::Absent => Some(None),
        Field::Bad => None,
        Field::Given(table) => {
            let (raw, message) = (table.get(), table.get().message.value());
            Some(Some(Maintenance {
                message: message.cloned().unwrap_or_else(|| Maintenance::MESSAGE.to_owned()),
                retry_after: raw.retry_after.value().copied(),
                until: raw.until.value().copied(),
            }))
        }
    }
}

fn cluster(context: &Context<'_>, raw: &Named<raw::Route>) -> Option<usize> {
    let name = required(&raw.body.cluster, "cluster", raw.name.site(), context.mistakes, |site| {
        Problem::at(site, format!("[route.{}] has no `cluster`", raw.name.get()))
            .because("its frames would have gone nowhere")
            .write("add cluster = and the name of a [cluster.NAME]")
    })?;
    let place = context.raw.clusters.iter().position(|cluster| cluster.name.get() == name.get());
    if place.is_none() {
        let known: Vec<_> = context.raw.clusters.iter().map(|cluster| cluster.name.get().as_str()).collect();
        context.add(no_such("cluster", name, &known));
    }
    place
}

fn ids<'r>(context: &Context<'_>, raw: &'r Named<raw::Route>) -> Option<&'r [Located<Ids>]> {
    let empty = |site: &Site| {
        Problem::at(site, format!("[route.{}] has no IDs", raw.name.get()))
            .because("no frame would ever have taken it")
            .write("write ids = [1000, \"1001-1999\"], or [\"*\"] for all that no other route has")
    };
    let items = required(&raw.body.ids, "ids", raw.name.site(), context.mistakes, empty)?;
    if items.get().is_empty() {
        context.add(empty(items.site()));
    }
    for item in items.get() {
        if let Ids::Range(from, to) = *item.get()
            && from > to
        {
            context.add(
                Problem::at(
                    item.site(),
                    format!("this range ends before it starts: {from} is more than {to}"),
                )
                .because("no frame would ever have matched it")
                .write(format!("write \"{to}-{from}\"")),
            );
        }
    }
    Some(items.get())
}

/// IDs that two routes want, or one route twice.
fn overlaps(context: &Context<'_>) {
    let mut claims = claims(context);
    claims.sort_by_key(|claim| (claim.from, claim.to));
    let mut widest: Option<&Claim<'_>> = None;
    for claim in &claims {
        match widest {
            Some(before) if before.to >= claim.from => context.add(overlap(before, claim)),
            _ => {}
        }
        if widest.is_none_or(|before| claim.to > before.to) {
            widest = Some(claim);
        }
    }
}

fn overlap(one: &Claim<'_>, other: &Claim<'_>) -> Problem {
    let shared = span(one.from.max(other.from), one.to.min(other.to));
    // The place further down is the one that was added later.
    let in_order = (one.site.source, one.site.span.start) <= (other.site.source, other.site.span.start);
    let (first, second) = if in_order { (one, other) } else { (other, one) };
    if first.route == second.route {
        return Problem::at(second.site, format!("[route.{}] has {shared} twice", second.route))
            .see(first.site, "the first time")
            .because("one of the two is perhaps a slip of the pen")
            .write(format!("remove {shared} here or there"));
    }
    Problem::at(
        second.site,
        format!("[route.{}] and [route.{}] both want {shared}", first.route, second.route),
    )
    .see(first.site, format!("[route.{}]", first.route))
    .because("nobody would have known where such a frame goes")
    .write(format!("leave {shared} to one of them"))
}

/// A number or a range for people.
pub(super) fn span(from: u64, to: u64) -> String {
    if from == to { format!("the ID {from}") } else { format!("the IDs {from}-{to}") }
}

fn catch_alls(context: &Context<'_>) {
    let items = context.raw.routes.iter().flat_map(|route| route.body.ids.value().into_iter().flatten());
    let mut all = items.filter(|item| *item.get() == Ids::All);
    let Some(first) = all.next() else { return };
    for second in all {
        context.add(
            Problem::at(second.site(), "a second route catches the rest")
                .see(first.site(), "the first one")
                .because("nobody would have known where an unknown ID goes")
                .write("keep one \"*\""),
        );
    }
}
