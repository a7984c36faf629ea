//! What operators changed at run time. It wins over the file until it is cleared.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::moment::format_moment;
use super::plan::Moving;
use super::problem::printable;
use crate::base::{AddressKey, format_duration};

/// All runtime changes in force, the oldest first; at most one for each thing that can be changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    entries: Vec<Override>,
}

/// One runtime change.
#[derive(Clone, Debug, PartialEq)]
pub enum Override {
    /// What the operator wants of a backend.
    State {
        /// The cluster's name.
        cluster: String,
        /// `host:port` as the file says it.
        address: String,
        /// What is wanted.
        state: AdminState,
    },
    /// Another weight.
    Weight {
        /// The cluster's name.
        cluster: String,
        /// `host:port` as the file says it.
        address: String,
        /// Instead of the file's.
        weight: u32,
    },
    /// Maintenance of a route, on or off.
    Maintenance {
        /// The route's name.
        route: String,
        /// `None`: it is open, whatever the file says.
        closed: Option<Maintenance>,
    },
    /// The active group of the release.
    Release {
        /// The group's name.
        active: String,
        /// Instead of the file's `move`.
        moving: Option<Moving>,
    },
    /// The kill switch of a partner.
    Partner {
        /// The partner's name.
        name: String,
        /// Instead of the file's.
        enabled: bool,
    },
    /// Nobody from there is let in.
    Ban {
        /// Whom.
        who: Banned,
        /// Until then.
        until: SystemTime,
    },
}

/// The thing that a change is about. Addresses count as in all limits, those of IPv6 by their networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject<'o> {
    State(&'o str, &'o str),
    Weight(&'o str, &'o str),
    Maintenance(&'o str),
    Release,
    Partner(&'o str),
    Address(AddressKey),
    Account(&'o str),
}

/// Whom a ban is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Banned {
    /// An address.
    Address(IpAddr),
    /// An account.
    Account(String),
}

/// What the operator wants of a backend, kept apart from its health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// It serves.
    #[default]
    Ready,
    /// It gets no new sessions; those it has go on.
    Drain,
    /// It serves nobody: its sessions are repicked or closed, as `on_loss` says.
    Disable,
}

/// A route that is closed for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// What players read.
    pub message: String,
    /// When to try again; without one, what is left until `until`, if that is given.
    pub retry_after: Option<Duration>,
    /// When it ends by itself.
    pub until: Option<SystemTime>,
}

impl Maintenance {
    /// What players read when nobody wrote anything.
    pub const MESSAGE: &'static str = "closed for maintenance";

    /// Whether it has ended by itself; what time it is, is only asked where it ends at some time.
    pub fn is_over(&self, clock: impl FnOnce() -> SystemTime) -> bool {
        self.until.is_some_and(|until| until <= clock())
    }

    /// How long a player is to wait before it tries again.
    pub fn again(&self, clock: impl FnOnce() -> SystemTime) -> Option<Duration> {
        let left = |until: SystemTime| until.duration_since(clock()).unwrap_or_default();
        self.retry_after.or_else(|| self.until.map(left))
    }
}

impl AdminState {
    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Disable => "disable",
        }
    }
}

impl Override {
    /// Whether both change the same thing, so that the later one replaces the earlier.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.subject() == other.subject()
    }

    fn subject(&self) -> Subject<'_> {
        match self {
            Self::State { cluster, address, .. } => Subject::State(cluster, address),
            Self::Weight { cluster, address, .. } => Subject::Weight(cluster, address),
            Self::Maintenance { route, .. } => Subject::Maintenance(route),
            Self::Release { .. } => Subject::Release,
            Self::Partner { name, .. } => Subject::Partner(name),
            Self::Ban { who: Banned::Address(address), .. } => Subject::Address(AddressKey::of(*address)),
            Self::Ban { who: Banned::Account(account), .. } => Subject::Account(account),
        }
    }

    /// One short line for who asks for it now: a ban that is over lifts one.
    #[must_use]
    pub fn told_at(&self, now: SystemTime) -> String {
        match self {
            Self::Ban { who, until } if *until <= now => {
                format!("ban {} lifted", printable(who.to_string()))
            }
            Self::State { .. }
            | Self::Weight { .. }
            | Self::Maintenance { .. }
            | Self::Release { .. }
            | Self::Partner { .. }
            | Self::Ban { .. } => self.to_string(),
        }
    }

    /// When it ends by itself; `None`: when it is cleared.
    fn until(&self) -> Option<SystemTime> {
        match self {
            Self::Ban { until, .. } => Some(*until),
            Self::Maintenance { closed, .. } => closed.as_ref()?.until,
            Self::State { .. } | Self::Weight { .. } | Self::Partner { .. } | Self::Release { .. } => None,
        }
    }
}

impl Overrides {
    /// The most bans of operators at one time: each change writes all of them.
    pub const MOST_BANS: usize = 65_536;

    /// All of them.
    #[must_use]
    pub fn entries(&self) -> &[Override] {
        &self.entries
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// These and one more, which replaces an earlier one about the same thing.
    #[must_use]
    pub fn with(&self, change: Override) -> Self {
        let mut all = self.without(&change);
        all.entries.push(change);
        all
    }

    /// These without the one about the same thing.
    #[must_use]
    pub fn without(&self, change: &Override) -> Self {
        let rest = self.entries.iter().filter(|entry| !entry.is_about_the_same(change));
        Self { entries: rest.cloned().collect() }
    }

    /// These without the bans and the maintenance that are over.
    #[must_use]
    pub fn without_expired(&self, now: SystemTime) -> Self {
        Self { entries: self.in_force(now).cloned().collect() }
    }

    /// Those that are not over, the oldest first.
    pub fn in_force(&self, now: SystemTime) -> impl Iterator<Item = &Override> {
        self.entries.iter().filter(move |entry| entry.until().is_none_or(|until| now < until))
    }

    /// Whether a change may be added to those in force: it is no ban, lifts one, or is not one ban too many.
    #[must_use]
    pub fn has_room_for(&self, change: &Override, now: SystemTime) -> bool {
        let is_ban = |entry: &Override| matches!(entry, Override::Ban { .. });
        let is_other_ban = |entry: &&Override| is_ban(entry) && !entry.is_about_the_same(change);
        !is_ban(change)
            || change.until().is_some_and(|until| until <= now)
            || self.in_force(now).filter(is_other_ban).count() < Self::MOST_BANS
    }

    /// Who is let in no more, and until when.
    pub fn bans(&self) -> impl Iterator<Item = (&Banned, SystemTime)> {
        self.entries.iter().filter_map(|entry| match entry {
            Override::Ban { who, until } => Some((who, *until)),
            Override::State { .. }
            | Override::Weight { .. }
            | Override::Maintenance { .. }
            | Override::Partner { .. }
            | Override::Release { .. } => None,
        })
    }
}

/// One after the other: a later one replaces an earlier one about the same thing.
impl FromIterator<Override> for Overrides {
    fn from_iter<I: IntoIterator<Item = Override>>(changes: I) -> Self {
        let changes: Vec<_> = changes.into_iter().collect();
        let mut told = HashSet::new();
        let mut counts: Vec<_> = changes.iter().rev().map(|change| told.insert(change.subject())).collect();
        let all = changes.into_iter().filter(|_| counts.pop().unwrap_or_default());
        Self { entries: all.collect() }
    }
}

impl Banned {
    /// Whom an operator means: an address, also one with a port as sessions show it, or else an account. `None`: it
    /// looks like an address and is none, so that no account is banned by a slip of the hand.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let with_port = |_| text.parse::<SocketAddr>().map(|address| address.ip());
        match text.parse::<IpAddr>().or_else(with_port) {
            Ok(address) => Some(Self::Address(address.to_canonical())),
            Err(_) if looks_like_an_address(text) => None,
            Err(_) => Some(Self::Account(text.to_owned())),
        }
    }
}

/// Numbers with points, several colons, brackets: also as a network, with a port or with a zone.
fn looks_like_an_address(text: &str) -> bool {
    let text = text.split(['/', '%']).next().unwrap_or_default();
    let has_only = |others: &str, digit: fn(&char) -> bool| {
        text.chars().all(|letter| digit(&letter) || others.contains(letter))
    };
    let is_of_version_4 = text.contains('.') && has_only(".:", char::is_ascii_digit);
    let is_of_version_6 = text.matches(':').count() > 1 && has_only(".:[]", char::is_ascii_hexdigit);
    is_of_version_4 || is_of_version_6 || text.starts_with('[')
}

impl Display for Banned {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(into, "address {address}"),
            Self::Account(account) => write!(into, "account {account}"),
        }
    }
}

/// One short line, as the verbs of the shell have it.
impl Display for Override {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { cluster, address, state } => {
                write!(into, "backend {cluster} {address} {}", state.as_str())
            }
            Self::Weight { cluster, address, weight } => {
                write!(into, "backend {cluster} {address} weight {weight}")
            }
            Self::Maintenance { route, closed: None } => write!(into, "route {route} maintenance off"),
            Self::Maintenance { route, closed: Some(closed) } => {
                write!(into, "route {route} maintenance on, {closed}")
            }
            Self::Partner { name, enabled } => {
                write!(into, "partner {name} {}", if *enabled { "enable" } else { "disable" })
            }
            Self::Release { active, moving: None } => write!(into, "release {active}"),
            Self::Release { active, moving: Some(moving) } => {
                write!(into, "release {active} move {}", moving.as_str())
            }
            Self::Ban { who, until } => {
                write!(into, "ban {} until {}", printable(who.to_string()), format_moment(*until))
            }
        }
    }
}

/// What players are told, and when.
impl Display for Maintenance {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(into, "\"{}\"", printable(self.message.clone()))?;
        if let Some(again) = self.retry_after {
            write!(into, ", again after {}", format_duration(again))?;
        }
        if let Some(until) = self.until {
            write!(into, ", until {}", format_moment(until))?;
        }
        Ok(())
    }
}
