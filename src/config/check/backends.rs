//! `backends` of a cluster: where they are and what share each has.

use std::collections::BTreeMap;

use super::{Context, required};
use crate::config::AdminState;
use crate::config::plan::Backend;
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, Named};
use crate::config::site::{Located, Site};

const DEFAULT_WEIGHT: u32 = 100;

/// The backends in the order of the file; `None` after a mistake.
pub(super) fn check(context: &Context<'_>, raw: &Named<raw::Cluster>) -> Option<Vec<Backend>> {
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
    let group = context.groups.of(context, &raw.group);
    Some(Backend {
        address: address.clone(),
        weight: raw.weight.or(DEFAULT_WEIGHT),
        zone: raw.zone.value().cloned().unwrap_or_default(),
        max_sessions: raw.max_sessions.value().copied(),
        group: group?,
        admin: AdminState::Ready,
    })
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
