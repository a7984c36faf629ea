//! The places of a line: in order, each with who holds it or until when it is kept. Knows nothing of who is in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Newcomer;
use crate::base::SessionId;

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Never given twice: the lower, the longer it has waited.
    pub(super) number: u64,
    /// How many places there were up to this one, when they were counted last.
    pub(super) rank: u32,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Places<T> {
    all: BTreeMap<u64, Held<T>>,
    /// The numbers of those who are here.
    present: BTreeSet<u64>,
    /// The numbers of those who are away, by account and by when they are given up.
    absent: BTreeSet<(Arc<str>, u64)>,
    given_up: BTreeSet<(Duration, u64)>,
    next: u64,
}

#[derive(Debug)]
struct Held<T> {
    account: Arc<str>,
    rank: u32,
    by: Holder<T>,
}

#[derive(Debug)]
enum Holder<T> {
    /// A session.
    Here { session: SessionId, ticket: T },
    /// An account whose connection is lost.
    Away { until: Duration },
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            present: BTreeSet::new(),
            absent: BTreeSet::new(),
            given_up: BTreeSet::new(),
            next: 0,
        }
    }
}

impl<T: Clone> Places<T> {
    pub(super) fn len(&self) -> u32 {
        count(self.all.len())
    }

    /// Those who are here.
    pub(super) fn present(&self) -> u32 {
        count(self.present.len())
    }

    /// A new place at the end; somebody has to hold it.
    pub(super) fn append(&mut self) -> Place {
        self.next += 1;
        Place { number: self.next, rank: self.len() + 1 }
    }

    /// A session takes a place that nobody has.
    pub(super) fn hold(&mut self, place: Place, newcomer: &Newcomer<'_>, ticket: T) {
        let by = Holder::Here { session: newcomer.session, ticket };
        let account = Arc::clone(newcomer.account);
        self.all.insert(place.number, Held { account, rank: place.rank, by });
        self.present.insert(place.number);
    }

    /// What the session has that holds a place.
    pub(super) fn ticket(&self, number: u64) -> Option<T> {
        match &self.all.get(&number)?.by {
            Holder::Here { ticket, .. } => Some(ticket.clone()),
            Holder::Away { .. } => None,
        }
    }

    /// The session is gone; its account has the place until then.
    pub(super) fn keep(&mut self, number: u64, until: Duration) {
        let Some(held) = self.all.get_mut(&number) else { return };
        held.by = Holder::Away { until };
        self.present.remove(&number);
        self.absent.insert((Arc::clone(&held.account), number));
        self.given_up.insert((until, number));
    }

    /// Takes the oldest place that is kept for an account.
    pub(super) fn take_kept(&mut self, account: &Arc<str>) -> Option<Place> {
        let (whose, number) = self.absent.range((Arc::clone(account), 0)..).next()?;
        let number = (whose == account).then_some(*number)?;
        self.vacate(number)
    }

    /// Nobody has a place any more.
    pub(super) fn vacate(&mut self, number: u64) -> Option<Place> {
        self.remove(number).map(|held| Place { number, rank: held.rank })
    }

    /// Takes the one out who has waited longest of those who are here.
    pub(super) fn take_first(&mut self) -> Option<(SessionId, T)> {
        let number = *self.present.first()?;
        match self.remove(number)?.by {
            Holder::Here { session, ticket } => Some((session, ticket)),
            Holder::Away { .. } => None,
        }
    }

    /// Forgets who has been away for too long.
    pub(super) fn give_up(&mut self, now: Duration) {
        while let Some((_, number)) = self.given_up.first().copied().filter(|(until, _)| *until <= now) {
            drop(self.remove(number));
        }
    }

    /// Counts all of them anew and tells those who are here.
    pub(super) fn rank(&mut self, mut tell: impl FnMut(&T, u32)) {
        for (rank, held) in (1..).zip(self.all.values_mut()) {
            held.rank = rank;
            if let Holder::Here { ticket, .. } = &held.by {
                tell(ticket, rank);
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }

    fn remove(&mut self, number: u64) -> Option<Held<T>> {
        let held = self.all.remove(&number)?;
        self.present.remove(&number);
        if let Holder::Away { until } = held.by {
            self.absent.remove(&(Arc::clone(&held.account), number));
            self.given_up.remove(&(until, number));
        }
        Some(held)
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
