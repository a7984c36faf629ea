//! Host, path and method of a request to its route. Knows nothing of headers, partners or backends.

mod host;
mod path;

use std::collections::HashMap;

use crate::config::{HttpRoute, PathPattern, Plan};

pub use host::host_name;
pub use path::{PathFault, is_like_a_host, plain_path, without_parameters, without_prefix};

/// An HTTP route's place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebIndex(usize);

/// Finds the route of a request.
#[derive(Clone, Debug, Default)]
pub struct WebRouter {
    /// By the place of the listener in the plan.
    listeners: Vec<Hosts>,
}

/// Why a request has no route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebMiss {
    /// No route has its host and path.
    Nowhere,
    /// Those that have take other methods: these, as in `Allow`.
    Method(String),
}

/// The routes of a listener.
#[derive(Clone, Debug, Default)]
struct Hosts {
    named: HashMap<String, Paths>,
    /// Those that name no host.
    any: Paths,
}

/// The routes of a host.
#[derive(Clone, Debug, Default)]
struct Paths {
    exact: HashMap<Vec<u8>, Vec<Entry>>,
    /// The longest first.
    prefixes: Vec<(Vec<u8>, Vec<Entry>)>,
}

/// A route and the methods that it takes; none: nearly all.
#[derive(Clone, Debug)]
struct Entry {
    methods: Vec<String>,
    route: WebIndex,
}

/// Methods that a route takes only by their names: one asks for a tunnel, the other for what a gateway must not tell.
const UNUSUAL: [&str; 2] = ["CONNECT", "TRACE"];
/// What `Allow` says for a route that names no methods.
const USUAL: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl WebIndex {
    /// The place in [`Plan::http`].
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl WebRouter {
    /// The table of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut listeners: Vec<Hosts> = plan.listeners().iter().map(|_| Hosts::default()).collect();
        for (place, route) in plan.http().iter().enumerate() {
            if let Some(hosts) = listeners.get_mut(route.listener()) {
                hosts.add(WebIndex(place), route);
            }
        }
        for hosts in &mut listeners {
            let all = hosts.named.values_mut().chain([&mut hosts.any]);
            all.for_each(|paths| paths.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len())));
        }
        Self { listeners }
    }

    /// The route of a request at a listener: the host as [`host_name`] gives it, the path as [`plain_path`] does. A
    /// route that names the host comes before those that name none, one path before many, the longer prefix before the
    /// shorter.
    ///
    /// # Errors
    /// When there is none.
    pub fn route(
        &self,
        listener: usize,
        host: Option<&str>,
        path: &[u8],
        method: &str,
    ) -> Result<WebIndex, WebMiss> {
        let hosts = self.listeners.get(listener).ok_or(WebMiss::Nowhere)?;
        let named = host.and_then(|host| hosts.named.get(host)).and_then(|paths| paths.find(path));
        let entries = named.or_else(|| hosts.any.find(path)).ok_or(WebMiss::Nowhere)?;
        let entry = entries.iter().find(|entry| entry.takes(method));
        entry.map(|entry| entry.route).ok_or_else(|| WebMiss::Method(allowed(entries)))
    }
}

impl Hosts {
    fn add(&mut self, place: WebIndex, route: &HttpRoute) {
        let paths = match route.host() {
            Some(host) => self.named.entry(host.to_owned()).or_default(),
            None => &mut self.any,
        };
        let entries = match route.path() {
            PathPattern::Exact(path) => paths.exact.entry(path.clone().into_bytes()).or_default(),
            PathPattern::Prefix(prefix) => paths.prefix(prefix.as_bytes()),
        };
        entries.push(Entry { methods: route.methods().to_vec(), route: place });
    }
}

impl Paths {
    fn prefix(&mut self, prefix: &[u8]) -> &mut Vec<Entry> {
        let known = self.prefixes.iter().position(|(known, _)| known == prefix);
        let place = known.unwrap_or_else(|| {
            self.prefixes.push((prefix.to_vec(), Vec::new()));
            self.prefixes.len() - 1
        });
        let (_, entries) = self.prefixes.get_mut(place).expect("it was found or made just now");
        entries
    }

    fn find(&self, path: &[u8]) -> Option<&Vec<Entry>> {
        let prefix = || self.prefixes.iter().find(|(prefix, _)| path.starts_with(prefix));
        self.exact.get(path).or_else(|| prefix().map(|(_, entries)| entries))
    }
}

impl Entry {
    fn takes(&self, method: &str) -> bool {
        match self.methods.as_slice() {
            [] => !UNUSUAL.contains(&method),
            methods => methods.iter().any(|known| known == method),
        }
    }
}

fn allowed(entries: &[Entry]) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for entry in entries {
        let named = entry.methods.iter().map(String::as_str);
        let usual = USUAL.into_iter().filter(|_| entry.methods.is_empty());
        methods.extend(named.chain(usual));
    }
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

#[cfg(test)]
mod tests;
