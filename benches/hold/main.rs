//! Holds sessions in one gate, and says what that costs.
//!
//! `cargo bench --bench hold -- run [SESSIONS] [SECONDS]`: TLS sessions with a heartbeat every ten seconds; 15,000 and 60
//! unless told otherwise. `cargo bench --bench hold -- websocket [SESSIONS] [SECONDS]`: silent sessions over WebSocket
//! beside those over TCP, without and with TLS, one gate after the other; 10,000 and 20 unless told otherwise.
//! `cargo bench --bench hold -- http [CONNECTIONS] [SECONDS]`: connections of HTTP/1.1 that have asked once, without and
//! with TLS; the same numbers.
//! A gate runs in a process of its own; the players are this one. Both are ended by their own ids, and all is bounded
//! in time.
#![expect(clippy::print_stdout, reason = "the figures are for a person at a terminal")]

mod gate;
mod heartbeats;
mod session;
mod silent;

use std::error::Error;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Handshakes that players have under way at one time.
const AT_ONCE: usize = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "\
cargo bench --bench hold -- run [SESSIONS] [SECONDS]        TLS sessions with heartbeats; 15,000 for 60 s
cargo bench --bench hold -- websocket [SESSIONS] [SECONDS]  silent ones: tcp, ws, tls, wss; 10,000 for 20 s each
cargo bench --bench hold -- http [CONNECTIONS] [SECONDS]    silent ones that have asked once: http, https; 10,000 for 20 s each";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |place: usize, default: u64| arguments.get(place).map_or(Ok(default), |text| text.parse());
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    match arguments.first().map(String::as_str) {
        Some("run") => {
            let (sessions, time) = (number(1, 15_000)?, Duration::from_secs(number(2, 60)?));
            local.block_on(&runtime, heartbeats::hold(sessions, time))
        }
        Some(kind @ ("websocket" | "http")) => {
            let (sessions, time) = (number(1, 10_000)?, Duration::from_secs(number(2, 20)?));
            let transports: &[_] = if kind == "http" { &silent::CLIENTS } else { &silent::PLAYERS };
            local.block_on(&runtime, silent::compare(transports, sessions, time))
        }
        _ => {
            println!("{USAGE}");
            Ok(())
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn now() -> Instant {
    Instant::now()
}
