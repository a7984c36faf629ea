//! What is done to the gateway, and what must hold meanwhile.

mod broken;
mod cutover;
mod load;
mod overrides;
mod reload;
mod upgrade;

use crate::Outcome;
use crate::options::{Number, Options};
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Nothing is changed.
    Load,
    /// The file changes, well and badly.
    Reload,
    /// The active group changes.
    Cutover,
    /// The program changes.
    Upgrade,
    /// The program becomes one that does not work.
    BrokenUpgrade,
    /// Runtime changes, and kills.
    Override,
}

impl Scenario {
    /// The bench of these scenarios.
    pub(crate) const BENCH: &str = "live";
    /// What it is for.
    pub(crate) const PURPOSE: &str =
        "Changes a gateway while it is played through, and counts what players lost.";
    /// In the order of the manual.
    pub(crate) const ALL: [Self; 6] =
        [Self::Load, Self::Reload, Self::Cutover, Self::Upgrade, Self::BrokenUpgrade, Self::Override];

    /// The one that a person names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// Its word on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Reload => "reload",
            Self::Cutover => "cutover",
            Self::Upgrade => "upgrade",
            Self::BrokenUpgrade => "broken-upgrade",
            Self::Override => "override",
        }
    }

    /// What it does.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Load => load::ABOUT,
            Self::Reload => reload::ABOUT,
            Self::Cutover => cutover::ABOUT,
            Self::Upgrade => upgrade::ABOUT,
            Self::BrokenUpgrade => broken::ABOUT,
            Self::Override => overrides::ABOUT,
        }
    }

    /// Its options.
    pub(crate) fn numbers(self) -> &'static [Number] {
        match self {
            Self::Load => load::NUMBERS,
            Self::Reload => reload::NUMBERS,
            Self::Cutover => cutover::NUMBERS,
            Self::Upgrade => upgrade::NUMBERS,
            Self::BrokenUpgrade => broken::NUMBERS,
            Self::Override => overrides::NUMBERS,
        }
    }

    fn setting(self) -> Setting {
        match self {
            Self::Load => load::setting(),
            Self::Reload => reload::setting(),
            Self::Cutover => cutover::setting(),
            Self::Upgrade => upgrade::setting(),
            Self::BrokenUpgrade => broken::setting(),
            Self::Override => overrides::setting(),
        }
    }

    fn play(self, stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
        match self {
            Self::Load => load::play(stage, options, verdict),
            Self::Reload => reload::play(stage, options, verdict),
            Self::Cutover => cutover::play(stage, options, verdict),
            Self::Upgrade => upgrade::play(stage, options, verdict),
            Self::BrokenUpgrade => broken::play(stage, options, verdict),
            Self::Override => overrides::play(stage, options, verdict),
        }
    }
}

/// Plays a scenario to its end or until it cannot go on; whether all held.
pub(crate) fn run(scenario: Scenario, options: &Options) -> Outcome<bool> {
    crate::machine::prepare()?;
    let mut verdict = Verdict::default();
    let mut stage = Stage::set(&scenario.setting(), options)?;
    let played = scenario.play(&mut stage, options, &mut verdict);
    if let Err(reason) = played {
        verdict.must(false, "the scenario was played to its end", reason);
    }
    stage.judge_faults(&mut verdict);
    stage.close(&mut verdict);
    verdict.print(scenario.name());
    Ok(verdict.holds())
}
