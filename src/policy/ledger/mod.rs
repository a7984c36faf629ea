//! What is known of the addresses that players come from: connections now, how fast new ones come, and what they sent
//! that was none of the game. Bounded, whoever comes: where too many addresses are known that have no connection, they
//! are forgotten, and each begins anew. Times are counted from one origin, which is the same at every call.

use std::collections::HashMap;
use std::time::Duration;

use super::rate::{Pace, RateLimit};
use crate::base::AddressKey;

/// How many connections an address may have, and begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AddressRules {
    /// At one time; `None`: as many as come.
    pub connections: Option<u32>,
    /// How fast; `None`: as fast as they come.
    pub new: Option<RateLimit>,
}

/// Why an address may not have one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRefusal {
    /// It has as many connections as it may have.
    Connections,
    /// New ones come too fast.
    New,
    /// Too much of what came from there was none of the game.
    Glitches,
}

/// The addresses of one listener.
#[derive(Debug, Default)]
pub struct AddressLedger {
    entries: HashMap<AddressKey, Entry>,
    /// Entries without a connection.
    idle: usize,
}

#[derive(Debug)]
struct Entry {
    connections: u32,
    pace: Pace,
    /// When the last glitch is forgiven.
    forgiven: Duration,
}

/// A score from here on keeps the address out; it falls by one each second.
const FULL: Duration = Duration::from_secs(100);
/// However much came, the address is let in again when it has been quiet for so long.
const LONGEST: Duration = Duration::from_secs(110);
/// Addresses without a connection that are kept in mind at most.
const MOST_IDLE: usize = 65_536;

impl AddressLedger {
    /// One more connection from there.
    ///
    /// # Errors
    /// Why it may not come; it is not counted then.
    pub fn enter(
        &mut self,
        key: AddressKey,
        rules: &AddressRules,
        now: Duration,
    ) -> Result<(), AddressRefusal> {
        let entry = self.entry(key, now);
        if rules.connections.is_some_and(|most| entry.connections >= most) {
            return Err(AddressRefusal::Connections);
        }
        let mut pace = entry.pace;
        if rules.new.is_some_and(|limit| pace.take(&limit, now).is_err()) {
            return Err(AddressRefusal::New);
        }
        if entry.forgiven.saturating_sub(now) >= FULL {
            return Err(AddressRefusal::Glitches);
        }
        entry.pace = pace;
        entry.connections += 1;
        if entry.connections == 1 {
            self.idle -= 1;
        }
        Ok(())
    }

    /// A connection from there is over.
    pub fn leave(&mut self, key: AddressKey, now: Duration) {
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.connections > 0) else { return };
        entry.connections -= 1;
        if entry.connections > 0 {
            return;
        }
        if entry.is_forgotten(now) {
            self.entries.remove(&key);
        } else {
            self.idle += 1;
        }
    }

    /// Something came from there that was none of the game.
    pub fn glitch(&mut self, key: AddressKey, score: u32, now: Duration) {
        let entry = self.entry(key, now);
        let score = Duration::from_secs(u64::from(score));
        entry.forgiven = (entry.forgiven.max(now) + score).min(now + LONGEST);
    }

    /// The addresses that are kept in mind.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.entries.len()
    }

    fn entry(&mut self, key: AddressKey, now: Duration) -> &mut Entry {
        if self.idle >= MOST_IDLE && !self.entries.contains_key(&key) {
            self.tidy(now);
        }
        self.entries.entry(key).or_insert_with(|| {
            self.idle += 1;
            Entry { connections: 0, pace: Pace::default(), forgiven: now }
        })
    }

    /// Forgets who has no connection and is held against nothing; if that does not help much, who has no connection.
    fn tidy(&mut self, now: Duration) {
        self.entries.retain(|_, entry| entry.connections > 0 || !entry.is_forgotten(now));
        self.count_idle();
        if self.idle > MOST_IDLE / 2 {
            self.entries.retain(|_, entry| entry.connections > 0);
            self.idle = 0;
        }
    }

    fn count_idle(&mut self) {
        self.idle = self.entries.values().filter(|entry| entry.connections == 0).count();
    }
}

impl Entry {
    /// Whether a new entry would say the same.
    fn is_forgotten(&self, now: Duration) -> bool {
        self.pace.is_over(now) && self.forgiven <= now
    }
}

#[cfg(test)]
mod tests;
