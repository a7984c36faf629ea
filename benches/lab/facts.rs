//! What it ran on.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::options::Options;

/// The machine, the programs and the settings of a run.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    lines: Vec<(&'static str, String)>,
}

impl Facts {
    /// Asks the machine, and adds what is true of this comparison only.
    pub(crate) fn collect(
        bench: &str,
        options: &Options,
        congestion_control: &str,
        own: &[(&'static str, String)],
    ) -> Self {
        let words = options.words.join(" ");
        let mut lines = vec![
            ("date", said("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])),
            ("processor", format!("{}, {} cores", processor(), cores())),
            ("kernel", said("uname", &["-sr"])),
            ("network", format!("loopback, congestion control {congestion_control}")),
            ("load before", fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()),
            ("HAProxy", first_line(&said("/usr/sbin/haproxy", &["-v"]))),
            ("nginx", first_line(&said("/usr/sbin/nginx", &["-v"]))),
            ("realmgate", commit()),
            ("command", format!("`cargo bench --bench {bench} -- run {words}`").replace(" `", "`")),
        ];
        lines.extend_from_slice(own);
        Self { lines }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | |\n|---|---|")?;
        self.lines.iter().try_for_each(|(what, value)| writeln!(f, "| {what} | {value} |"))
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown", |(_, name)| name).to_owned()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The last commit that changed the sources, and whether they differ from it.
fn commit() -> String {
    let home = env!("CARGO_MANIFEST_DIR");
    let hash = said("git", &["-C", home, "log", "-1", "--format=%h", "--", "src"]);
    let changed = said("git", &["-C", home, "status", "--porcelain", "--", "src", "Cargo.toml"]);
    let version = env!("CARGO_PKG_VERSION");
    format!("{version}, sources of commit {hash}{}", if changed.is_empty() { "" } else { " with changes" })
}

/// What stands before the first line break.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// What a program prints, on either output.
pub(crate) fn said(program: impl AsRef<Path>, words: &[&str]) -> String {
    let Ok(output) = Command::new(program.as_ref()).args(words).output() else { return String::new() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&text).trim().to_owned()
}
