//! The words by which a cluster says how its backends share its sessions, and what becomes of those of a lost
//! one. How a backend is chosen is the picker's.

/// The rule by which the next backend of a cluster is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn, each as often as its weight says.
    RoundRobin,
    /// Drawn, each as often as its weight says.
    Random,
    /// The one with the lowest predicted load: of all when they are few, of two drawn ones when they are many.
    LeastLoad,
    /// The key's remainder by the number of live ones, counted in the order of their addresses.
    Modulo,
    /// The key's home in a Maglev table, unless that one has 125 % of its share already.
    ConsistentHash,
    /// The first live one in the order of the file answers, the second one hears everything too.
    HotStandby,
    /// The first live one in the order of the file.
    Backup,
}

impl Balance {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Random => "random",
            Self::LeastLoad => "least_load",
            Self::Modulo => "modulo",
            Self::ConsistentHash => "consistent_hash",
            Self::HotStandby => "hot_standby",
            Self::Backup => "backup",
        }
    }

    /// Whether it asks for a key: without one it could not send the same player or room to the same backend.
    #[must_use]
    pub const fn needs_key(self) -> bool {
        match self {
            Self::Modulo | Self::ConsistentHash => true,
            Self::RoundRobin | Self::Random | Self::LeastLoad | Self::HotStandby | Self::Backup => false,
        }
    }
}

/// What happens to the sessions of a backend that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// They go on; their next frame of that cluster picks another backend.
    Repick,
    /// They are told `unavailable` and closed.
    Close,
}

impl OnLoss {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repick => "repick",
            Self::Close => "close",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_the_word_of_the_configuration_and_only_two_need_a_key() {
        let told = [
            Balance::RoundRobin,
            Balance::Random,
            Balance::LeastLoad,
            Balance::Modulo,
            Balance::ConsistentHash,
            Balance::HotStandby,
            Balance::Backup,
        ]
        .map(|balance| (balance.as_str(), balance.needs_key()));
        let wanted = [
            ("round_robin", false),
            ("random", false),
            ("least_load", false),
            ("modulo", true),
            ("consistent_hash", true),
            ("hot_standby", false),
            ("backup", false),
        ];
        assert_eq!(told, wanted);
    }
}
