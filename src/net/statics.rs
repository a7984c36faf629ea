//! Files that the gateway itself answers requests with: as they were when the configuration was read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use hyper::body::Bytes;

use crate::config::{HttpRoute, HttpTarget, Located, Problem};

/// What a file contains, and its fingerprint.
#[derive(Debug)]
pub struct StaticFile {
    path: PathBuf,
    bytes: Bytes,
    tag: String,
}

/// Longer files are for backends: these stay in memory.
const LONGEST: u64 = 8 << 20;
/// Of a fingerprint so many bytes are told: no two contents that anybody can make have the same.
const TOLD: usize = 16;

/// The files of HTTP routes, by route.
///
/// # Errors
/// Every file that cannot be answered with.
pub(super) fn read(routes: &[HttpRoute]) -> Result<Vec<Option<Arc<StaticFile>>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for route in routes {
        let HttpTarget::File(path) = route.target() else {
            files.push(None);
            continue;
        };
        match StaticFile::read(path.get()) {
            Ok(file) => files.push(Some(Arc::new(file))),
            Err(error) => problems.push(unreadable(path, &error)),
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// In words, which files have other bytes than before, of those that both have.
pub(super) fn changed(old: &[Option<Arc<StaticFile>>], new: &[Option<Arc<StaticFile>>]) -> Vec<String> {
    let mut told: Vec<&Path> = Vec::new();
    for file in new.iter().flatten() {
        let is_other = |known: &&Arc<StaticFile>| known.path == file.path && known.tag != file.tag;
        if old.iter().flatten().any(|known| is_other(&known)) && !told.contains(&file.path()) {
            told.push(file.path());
        }
    }
    told.iter().map(|path| format!("file {}: new content", path.display())).collect()
}

/// A strong entity tag: the same for the same bytes on every gateway, whenever it was started.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    let whole = digest::digest(&digest::SHA256, bytes);
    let told = whole.as_ref().iter().take(TOLD).map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", told.collect::<String>())
}

impl StaticFile {
    fn read(path: &Path) -> io::Result<Self> {
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        let length = File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
        if length as u64 > LONGEST {
            return Err(io::Error::other("it is longer than 8MiB"));
        }
        Ok(Self { path: path.to_owned(), tag: fingerprint(&bytes), bytes: Bytes::from(bytes) })
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it contains.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its fingerprint as an entity tag, in quotes.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

fn unreadable(path: &Located<PathBuf>, error: &io::Error) -> Problem {
    Problem::at(path.site(), format!("cannot read {}: {error}", path.get().display()))
        .because("no request for it would have had an answer")
        .write("the path of a file of at most 8MiB that the gateway's user may read, relative to this file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: &'static [u8]) -> Option<Arc<StaticFile>> {
        let (path, tag) = (PathBuf::from(path), fingerprint(bytes));
        Some(Arc::new(StaticFile { path, tag, bytes: Bytes::from_static(bytes) }))
    }

    #[test]
    fn a_fingerprint_is_the_front_of_the_digest() {
        assert_eq!(fingerprint(b"abc"), "\"ba7816bf8f01cfea414140de5dae2223\"");
        assert_ne!(fingerprint(b""), fingerprint(b"\0"));
    }

    #[test]
    fn each_file_with_other_bytes_is_told_once() {
        let old = [file("a.json", b"1"), None, file("b.json", b"1")];
        let new =
            [file("a.json", b"2"), file("a.json", b"2"), file("b.json", b"1"), file("c.json", b"1"), None];
        assert_eq!(changed(&old, &new), ["file a.json: new content"]);
        assert_eq!(changed(&old, &old), Vec::<String>::new());
    }
}
