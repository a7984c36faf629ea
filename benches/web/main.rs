//! Puts the same HTTP requests through HAProxy, nginx and realmgate in turn, and writes down how many of them a second
//! of each one's CPU time is good for.
//!
//! One command runs everything: `cargo bench --bench web -- run`. Load comes from `wrk` and `h2load`; the server behind
//! all three is an nginx of its own.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that measures time, waits for other processes and talks to a person"
)]

mod content;
mod got;
#[path = "../lab/mod.rs"]
mod lab;
mod loaders;
mod origin;
mod proxies;
mod report;
mod run;
mod works;

use std::process::ExitCode;

use lab::command::Comparison;
use lab::netns::Needed;
use lab::options::Manual;

const COMPARISON: Comparison = Comparison {
    manual: Manual { bench: "web", usage: USAGE, draft: "target/web.md", seconds: 2.0 },
    needed: &NEEDED,
    prepare: |_| Ok(()),
    everything: run::everything,
    roles: &[],
};
const NEEDED: [Needed; 2] = [
    Needed { file: "/usr/bin/wrk", package: "wrk" },
    Needed { file: "/usr/bin/h2load", package: "nghttp2-client" },
];
const USAGE: &str = "\
Compares the HTTP doors of realmgate, HAProxy and nginx on this machine. It takes about five minutes, two cores
and the right to make a network namespace.

  cargo bench --bench web -- run [--quick] [--only WORK,...] [--seconds N] [--rounds N]
                                 [--gate FILE] [--output FILE]

  --quick        windows of a second, one round: about a minute and a half
  --only         works by key or family, e.g. wrk-1k,h2-64k-tls
  --seconds N    the measured window of a turn, in whole seconds (default 2)
  --rounds N     turns of every peer at every work (default 3)
  --gate FILE    another realmgate than the one just built
  --output FILE  the report (default: its part of benches/peers/RESULTS.md; with --quick or
                 --only target/web.md)

Nothing was started.";

fn main() -> ExitCode {
    COMPARISON.main()
}
