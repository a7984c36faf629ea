//! Works that another bench has already: it is built before anything is measured, and started in its turn.

use std::process::{Command, Stdio};

use crate::lab::options::Options;
use crate::works::is_asked_for;

/// A work of another bench.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Companion {
    /// What `--only` calls it.
    key: &'static str,
    /// What the report calls it.
    title: &'static str,
    bench: &'static str,
    words: &'static [&'static str],
    quick: &'static [&'static str],
    /// Whether it can be told which realmgate to start.
    has_gate: bool,
}

/// What it printed, and whether all held.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) command: String,
    pub(crate) text: String,
    pub(crate) holds: bool,
}

const ALL: [Companion; 2] = [
    Companion {
        key: "broadcast",
        title: "realmgate alone: a message to a room of 5,000",
        bench: "crowd",
        words: &["chat", "--members", "5000", "--rounds", "4"],
        quick: &["chat", "--members", "5000", "--rounds", "1", "--messages", "3"],
        has_gate: true,
    },
    Companion {
        key: "websocket",
        title: "realmgate alone: what a silent session takes over WebSocket beside TCP",
        bench: "hold",
        words: &["websocket", "5000", "5"],
        quick: &["websocket", "2000", "2"],
        has_gate: false,
    },
];

/// What a bench shows of a gateway's log when something did not hold.
const LAST_WORDS: &str = "the gateway's last words:";

/// Those that were asked for.
pub(crate) fn asked_for(only: &[String]) -> Vec<Companion> {
    ALL.into_iter().filter(|companion| is_asked_for(companion.key, only)).collect()
}

/// Builds what will be started, while nothing is measured yet.
pub(crate) fn build(options: &Options) -> Result<(), String> {
    let wanted = asked_for(&options.only);
    if wanted.is_empty() {
        return Ok(());
    }
    let mut cargo = cargo();
    cargo.arg("--no-run");
    for companion in &wanted {
        cargo.args(["--bench", companion.bench]);
    }
    let built = cargo.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if built.success() { Ok(()) } else { Err(format!("the other benches could not be built: {built}")) }
}

impl Companion {
    /// Starts it and waits for its end; what it prints is its table.
    pub(crate) fn play(self, options: &Options) -> Played {
        println!("{}", self.title);
        let words = if options.quick { self.quick } else { self.words };
        let mut cargo = cargo();
        cargo.args(["--offline", "--quiet", "--bench", self.bench, "--"]).args(words);
        if self.has_gate {
            cargo.arg("--gate").arg(&options.gate);
        }
        let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let (text, holds) = match output {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                let text = text.split_once(LAST_WORDS).map_or(&*text, |(before, _)| before);
                (text.trim().to_owned(), output.status.success())
            }
            Err(error) => (format!("cannot run cargo: {error}"), false),
        };
        println!("{text}");
        let command = format!("cargo bench --bench {} -- {}", self.bench, words.join(" "));
        Played { key: self.key, title: self.title, command, text, holds }
    }
}

/// As a person would start it. What cargo has said to this program would look like a change of the surroundings in which
/// everything was built, and all of it would be built again, now and the next time.
fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    let said =
        ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_EXE_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| said.iter().any(|front| name.starts_with(front))) {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["bench", "--locked"]);
    cargo
}
