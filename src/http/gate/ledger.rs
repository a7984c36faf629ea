//! The days of partners on disk: written whole, synced, and put in the place of the old file by one rename, before what
//! was reserved is used. With them the nonces.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::scribe::Scribe;
use super::seen::{Complaints, Nonce};
use crate::net::{Commons, StateFault, StateFile, since_1970};
use crate::partners::{Book, Damaged, Spent, read_days, write_days};
use crate::telemetry;

/// The file of the days.
#[derive(Debug, Default)]
pub struct Ledger {
    /// `None`: the days end with the process.
    file: Option<StateFile>,
    /// One writes at a time, so that no older state comes after a newer one.
    turn: Mutex<()>,
    /// Another process keeps it now.
    sealed: Arc<AtomicBool>,
    complaints: Complaints,
    scribe: Scribe,
}

const FILE: &str = "quotas.json";

impl Ledger {
    /// The files in a gateway's `state_dir`; what is in them goes into the book. `now` is the time since 1970.
    ///
    /// # Errors
    /// When it cannot be read: then nobody can know what partners have had, and an operator has to look.
    pub fn open(folder: &Path, book: &Book, now: Duration) -> Result<Self, StateFault> {
        let file = StateFile::new(folder, FILE);
        restore(&file, book)?;
        let scribe = Scribe::open(folder, book, now.as_secs());
        let scribe = scribe.map_err(|error| StateFault::Io(folder.to_owned(), error))?;
        Ok(Self { file: Some(file), scribe, ..Self::default() })
    }

    /// Reserves more of a partner's day. False: another process does that now. Blocks until it is on disk; where the
    /// disk takes nothing the day is counted in memory, and said so.
    pub(super) fn reserve(&self, book: &Book, partner: &str, most: u64, day: u64) -> bool {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sealed.load(Ordering::Acquire) {
            return false;
        }
        let standing = book.partner(partner);
        let wanted = standing.daily().with_more(most, day);
        let mut days = book.days();
        days.insert(partner.to_owned(), wanted);
        days.retain(|_, daily| !daily.is_over(day));
        self.write(&write_days(&days));
        standing.daily().reserve(wanted);
        true
    }

    /// Nonces are written from now on.
    pub(in crate::http) fn start(&self, commons: &Arc<Commons>) -> io::Result<()> {
        self.scribe.start(commons, &self.sealed)
    }

    /// Spends a nonce of a partner; no later life takes it again before its time is over.
    pub(super) async fn spend(&self, book: &Book, nonce: Nonce) -> Result<(), Spent> {
        self.scribe.spend(book, nonce).await
    }

    /// What was reserved and not used is given back: the process ends in order.
    pub fn settle(&self, book: &Book) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let days = book.days().into_iter().map(|(name, daily)| (name, daily.settled()));
        let days: std::collections::BTreeMap<_, _> = days.collect();
        if !self.sealed.load(Ordering::Acquire) && !days.is_empty() {
            self.write(&write_days(&days));
        }
    }

    /// This process keeps the files from now on. What another one has written since they were opened is read.
    pub fn keep(&self, book: &Book) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.sealed.store(false, Ordering::Release);
        let fault = self.file.as_ref().and_then(|file| restore(file, book).err());
        if let Some(fault) = fault {
            telemetry::quotas_not_read(&fault.to_string());
        }
    }

    /// Another process keeps the file from now on. What was reserved here is still used here, and counts there.
    pub fn seal(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.sealed.store(true, Ordering::Release);
    }

    fn write(&self, text: &str) {
        let Some(file) = &self.file else { return };
        if let Err(error) = file.write(text)
            && self.complaints.are_due(since_1970().as_secs())
        {
            telemetry::quotas_not_kept(&file.folder().display().to_string(), &error);
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(fault: &StateFault) -> &'static str {
        match fault {
            StateFault::Io(..) => "let the gateway's user read and write its state_dir",
            StateFault::Damaged(..) => "look at it; without it every partner begins its day anew",
        }
    }
}

/// What is in the file goes into the book.
fn restore(file: &StateFile, book: &Book) -> Result<(), StateFault> {
    book.restore(file.read(|text| read_days(text).map_err(|Damaged(what)| what))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::partners::Taken;

    /// A folder of a test, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("realmgate-ledger-{}-{name}", std::process::id()));
            drop(fs::remove_dir_all(&folder));
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn ask(ledger: &Ledger, book: &Book, most: u64) -> bool {
        loop {
            let taken = book.partner("adnet").daily().take(Some(most), 20_000);
            match taken {
                Taken::Yes => return true,
                Taken::Over => return false,
                Taken::Reserve if !ledger.reserve(book, "adnet", most, 20_000) => return false,
                Taken::Reserve => {}
            }
        }
    }

    fn next_life(folder: &Folder) -> (Ledger, Book) {
        let book = Book::default();
        (Ledger::open(&folder.0, &book, Duration::ZERO).expect("its own file"), book)
    }

    #[test]
    fn a_life_that_is_cut_off_has_let_through_no_more_than_the_file_says() {
        let folder = Folder::new("cut");
        let (ledger, book) = next_life(&folder);
        assert_eq!((0..25).filter(|_| ask(&ledger, &book, 10_000)).count(), 25);
        let (_, book) = next_life(&folder);
        assert_eq!(book.partner("adnet").daily().used(20_000), 30, "three steps of ten");
    }

    #[test]
    fn a_life_that_ends_in_order_gives_back_what_it_did_not_use() {
        let folder = Folder::new("order");
        let (ledger, book) = next_life(&folder);
        assert!(ask(&ledger, &book, 10_000));
        ledger.settle(&book);
        let (_, book) = next_life(&folder);
        assert_eq!(book.partner("adnet").daily().used(20_000), 1);
    }

    #[test]
    fn two_processes_together_let_through_no_more_than_one_day() {
        let folder = Folder::new("two");
        let (ledger, before) = next_life(&folder);
        assert!(ask(&ledger, &before, 5000), "five are reserved");
        ledger.seal();
        let (heir, after) = next_life(&folder);
        heir.keep(&after);
        let here = (0..5000).filter(|_| ask(&ledger, &before, 5000)).count();
        assert_eq!(here, 4, "what was reserved, and no more");
        ledger.settle(&before);
        let there = (0..6000).filter(|_| ask(&heir, &after, 5000)).count();
        assert_eq!(1 + here + there, 5000);
    }

    #[test]
    fn a_disk_that_takes_nothing_costs_no_request() {
        let folder = Folder::new("full");
        fs::write(&folder.0, "no folder").expect("a file");
        let ledger = Ledger { file: Some(StateFile::new(&folder.0, FILE)), ..Ledger::default() };
        let book = Book::default();
        assert_eq!((0..30).filter(|_| ask(&ledger, &book, 20)).count(), 20);
        fs::remove_file(&folder.0).expect("the file");
    }

    #[test]
    fn a_file_that_is_damaged_is_told_and_not_passed_over() {
        let folder = Folder::new("damaged");
        fs::create_dir_all(&folder.0).expect("a folder");
        for text in [b"{".as_slice(), b"\xff"] {
            fs::write(folder.0.join(FILE), text).expect("a file");
            let fault = Ledger::open(&folder.0, &Book::default(), Duration::ZERO).expect_err("damaged");
            assert!(fault.to_string().contains("quotas.json is damaged"), "{fault}");
        }
    }
}
