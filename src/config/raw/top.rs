//! `[gateway]` and `[drain]` as written.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use crate::base::GatewayId;

/// `[gateway]`.
#[derive(Default)]
pub(in crate::config) struct Gateway {
    pub(in crate::config) id: Field<u16>,
    pub(in crate::config) zone: Field<String>,
    pub(in crate::config) workers: Field<u16>,
    pub(in crate::config) state_dir: Field<PathBuf>,
}

/// `[drain]`.
#[derive(Default)]
pub(in crate::config) struct Drain {
    pub(in crate::config) lame_duck: Field<Duration>,
    pub(in crate::config) spread: Field<Duration>,
    pub(in crate::config) deadline: Field<Duration>,
}

impl Gateway {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            id: fields.number("id", 0..=GatewayId::MAX),
            zone: fields.name("zone"),
            workers: fields.number("workers", 0..=1024),
            state_dir: fields.path("state_dir", "\"/var/lib/realmgate\""),
        }
    }
}

impl Drain {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            lame_duck: fields.duration("lame_duck", ENDING),
            spread: fields.duration("spread", ENDING),
            deadline: fields.duration("deadline", ENDING),
        }
    }
}

const ENDING: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
