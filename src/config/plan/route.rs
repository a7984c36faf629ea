//! Which frames go where, and when a route stops sending them.

use std::fmt;
use std::time::Duration;

use crate::base::ProtocolId;
use crate::config::Maintenance;
use crate::policy::{BreakerRules, RateLimit, RouteClass};

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
    pub(in crate::config) login: bool,
    pub(in crate::config) limit: Option<RouteLimit>,
}

/// `[route.NAME.limit]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteLimit {
    pub(in crate::config) per_session: Option<RateLimit>,
    pub(in crate::config) total: Option<RateLimit>,
    pub(in crate::config) action: LimitAction,
    pub(in crate::config) observe: bool,
}

/// What a frame beyond a rate gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitAction {
    /// The notice `rate_limited`.
    Notice,
    /// Nothing; it is counted.
    Drop,
    /// The notice `rate_limited`, then the end of the connection.
    Close,
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

    /// Whether only players who are logged in may send frames of it.
    #[must_use]
    pub fn needs_login(&self) -> bool {
        self.login
    }

    /// How many frames it takes; `None`: all.
    #[must_use]
    pub fn limit(&self) -> Option<&RouteLimit> {
        self.limit.as_ref()
    }

    /// What answers a frame of this route; `None`: nobody waits for answers.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }
}

impl LimitAction {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Drop => "drop",
            Self::Close => "close",
        }
    }
}

impl RouteLimit {
    /// From one session.
    #[must_use]
    pub fn per_session(&self) -> Option<RateLimit> {
        self.per_session
    }

    /// From all sessions of this gateway.
    #[must_use]
    pub fn total(&self) -> Option<RateLimit> {
        self.total
    }

    /// What a frame beyond it gets.
    #[must_use]
    pub fn action(&self) -> LimitAction {
        self.action
    }

    /// Whether frames beyond it are only counted, and forwarded all the same.
    #[must_use]
    pub fn observe(&self) -> bool {
        self.observe
    }
}

impl fmt::Display for RouteLimit {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = [(self.per_session, "a session"), (self.total, "in all")];
        for (rate, of) in rates.into_iter().filter_map(|(rate, of)| Some((rate?, of))) {
            write!(into, "{rate} {of} ({} at once), ", rate.burst)?;
        }
        into.write_str(if self.observe { "only observed" } else { self.action.as_str() })
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
