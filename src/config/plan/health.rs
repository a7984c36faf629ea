//! How a cluster's backends are probed.

use crate::policy::HealthRules;

/// `[cluster.NAME.health]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub(in crate::config) probe: Probe,
    pub(in crate::config) rules: HealthRules,
}

/// What a probe does on a connection of its own, and what makes it good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A PING on a fresh shared link is answered.
    Link,
    /// A connection comes about.
    Tcp,
    /// A GET is answered with a status of success.
    Http {
        /// What is asked for: begins with `/`, visible ASCII without spaces and #.
        path: String,
    },
    /// A frame is answered by certain bytes.
    Frame {
        /// The bytes that are sent; at least one.
        send: Vec<u8>,
        /// The bytes that the answer begins with; at least one.
        expect: Vec<u8>,
    },
}

impl Health {
    /// What a probe does.
    #[must_use]
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// How often, how long, and how many probes decide.
    #[must_use]
    pub fn rules(&self) -> &HealthRules {
        &self.rules
    }
}

impl Probe {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Tcp => "tcp",
            Self::Http { .. } => "http",
            Self::Frame { .. } => "frame",
        }
    }
}
