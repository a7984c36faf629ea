//! The texts a configuration is made of, and how they are read from the disk. A missing or empty place is an
//! error: it never means defaults.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::site::Site;

/// The longest file that is read. Longer ones are no configuration, but a wrong path.
const MAX_FILE: u64 = 4 << 20;

/// One configuration file: where it is and what it says.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as reports show it; relative paths inside the text start at its folder.
    pub path: PathBuf,
    /// The TOML.
    pub text: String,
}

/// All files of one configuration in the order in which they are merged.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    origin: PathBuf,
    files: Vec<Source>,
}

impl Sources {
    pub(super) fn new(origin: PathBuf, files: Vec<Source>) -> Self {
        Self { origin, files }
    }

    /// Reads one file, or every `*.toml` of a folder in the order of their names.
    pub(super) fn read(path: &Path) -> Result<Self, (Self, Vec<Problem>)> {
        let (files, problems) = match paths_of(path) {
            Ok(paths) => read_all(paths),
            Err(problem) => (Vec::new(), vec![*problem]),
        };
        let sources = Self::new(path.to_path_buf(), files);
        if problems.is_empty() { Ok(sources) } else { Err((sources, problems)) }
    }

    pub(super) fn origin(&self) -> &Path {
        &self.origin
    }

    pub(super) fn files(&self) -> &[Source] {
        &self.files
    }

    pub(super) fn file(&self, site: &Site) -> Option<&Source> {
        self.files.get(site.source)
    }

    pub(super) fn hash(&self) -> u64 {
        // A zero byte ends each text, so that lines cannot move from one file to the next unseen.
        let bytes = self.files.iter().flat_map(|file| file.text.bytes().chain([0]));
        bytes.fold(FNV_START, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
    }

    /// Where the lines of every file end, for many questions about lines.
    pub(super) fn line_ends(&self) -> LineEnds {
        let ends = |file: &Source| file.text.match_indices('\n').map(|(at, _)| at).collect();
        LineEnds(self.files.iter().map(ends).collect())
    }

    pub(super) fn place(&self, site: &Site) -> String {
        self.file(site).map_or_else(
            || self.origin.display().to_string(),
            |file| {
                let (line, column) = line_and_column(&file.text, site.span.start);
                format!("{}:{line}:{column}", file.path.display())
            },
        )
    }
}

/// The line ends of every file.
pub(super) struct LineEnds(Vec<Vec<usize>>);

impl LineEnds {
    /// File and line of a site, both counted from 0.
    pub(super) fn line(&self, site: &Site) -> Option<(usize, usize)> {
        let line = self.0.get(site.source)?.partition_point(|end| *end < site.span.start);
        Some((site.source, line))
    }
}

/// Both counted from 1, columns in characters.
fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

fn paths_of(path: &Path) -> Result<Vec<PathBuf>, Box<Problem>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let listed = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = listed.map_err(|error| unreadable(path, &error))?;
    let mut paths: Vec<_> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| is_toml(path)).collect();
    paths.sort();
    if paths.is_empty() {
        let title = format!("{} has no file whose name ends in .toml", path.display());
        return Err(unusable(title, "name a folder with *.toml files, or one file"));
    }
    Ok(paths)
}

fn is_toml(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "toml") && !path.is_dir()
}

fn read_all(paths: Vec<PathBuf>) -> (Vec<Source>, Vec<Problem>) {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        match read_one(&path) {
            Ok(text) => sources.push(Source { path, text }),
            Err(problem) => problems.push(*problem),
        }
    }
    (sources, problems)
}

fn read_one(path: &Path) -> Result<String, Box<Problem>> {
    let size = fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if size > MAX_FILE {
        let title = format!("{} is longer than 4MiB", path.display());
        return Err(unusable(title, "name the configuration file"));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let title = format!("{} is not UTF-8 text: the first bad byte is at {at}", path.display());
        unusable(title, "save the file as UTF-8")
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Box<Problem> {
    let write = match error.kind() == io::ErrorKind::NotFound {
        true => "name a file or a folder that exists",
        false => "let the user of the gateway read it",
    };
    unusable(format!("cannot read {}: {error}", path.display()), write)
}

fn unusable(title: String, write: &str) -> Box<Problem> {
    Box::new(
        Problem::without_site(title)
            .because("a configuration that cannot be read never means defaults")
            .write(write),
    )
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
