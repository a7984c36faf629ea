//! `[cluster.NAME]`: the backends and how they are spoken to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::listeners::which_frame;
use super::{Context, required};
use crate::config::plan::{Backend, BackendTls, CertificatePair, Cluster, LinkKind, ProxyHeader};
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, Field, Link, Named};
use crate::config::site::{Located, Site};
use crate::policy::{Balance, OnLoss};
use crate::wire::{FrameLayout, Framing};

/// How much may wait for one link when the file does not say.
pub(super) const DEFAULT_SEND_BUFFER: u32 = 4 << 20;
const DEFAULT_WEIGHT: u32 = 100;

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
    let backends = backends(context, raw);
    Some(Cluster {
        name: raw.name.get().clone(),
        link: link?,
        balance: body.balance.or(Balance::RoundRobin),
        sticky: body.sticky.or(true),
        on_loss: body.on_loss.or(OnLoss::Repick),
        connect_timeout: body.connect_timeout.or(Duration::from_secs(1)),
        send_buffer: usize::try_from(body.send_buffer.or(DEFAULT_SEND_BUFFER)).ok()?,
        tls: tls?,
        backends: backends?,
    })
}

fn link(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Option<LinkKind> {
    let link = match &raw.body.link {
        Field::Absent => Link::Shared,
        Field::Bad => return None,
        Field::Given(link) => *link.get(),
    };
    match link {
        Link::Shared => shared(context, &raw.body),
        Link::Dedicated => dedicated(context, raw),
    }
}

fn shared(context: &Context<'_>, body: &raw::Cluster) -> Option<LinkKind> {
    if let Some(proxy) = body.proxy_protocol.given().filter(|proxy| *proxy.get() != ProxyHeader::Off) {
        context.add(
            Problem::at(proxy.site(), "`proxy_protocol` is for dedicated links, and this link is shared")
                .because("it would have had no effect: OPEN tells the backend the player's address")
                .write("remove `proxy_protocol`, or write link = \"dedicated\""),
        );
    }
    if let Some(frame) = body.frame.given() {
        same_frames(context, frame);
    }
    Some(LinkKind::Shared)
}

/// Frames go through a shared link unchanged, so a cluster that names its frames must name the players'.
fn same_frames(context: &Context<'_>, frame: &Located<String>) {
    if context.layouts.find(frame, context.mistakes).is_none() {
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
    if layout.framing == Framing::Message {
        context.add(
            Problem::at(
                site,
                format!("frames of [frame.{frame}] are messages, and a link over TCP has none"),
            )
            .because("nobody would have known where a frame of a backend ends")
            .write("choose a frame whose length is \"fixed\", \"varint\" or \"opaque\""),
        );
    }
    Some(LinkKind::Dedicated { frame, layout, proxy: raw.body.proxy_protocol.or(ProxyHeader::Off) })
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

fn backends(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Option<Vec<Backend>> {
    let empty = |site: &Site| {
        Problem::at(site, format!("[cluster.{}] has no backends", raw.name.get()))
            .because("its routes would have answered nobody")
            .write("add backends = [{ address = \"10.0.1.1:7100\" }]")
    };
    let list = required(&raw.body.backends, "backends", raw.name.site(), context.mistakes, empty)?;
    if list.get().is_empty() {
        context.add(empty(list.site()));
    }
    let backends: Vec<_> = list.get().iter().map(|raw| backend(context, raw.get())).collect();
    repeated(context, list.get());
    weights(context, list);
    backends.into_iter().collect()
}

fn backend(context: &Context<'_>, raw: &raw::Backend) -> Option<Backend> {
    let address = required(&raw.address, "address", &raw.site, context.mistakes, |site| {
        Problem::at(site, "this backend has no `address`")
            .because("nobody would have known where it is")
            .write("add address = \"10.0.1.1:7100\"")
    })?;
    if let Some(wrong) = wrong_address(address.get()) {
        context.add(
            Problem::at(address.site(), format!("\"{}\" {wrong}", short(address.get())))
                .because("the gateway could not have connected to it")
                .write("write host:port, such as \"10.0.1.1:7100\", \"battle1.example:7100\" or \"[2001:db8::1]:7100\""),
        );
        return None;
    }
    Some(Backend { address: address.clone(), weight: raw.weight.or(DEFAULT_WEIGHT) })
}

fn wrong_address(text: &str) -> Option<&'static str> {
    let Some((host, port)) = text.rsplit_once(':') else { return Some("has no port") };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let ipv6 = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if inside.is_some_and(|host| !ipv6(host)) {
        Some("has no IPv6 address in its brackets")
    } else if inside.is_none() && (ipv6(text) || ipv6(host)) {
        Some("is an IPv6 address without brackets")
    } else if inside.is_none() && (host.is_empty() || !host.bytes().all(letter)) {
        Some("has no good host")
    } else {
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let good = digits && port.parse::<u16>().is_ok_and(|port| port != 0);
        (!good).then_some("has no port from 1 to 65535")
    }
}

fn repeated(context: &Context<'_>, list: &[Located<raw::Backend>]) {
    let mut seen: BTreeMap<String, &Site> = BTreeMap::new();
    for address in list.iter().filter_map(|backend| backend.get().address.given()) {
        match seen.get(&address.get().to_ascii_lowercase()) {
            Some(first) => context.add(
                Problem::at(address.site(), format!("{} is in this cluster twice", short(address.get())))
                    .see(first, "the first one")
                    .because("it would have got twice its share")
                    .write("keep one of them and give it a larger `weight`"),
            ),
            None => {
                seen.insert(address.get().to_ascii_lowercase(), address.site());
            }
        }
    }
}

fn weights(context: &Context<'_>, list: &Located<Vec<Located<raw::Backend>>>) {
    let zero = |backend: &Located<raw::Backend>| backend.get().weight.value() == Some(&0);
    if !list.get().is_empty() && list.get().iter().all(zero) {
        context.add(
            Problem::at(list.site(), "every backend has the weight 0")
                .because("no backend would have got new sessions")
                .write("give at least one backend a `weight` above 0"),
        );
    }
}
