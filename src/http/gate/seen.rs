//! The nonces on disk: one line for each, added before its request goes on, so that a process that is cut off is no
//! second chance for whoever has overheard one. What was added is not synced: it outlives the process, not the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::partners::{Book, WINDOW};
use crate::telemetry;

/// The files of the nonces; none: they end with the process.
#[derive(Debug, Default)]
pub(super) struct Seen(Option<Mutex<Log>>);

/// The file that is added to. The one before it holds what may still be in time.
#[derive(Debug)]
struct Log {
    folder: PathBuf,
    file: Option<File>,
    /// When it was begun, in seconds since 1970.
    begun: u64,
    /// How many bytes of it are in the book.
    read: u64,
}

const NOW: &str = "nonces";
const BEFORE: &str = "nonces.old";
/// Nothing that is older can be in time: its request may have been signed for as far ahead as clocks differ.
const LIFE: u64 = 2 * WINDOW.as_secs();

impl Seen {
    /// The files in a folder; what is in them goes into the book. A line that was cut short says nothing.
    pub(super) fn open(folder: &Path, book: &Book, now: u64) -> io::Result<Self> {
        match File::open(folder.join(BEFORE)) {
            Ok(file) => drop(remember_from(&file, 0, book, now)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut log = Log { folder: folder.to_owned(), file: None, begun: now, read: 0 };
        match log.catch_up(book, now) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(Self(Some(Mutex::new(log)))),
        }
    }

    /// What another process has added goes into the book: two of them serve for a while when one takes over.
    pub(super) fn catch_up(&self, book: &Book, now: u64) {
        self.with(|log| log.catch_up(book, now));
    }

    /// A nonce was spent: a line of it, which is added before its request goes on.
    pub(super) fn add(&self, line: &str, now: u64, may_turn: bool) {
        self.with(|log| {
            if may_turn && now.saturating_sub(log.begun) > LIFE {
                log.turn(now)?;
            }
            log.open(true)?.write_all(line.as_bytes())
        });
    }

    fn with(&self, act: impl FnOnce(&mut Log) -> io::Result<()>) {
        let Some(log) = &self.0 else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        match act(&mut log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                telemetry::nonces_not_kept(&log.folder.display().to_string(), &error);
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl Log {
    /// The file; there is none before the first nonce.
    fn open(&mut self, create: bool) -> io::Result<&mut File> {
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

    /// Reads the lines behind those that were read.
    fn catch_up(&mut self, book: &Book, now: u64) -> io::Result<()> {
        let read = self.read;
        self.read = remember_from(self.open(false)?, read, book, now)?;
        Ok(())
    }

    /// Begins another file.
    fn turn(&mut self, now: u64) -> io::Result<()> {
        (self.file, self.read, self.begun) = (None, 0, now);
        fs::rename(self.folder.join(NOW), self.folder.join(BEFORE))
    }
}

/// The whole lines of a file from some byte on go into the book; where the next ones begin.
fn remember_from(file: &File, mut read: u64, book: &Book, now: u64) -> io::Result<u64> {
    loop {
        let left = file.metadata()?.len().saturating_sub(read).min(PIECE);
        let mut bytes = vec![0; usize::try_from(left).unwrap_or_default()];
        file.read_exact_at(&mut bytes, read)?;
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(read) };
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
mod tests {
    use super::*;
    use crate::partners::Spent;

    const NOW_SECONDS: u64 = 1_790_000_000;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("realmgate-seen-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        folder
    }

    fn spend(seen: &Seen, book: &Book, nonce: &str, now: u64) -> Result<(), Spent> {
        let tag = book.partner("adnet").nonces().spend(nonce, now + 300, now)?;
        seen.add(&format!("adnet {tag:016x} {}\n", now + 300), now, true);
        Ok(())
    }

    fn next_life(folder: &Path, now: u64) -> (Seen, Book) {
        let book = Book::default();
        (Seen::open(folder, &book, now).expect("its own files"), book)
    }

    #[test]
    fn what_was_spent_in_one_life_is_spent_in_the_next() {
        let folder = folder("lives");
        let (seen, book) = next_life(&folder, NOW_SECONDS);
        assert_eq!(spend(&seen, &book, "the first nonce", NOW_SECONDS), Ok(()));
        let (seen, book) = next_life(&folder, NOW_SECONDS + 1);
        let again = spend(&seen, &book, "the first nonce", NOW_SECONDS + 1);
        assert_eq!(again, Err(Spent::Already));
        assert_eq!(spend(&seen, &book, "the second nonce", NOW_SECONDS + 1), Ok(()));
        let (_, book) = next_life(&folder, NOW_SECONDS + 300);
        assert_eq!(book.partner("adnet").nonces().held().count(), 2, "both, to the last second");
        let (_, book) = next_life(&folder, NOW_SECONDS + 301);
        assert_eq!(book.partner("adnet").nonces().held().count(), 1);
        drop(fs::remove_dir_all(&folder));
    }

    #[test]
    fn the_files_hold_no_more_than_two_lives_of_nonces() {
        let folder = folder("turns");
        let (seen, book) = next_life(&folder, NOW_SECONDS);
        for second in (0..6000).step_by(10) {
            let now = NOW_SECONDS + second;
            spend(&seen, &book, &format!("nonce of {second}"), now).expect("new");
            let lines = |name| fs::read_to_string(folder.join(name)).map_or(0, |text| text.lines().count());
            assert!(lines(NOW) + lines(BEFORE) <= 124, "at {second}");
        }
        let last = NOW_SECONDS + 5990;
        let (_, after) = next_life(&folder, last);
        let held = |book: &Book| book.partner("adnet").nonces().held().count();
        assert_eq!(held(&after), held(&book), "and miss none that counts");
        drop(fs::remove_dir_all(&folder));
    }

    #[test]
    fn two_lives_at_one_time_know_of_each_other() {
        let folder = folder("both");
        let (elder, before) = next_life(&folder, NOW_SECONDS);
        spend(&elder, &before, "of the elder", NOW_SECONDS).expect("new");
        let (heir, after) = next_life(&folder, NOW_SECONDS);
        spend(&elder, &before, "of the elder, later", NOW_SECONDS).expect("new");
        spend(&heir, &after, "of the heir", NOW_SECONDS).expect("new");
        heir.catch_up(&after, NOW_SECONDS);
        elder.catch_up(&before, NOW_SECONDS);
        assert_eq!(spend(&heir, &after, "of the elder, later", NOW_SECONDS), Err(Spent::Already));
        assert_eq!(spend(&elder, &before, "of the heir", NOW_SECONDS), Err(Spent::Already));
        drop(fs::remove_dir_all(&folder));
    }

    #[test]
    fn a_line_that_was_cut_short_says_nothing_and_hides_nothing() {
        let folder = folder("short");
        fs::create_dir_all(&folder).expect("a folder");
        let good = format!("adnet 00000000000000aa {}\n", NOW_SECONDS + 9);
        let text = format!("{good}adnet 00000000000000bb\nadnet 0b 9\n\n{good}adnet 00000000000000cc 17900");
        fs::write(folder.join(NOW), text).expect("a file");
        let (_, book) = next_life(&folder, NOW_SECONDS);
        let held: Vec<_> = book.partner("adnet").nonces().held().collect();
        assert_eq!(held, [(0xAA, NOW_SECONDS + 9)]);
        drop(fs::remove_dir_all(&folder));
    }
}
