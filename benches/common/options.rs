//! The command line: which numbers each scenario has, and what they are unless told otherwise.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Outcome;
use crate::scenarios::Scenario;

/// A number that can be chosen: its name, what it is unless told otherwise, what it is for.
pub(crate) type Number = (&'static str, u64, &'static str);

/// What the person asked for.
#[derive(Debug)]
pub(crate) struct Options {
    numbers: BTreeMap<&'static str, u64>,
    /// The realmgate under test.
    pub(crate) gate: PathBuf,
}

impl Options {
    /// Reads the words after the scenario's name.
    pub(crate) fn parse(scenario: Scenario, words: &[String]) -> Outcome<Self> {
        let known = scenario.numbers();
        let mut numbers: BTreeMap<_, _> = known.iter().map(|(name, value, _)| (*name, *value)).collect();
        let mut gate = PathBuf::from(env!("CARGO_BIN_EXE_realmgate"));
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let value = rest.next().ok_or(format!("{word} needs a value"))?;
            let name = word.strip_prefix("--").unwrap_or(word);
            if name == "gate" {
                gate = PathBuf::from(value);
                continue;
            }
            let number = numbers
                .get_mut(name)
                .ok_or_else(|| format!("{} has no option {word}\n\n{}", scenario.name(), usage()))?;
            *number = value.parse().map_err(|_| format!("{word}: {value} is no whole number"))?;
        }
        let gate = gate.canonicalize().map_err(|error| format!("{}: {error}", gate.display()))?;
        Ok(Self { numbers, gate })
    }

    /// One of the scenario's numbers.
    pub(crate) fn number(&self, name: &str) -> u64 {
        *self.numbers.get(name).expect("a scenario asks for numbers of its own table")
    }

    /// A number that only some scenarios have.
    pub(crate) fn optional(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// One of the scenario's numbers, as a count of things in memory.
    pub(crate) fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }
}

/// Printed when nothing was asked for.
pub(crate) fn usage() -> String {
    let mut text = format!(
        "{}\n\n  cargo bench --bench {} -- SCENARIO [--OPTION N ...] [--gate FILE]\n",
        Scenario::PURPOSE,
        Scenario::BENCH
    );
    for scenario in Scenario::ALL {
        text += &format!("\n  {}: {}\n", scenario.name(), scenario.about());
        for (name, value, about) in scenario.numbers() {
            let option = format!("--{name} {value}");
            text += &format!("    {option:<18} {about}\n");
        }
    }
    text + "\n  --gate FILE          another realmgate than the one just built\n\nNothing was started."
}
