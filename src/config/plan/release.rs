//! Release groups: which of two generations of backends a session meets.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::site::Located;
use crate::policy::VersionRule;

/// A group's place in [`Plan::groups`](super::Plan::groups).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupIndex(pub(in crate::config) u8);

/// `[release]`: which group new sessions enter, and what becomes of those in the other one.
#[derive(Clone, Debug)]
pub struct Release {
    pub(in crate::config) active: Option<GroupIndex>,
    pub(in crate::config) moving: Moving,
    pub(in crate::config) spread: Duration,
    pub(in crate::config) canary: Vec<Canary>,
}

/// `move`: what becomes of sessions whose group is no longer theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    /// They stay until they end.
    Natural,
    /// Over `spread`, their next frame is answered by `moved` and they are closed.
    Forced,
}

/// One rule of `canary`: whom it sends to a group. The first that fits decides.
#[derive(Clone, Debug)]
pub struct Canary {
    pub(in crate::config) group: GroupIndex,
    pub(in crate::config) who: CanaryRule,
}

/// Whom a canary rule is for.
#[derive(Clone, Debug)]
pub enum CanaryRule {
    /// So many of 10,000, by a stable hash of the key: the same ones after every restart and at every gateway, and
    /// more of them keeps those who were in.
    Share {
        /// 1..=10,000.
        of_ten_thousand: u16,
        /// What is hashed.
        by: CanaryKey,
    },
    /// The accounts of a file, one a line.
    Accounts(Located<PathBuf>),
    /// Clients of these versions.
    Version(VersionRule),
    /// Every session of gateways in this zone.
    Zone(String),
}

/// `by` of a canary rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryKey {
    /// The player's account; a session without one is not in the share.
    Account,
    /// The player's address without its port.
    ClientIp,
}

impl GroupIndex {
    /// The place.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Release {
    /// The group of everybody whom no canary rule names; `None`: there are no groups.
    #[must_use]
    pub fn active(&self) -> Option<GroupIndex> {
        self.active
    }

    /// What becomes of sessions whose group is no longer theirs.
    #[must_use]
    pub fn moving(&self) -> Moving {
        self.moving
    }

    /// Over what time [`Moving::Forced`] moves them.
    #[must_use]
    pub fn spread(&self) -> Duration {
        self.spread
    }

    /// The rules of `canary` in the order of the file.
    #[must_use]
    pub fn canary(&self) -> &[Canary] {
        &self.canary
    }
}

impl Moving {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::Forced => "forced",
        }
    }
}

/// Short, for lines: `5% by account`, `accounts of testers.txt`, `version >=1.4.0`, `zone sh-b`.
impl Display for CanaryRule {
    fn fmt(&self, into: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { of_ten_thousand, by } => {
                let (whole, rest) = (of_ten_thousand / 100, of_ten_thousand % 100);
                write!(into, "{whole}")?;
                if rest > 0 {
                    write!(into, ".{rest:02}")?;
                }
                write!(into, "% by {}", by.as_str())
            }
            Self::Accounts(path) => write!(into, "accounts of {}", path.get().display()),
            Self::Version(rule) => write!(into, "version {}", rule.as_str()),
            Self::Zone(zone) => write!(into, "zone {zone}"),
        }
    }
}

impl CanaryKey {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::ClientIp => "client_ip",
        }
    }
}

impl Canary {
    /// Where the rule sends them.
    #[must_use]
    pub fn group(&self) -> GroupIndex {
        self.group
    }

    /// Whom it sends.
    #[must_use]
    pub fn who(&self) -> &CanaryRule {
        &self.who
    }
}
