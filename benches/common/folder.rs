//! The run's temporary folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// Gone when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new one, for this process alone.
    pub(crate) fn new() -> Outcome<Self> {
        let path = std::env::temp_dir().join(format!("realmgate-bench-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(path.join("state")).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it, written whole or not at all, as careful editors do.
    pub(crate) fn put(&self, name: &str, text: &str) -> Outcome<()> {
        let (half, whole) = (self.0.join(format!("{name}.new")), self.0.join(name));
        let written = fs::write(&half, text).and_then(|()| fs::rename(&half, &whole));
        written.map_err(|error| format!("{}: {error}", whole.display()))
    }

    /// The last lines of the gateway's log, for a person.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        // Every session has a line at its end; what else was said is rarer.
        let rare = text.lines().rev().filter(|line| !line.contains("\"message\":\"session\""));
        let lines: Vec<&str> = rare.take(12).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Where the gateway logs.
    pub(crate) fn log(&self) -> PathBuf {
        self.0.join("gateway.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
