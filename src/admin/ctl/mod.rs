//! `realmgate ctl`: the API from the shell. Turns a verb into requests, and answers into tables for people or, with
//! `--json`, into what the API said. Knows nothing of the running gateway but its address and its token.

mod client;
mod errand;
mod parts;
mod show;
mod table;
mod units;
mod verb;

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use client::Client;
pub use verb::Verb;

/// Where the API is and how answers are written.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where the gateway's `[admin]` table listens
    #[arg(long = "admin", value_name = "URL", global = true, default_value = "http://127.0.0.1:9600")]
    url: String,
    /// The file with the gateway's token, as its `[admin]` table names it
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Print what the API answers instead of tables
    #[arg(long, global = true)]
    json: bool,
}

/// Why a verb did not do what it says.
#[derive(Debug)]
struct Failure {
    /// What is wrong and what to do, in sentences.
    said: String,
    /// What the API answered, if it did.
    answer: Option<Value>,
}

/// What a verb has to print.
#[derive(Debug)]
struct Outcome {
    answer: Value,
    text: String,
}

/// Does what a verb says; exit code 1 with a sentence on standard error if that is refused or nobody answers.
#[must_use]
pub fn run(options: &Options, verb: &Verb) -> ExitCode {
    match ask(options, verb) {
        Ok(outcome) if options.json => done(&format!("{:#}\n", outcome.answer)),
        Ok(outcome) => done(&outcome.text),
        Err(failure) => {
            if let Some(answer) = failure.answer.filter(|_| options.json) {
                drop(print(&format!("{answer:#}\n")));
            }
            drop(writeln!(std::io::stderr().lock(), "{}", failure.said));
            ExitCode::FAILURE
        }
    }
}

/// Whoever closes the pipe has read enough.
fn done(text: &str) -> ExitCode {
    match print(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let said = format!("done, but the answer could not be printed: {error}");
            drop(writeln!(std::io::stderr().lock(), "{said}"));
            ExitCode::FAILURE
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn ask(options: &Options, verb: &Verb) -> Result<Outcome, Failure> {
    let client = Client::new(&options.url, options.token_file.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::new(format!("the machine gives no event queue: {error}")))?;
    runtime.block_on(errand::run(&client, verb))
}

fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

impl Failure {
    fn new(said: impl Into<String>) -> Self {
        Self { said: said.into(), answer: None }
    }

    /// One that programs read in the form of the API's own errors.
    fn told(error: &str, hint: &str) -> Self {
        Self { said: format!("{error}\n  {hint}"), answer: Some(json!({ "error": error, "hint": hint })) }
    }
}
