//! The nonces on disk: one line for each, added before its request goes on, so that a process that is cut off is no
//! second chance for whoever has overheard one. What was added is not synced: it outlives the process, not the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
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

    /// Reads the lines behind those that were read.
    fn catch_up(&mut self, book: &Book, now: u64) -> io::Result<()> {
        let read = self.read;
        (self.read, self.torn) = remember_from(self.file(false)?, read, book, now)?;
        Ok(())
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
mod tests {
    use super::*;
    use crate::partners::Spent;

    const NOW_SECONDS: u64 = 1_790_000_000;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("realmgate-seen-{}-{name}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        folder
    }

    fn spend(log: &mut Log, book: &Book, nonce: &str, now: u64) -> Result<(), Spent> {
        let nonce = Nonce { partner: "adnet".to_owned(), text: nonce.to_owned(), last: now + 300 };
        let spent = log.spend(book, &[nonce], now, true);
        *spent.first().expect("one for each")
    }

    fn next_life(folder: &Path, now: u64) -> (Log, Book) {
        let book = Book::default();
        (Log::open(folder, &book, now).expect("its own files"), book)
    }

    #[test]
    fn what_was_spent_in_one_life_is_spent_in_the_next() {
        let folder = folder("lives");
        let (mut seen, book) = next_life(&folder, NOW_SECONDS);
        assert_eq!(spend(&mut seen, &book, "the first nonce", NOW_SECONDS), Ok(()));
        let (mut seen, book) = next_life(&folder, NOW_SECONDS + 1);
        let again = spend(&mut seen, &book, "the first nonce", NOW_SECONDS + 1);
        assert_eq!(again, Err(Spent::Already));
        assert_eq!(spend(&mut seen, &book, "the second nonce", NOW_SECONDS + 1), Ok(()));
        let (_, book) = next_life(&folder, NOW_SECONDS + 300);
        assert_eq!(book.partner("adnet").nonces().held().count(), 2, "both, to the last second");
        let (_, book) = next_life(&folder, NOW_SECONDS + 301);
        assert_eq!(book.partner("adnet").nonces().held().count(), 1);
        drop(fs::remove_dir_all(&folder));
    }

    #[test]
    fn the_files_hold_no_more_than_two_lives_of_nonces() {
        let folder = folder("turns");
        let (mut seen, book) = next_life(&folder, NOW_SECONDS);
        for second in (0..6000).step_by(10) {
            let now = NOW_SECONDS + second;
            spend(&mut seen, &book, &format!("nonce of {second}"), now).expect("new");
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
        let (mut elder, before) = next_life(&folder, NOW_SECONDS);
        spend(&mut elder, &before, "of the elder", NOW_SECONDS).expect("new");
        let (mut heir, after) = next_life(&folder, NOW_SECONDS);
        spend(&mut elder, &before, "of the elder, later", NOW_SECONDS).expect("new");
        spend(&mut heir, &after, "of the heir", NOW_SECONDS).expect("new");
        assert_eq!(spend(&mut heir, &after, "of the elder, later", NOW_SECONDS), Err(Spent::Already));
        assert_eq!(spend(&mut elder, &before, "of the heir", NOW_SECONDS), Err(Spent::Already));
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
    #[test]
    fn what_follows_a_line_that_was_cut_short_is_a_line_of_its_own() {
        let folder = folder("torn");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(NOW), "adnet 00000000000000cc 17900").expect("a file");
        let (mut seen, book) = next_life(&folder, NOW_SECONDS);
        assert_eq!(spend(&mut seen, &book, "the first nonce", NOW_SECONDS), Ok(()));
        let mut full = OpenOptions::new().append(true).open(folder.join(NOW)).expect("the file");
        full.write_all(b"adnet 00000000000000dd").expect("a part of a line");
        assert_eq!(spend(&mut seen, &book, "the second nonce", NOW_SECONDS), Ok(()));
        let (_, book) = next_life(&folder, NOW_SECONDS);
        assert_eq!(book.partner("adnet").nonces().held().count(), 2);
        drop(fs::remove_dir_all(&folder));
    }

    #[test]
    fn of_one_batch_each_nonce_is_spent_once_and_all_that_are_spent_are_kept() {
        let folder = folder("batch");
        let (mut seen, book) = next_life(&folder, NOW_SECONDS);
        let nonce = |text: &str| Nonce { partner: "adnet".into(), text: text.into(), last: NOW_SECONDS + 9 };
        let batch = ["a nonce", "another nonce", "a nonce"].map(nonce);
        let spent = seen.spend(&book, &batch, NOW_SECONDS, true);
        assert_eq!(spent, [Ok(()), Ok(()), Err(Spent::Already)]);
        assert_eq!(seen.read, fs::metadata(folder.join(NOW)).expect("the file").len(), "its own are known");
        let (_, book) = next_life(&folder, NOW_SECONDS);
        assert_eq!(book.partner("adnet").nonces().held().count(), 2);
        drop(fs::remove_dir_all(&folder));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_complained_of_once_a_second_and_costs_no_request() {
        let folder = folder("full");
        let (mut seen, book) = next_life(&folder, NOW_SECONDS);
        fs::write(&folder, "no folder").expect("a file");
        for number in 0..5 {
            assert_eq!(spend(&mut seen, &book, &format!("nonce number {number}"), NOW_SECONDS), Ok(()));
        }
        assert_eq!(spend(&mut seen, &book, "nonce number 4", NOW_SECONDS), Err(Spent::Already));
        assert!(!seen.complaints.are_due(NOW_SECONDS), "it was");
        assert!(seen.complaints.are_due(NOW_SECONDS + 1));
        fs::remove_file(&folder).expect("the file");
    }
}
