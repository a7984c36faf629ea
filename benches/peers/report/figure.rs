//! The figures that a turn gives.

use crate::orders::{Load, Outcome};
use crate::works::Work;

/// A column that can be won or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Microseconds of the proxy's CPU for a frame or a handshake.
    Cpu,
    /// Frames or handshakes a second.
    Rate,
    /// Microseconds, every second answer is faster.
    P50,
    /// Microseconds, 99 of 100 are faster.
    P99,
    /// Microseconds, 999 of 1,000 are faster.
    P999,
    /// KiB of memory for one session that never was busy.
    Memory,
    /// KiB for one session while all are busy.
    Peaked,
    /// KiB for one session some time after that.
    Kept,
}

impl Figure {
    /// The columns of a work.
    pub(super) fn all(load: Load) -> &'static [Self] {
        match load {
            Load::Idle => &[Self::Memory],
            Load::Peak => &[Self::Memory, Self::Peaked, Self::Kept],
            Load::Closed { .. } | Load::Open { .. } | Load::Handshakes { .. } => {
                &[Self::Cpu, Self::Rate, Self::P50, Self::P99, Self::P999]
            }
        }
    }

    /// In a line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU µs",
            Self::Rate => "per second",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::Memory => "KiB a session",
            Self::Peaked => "KiB, busy",
            Self::Kept => "KiB, idle again",
        }
    }

    /// Over a column.
    pub(super) fn title(self, load: Load) -> &'static str {
        match (self, matches!(load, Load::Handshakes { .. })) {
            (Self::Cpu, false) => "CPU µs/frame",
            (Self::Cpu, true) => "CPU µs/handshake",
            (Self::Rate, false) => "frames/s",
            (Self::Rate, true) => "handshakes/s",
            (figure, _) => figure.name(),
        }
    }

    /// Whether a larger figure is the better one.
    pub(super) fn more_is_better(self) -> bool {
        self == Self::Rate
    }

    /// What a turn at this work says.
    #[expect(clippy::cast_precision_loss, reason = "figures of a few digits are wanted")]
    pub(super) fn of(self, work: &Work, outcome: &Outcome) -> f64 {
        let each = |kib: u64| kib as f64 / work.connections as f64;
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        match self {
            Self::Cpu => micros(outcome.proxy) / outcome.done.max(1) as f64,
            Self::Rate => outcome.per_second(),
            Self::P50 => micros(outcome.p50),
            Self::P99 => micros(outcome.p99),
            Self::P999 => micros(outcome.p999),
            Self::Memory => each(outcome.grown),
            Self::Peaked => each(outcome.peaked),
            Self::Kept => each(outcome.kept),
        }
    }
}
