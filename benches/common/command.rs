//! The way from the words of a person to a scenario and an exit code.

use std::process::ExitCode;

use super::options::{self, Options};
use crate::scenarios::{self, Scenario};

/// Plays what the command line names.
pub(crate) fn main() -> ExitCode {
    // Cargo adds `--bench` to whatever the person wrote.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some((name, rest)) = words.split_first() else {
        println!("{}", options::usage());
        return ExitCode::SUCCESS;
    };
    let Some(scenario) = Scenario::named(name) else {
        eprintln!("{}: no scenario is called {name}\n\n{}", Scenario::BENCH, options::usage());
        return ExitCode::FAILURE;
    };
    let done = Options::parse(scenario, rest).and_then(|options| scenarios::run(scenario, &options));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{}: {reason}\nFAIL  {name}", Scenario::BENCH);
            ExitCode::FAILURE
        }
    }
}
