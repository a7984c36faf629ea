//! `[cluster.NAME.outlier]` as written.

use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::listener::WAITING;

/// `[cluster.NAME.outlier]`.
pub(in crate::config) struct Outlier {
    pub(in crate::config) consecutive: Field<u32>,
    pub(in crate::config) eject: Field<Duration>,
    pub(in crate::config) max_eject: Field<Duration>,
    pub(in crate::config) max_percent: Field<u8>,
}

impl Outlier {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            consecutive: fields.number("consecutive", IN_A_ROW),
            eject: fields.duration("eject", WAITING),
            max_eject: fields.duration("max_eject", WAITING),
            max_percent: fields.number("max_percent", 0..=100),
        }
    }
}

/// How many failures in a row a rule may wait for.
pub(super) const IN_A_ROW: std::ops::RangeInclusive<u32> = 1..=1_000_000;

/// The keys of `outlier`, to tell those who wrote them one table too high.
pub(super) const OUTLIER: [&str; 4] = ["consecutive", "eject", "max_eject", "max_percent"];
