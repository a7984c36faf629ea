//! What is given up first when there is too much.

use std::time::Duration;

/// A backend that has taken nothing for this long is stuck: nobody waits for it any more, and frames are judged by their
/// class.
pub const STUCK: Duration = Duration::from_millis(250);

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

    /// Whether a frame of `class` with this length still goes in where so many bytes wait: optional routes end at
    /// 60 %, normal ones at 80 %, critical ones at the limit itself. An empty buffer takes any frame up to the limit:
    /// one that is longer than its class's mark would never get through.
    #[must_use]
    pub const fn admits(self, class: RouteClass, waiting: usize, length: usize) -> bool {
        let bytes = waiting.saturating_add(length);
        let fifths = match class {
            RouteClass::Optional => 3,
            RouteClass::Normal => 4,
            RouteClass::Critical => 5,
        };
        let may_fill = waiting == 0 || matches!(class, RouteClass::Critical);
        bytes <= self.limit / 5 * fifths || may_fill && bytes <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: [RouteClass; 3] = [RouteClass::Optional, RouteClass::Normal, RouteClass::Critical];

    #[test]
    fn optional_goes_first_and_critical_last() {
        let marks = Marks::new(1001);
        let kept = |bytes: usize| CLASSES.map(|class| marks.admits(class, 100, bytes - 100));
        assert_eq!(kept(600), [true, true, true]);
        assert_eq!(kept(601), [false, true, true]);
        assert_eq!(kept(801), [false, false, true]);
        assert_eq!(kept(1001), [false, false, true]);
        assert_eq!(kept(1002), [false, false, false]);
    }

    #[test]
    fn an_empty_buffer_takes_one_frame_of_its_whole_limit_whatever_its_class() {
        let marks = Marks::new(1001);
        assert_eq!(CLASSES.map(|class| marks.admits(class, 0, 1001)), [true, true, true]);
        assert_eq!(CLASSES.map(|class| marks.admits(class, 0, 1002)), [false, false, false]);
        assert_eq!(CLASSES.map(|class| marks.admits(class, 1, 1000)), [false, false, true]);
    }

    #[test]
    fn who_waits_goes_on_well_below_where_it_stopped() {
        let marks = Marks::new(4096);
        assert_eq!((marks.high(), marks.low()), (2048, 1024));
    }
}
