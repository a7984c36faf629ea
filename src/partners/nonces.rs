//! The nonces of one partner that were seen, each for as long as its request could come again. How many are kept is
//! bounded: who would need more is refused, and nobody is let in twice.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use aws_lc_rs::digest;

use crate::config::Partner;

/// How far the clocks of both sides may be apart.
pub const WINDOW: Duration = Duration::from_mins(5);

/// The nonces of one partner.
#[derive(Debug)]
pub struct Nonces {
    seen: HashSet<u64>,
    /// By the last second in which each is held: what is over goes in one piece.
    until: BTreeMap<u64, Vec<u64>>,
    /// What was over before this second is forgotten: whether it was seen, nobody knows any more.
    horizon: u64,
    most: usize,
}

/// Why a nonce cannot be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// It was seen before.
    Already,
    /// Its time is over, by this clock or by one that was ahead of it.
    Over,
    /// As many are held as ever will be.
    Full,
}

/// About 100 MB where all of them are in use.
impl Default for Nonces {
    fn default() -> Self {
        Self::new(usize::try_from(Partner::NONCES).unwrap_or(usize::MAX))
    }
}

impl Nonces {
    /// Holds so many at most.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { seen: HashSet::default(), until: BTreeMap::new(), horizon: 0, most }
    }

    /// Whether it could be spent at `now`, when it is good until `last` is over; both in seconds since 1970.
    ///
    /// # Errors
    /// Why it could not.
    pub fn check(&mut self, nonce: &str, last: u64, now: u64) -> Result<(), Spent> {
        self.forget(now);
        if self.seen.contains(&tag(nonce)) {
            Err(Spent::Already)
        } else if last < self.horizon {
            Err(Spent::Over)
        } else if self.seen.len() >= self.most {
            Err(Spent::Full)
        } else {
            Ok(())
        }
    }

    /// It was used, and is not again until `last` is over.
    ///
    /// # Errors
    /// As [`Nonces::check`].
    pub fn spend(&mut self, nonce: &str, last: u64, now: u64) -> Result<u64, Spent> {
        self.check(nonce, last, now)?;
        let tag = tag(nonce);
        self.keep(tag, last);
        Ok(tag)
    }

    /// What was spent in an earlier life, as [`Nonces::spend`] told it then.
    pub fn remember(&mut self, tag: u64, last: u64, now: u64) {
        if last >= now && self.seen.len() < self.most {
            self.keep(tag, last);
        }
    }

    /// Every nonce that is held, as [`Nonces::remember`] takes it.
    pub fn held(&self) -> impl Iterator<Item = (u64, u64)> {
        self.until.iter().flat_map(|(last, tags)| tags.iter().map(|tag| (*tag, *last)))
    }

    fn keep(&mut self, tag: u64, last: u64) {
        if self.seen.insert(tag) {
            self.until.entry(last).or_default().push(tag);
        }
    }

    fn forget(&mut self, now: u64) {
        self.horizon = self.horizon.max(now);
        while let Some(first) = self.until.first_entry().filter(|first| *first.key() < self.horizon) {
            for tag in first.remove() {
                self.seen.remove(&tag);
            }
        }
        if self.seen.is_empty() && self.seen.capacity() > ROOM {
            self.seen = HashSet::default(); // a flood's memory is not kept for ever
        }
    }
}

const ROOM: usize = 4096;

/// The same in every life. Two nonces have the same one so rarely that nobody will see it; the later one would be
/// refused.
fn tag(nonce: &str) -> u64 {
    let hash = digest::digest(&digest::SHA256, nonce.as_bytes());
    hash.as_ref().iter().take(8).fold(0, |tag, byte| tag << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_spent_once_until_its_time_is_over() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.check("one", 1300, 1000), Ok(()));
        assert!(nonces.spend("one", 1300, 1000).is_ok());
        assert_eq!(nonces.check("one", 1300, 1000), Err(Spent::Already));
        assert_eq!(nonces.spend("one", 1400, 1300), Err(Spent::Already), "until the last second is over");
        assert!(nonces.spend("two", 1300, 1000).is_ok());
        assert!(nonces.spend("one", 1601, 1301).is_ok(), "nobody could say it again with the old time");
        assert_eq!(nonces.held().count(), 1, "and the others are forgotten");
    }

    #[test]
    fn what_could_have_been_forgotten_is_not_taken_whatever_the_clock_of_who_asks_says() {
        let mut nonces = Nonces::default();
        assert!(nonces.spend("one", 1300, 1000).is_ok());
        assert!(nonces.spend("two", 1601, 1301).is_ok(), "one is over");
        assert_eq!(nonces.spend("one", 1300, 1299), Err(Spent::Over));
        assert!(nonces.spend("three", 1301, 1299).is_ok());
    }

    #[test]
    fn so_many_are_held_and_then_nobody_is_let_in_until_some_are_over() {
        let mut nonces = Nonces::new(100);
        for number in 0..100_000_u64 {
            let nonce = format!("nonce number {number}");
            let spent = nonces.spend(&nonce, 1000 + number % 10, 900);
            assert_eq!(spent.is_ok(), number < 100, "{number}");
        }
        assert_eq!(nonces.held().count(), 100);
        assert_eq!(
            nonces.check("nonce number 0", 1000, 900),
            Err(Spent::Already),
            "what is full is not forgotten"
        );
        assert_eq!(nonces.check("a new one", 1200, 900), Err(Spent::Full));
        assert_eq!(nonces.check("a new one", 1300, 1001), Ok(()), "a tenth of them is over");
        assert_eq!(nonces.held().count(), 90);
    }

    #[test]
    fn what_is_held_is_known_in_the_next_life() {
        let mut before = Nonces::default();
        for number in 0..50 {
            before.spend(&format!("nonce {number}"), 1000 + number, 900).expect("new");
        }
        let mut after = Nonces::default();
        for (tag, last) in before.held() {
            after.remember(tag, last, 1025);
        }
        assert_eq!(after.held().count(), 25, "what is over is not taken along");
        assert_eq!(after.check("nonce 49", 1049, 1025), Err(Spent::Already));
        assert_eq!(after.check("nonce 24", 1024, 1025), Err(Spent::Over));
    }
}
