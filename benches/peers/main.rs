//! Puts the same work through HAProxy, nginx and realmgate in turn and writes down what each of them spent on it.
//!
//! One command runs everything: `cargo bench --bench peers -- run`. The program starts itself again for the two
//! roles that must be processes of their own, the loader (the players) and the backend (the game's servers).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that measures time, waits for other processes and talks to a person"
)]

mod backend;
mod certificates;
#[path = "../common/cpu.rs"]
mod cpu;
mod frame;
mod loader;
mod netns;
mod options;
mod orders;
mod process;
mod proxies;
mod report;
mod run;
mod works;

use std::process::ExitCode;

use options::{Options, USAGE};

fn main() -> ExitCode {
    // Cargo adds `--bench` to whatever the person wrote.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let (role, rest) = words.split_first().map_or(("", words.as_slice()), |(role, rest)| (role, rest));
    let done = match role {
        "run" => Options::parse(rest).and_then(|options| netns::enter(&options, rest)),
        "run-inside" => Options::parse(rest).and_then(|options| run::everything(&options)),
        "loader" => loader::run(rest),
        "backend" => backend::run(rest),
        _ => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("peers: {reason}");
            ExitCode::FAILURE
        }
    }
}
