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
mod frame;
#[path = "../lab/mod.rs"]
mod lab;
mod loader;
mod orders;
mod proxies;
mod report;
mod run;
mod works;

use std::process::ExitCode;

use lab::netns::Needed;
use lab::options::{Manual, Options};
use lab::{certificates, cpu, netns, process};

const MANUAL: Manual = Manual { usage: USAGE, draft: "target/peers.md", seconds: 3.0 };
const NEEDED: [Needed; 1] =
    [Needed { file: "/usr/lib/nginx/modules/ngx_stream_module.so", package: "libnginx-mod-stream" }];
const USAGE: &str = "\
Compares realmgate with HAProxy and nginx on this machine. It takes about a quarter of an hour, two cores
and the right to make a network namespace.

  cargo bench --bench peers -- run [--quick] [--only WORK,...] [--seconds N] [--rounds N]
                                   [--gate FILE] [--output FILE]

  --quick        windows of a second, one round: about two minutes
  --only         works by key or family, e.g. a,b-plain,memory
  --seconds N    the measured window of a turn (default 3)
  --rounds N     turns of every peer at every work (default 3)
  --gate FILE    another realmgate than the one just built
  --output FILE  the report (default: its part of benches/peers/RESULTS.md; with --quick or
                 --only target/peers.md)

Nothing was started.";

fn main() -> ExitCode {
    // Cargo adds `--bench` to whatever the person wrote.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let (role, rest) = words.split_first().map_or(("", words.as_slice()), |(role, rest)| (role, rest));
    let done = match role {
        "run" => Options::parse(&MANUAL, rest).and_then(|options| netns::enter(&NEEDED, &options, rest)),
        "run-inside" => Options::parse(&MANUAL, rest).and_then(|options| run::everything(&options)),
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
