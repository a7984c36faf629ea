//! What is tried: the policies, and what befalls the backends.

use super::time::{SECOND, Tick, WAY};

/// By which rules the gateways pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// `least_load` with reports, slow start and ejection.
    LeastLoad,
    RoundRobin,
    Random,
    /// `least_load` without reports: a gateway knows its own sessions only.
    LeastConnections,
}

impl Policy {
    pub(crate) const ALL: [Self; 4] =
        [Self::LeastLoad, Self::RoundRobin, Self::Random, Self::LeastConnections];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LeastLoad => "least_load",
            Self::RoundRobin => "round robin",
            Self::Random => "random",
            Self::LeastConnections => "least connections",
        }
    }

    /// Whether backends report to the gateways.
    pub(crate) fn hears(self) -> bool {
        self == Self::LeastLoad
    }

    /// The keys of the cluster.
    pub(crate) const fn keys(self) -> &'static str {
        match self {
            Self::LeastLoad => "balance = \"least_load\"\nslow_start = \"30s\"\n",
            Self::RoundRobin => "balance = \"round_robin\"\nslow_start = \"0s\"\n",
            Self::Random => "balance = \"random\"\nslow_start = \"0s\"\n",
            Self::LeastConnections => "balance = \"least_load\"\nslow_start = \"0s\"\n",
        }
    }

    /// The table by which backends are ejected; the plain policies never eject.
    pub(crate) const fn outlier(self) -> &'static str {
        match self {
            Self::LeastLoad => "",
            Self::RoundRobin | Self::Random | Self::LeastConnections => {
                "[cluster.battle.outlier]\nconsecutive = 10000\neject = \"10ms\"\nmax_eject = \"10ms\"\nmax_percent = 0\n"
            }
        }
    }
}

/// What happens in the evening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// All backends are cold when the first player comes.
    ColdStart,
    /// One more comes, cold, when the others are full and players wait.
    Added,
    /// The same, and reports take three seconds.
    AddedLate,
    /// One begins to answer every new session with an error.
    Faulty,
    /// One zone of two is lost, and comes back cold.
    ZoneLost,
}

impl Case {
    pub(crate) const ALL: [Self; 5] =
        [Self::ColdStart, Self::Added, Self::Faulty, Self::ZoneLost, Self::AddedLate];

    /// The name of its files.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ColdStart => "cold-start",
            Self::Added => "added",
            Self::AddedLate => "added-late",
            Self::Faulty => "faulty",
            Self::ZoneLost => "zone-lost",
        }
    }

    /// How full the backends would be at the peak of the evening if all were let in.
    pub(crate) const fn fullness(self) -> f64 {
        match self {
            Self::ColdStart => 0.95,
            Self::Added | Self::AddedLate => 1.4,
            Self::Faulty => 0.8,
            Self::ZoneLost => 0.55,
        }
    }

    pub(crate) const fn zones(self) -> &'static [&'static str] {
        match self {
            Self::ZoneLost => &["a", "b"],
            Self::ColdStart | Self::Added | Self::AddedLate | Self::Faulty => &[],
        }
    }

    /// From the moment of a report or PONG until the gateway has it.
    pub(crate) const fn report_delay(self) -> Tick {
        match self {
            Self::AddedLate => 3 * SECOND,
            Self::ColdStart | Self::Added | Self::Faulty | Self::ZoneLost => WAY,
        }
    }
}

/// How large the model is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) gateways: usize,
    pub(crate) backends: usize,
    pub(crate) players: u32,
    pub(crate) seed: u64,
}
