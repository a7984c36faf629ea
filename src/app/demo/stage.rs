//! Who stands where in the game: read from the plan that the gateway runs with, so that what is shown is what the
//! configuration says.

use std::net::SocketAddr;

use super::backend::Backend;
use super::rules::SERVERS;
use crate::config::{Cluster, Plan, Route};

/// The routes of the running game and who serves them.
#[derive(Debug)]
pub(super) struct Stage {
    /// One for each server of each route.
    pub(super) spots: Vec<Spot>,
    /// The names of all routes.
    pub(super) routes: Vec<String>,
}

/// One server behind one route.
#[derive(Debug)]
pub(super) struct Spot {
    /// The protocol IDs of the route.
    pub(super) ids: String,
    pub(super) route: String,
    pub(super) cluster: String,
    pub(super) link: &'static str,
    pub(super) address: SocketAddr,
    /// The server's place in [`SERVERS`].
    pub(super) server: usize,
}

impl Stage {
    pub(super) fn new(plan: &Plan, backends: &[Backend]) -> Self {
        let spots = plan.routes().iter().flat_map(|route| spots_of(plan, route, backends));
        Self {
            spots: spots.collect(),
            routes: plan.routes().iter().map(|route| route.name().to_owned()).collect(),
        }
    }

    /// Where a server stands.
    pub(super) fn spot(&self, server: usize) -> Option<&Spot> {
        self.spots.iter().find(|spot| spot.server == server)
    }

    /// A line for each cluster: its IDs, its link and its servers.
    pub(super) fn introduce(&self) -> String {
        let mut text = String::new();
        for route in &self.routes {
            let mut spots = self.spots.iter().filter(|spot| spot.route == *route).peekable();
            let Some(first) = spots.peek() else { continue };
            let head = format!("  {:<8} {:<10} {:<10}", first.cluster, first.ids, first.link);
            let servers: Vec<String> =
                spots.map(|spot| format!("{} {}", spot.name(), spot.address)).collect();
            text += &format!("{head} {}\n", servers.join(", "));
        }
        text
    }
}

impl Spot {
    /// What the server calls itself.
    pub(super) fn name(&self) -> &'static str {
        SERVERS.get(self.server).map_or("", |server| server.name)
    }
}

fn spots_of(plan: &Plan, route: &Route, backends: &[Backend]) -> Vec<Spot> {
    let Some(cluster) = plan.clusters().get(route.cluster()) else { return Vec::new() };
    let planned = cluster.backends().iter().filter_map(|planned| {
        let address: SocketAddr = planned.address().get().parse().ok()?;
        let server = backends.iter().position(|backend| backend.address() == address)?;
        Some((address, server))
    });
    planned
        .map(|(address, server)| Spot {
            ids: ids_of(route),
            route: route.name().to_owned(),
            cluster: cluster.name().to_owned(),
            link: link_of(cluster),
            address,
            server,
        })
        .collect()
}

fn ids_of(route: &Route) -> String {
    let ranges = route.ids().iter();
    let texts =
        ranges.map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    texts.collect::<Vec<_>>().join(",")
}

fn link_of(cluster: &Cluster) -> &'static str {
    cluster.link().as_str()
}
