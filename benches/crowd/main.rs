//! Crowds in front of a gateway: a full chat room, players whose connections break, attackers, a launch day.
//!
//! `cargo bench --bench crowd -- SCENARIO [options]`. Players, attackers and backends are this process, a thread each;
//! the gateway is its child and ends with it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that measures time, waits for other processes and talks to a person"
)]

mod backend;
#[path = "../common/mod.rs"]
mod common;
mod dial;
mod dice;
mod frame;
mod notice;
mod numbers;
mod pace;
mod page;
mod players;
mod scenarios;
mod stage;
mod token;
mod web;

use std::process::ExitCode;

use common::{
    certificates, connection, cpu, folder, gateway, http, machine, options, patience, serving, verdict,
};

/// Why a scenario could not go on, for a person.
type Outcome<T> = Result<T, String>;

fn main() -> ExitCode {
    common::command::main()
}
