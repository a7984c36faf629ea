//! Which frames go where, and when a route stops sending them.

use std::time::Duration;

use crate::base::ProtocolId;
use crate::config::Maintenance;
use crate::policy::{BreakerRules, RouteClass};

/// `[route.NAME]`.
#[derive(Clone, Debug)]
pub struct Route {
    pub(in crate::config) name: String,
    pub(in crate::config) ids: Vec<(u64, u64)>,
    pub(in crate::config) catch_all: bool,
    pub(in crate::config) cluster: usize,
    pub(in crate::config) class: RouteClass,
    pub(in crate::config) breaker: BreakerRules,
    pub(in crate::config) reply: Option<Reply>,
    pub(in crate::config) maintenance: Option<Maintenance>,
}

/// `reply` of `[route.NAME.breaker]`: how it is known that a frame of this route was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    pub(in crate::config) id: ProtocolId,
    pub(in crate::config) within: Duration,
}

impl Route {
    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Inclusive ranges of protocol IDs; a single number is a range of one.
    #[must_use]
    pub fn ids(&self) -> &[(u64, u64)] {
        &self.ids
    }

    /// Whether it takes every ID that no other route has.
    #[must_use]
    pub fn catch_all(&self) -> bool {
        self.catch_all
    }

    /// The place of its cluster in [`Plan::clusters`](super::Plan::clusters).
    #[must_use]
    pub fn cluster(&self) -> usize {
        self.cluster
    }

    /// How dear it is when there is too much.
    #[must_use]
    pub fn class(&self) -> RouteClass {
        self.class
    }

    /// When it stops sending to a backend, and for how long. Without a [`Route::reply`] nobody knows when a frame is
    /// answered, so then [`BreakerRules::max_in_flight`] says nothing.
    #[must_use]
    pub fn breaker(&self) -> &BreakerRules {
        &self.breaker
    }

    /// Why and how long it is closed; `None`: it is open.
    #[must_use]
    pub fn maintenance(&self) -> Option<&Maintenance> {
        self.maintenance.as_ref()
    }

    /// What answers a frame of this route; `None`: nobody waits for answers.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }
}

impl Reply {
    /// The ID of the answer.
    #[must_use]
    pub fn id(&self) -> ProtocolId {
        self.id
    }

    /// How long the answer may take; a frame without one by then has failed.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }
}
