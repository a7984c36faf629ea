//! Nothing is changed: what the other scenarios are compared with, and whether the harness itself keeps up.

use std::time::Duration;

use crate::Outcome;
use crate::options::{Number, Options};
use crate::players::Manner;
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str = "sessions at 20 frames/s, and nothing happens to them";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("sessions", 3000, "sessions that stay"),
    ("tls", 300, "of them with TLS"),
    ("rate", 20, "frames a second of each"),
    ("hold", 20, "seconds under load"),
    ("seconds", 180, "for all of it at most"),
];

/// Without the admin API.
pub(super) fn setting() -> Setting {
    Setting { has_admin: false, ..Setting::plain() }
}

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    stage.arrive(options.count("sessions"), options.count("tls"), Manner::Stays)?;
    let began = crate::machine::cpu_seconds_of(stage.gateway.pid);
    let hold = Duration::from_secs(options.number("hold"));
    stage.patience.pass("the load to go on", hold, || stage.gateway.must_run())?;
    let spent = crate::machine::cpu_seconds_of(stage.gateway.pid) - began;
    verdict.figure("gateway under load", format!("{:.0} % of a core", 100.0 * spent / hold.as_secs_f64()));
    stage.settle(verdict)?;
    stage.judge_frames(verdict, &[], true)
}
