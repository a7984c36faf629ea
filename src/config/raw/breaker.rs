//! `[route.NAME.breaker]` as written.

use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::listener::WAITING;
use super::outlier::IN_A_ROW;
use crate::config::site::Site;

/// `[route.NAME.breaker]`.
pub(in crate::config) struct Breaker {
    pub(in crate::config) consecutive: Field<u32>,
    pub(in crate::config) failure_rate: Field<u8>,
    pub(in crate::config) min_frames: Field<u32>,
    pub(in crate::config) window: Field<Duration>,
    pub(in crate::config) open: Field<Duration>,
    pub(in crate::config) max_open: Field<Duration>,
    pub(in crate::config) max_in_flight: Field<u32>,
    pub(in crate::config) reply: Field<Reply>,
}

/// `reply = { ... }`.
pub(in crate::config) struct Reply {
    pub(in crate::config) site: Site,
    pub(in crate::config) id: Field<u64>,
    pub(in crate::config) within: Field<Duration>,
}

impl Breaker {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            consecutive: fields.number("consecutive", IN_A_ROW),
            failure_rate: fields.number("failure_rate", 1..=100),
            min_frames: fields.number("min_frames", 1..=1_000_000),
            window: fields.duration("window", WAITING),
            open: fields.duration("open", WAITING),
            max_open: fields.duration("max_open", WAITING),
            max_in_flight: fields.number("max_in_flight", 1..=10_000_000),
            reply: fields.nested("reply", "{ id = 1001, within = \"3s\" }", Reply::read),
        }
    }
}

impl Reply {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            id: fields.number("id", 0..=u64::MAX),
            within: fields.duration("within", WAITING),
        }
    }
}

/// The keys of `breaker`, to tell those who wrote them one table too high.
pub(super) const BREAKER: [&str; 8] =
    ["consecutive", "failure_rate", "min_frames", "window", "open", "max_open", "max_in_flight", "reply"];
