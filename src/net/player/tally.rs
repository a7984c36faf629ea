//! What the access log will say of a session.

use std::net::SocketAddr;
use std::time::Instant;

use crate::base::SessionId;
use crate::net::world::World;
use crate::router::RouteIndex;
use crate::session::EndReason;
use crate::telemetry::{self, SessionRecord};

/// Counted while the session lives.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) address: SocketAddr,
    pub(super) local: SocketAddr,
    began: Instant,
    /// The TLS version once it is agreed on.
    pub(super) tls: &'static str,
    pub(super) frames_in: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    routes: Vec<RouteIndex>,
}

impl Tally {
    pub(super) const fn new(address: SocketAddr, local: SocketAddr, began: Instant) -> Self {
        Self { address, local, began, tls: "", frames_in: 0, bytes_in: 0, bytes_out: 0, routes: Vec::new() }
    }

    /// Notes a route; a session uses a handful.
    pub(super) fn uses(&mut self, route: RouteIndex) {
        if !self.routes.contains(&route) {
            self.routes.push(route);
        }
    }

    /// Writes the line.
    pub(super) fn log(&self, ended: &Ended<'_>, world: &World, now: Instant) {
        let routes: Vec<&str> =
            self.routes.iter().filter_map(|route| world.lane(*route)).map(|(lane, _)| &*lane.name).collect();
        telemetry::session_ended(&SessionRecord {
            session: ended.session,
            address: self.address,
            transport: if ended.tls { "tls" } else { "tcp" },
            tls: self.tls,
            listener: ended.listener,
            duration: now.saturating_duration_since(self.began),
            frames_in: self.frames_in,
            frames_out: ended.frames_out,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            routes: &routes,
            end: ended.end,
        });
    }
}

/// What the tally does not know itself.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) session: SessionId,
    pub(super) listener: &'a str,
    pub(super) tls: bool,
    pub(super) frames_out: u64,
    pub(super) end: EndReason,
}
