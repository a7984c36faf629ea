//! The nonces on disk: one line for each, added before its request goes on, so that a process that is cut off is no
//! second chance for whoever has overheard one. What was added is not synced: it outlives the process, not the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::partners::{Book, Spent, WINDOW};
use crate::telemetry;

/// A nonce that is to be spent.
#[derive(Clone, Debug)]
pub(super) struct Nonce {
    /// Whose it is.
    pub(super) partner: String,
    /// What it is.
    pub(super) text: String,
    /// The last second in which its request is in time.
    pub(super) last: u64,
}

/// What was complained of in this second already: a line for each request would be a flood of its own.
#[derive(Debug, Default)]
pub(super) struct Complaints(AtomicU64);

/// The file of the nonces that is added to. The one before it holds what may still be in time.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    file: Option<File>,
    /// When it was begun, in seconds since 1970.
    begun: u64,
    /// How many bytes of it are in the book.
    read: u64,
    /// Whether what follows them is a line without its end: somebody was cut off, or the disk was full.
    torn: bool,
    complaints: Complaints,
}

const NOW: &str = "nonces";
const BEFORE: &str = "nonces.old";
/// Nothing that is older can be in time: its request may have been signed for as far ahead as clocks differ.
const LIFE: u64 = 2 * WINDOW.as_secs();

impl Nonce {
    /// Its tag, once.
    pub(super) fn spend(&self, book: &Book, now: u64) -> Result<u64, Spent> {
        book.partner(&self.partner).nonces().spend(&self.text, self.last, now)
    }
}

impl Complaints {
    /// Whether nothing was said in this second since 1970 yet.
    pub(super) fn are_due(&self, now: u64) -> bool {
        self.0.swap(now, Ordering::Relaxed) != now
    }
}

impl Log {
    /// The files in a folder; what is in them goes into the book. A line that was cut short says nothing.
    pub(super) fn open(folder: &Path, book: &Book, now: u64) -> io::Result<Self> {
        match File::open(folder.join(BEFORE)) {
            Ok(file) => drop(remember_from(&file, 0, book, now)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let complaints = Complaints::default();
        let mut log =
            Self { folder: folder.to_owned(), file: None, begun: now, read: 0, torn: false, complaints };
        match log.catch_up(book, now) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(log),
        }
    }

    /// Spends nonces, all of which are in the file when anybody hears of it. What another process has spent goes into
    /// the book before: two of them serve for a while when one takes over.
    pub(super) fn spend(
        &mut self,
        book: &Book,
        nonces: &[Nonce],
        now: u64,
        may_turn: bool,
    ) -> Vec<Result<(), Spent>> {
        let caught_up = match self.catch_up(book, now) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        let mut lines = String::new();
        let spent = nonces.iter().map(|nonce| {
            let tag = nonce.spend(book, now)?;
            lines += &format!("{} {tag:016x} {}\n", nonce.partner, nonce.last);
            Ok(())
        });
        let spent = spent.collect();
        let added = if lines.is_empty() { Ok(()) } else { self.add(lines, now, may_turn) };
        if let Err(error) = caught_up.and(added)
            && self.complaints.are_due(now)
        {
            telemetry::nonces_not_kept(&self.folder.display().to_string(), &error);
        }
        spent
    }

    fn add(&mut self, mut lines: String, now: u64, may_turn: bool) -> io::Result<()> {
        if may_turn && now.saturating_sub(self.begun) > LIFE {
            self.turn(now)?;
        }
        if self.torn {
            lines.insert(0, '\n');
        }
        let end = self.read + lines.len() as u64;
        let file = self.file(true)?;
        file.write_all(lines.as_bytes())?;
        if file.metadata()?.len() == end {
            self.read = end; // they are all its own, and in the book
        }
        Ok(())
    }

    /// The file; there is none before the first nonce.
    fn file(&mut self, create: bool) -> io::Result<&mut File> {
        if self.file.is_none() {
            if create {
                fs::create_dir_all(&self.folder)?;
            }
            let mut options = OpenOptions::new();
            options.read(true).append(true).create(create).mode(0o600);
            self.file = Some(options.open(self.folder.join(NOW))?);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("it was opened and is gone"))
    }

    /// Reads the lines behind those that were read. Where another process has begun another file meanwhile, that is the
    /// one from then on: both have to see what the other adds.
    fn catch_up(&mut self, book: &Book, now: u64) -> io::Result<()> {
        self.read_on(book, now)?;
        if self.was_turned()? {
            (self.file, self.read, self.torn) = (None, 0, false);
            self.read_on(book, now)?;
        }
        Ok(())
    }

    fn read_on(&mut self, book: &Book, now: u64) -> io::Result<()> {
        let read = self.read;
        (self.read, self.torn) = remember_from(self.file(false)?, read, book, now)?;
        Ok(())
    }

    fn was_turned(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let own = file.metadata()?.ino();
        match fs::metadata(self.folder.join(NOW)) {
            Ok(other) => Ok(other.ino() != own),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Begins another file.
    fn turn(&mut self, now: u64) -> io::Result<()> {
        (self.file, self.read, self.torn, self.begun) = (None, 0, false, now);
        match fs::rename(self.folder.join(NOW), self.folder.join(BEFORE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The whole lines of a file from some byte on go into the book; where the next ones begin, and whether there is a part
/// of one.
fn remember_from(file: &File, mut read: u64, book: &Book, now: u64) -> io::Result<(u64, bool)> {
    loop {
        let left = file.metadata()?.len().saturating_sub(read).min(PIECE);
        let mut bytes = vec![0; usize::try_from(left).unwrap_or_default()];
        file.read_exact_at(&mut bytes, read)?;
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return Ok((read, !bytes.is_empty()));
        };
        let text = String::from_utf8_lossy(bytes.get(..=last).unwrap_or_default());
        text.lines().for_each(|line| remember(book, line, now));
        read += last as u64 + 1;
    }
}

/// So much of a file is in memory at one time; many lines.
const PIECE: u64 = 64 * 1024;

fn remember(book: &Book, line: &str, now: u64) {
    let mut words = line.split(' ');
    let (partner, tag, last) = (words.next(), words.next(), words.next());
    let tag = tag.filter(|tag| tag.len() == 16).and_then(|tag| u64::from_str_radix(tag, 16).ok());
    let last = last.and_then(|last| last.parse().ok());
    if let (Some(partner), Some(tag), Some(last), None) = (partner, tag, last, words.next()) {
        book.partner(partner).nonces().remember(tag, last, now);
    }
}

#[cfg(test)]
mod tests;
