//! Changes a gateway while it is played through: reloads, cuts over, upgrades and kills the real process, and proves
//! from both ends of every frame what players lost by it.
//!
//! `cargo bench --bench live -- SCENARIO [options]`. Players and backends are this process, a thread each; the gateway
//! and whatever it starts are its children and end with it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that measures time, waits for other processes and talks to a person"
)]

mod backends;
mod certificates;
mod file;
mod folder;
mod frame;
mod gateway;
mod http;
mod machine;
mod options;
mod patience;
mod players;
mod scenarios;
mod spread;
mod stage;
mod verdict;
mod visitor;

use std::process::ExitCode;

use options::Options;
use scenarios::Scenario;

/// Why a scenario could not go on, for a person.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    // Cargo adds `--bench` to whatever the person wrote.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let Some((name, rest)) = words.split_first() else {
        println!("{}", options::usage());
        return ExitCode::SUCCESS;
    };
    let Some(scenario) = Scenario::named(name) else {
        eprintln!("live: no scenario is called {name}\n\n{}", options::usage());
        return ExitCode::FAILURE;
    };
    let done = Options::parse(scenario, rest).and_then(|options| scenarios::run(scenario, &options));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("live: {reason}\nFAIL  {name}");
            ExitCode::FAILURE
        }
    }
}
