//! The directory of one gateway: maps behind short locks.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Claim, Directory, Epoch, Seating};
use crate::base::SessionId;
use crate::config::Duplicate;

/// A directory in the memory of the process.
#[derive(Debug)]
pub struct Memory {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

/// Accounts that share a lock.
#[derive(Debug, Default)]
struct Shard {
    accounts: HashMap<Arc<str>, Account>,
    /// Accounts that nobody plays any more, in the order in which their last session left.
    empty: VecDeque<(Duration, Arc<str>)>,
}

/// One account.
#[derive(Debug, Default)]
struct Account {
    seats: Vec<Seat>,
    /// The newest login that had a seat.
    newest: Epoch,
    /// When the last session left; says nothing while somebody plays.
    left: Duration,
}

/// One session of an account.
#[derive(Clone, Copy, Debug)]
struct Seat {
    session: SessionId,
    epoch: Epoch,
    /// Its player may come back, and is not there.
    away: bool,
}

/// Workers that log players in at the same time rarely meet at one of so many locks.
const SHARDS: usize = 64;
/// How long the newest login of an account is known after its last session: a login of an older connection that was
/// under way all the time must not pass for a new one.
const REMEMBERED: Duration = Duration::from_secs(60);
/// So many of them are known in one part of the directory: who binds ever new accounts makes it forget sooner.
const MOST_EMPTY: usize = 16_384;
/// How many forgotten accounts one call clears away at most.
const CLEARED: usize = 4;

impl Default for Memory {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Memory {
    fn shard(&self, account: &str) -> Option<MutexGuard<'_, Shard>> {
        let place = usize::try_from(self.hasher.hash_one(account) % SHARDS as u64).ok()?;
        self.shards.get(place).map(lock)
    }

    /// Accounts that it knows, also those that nobody plays any more.
    #[cfg(test)]
    fn known(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).accounts.len()).sum()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory for Memory {
    fn claim(&self, seating: &Seating<'_>) -> Claim {
        let Some(mut shard) = self.shard(seating.account) else { return Claim::Older };
        shard.forget(seating.now);
        if let Some(known) = shard.accounts.get_mut(seating.account) {
            return known.claim(seating);
        }
        let mut new = Account::default();
        let claim = new.claim(seating);
        shard.accounts.insert(seating.account.into(), new);
        claim
    }

    fn set_away(&self, account: &str, session: SessionId, away: bool) {
        let Some(mut shard) = self.shard(account) else { return };
        let seats = shard.accounts.get_mut(account).into_iter().flat_map(|known| &mut known.seats);
        seats.filter(|seat| seat.session == session).for_each(|seat| seat.away = away);
    }

    fn renumber(&self) {
        for shard in &self.shards {
            for account in lock(shard).accounts.values_mut() {
                account.newest.login = 0;
                account.seats.iter_mut().for_each(|seat| seat.epoch.login = 0);
            }
        }
    }

    fn renew(&self, account: &str, session: SessionId, arrival: u64) -> bool {
        let Some(mut shard) = self.shard(account) else { return false };
        let Some(known) = shard.accounts.get_mut(account) else { return false };
        let Some(seat) = known.seats.iter_mut().find(|seat| seat.session == session) else { return false };
        seat.epoch.arrival = seat.epoch.arrival.max(arrival);
        known.newest = known.newest.max(seat.epoch);
        true
    }

    fn release(&self, account: &str, session: SessionId, now: Duration) {
        let Some(mut shard) = self.shard(account) else { return };
        shard.forget(now);
        let Some((name, known)) = shard.accounts.get_key_value(account) else { return };
        let (name, before) = (Arc::clone(name), known.seats.len());
        let Some(known) = shard.accounts.get_mut(account) else { return };
        known.seats.retain(|seat| seat.session != session);
        if before > 0 && known.seats.is_empty() {
            known.left = now;
            shard.empty.push_back((now, name));
        }
    }

    fn sessions(&self, account: &str) -> Vec<SessionId> {
        let shard = self.shard(account);
        let mut seats = shard.and_then(|shard| shard.accounts.get(account).map(|known| known.seats.clone()));
        seats.iter_mut().for_each(|seats| seats.sort_by_key(|seat| seat.epoch));
        seats.into_iter().flatten().map(|seat| seat.session).collect()
    }
}

impl Shard {
    /// Clears away a few accounts that nobody has played for long. More are cleared than can come, so none stay.
    fn forget(&mut self, now: Duration) {
        for _ in 0..CLEARED {
            let over = |(left, _): &(Duration, Arc<str>)| *left + REMEMBERED <= now;
            if self.empty.len() <= MOST_EMPTY && !self.empty.front().is_some_and(over) {
                return;
            }
            let Some((left, name)) = self.empty.pop_front() else { return };
            if self.accounts.get(&name).is_some_and(|known| known.seats.is_empty() && known.left == left) {
                self.accounts.remove(&name);
            }
        }
    }
}

impl Account {
    fn claim(&mut self, seating: &Seating<'_>) -> Claim {
        if self.seats.is_empty() && self.left + REMEMBERED <= seating.now {
            self.newest = Epoch::default();
        }
        let others = self.seats.iter().filter(|seat| seat.session != seating.session);
        let went: Vec<_> = match seating.duplicate {
            Duplicate::Replace if seating.epoch < self.newest => return Claim::Older,
            Duplicate::Refuse if others.clone().any(|seat| !seat.away) => return Claim::Taken,
            Duplicate::Replace | Duplicate::Refuse => others.map(|seat| seat.session).collect(),
            Duplicate::Allow => others.filter(|seat| seat.away).map(|seat| seat.session).collect(),
        };
        self.seats.retain(|seat| seat.session != seating.session && !went.contains(&seat.session));
        self.seats.push(Seat { session: seating.session, epoch: seating.epoch, away: false });
        self.newest = self.newest.max(seating.epoch);
        Claim::Seated(went)
    }
}

#[cfg(test)]
mod tests;
