//! What crowds do, and what must hold meanwhile.

mod attacks;
mod chat;
mod legitimate;
mod partner;
mod resume;
mod storm;

use crate::Outcome;
use crate::options::{Number, Options};
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    name: &'static str,
    about: &'static str,
    numbers: &'static [Number],
    setting: fn(&Options) -> Setting,
    play: fn(&mut Stage, &Options, &mut Verdict) -> Outcome<()>,
}

impl Scenario {
    /// The bench of these scenarios.
    pub(crate) const BENCH: &str = "crowd";
    /// What it is for.
    pub(crate) const PURPOSE: &str = "Puts a crowd in front of a gateway, and says what each of them got.";
    /// In the order of the manual.
    pub(crate) const ALL: [Self; 6] = [
        Self {
            name: "chat",
            about: chat::ABOUT,
            numbers: chat::NUMBERS,
            setting: chat::setting,
            play: chat::play,
        },
        Self {
            name: "resume",
            about: resume::ABOUT,
            numbers: resume::NUMBERS,
            setting: resume::setting,
            play: resume::play,
        },
        Self {
            name: "attacks",
            about: attacks::ABOUT,
            numbers: attacks::NUMBERS,
            setting: attacks::setting,
            play: attacks::play,
        },
        Self {
            name: "partner",
            about: partner::ABOUT,
            numbers: partner::NUMBERS,
            setting: partner::setting,
            play: partner::play,
        },
        Self {
            name: "storm",
            about: storm::ABOUT,
            numbers: storm::NUMBERS,
            setting: storm::setting,
            play: storm::play,
        },
        Self {
            name: "full-storm",
            about: storm::FULL_ABOUT,
            numbers: storm::FULL_NUMBERS,
            setting: storm::setting,
            play: storm::play,
        },
    ];

    /// The one that a person names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name == name)
    }

    /// Its word on the command line.
    pub(crate) fn name(self) -> &'static str {
        self.name
    }

    /// What it does.
    pub(crate) fn about(self) -> &'static str {
        self.about
    }

    /// Its options.
    pub(crate) fn numbers(self) -> &'static [Number] {
        self.numbers
    }
}

/// Plays a scenario to its end or until it cannot go on; whether all held.
pub(crate) fn run(scenario: Scenario, options: &Options) -> Outcome<bool> {
    let mut verdict = Verdict::default();
    let mut stage = Stage::set(&(scenario.setting)(options), options)?;
    if let Err(reason) = (scenario.play)(&mut stage, options, &mut verdict) {
        verdict.must(false, "the scenario was played to its end", reason);
    }
    stage.close(&mut verdict);
    verdict.print(scenario.name());
    Ok(verdict.holds())
}

/// What is wrong in a scenario, by kind, and the first of it word by word.
#[derive(Debug, Default)]
struct Faults {
    counts: crate::page::Counts,
    first: Vec<String>,
}

/// How many faults are told word by word.
const TOLD: usize = 8;

impl Faults {
    fn add(&mut self, place: usize, kind: &str, more: &str) {
        *self.counts.entry(kind.to_owned()).or_default() += 1;
        if self.first.len() < TOLD {
            self.first.push(format!("player {place}: {kind} {more}"));
        }
    }

    /// These and others.
    fn and(mut self, others: Self) -> Self {
        for (kind, count) in others.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.first.extend(others.first);
        self.first.truncate(TOLD);
        self
    }

    fn judge(&self, verdict: &mut Verdict) {
        verdict.must(
            self.counts.is_empty(),
            "unwanted frames, notices and ends",
            crate::page::words(&self.counts),
        );
        for line in &self.first {
            verdict.figure("for example", line.clone());
        }
    }
}
