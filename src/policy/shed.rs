//! What is given up first when there is too much.

/// How dear a route is to the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteClass {
    /// Shed first.
    Optional,
    /// Shed after the optional ones.
    Normal,
    /// Kept as long as anything is.
    Critical,
}

impl RouteClass {
    /// The word of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Normal => "normal",
            Self::Critical => "critical",
        }
    }
}

/// The marks of a send buffer, as shares of its limit. Between `high` and `low` whoever fills it pauses; above
/// its class's mark a frame is shed.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    limit: usize,
}

impl Marks {
    /// Marks of a buffer that may hold `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Above this many bytes whoever can wait waits: half of the limit.
    #[must_use]
    pub const fn high(self) -> usize {
        self.limit / 2
    }

    /// Below this many bytes those who waited go on: a quarter of the limit.
    #[must_use]
    pub const fn low(self) -> usize {
        self.limit / 4
    }

    /// Whether a frame of `class` that would bring the buffer to `bytes` still goes in: optional routes end at
    /// 60 %, normal ones at 80 %, critical ones at the limit itself.
    #[must_use]
    pub const fn admits(self, class: RouteClass, bytes: usize) -> bool {
        let fifths = match class {
            RouteClass::Optional => 3,
            RouteClass::Normal => 4,
            RouteClass::Critical => 5,
        };
        bytes <= self.limit / 5 * fifths || matches!(class, RouteClass::Critical) && bytes <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_goes_first_and_critical_last() {
        let marks = Marks::new(1001);
        let kept = |bytes| {
            [RouteClass::Optional, RouteClass::Normal, RouteClass::Critical]
                .map(|class| marks.admits(class, bytes))
        };
        assert_eq!(kept(600), [true, true, true]);
        assert_eq!(kept(601), [false, true, true]);
        assert_eq!(kept(801), [false, false, true]);
        assert_eq!(kept(1001), [false, false, true]);
        assert_eq!(kept(1002), [false, false, false]);
    }

    #[test]
    fn who_waits_goes_on_well_below_where_it_stopped() {
        let marks = Marks::new(4096);
        assert_eq!((marks.high(), marks.low()), (2048, 1024));
    }
}
