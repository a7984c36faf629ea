//! What the players saw, for whoever asks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Counts of all players together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Questions sent.
    pub(crate) sent: Count,
    /// Questions answered.
    pub(crate) answered: Count,
    /// Answers that came after one of another backend to a later question.
    pub(crate) overtaken: Count,
    /// Sessions that stay and have an open connection now.
    pub(crate) open: Count,
    /// Visits begun.
    pub(crate) visits: Count,
    /// Visits with all their answers.
    pub(crate) served: Count,
    /// Visits that were told to come again before they had all their answers.
    pub(crate) again: Count,
    /// Connections with TLS that were made.
    pub(crate) tls: Count,
    slowest: AtomicU64,
    latest: AtomicU64,
    behind: AtomicU64,
    faults: Mutex<Faults>,
    turns: Mutex<Vec<Turn>>,
}

/// A number that threads share.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

#[derive(Debug, Default)]
struct Faults {
    counts: BTreeMap<String, u64>,
    first: Vec<String>,
}

/// A session that was told to leave, left and came again.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// The connection that ended.
    pub(crate) serial: u32,
    /// The notice it was told with.
    pub(crate) told: String,
    /// When it had ended.
    pub(crate) closed: Instant,
    /// Its questions.
    pub(crate) sent: u32,
    /// Its answers.
    pub(crate) answered: u32,
    /// The release group that had answered it.
    pub(crate) group: u8,
    /// When the next connection had its first answer, and from which group.
    pub(crate) back: Option<(Instant, u8)>,
}

/// How many faults are told word by word.
const TOLD: usize = 12;

impl Count {
    /// Now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn remove(&self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Tally {
    /// The longest that an answer took.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_nanos(self.slowest.load(Relaxed))
    }

    /// The longest that a question left after its time: what this process added by itself.
    pub(crate) fn latest(&self) -> Duration {
        Duration::from_nanos(self.latest.load(Relaxed))
    }

    /// How far the players are behind their own schedule now.
    pub(crate) fn behind(&self) -> Duration {
        Duration::from_nanos(self.behind.load(Relaxed))
    }

    /// Every kind of fault and how often it happened.
    pub(crate) fn faults(&self) -> Vec<(String, u64)> {
        let faults = self.faults.lock().expect("no panic");
        faults.counts.iter().map(|(kind, count)| (kind.clone(), *count)).collect()
    }

    /// The first faults, word by word.
    pub(crate) fn first_faults(&self) -> Vec<String> {
        self.faults.lock().expect("no panic").first.clone()
    }

    /// The sessions that were told to leave since the last call.
    pub(crate) fn take_turns(&self) -> Vec<Turn> {
        std::mem::take(&mut self.turns.lock().expect("no panic"))
    }

    /// How many sessions were told to leave, and how many of them are back.
    pub(crate) fn turns(&self) -> (usize, usize) {
        let turns = self.turns.lock().expect("no panic");
        (turns.len(), turns.iter().filter(|turn| turn.back.is_some()).count())
    }

    pub(super) fn fault(&self, kind: &str, serial: u32, more: &str) {
        let mut faults = self.faults.lock().expect("no panic");
        *faults.counts.entry(kind.to_owned()).or_default() += 1;
        if faults.first.len() < TOLD {
            faults.first.push(format!("connection {serial}: {kind}{more}"));
        }
    }

    pub(super) fn took(&self, time: Duration) {
        self.slowest.fetch_max(nanos(time), Relaxed);
    }

    pub(super) fn was_late(&self, time: Duration) {
        self.latest.fetch_max(nanos(time), Relaxed);
        self.behind.store(nanos(time), Relaxed);
    }

    /// Notes a session that left; the place where its return is noted.
    pub(super) fn left(&self, turn: Turn) {
        self.turns.lock().expect("no panic").push(turn);
    }

    /// The session whose connection `serial` ended has had an answer again. Nothing if that turn was taken already.
    pub(super) fn is_back(&self, serial: u32, at: Instant, group: u8) {
        let mut turns = self.turns.lock().expect("no panic");
        if let Some(turn) = turns.iter_mut().rev().find(|turn| turn.serial == serial) {
            turn.back = Some((at, group));
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
