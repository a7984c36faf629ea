//! How many instructions a frame costs, piece by piece and on its whole path, beside the committed table: a number that
//! is the same on a busy machine and on a quiet one.
//!
//! `cargo bench --bench instructions` tells; `-- check` fails where a case costs more than the table allows; `-- write`
//! writes the table. Each case is run under callgrind with N and with 2 N repetitions: the difference over N is the
//! count, and what comes before and behind cancels out.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program that waits for other processes and talks to a person"
)]

mod callgrind;
mod case;
mod ends;
#[allow(dead_code, reason = "shared with the benches that start gateways")]
#[path = "../common/folder.rs"]
mod folder;
mod frame;
#[path = "../common/game.rs"]
mod game;
#[allow(dead_code, reason = "shared with the benches that start gateways")]
#[path = "../common/machine.rs"]
mod machine;
mod path;
mod pieces;
mod run;
mod table;

use std::process::ExitCode;

use run::Options;

/// Why it could not go on, for a person.
type Outcome<T> = Result<T, String>;

const USAGE: &str = "\
Counts instructions under callgrind, and compares with benches/instructions/table.md.

  cargo bench --bench instructions -- [show|check|write] [--only CASE,...] [--keep FOLDER]

  show           the counts beside the table (without any word, too)
  check          the same; fails where a case costs over a tenth more than the table says
  write          writes the table: every case twice, to say how far two runs differ
  --only         cases by name or by the beginning of one, e.g. pick,path/shared-1
  --keep FOLDER  leaves callgrind's own files there, for callgrind_annotate";

fn main() -> ExitCode {
    // Cargo adds `--bench` to whatever the person wrote.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let done = match words.split_first() {
        Some((word, rest)) if word == "piece" => pieces::play(rest).map(|()| true),
        _ => Options::parse(&words).and_then(|options| run::run(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("instructions: {reason}");
            ExitCode::FAILURE
        }
    }
}
