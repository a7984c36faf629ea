//! `[route.NAME.limit]`: how many frames a route takes.

use super::Context;
use crate::config::plan::{Cluster, LimitAction, Route, RouteLimit};
use crate::config::problem::Problem;
use crate::config::raw::{self, Field};
use crate::config::site::Located;
use crate::policy::RateLimit;

/// The limit; `None` after a mistake, `Some(None)` where there is none.
pub(super) fn check(context: &Context<'_>, raw: &Field<raw::Limit>) -> Option<Option<RouteLimit>> {
    let table = match raw {
        Field::Absent => return Some(None),
        Field::Bad => return None,
        Field::Given(table) => table,
    };
    let raw = table.get();
    if raw.per_session.is_absent() && raw.total.is_absent() {
        context.add(
            Problem::at(table.site(), "this `limit` has neither `per_session` nor `total`")
                .because("it would have limited nothing")
                .write("add per_session = \"30/s\", total = \"50000/s\" or both; or remove the table"),
        );
    }
    let limit = |field: &Field<crate::base::Rate>| field.value().copied().map(RateLimit::from);
    Some(Some(RouteLimit {
        per_session: limit(&raw.per_session),
        total: limit(&raw.total),
        action: raw.action.or(LimitAction::Notice),
        observe: raw.observe.or(false),
    }))
}

/// A limit needs frames to count, and a notice needs players who can be told.
pub(super) fn across(context: &Context<'_>, clusters: &[Option<Cluster>], routes: &[Option<Route>]) {
    for (raw, route) in context.raw.routes.iter().zip(routes) {
        let cluster = route.as_ref().and_then(|route| clusters.get(route.cluster)?.as_ref());
        let given = raw.body.limit.given().map(Located::site);
        if let (Some(site), true) = (given, cluster.is_some_and(Cluster::reads_no_frames)) {
            let title =
                format!("`limit` counts frames, and the cluster of [route.{}] is opaque", raw.name.get());
            context.add(
                Problem::at(site, title)
                    .because("no frames are read there: it would have had no effect")
                    .write("remove `limit`, or describe the frames of the cluster"),
            );
        }
    }
}
