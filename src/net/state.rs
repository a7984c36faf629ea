//! A file in the gateway's `state_dir`: written whole, synced, and put in the place of the old one by one rename.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file that only the gateway writes, and that only its user may read.
#[derive(Clone, Debug)]
pub struct StateFile {
    folder: PathBuf,
    name: &'static str,
}

/// Why a file could not be read or written.
#[derive(Debug)]
pub enum StateFault {
    /// The operating system says no.
    Io(PathBuf, io::Error),
    /// It is there and not what this program writes.
    Damaged(PathBuf, String),
}

impl StateFile {
    /// The file with this name in a folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: &Path, name: &'static str) -> Self {
        Self { folder: folder.to_owned(), name }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is in it, or what is in none; `parse` says what is wrong with the text.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged: that is never taken for none.
    pub fn read<T: Default>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T, StateFault> {
        let path = self.folder.join(self.name);
        let parsed = match fs::read_to_string(&path) {
            Ok(text) => parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err("it is no text in UTF-8".to_owned())
            }
            Err(error) => return Err(StateFault::Io(path, error)),
        };
        parsed.map_err(|what| StateFault::Damaged(path, what))
    }

    /// Puts this in its place; when it returns, it is on disk.
    ///
    /// # Errors
    /// When the operating system says no; what was there before still is.
    pub fn write(&self, text: &str) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let next = self.folder.join(format!("{}.new", self.name));
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {} // what a write left that was cut short may have other permissions
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&next, self.folder.join(self.name))?;
        File::open(&self.folder)?.sync_all() // the rename itself
    }
}

impl fmt::Display for StateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Damaged(path, what) => write!(f, "{} is damaged: {what}", path.display()),
        }
    }
}

impl std::error::Error for StateFault {}
