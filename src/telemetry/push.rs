//! What backends say to many players at once: for whom, and what became of it.

/// For whom a backend says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Sessions that it names.
    Listed,
    /// Those in a room.
    Room,
    /// Those of a release group.
    Group,
    /// Those of gateways in a zone.
    Zone,
    /// All of the gateway.
    All,
}

/// What became of a frame for many at one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits for the player's socket.
    Delivered,
    /// The session is over.
    Gone,
    /// It is not one whole frame of the player's layout.
    Misfit,
    /// The player's send buffer could not take it.
    TooSlow,
}

impl Audience {
    /// Every audience, for tables.
    pub const ALL: [Self; 5] = [Self::Listed, Self::Room, Self::Group, Self::Zone, Self::All];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::Room => "room",
            Self::Group => "group",
            Self::Zone => "zone",
            Self::All => "all",
        }
    }
}

impl Fate {
    /// Every fate, for tables.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Gone, Self::Misfit, Self::TooSlow];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::Misfit => "misfit",
            Self::TooSlow => "too_slow",
        }
    }
}
