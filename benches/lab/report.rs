//! The file of both comparisons: each run replaces its own part and leaves the other as it is.

use std::fs;
use std::path::Path;

/// Whose part it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Of `benches/peers`; it comes first.
    Frames,
    /// Of `benches/web`.
    Requests,
}

/// Where the second part begins.
const MARK: &str = "<!-- from here on: cargo bench --bench web -- run -->\n";

/// Writes a part to the file and to the person.
pub(crate) fn write(path: &Path, part: Part, text: &str) -> Result<(), String> {
    let kept = fs::read_to_string(path).unwrap_or_default();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::write(path, joined(&kept, part, text))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("\n{text}\nwritten to {}", path.display());
    Ok(())
}

/// The file with this part in place of what was there of it.
pub(crate) fn joined(kept: &str, part: Part, text: &str) -> String {
    let (frames, requests) = kept.split_once(MARK).unwrap_or((kept, ""));
    let (frames, requests) = match part {
        Part::Frames => (text.trim(), requests.trim()),
        Part::Requests => (frames.trim(), text.trim()),
    };
    match (frames.is_empty(), requests.is_empty()) {
        (_, true) => format!("{frames}\n"),
        (true, false) => format!("{MARK}\n{requests}\n"),
        (false, false) => format!("{frames}\n\n{MARK}\n{requests}\n"),
    }
}
