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
#[path = "../common/mod.rs"]
mod common;
mod file;
mod frame;
mod players;
mod scenarios;
mod spread;
mod stage;
mod visitor;

use std::process::ExitCode;

use common::{certificates, connection, folder, gateway, http, machine, options, patience, serving, verdict};

/// Why a scenario could not go on, for a person.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    common::command::main()
}
