//! What listeners, clusters and routes must agree on.

use std::sync::Arc;

use super::clusters::DEFAULT_SEND_BUFFER;
use super::layouts::{highest_id, is_opaque};
use super::listeners::too_small;
use super::routes::{Claim, claims, span};
use super::{Context, messages};
use crate::base::format_size;
use crate::config::plan::{Cluster, HttpRoute, LinkKind, Listener, Route};
use crate::config::problem::Problem;
use crate::config::raw::{self, Named};
use crate::config::site::{Located, Site};
use crate::wire::FrameLayout;
use crate::wire::link::{DEFAULT_MAX_ENVELOPE, HEADER_LENGTH};

/// The header of an envelope, which goes over a shared link with every frame.
const ENVELOPE_HEADER: u64 = HEADER_LENGTH as u64;
/// The longest envelope where a backend names no other limit.
const MAX_ENVELOPE: u64 = DEFAULT_MAX_ENVELOPE as u64;

/// Looks at what could be made; parts with mistakes are left out.
pub(super) fn check(
    context: &Context<'_>,
    listeners: &[Option<Listener>],
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    let known: Vec<_> = listeners.iter().flatten().filter(|one| one.is_for_players()).collect();
    // A listener that is missing here might be the one that makes the others right.
    let complete = listeners.iter().all(Option::is_some) && !known.is_empty();
    let layouts: Vec<&FrameLayout> = known.iter().map(|listener| listener.layout.as_ref()).collect();
    messages::lengths(context);
    if complete {
        ids_that_fit(context, &layouts);
    }
    for listener in &known {
        own_frames(context, listener);
    }
    if routes.iter().all(Option::is_some) && clusters.iter().all(Option::is_some) {
        opaque_listeners(context, &known, clusters, routes);
        opaque_clusters(context, &known, complete, clusters, routes);
        messages::agree(context, &known, clusters, routes);
        opaque_maintenance(context, clusters, routes);
    }
}

/// Looks at what goes over links to backends: players' frames, and those that requests are converted to.
pub(super) fn frames_of_links(
    context: &Context<'_>,
    listeners: &[Option<Listener>],
    clusters: &[Option<Cluster>],
    http: &[Option<HttpRoute>],
) {
    let known = listeners.iter().flatten().filter(|one| one.is_for_players());
    let of_players: Vec<_> = known.map(|listener| &listener.layout).collect();
    let conversions: Vec<_> = http.iter().flatten().filter_map(|route| route.target.conversion()).collect();
    for (place, (raw, cluster)) in context.raw.clusters.iter().zip(clusters).enumerate() {
        let converted = conversions.iter().filter(|one| one.cluster == place).map(|one| &one.layout);
        let layouts: Vec<_> = of_players.iter().copied().chain(converted).collect();
        link_buffer(context, raw, cluster.as_ref(), &layouts);
    }
    let is_shared = |cluster: &Option<Cluster>| {
        cluster.as_ref().is_some_and(|cluster| matches!(cluster.link, LinkKind::Shared))
    };
    if clusters.iter().any(is_shared) {
        let converted = conversions.iter().filter(|one| clusters.get(one.cluster).is_some_and(is_shared));
        let layouts: Vec<_> = of_players.iter().copied().chain(converted.map(|one| &one.layout)).collect();
        envelopes(context, &layouts);
    }
}

/// IDs of routes that no player could ever send.
fn ids_that_fit(context: &Context<'_>, layouts: &[&FrameLayout]) {
    let highest = layouts.iter().filter_map(|layout| highest_id(layout.id.as_ref())).max();
    for claim in claims(context) {
        match highest {
            Some(highest) if claim.to > highest => context.add(
                Problem::at(claim.site, format!("no listener has frames with IDs above {highest}"))
                    .because(format!(
                        "no frame could ever have had {}",
                        span(claim.from.max(highest + 1), claim.to)
                    ))
                    .write(format!("write IDs from 0 to {highest}, or a frame with a wider ID")),
            ),
            Some(_) => {}
            None => context.add(
                Problem::at(claim.site, "every listener is opaque: no IDs are read")
                    .because("no frame would ever have matched")
                    .write("write ids = [\"*\"], or give a listener a frame with an ID"),
            ),
        }
    }
}

/// IDs that the gateway keeps for itself and that a route wants too.
fn own_frames(context: &Context<'_>, listener: &Listener) {
    let beat = listener.layout.heartbeat.map(|beat| ("heartbeat", beat.id.0));
    let notice = listener.layout.notice.map(|id| ("notice", id.0));
    for (what, id) in [beat, notice].into_iter().flatten() {
        for claim in claims(context).iter().filter(|claim| (claim.from..=claim.to).contains(&id)) {
            context.add(kept(context, claim, listener, what, id));
        }
    }
}

fn kept(context: &Context<'_>, claim: &Claim<'_>, listener: &Listener, what: &str, id: u64) -> Problem {
    let problem = Problem::at(claim.site, format!("the ID {id} is the {what} of [frame.{}]", listener.frame))
        .because("the gateway keeps these frames, so the route would never have got one")
        .write(format!("leave {id} out of [route.{}]", claim.route));
    let frame = context.raw.frames.iter().find(|frame| *frame.name.get() == listener.frame);
    match frame.and_then(|frame| site_of(frame, what)) {
        Some(site) => problem.see(site, format!("the {what}")),
        None => problem,
    }
}

/// Where a layout says what its heartbeat or its notice is.
pub(super) fn site_of<'a>(frame: &'a Named<raw::Frame>, what: &str) -> Option<&'a Site> {
    match what {
        "heartbeat" => frame.body.heartbeat.given().map(Located::site),
        _ => frame.body.notice.given().map(Located::site),
    }
}

/// A link's buffer must hold the longest frame that goes over it, and its envelope.
fn link_buffer(
    context: &Context<'_>,
    raw: &Named<raw::Cluster>,
    cluster: Option<&Cluster>,
    layouts: &[&Arc<FrameLayout>],
) {
    let framed = layouts.iter().filter(|layout| !is_opaque(layout));
    let Some(longest) = framed.map(|layout| layout.max_length).max() else { return };
    let header = match cluster.map(|cluster| &cluster.link) {
        Some(LinkKind::Shared) => ENVELOPE_HEADER,
        Some(LinkKind::Dedicated { .. }) => 0,
        Some(LinkKind::Http) | None => return,
    };
    let (needed, bytes) = (u64::from(longest) + header, raw.body.send_buffer.or(DEFAULT_SEND_BUFFER));
    if u64::from(bytes) < needed {
        let site = raw.body.send_buffer.given().map_or(raw.name.site(), Located::site);
        context.add(too_small(site, bytes, needed));
    }
}

/// Sessions without frames go whole to the one route that takes all, over links of their own.
fn opaque_listeners(
    context: &Context<'_>,
    listeners: &[&Listener],
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    let catch_all = routes.iter().flatten().find(|route| route.catch_all);
    let cluster = catch_all.and_then(|route| clusters.get(route.cluster)?.as_ref());
    let fits = cluster.is_some_and(Cluster::reads_no_frames);
    for listener in listeners.iter().filter(|listener| is_opaque(&listener.layout) && !fits) {
        let title = match cluster {
            None => format!("[frame.{}] is opaque, and no route has ids = [\"*\"]", listener.frame),
            Some(cluster) => format!(
                "[frame.{}] is opaque, and the links of [cluster.{}] are not",
                listener.frame, cluster.name
            ),
        };
        let raw = context.raw.listeners.iter().find(|raw| *raw.name.get() == listener.name);
        let site = raw.and_then(|raw| raw.body.frame.given()).map_or(listener.listen.site(), Located::site);
        context.add(
            Problem::at(site, title)
                .because("sessions of this listener would have had nowhere to go")
                .write(format!(
                    "add a route with ids = [\"*\"] to a cluster with link = \"dedicated\" and frame = \"{}\"",
                    listener.frame
                )),
        );
    }
}

/// Frames have no way to a cluster that reads none: its answers would tear those of others.
fn opaque_clusters(
    context: &Context<'_>,
    listeners: &[&Listener],
    complete: bool,
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    let Some(framed) = listeners.iter().find(|listener| !is_opaque(&listener.layout)) else { return };
    let some_opaque = listeners.iter().any(|listener| is_opaque(&listener.layout));
    for (raw, route) in context.raw.routes.iter().zip(routes.iter().flatten()) {
        let cluster = clusters.get(route.cluster).and_then(Option::as_ref);
        let Some(cluster) = cluster.filter(|cluster| cluster.reads_no_frames()) else { continue };
        let items = || raw.body.ids.value().into_iter().flatten();
        let (number, rest) = (
            items().find(|item| *item.get() != raw::Ids::All),
            items().find(|item| *item.get() == raw::Ids::All),
        );
        let name = &route.name;
        let mend = format!("write frame = \"{}\" in [cluster.{}]", framed.frame, cluster.name);
        if let Some(number) = number {
            let title = format!("[route.{name}] has IDs, and [cluster.{}] reads no frames", cluster.name);
            context.add(
                Problem::at(number.site(), title)
                    .because("what its backends say would have torn the frames of other backends")
                    .write(format!("{mend}, or leave the IDs to a cluster that reads frames")),
            );
        }
        if let (Some(rest), true, false) = (rest, complete, some_opaque) {
            let title = format!("[cluster.{}] reads no frames, and no listener is opaque", cluster.name);
            context.add(
                Problem::at(rest.site(), title)
                    .because(format!(
                        "[route.{name}] would have got nothing, and what no other route has would have been unknown"
                    ))
                    .write(format!("{mend}, or add a listener with an opaque frame")),
            );
        }
    }
}

/// Nobody can be told of maintenance where no frames are read.
fn opaque_maintenance(context: &Context<'_>, clusters: &[Option<Cluster>], routes: &[Option<Route>]) {
    for (raw, route) in context.raw.routes.iter().zip(routes.iter().flatten()) {
        let opaque =
            clusters.get(route.cluster).is_some_and(|one| one.as_ref().is_some_and(Cluster::reads_no_frames));
        if let (true, Some(given)) = (opaque, raw.body.maintenance.given()) {
            context.add(
                Problem::at(given.site(), format!("[route.{}] reads no frames", raw.name.get()))
                    .because("no frame would have been refused, and no player told")
                    .write("remove `maintenance`, or take the backends out: an operator can drain them"),
            );
        }
    }
}

/// Frames that no envelope can carry would close the link for everybody on it.
fn envelopes(context: &Context<'_>, used: &[&Arc<FrameLayout>]) {
    let most = MAX_ENVELOPE - ENVELOPE_HEADER;
    for frame in &context.raw.frames {
        let Some(layout) = context.layouts.get(frame.name.get()).filter(|layout| !is_opaque(layout)) else {
            continue;
        };
        if !used.iter().any(|used| Arc::ptr_eq(used, &layout)) {
            continue;
        }
        let given = frame.body.max_length.given();
        if let (true, Some(given)) = (u64::from(layout.max_length) > most, given) {
            context.add(
                Problem::at(given.site(), "frames of this length do not fit an envelope of a shared link")
                    .because("the backend would have closed the link, and with it every session on it")
                    .write(format!("write at most \"{}\", or use dedicated links", format_size(most))),
            );
        }
    }
}
