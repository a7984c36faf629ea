//! Puts the same work through HAProxy, nginx, Envoy and realmgate in turn and writes down what each of them spent on it.
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
mod companions;
mod frame;
#[path = "../common/http.rs"]
#[allow(dead_code, reason = "only one page is read")]
mod http;
#[path = "../lab/mod.rs"]
mod lab;
mod loader;
mod orders;
mod proxies;
mod reloads;
mod report;
mod run;
mod seats;
mod works;

use std::process::ExitCode;

use lab::command::Comparison;
use lab::cpu;
use lab::netns::Needed;
use lab::options::{Manual, Options};

/// What `http` gives.
type Outcome<T> = Result<T, String>;

const COMPARISON: Comparison = Comparison {
    manual: Manual { bench: "peers", usage: USAGE, draft: "target/peers.md", seconds: 3.0 },
    needed: &NEEDED,
    prepare,
    everything: run::everything,
    roles: &[("loader", loader::run), ("backend", backend::run)],
};
const NEEDED: [Needed; 1] =
    [Needed { file: "/usr/lib/nginx/modules/ngx_stream_module.so", package: "libnginx-mod-stream" }];
const USAGE: &str = "\
Compares realmgate with HAProxy, nginx and Envoy on this machine. It takes half an hour, two cores and the
right to make a network namespace.

  cargo bench --bench peers -- run [--quick] [--only WORK,...] [--seconds N] [--rounds N]
                                   [--gate FILE] [--output FILE]

  --quick        windows of a second, one round: about seven minutes
  --only         works by key or family: a, a40k, b, c, d, a60, b60, curve, workers, reload, memory, peak,
                 handshakes, broadcast, websocket; a-tls, curve-5000-plain, handshakes-full and the like
  --seconds N    the measured window of a turn (default 3)
  --rounds N     turns of every peer at every work (default 3)
  --gate FILE    another realmgate than the one just built; not for websocket
  --output FILE  the report (default: its part of benches/peers/RESULTS.md; with --quick or
                 --only target/peers.md)

Nothing was started.";

fn main() -> ExitCode {
    COMPARISON.main()
}

/// While there still is a network.
fn prepare(options: &Options) -> Result<(), String> {
    proxies::envoy::fetch();
    companions::build(options)
}
