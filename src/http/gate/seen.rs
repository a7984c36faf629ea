//! The nonces on disk: one line for each, added before its request goes on, so that a process that is cut off is no
//! second chance for whoever has overheard one. What was added is not synced: it outlives the process, not the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
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
}

const NOW: &str = "nonces";
const BEFORE: &str = "nonces.old";
/// Nothing that is older can be in time: its request may have been signed for as far ahead as clocks differ.
const LIFE: u64 = 2 * WINDOW.as_secs();

impl Seen {
    /// The files in a folder; what is in them goes into the book. A line that was cut short says nothing.
    pub(super) fn open(folder: &Path, book: &Book, now: u64) -> io::Result<Self> {
        for name in [BEFORE, NOW] {
            match fs::read_to_string(folder.join(name)) {
                Ok(text) => text.lines().for_each(|line| remember(book, line, now)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(Some(Mutex::new(Log { folder: folder.to_owned(), file: None, begun: now }))))
    }

    /// A partner has spent one, which nobody may spend again until `last` is over.
    pub(super) fn add(&self, partner: &str, tag: u64, last: u64, now: u64) {
        let Some(log) = &self.0 else { return };
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = log.add(&format!("{partner} {tag:016x} {last}\n"), now) {
            log.file = None;
            telemetry::nonces_not_kept(&log.folder.display().to_string(), &error);
        }
    }
}

impl Log {
    fn add(&mut self, line: &str, now: u64) -> io::Result<()> {
        if now.saturating_sub(self.begun) > LIFE {
            self.file = None;
            match fs::rename(self.folder.join(NOW), self.folder.join(BEFORE)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => self.begun = now,
            }
        }
        if self.file.is_none() {
            fs::create_dir_all(&self.folder)?;
            let path = self.folder.join(NOW);
            self.file = Some(OpenOptions::new().append(true).create(true).mode(0o600).open(path)?);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
    }
}

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
        seen.add("adnet", tag, now + 300, now);
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
