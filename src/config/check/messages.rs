//! Backends that speak WebSocket, and who else must speak in messages then.

use super::Context;
use super::frames::needs_frames;
use super::layouts::{can_reach, is_opaque};
use crate::config::plan::{Cluster, LinkKind, Listener, Protocol, Route};
use crate::config::problem::Problem;
use crate::config::raw::{self, Link, ProbeKind};
use crate::config::site::{Located, Site};
use crate::wire::Framing;

/// A path on links that are no connection of one session, and a probe that such backends do not read.
pub(super) fn own_keys(context: &Context<'_>, body: &raw::Cluster) {
    let Some(path) = body.websocket.given() else { return };
    match body.link.or(Link::Shared) {
        Link::Dedicated => {}
        Link::Http => return, // `requests` says what it means there
        Link::Shared => {
            return context.add(
                Problem::at(path.site(), "`websocket` is for dedicated links, and these are not")
                    .because(
                        "it would have had no effect: only a session's own connection can carry its messages",
                    )
                    .write("remove `websocket`, or write link = \"dedicated\""),
            );
        }
    }
    let probe = body.health.value().and_then(|health| health.probe.given());
    if let Some(probe) = probe.filter(|probe| *probe.get() == ProbeKind::Frame) {
        context.add(
            Problem::at(probe.site(), "backends that speak WebSocket read no frames without it")
                .because("no probe would have been answered, and every backend would have been down")
                .write("write probe = \"tcp\" or \"http\", or remove `websocket`"),
        );
    }
}

/// An opaque layout has a longest message only where somebody speaks in messages.
pub(super) fn lengths(context: &Context<'_>) {
    let only = context.layouts.only();
    let names = |frame: Option<&String>, name: &str| frame.map(String::as_str).or(only) == Some(name);
    for frame in &context.raw.frames {
        let (name, body) = (frame.name.get(), &frame.body);
        let is_opaque = context.layouts.get(name).is_some_and(|layout| is_opaque(&layout));
        let by_players =
            context.raw.listeners.iter().map(|one| &one.body).any(|one| {
                one.protocol.value() == Some(&Protocol::WebSocket) && names(one.frame.value(), name)
            });
        if let (true, false, Some(given)) = (is_opaque, by_players, body.max_length.given()) {
            context.add(needs_frames("max_length", given.site()));
        }
    }
}

/// Who speaks in messages needs backends that do, and the other way round: a stream has no messages, and frames that
/// are messages have no ends in a stream.
pub(super) fn agree(
    context: &Context<'_>,
    listeners: &[&Listener],
    clusters: &[Option<Cluster>],
    routes: &[Option<Route>],
) {
    let cluster_of = |route: &Route| clusters.get(route.cluster)?.as_ref();
    for listener in listeners {
        for cluster in routes.iter().flatten().filter_map(|route| {
            let reached =
                is_opaque(&listener.layout) && route.catch_all || can_reach(&listener.layout, route);
            cluster_of(route).filter(|_| reached)
        }) {
            if let Some(problem) = differ(context, listener, cluster) {
                context.add(problem);
                break; // one word on a listener is enough
            }
        }
    }
}

fn differ(context: &Context<'_>, listener: &Listener, cluster: &Cluster) -> Option<Problem> {
    let LinkKind::Dedicated { layout, websocket, .. } = &cluster.link else { return None };
    let (name, site) = (&cluster.name, site_of(context, listener));
    let messages = listener.protocol == Protocol::WebSocket;
    let opaque = is_opaque(&listener.layout);
    if opaque && is_opaque(layout) && messages != websocket.is_some() {
        return Some(match messages {
            true => Problem::at(site, format!("messages come in here, and [cluster.{name}] speaks TCP"))
                .because("where no frames are read, only messages could have told what belongs together, and TCP has none")
                .write(format!("add websocket = \"/play\" to [cluster.{name}], or choose a frame with lengths")),
            false => Problem::at(site, format!("bytes come in here, and [cluster.{name}] takes messages"))
                .because("where no frames are read, nobody would have known which bytes make a message")
                .write(format!("write protocol = \"websocket\", or remove `websocket` from [cluster.{name}]")),
        });
    }
    let is_message = |framing| framing == Framing::Message;
    let both = !opaque && !is_opaque(layout); // no frames go to opaque backends
    if both && is_message(listener.layout.framing) != is_message(layout.framing) {
        let frame = &listener.frame;
        return Some(
            Problem::at(
                site,
                format!("frames of [frame.{frame}] cannot be read by the backends of [cluster.{name}]"),
            )
            .because("on one side a message is a frame, and on the other a frame has a length of its own")
            .write(format!("give the listener and [cluster.{name}] the same `frame`")),
        );
    }
    None
}

fn site_of<'a>(context: &'a Context<'_>, listener: &'a Listener) -> &'a Site {
    let raw = context.raw.listeners.iter().find(|raw| *raw.name.get() == listener.name);
    raw.and_then(|raw| raw.body.frame.given()).map_or(listener.listen.site(), Located::site)
}
