//! `[gateway]`, `[net]` and `[drain]` as written.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::values::Word;
use crate::base::GatewayId;

/// `[gateway]`.
#[derive(Default)]
pub(in crate::config) struct Gateway {
    pub(in crate::config) id: Field<u16>,
    pub(in crate::config) zone: Field<String>,
    pub(in crate::config) workers: Field<u16>,
    pub(in crate::config) state_dir: Field<PathBuf>,
}

/// `[net]`.
#[derive(Default)]
pub(in crate::config) struct Net {
    pub(in crate::config) gather: Field<bool>,
    pub(in crate::config) gather_delay: Field<Duration>,
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

impl Net {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self { gather: fields.word("gather", &GATHER), gather_delay: fields.duration("gather_delay", APART) }
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

/// Whether a busy worker keeps its turns apart.
const GATHER: [Word<bool>; 2] = [("off", Some(false)), ("adaptive", Some(true))];
/// Below, turns are about so long by themselves; above, players would notice.
const APART: RangeInclusive<Duration> = Duration::from_micros(50)..=Duration::from_millis(5);
const ENDING: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);
