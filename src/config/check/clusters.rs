//! `[cluster.NAME]`: the backends and how they are spoken to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::listeners::which_frame;
use super::{Context, backends, convert, hash_on, health, messages, outlier, requests, required};
use crate::config::plan::{BackendTls, CertificatePair, Cluster, LinkKind, ProxyHeader};
use crate::config::problem::Problem;
use crate::config::raw::{self, Field, Link, Named};
use crate::config::site::{Located, Site};
use crate::policy::{Balance, OnLoss};
use crate::wire::{FrameLayout, Framing};

/// How much may wait for one link when the file does not say.
pub(super) const DEFAULT_SEND_BUFFER: u32 = 4 << 20;
const DEFAULT_SLOW_START: Duration = Duration::from_secs(30);
const DEFAULT_PANIC_THRESHOLD: u8 = 50;

/// Every cluster; `None` for one with a mistake.
pub(super) fn check(context: &Context<'_>) -> Vec<Option<Cluster>> {
    context.raw.clusters.iter().map(|raw| one(context, raw)).collect()
}

fn one(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Option<Cluster> {
    let body = &raw.body;
    let link = link(context, raw);
    let tls = match &body.tls {
        Field::Absent => Some(None),
        Field::Bad => None,
        Field::Given(tls) => backend_tls(context, tls.get()).map(Some),
    };
    let (hash_on, health) = (hash_on::check(context, body), health::check(context, body));
    let (outlier, backends) = (outlier::check(context, &body.outlier), backends::check(context, raw));
    let active = context.groups.of(context, &body.active);
    hot_standby(context, body);
    Some(Cluster {
        name: raw.name.get().clone(),
        link: link?,
        balance: body.balance.or(Balance::RoundRobin),
        hash_on: hash_on?,
        sticky: body.sticky.or(true),
        on_loss: body.on_loss.or(OnLoss::Repick),
        slow_start: body.slow_start.or(DEFAULT_SLOW_START),
        panic_threshold: body.panic_threshold.or(DEFAULT_PANIC_THRESHOLD),
        connect_timeout: body.connect_timeout.or(Duration::from_secs(1)),
        send_buffer: usize::try_from(body.send_buffer.or(DEFAULT_SEND_BUFFER)).ok()?,
        tls: tls?,
        health: health?,
        outlier: outlier?,
        active: active?,
        backends: backends?,
    })
}

/// Every frame to two backends at once: only a shared link can do it, and only where there are two.
fn hot_standby(context: &Context<'_>, body: &raw::Cluster) {
    let Some(given) = body.balance.given().filter(|given| *given.get() == Balance::HotStandby) else {
        return;
    };
    if body.link.value() == Some(&Link::Dedicated) {
        context.add(
            Problem::at(given.site(), "\"hot_standby\" is for shared links, and these links are dedicated")
                .because(
                    "a session has one connection there, so its frames could not have gone to two backends",
                )
                .write("write balance = \"backup\", or link = \"shared\""),
        );
    } else if let (false, Some(alone)) = (requests::takes_requests(body), alone(body)) {
        context.add(
            Problem::at(given.site(), format!("\"hot_standby\" needs two backends, and {alone} one"))
                .because("nobody would have stood by")
                .write("add a second backend, or remove `balance`"),
        );
    }
}

/// Whose sessions find one backend and no other, in words: the cluster's, or those of some of its groups.
fn alone(body: &raw::Cluster) -> Option<String> {
    let backends = body.backends.value()?;
    let groups: Vec<_> = backends.iter().map(|backend| backend.get().group.value()).collect();
    let serving =
        |name: &String| groups.iter().filter(|group| group.is_none_or(|group| group == name)).count();
    let named: BTreeSet<_> = match body.active.value() {
        Some(active) => BTreeSet::from([active]),
        None => groups.iter().copied().flatten().collect(),
    };
    let alone: Vec<_> = named.into_iter().filter(|name| serving(name) == 1).map(String::as_str).collect();
    match alone.as_slice() {
        _ if backends.len() == 1 => Some("this cluster has".to_owned()),
        [] => None,
        [group] => Some(format!("the group {group} has")),
        groups => Some(format!("each of the groups {} has", groups.join(", "))),
    }
}

fn link(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Option<LinkKind> {
    let link = match &raw.body.link {
        Field::Absent => Link::Shared,
        Field::Bad => return None,
        Field::Given(link) => *link.get(),
    };
    messages::own_keys(context, &raw.body);
    match link {
        Link::Shared => shared(context, raw.name.get(), &raw.body),
        Link::Dedicated => dedicated(context, raw),
        Link::Http => {
            requests::check(context, &raw.body);
            Some(LinkKind::Http)
        }
    }
}

fn shared(context: &Context<'_>, name: &str, body: &raw::Cluster) -> Option<LinkKind> {
    if let Some(proxy) = body.proxy_protocol.given().filter(|proxy| *proxy.get() != ProxyHeader::Off) {
        context.add(
            Problem::at(proxy.site(), "`proxy_protocol` is for dedicated links, and this link is shared")
                .because("it would have had no effect: OPEN tells the backend the player's address")
                .write("remove `proxy_protocol`, or write link = \"dedicated\""),
        );
    }
    if let Some(frame) = body.frame.given() {
        same_frames(context, name, frame);
    }
    Some(LinkKind::Shared)
}

/// Frames go through a shared link unchanged, so a cluster that names its frames must name the players', unless it gets
/// frames that requests were converted to.
fn same_frames(context: &Context<'_>, name: &str, frame: &Located<String>) {
    let is_known = context.layouts.find(frame, context.mistakes).is_some();
    if !is_known || convert::is_converted_for(context, name) {
        return;
    }
    let mut players = context.raw.listeners.iter().map(|listener| listener.body.frame.value());
    let only = context.layouts.only();
    if !players.any(|name| name.map(String::as_str).or(only) == Some(frame.get())) {
        context.add(
            Problem::at(frame.site(), format!("no listener has players with [frame.{}]", frame.get()))
                .because("this link is shared: backends would have got other frames than they read")
                .write("name the frame of a listener, or remove `frame`"),
        );
    }
}

fn dedicated(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Option<LinkKind> {
    let (frame, site) = match &raw.body.frame {
        Field::Bad => return None,
        Field::Given(name) => (name.get().clone(), name.site()),
        Field::Absent => (default_frame(context, raw)?, raw.name.site()),
    };
    let layout: Arc<FrameLayout> =
        context.layouts.find(&Located::new(frame.clone(), site.clone()), context.mistakes)?;
    let websocket = raw.body.websocket.value().cloned();
    if layout.framing == Framing::Message && websocket.is_none() {
        context.add(
            Problem::at(
                site,
                format!("frames of [frame.{frame}] are messages, and a link over TCP has none"),
            )
            .because("nobody would have known where a frame of a backend ends")
            .write(
                "choose a frame whose length is \"fixed\", \"varint\" or \"opaque\", or add websocket = \"/play\"",
            ),
        );
    }
    let proxy = raw.body.proxy_protocol.or(ProxyHeader::Off);
    Some(LinkKind::Dedicated { frame, layout, proxy, websocket })
}

/// The only layout there is, or the one that all listeners have.
fn default_frame(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Option<String> {
    if let Some(only) = context.layouts.only() {
        return Some(only.to_owned());
    }
    let mut names: Vec<_> =
        context.raw.listeners.iter().filter_map(|listener| listener.body.frame.value()).collect();
    names.dedup();
    match names.as_slice() {
        [same] if context.layouts.get(same).is_some() => Some((*same).clone()),
        _ => {
            context.add(which_frame(raw.name.site(), &format!("[cluster.{}]", raw.name.get()), context));
            None
        }
    }
}

fn backend_tls(context: &Context<'_>, raw: &raw::BackendTls) -> Option<BackendTls> {
    let ca = required(&raw.ca, "ca", &raw.site, context.mistakes, |site| {
        Problem::at(site, "`tls` has no `ca`")
            .because("nobody would have known which backends to trust")
            .write("add ca = and the path of a PEM file with the authorities")
    });
    let client = match (&raw.certificate, &raw.key) {
        (Field::Absent, Field::Absent) => Some(None),
        (Field::Given(certificate), Field::Given(key)) => Some(Some(CertificatePair {
            certificate: context.resolve(certificate),
            key: context.resolve(key),
        })),
        (Field::Given(alone), Field::Absent) => half(context, alone.site(), "certificate", "key"),
        (Field::Absent, Field::Given(alone)) => half(context, alone.site(), "key", "certificate"),
        (Field::Bad, _) | (_, Field::Bad) => None,
    };
    Some(BackendTls { ca: context.resolve(ca?), client: client? })
}

fn half(context: &Context<'_>, site: &Site, has: &str, lacks: &str) -> Option<Option<CertificatePair>> {
    context.add(
        Problem::at(site, format!("`tls` has a `{has}` and no `{lacks}`"))
            .because("the gateway could not have shown who it is")
            .write(format!("add `{lacks}`, or remove `{has}`")),
    );
    None
}
