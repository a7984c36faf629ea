//! What is true of each partner now: requests and connections, its day, its nonces, and what was refused. A partner is
//! found by its name and outlives every reload.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::daily::Daily;
use super::nonces::Nonces;
use super::reading::Readings;
use super::refusal::Refusal;

/// Every partner of the process, and whoever was none.
#[derive(Debug, Default)]
pub struct Book {
    partners: Mutex<HashMap<String, Arc<Standing>>>,
    /// What was refused of those whom nobody knows.
    pub strangers: Refusals,
}

/// What is true of one partner.
#[derive(Debug, Default)]
pub struct Standing {
    in_flight: AtomicU32,
    connections: AtomicU32,
    passed: AtomicU64,
    /// What was refused of it.
    pub refused: Refusals,
    /// What may turn out to be of it, and comes.
    pub readings: Arc<Readings>,
    daily: Mutex<Daily>,
    nonces: Mutex<Nonces>,
}

/// What was refused, by reason.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; Refusal::ALL.len()]);

/// A request of a partner that is in progress until this is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Standing>);

/// A connection of a partner that is open until this is dropped.
#[derive(Debug)]
pub struct Place(Arc<Standing>);

impl Book {
    /// The standing of a partner; the same one at every call with its name.
    #[must_use]
    pub fn partner(&self, name: &str) -> Arc<Standing> {
        let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = partners.get(name) {
            return Arc::clone(known);
        }
        Arc::clone(partners.entry(name.to_owned()).or_default())
    }

    /// The days of all partners, by name.
    #[must_use]
    pub fn days(&self) -> BTreeMap<String, Daily> {
        let partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
        partners.iter().map(|(name, standing)| (name.clone(), *standing.daily())).collect()
    }

    /// The days of an earlier life, or of another process: what is known to have been used stays so.
    pub fn restore(&self, days: BTreeMap<String, Daily>) {
        for (name, daily) in days {
            self.partner(&name).daily().learn(daily);
        }
    }
}

impl Standing {
    /// One more request, if there are less than `most`; `None`: as many as come.
    #[must_use]
    pub fn enter(self: &Arc<Self>, most: Option<u32>) -> Option<InFlight> {
        raise(&self.in_flight, most).then(|| InFlight(Arc::clone(self)))
    }

    /// One more connection, if there are less than `most`; `None`: as many as come.
    #[must_use]
    pub fn connect(self: &Arc<Self>, most: Option<u32>) -> Option<Place> {
        raise(&self.connections, most).then(|| Place(Arc::clone(self)))
    }

    /// A request was let through.
    pub fn pass(&self) {
        self.passed.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that were let through since the process's start.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Requests in progress now.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Connections now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Acquire)
    }

    /// Its day, held until the guard is dropped.
    pub fn daily(&self) -> MutexGuard<'_, Daily> {
        self.daily.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its nonces, held until the guard is dropped.
    pub fn nonces(&self) -> MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raise(count: &AtomicU32, most: Option<u32>) -> bool {
    let most = most.unwrap_or(u32::MAX);
    let one_more = |now: u32| (now < most).then(|| now + 1);
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
}

impl Refusals {
    /// One more.
    pub fn count(&self, why: Refusal) {
        if let Some(counter) = self.0.get(why as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many for this reason.
    #[must_use]
    pub fn of(&self, why: Refusal) -> u64 {
        self.0.get(why as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Place {
    /// Whether it is one of this partner.
    #[must_use]
    pub fn is_of(&self, standing: &Arc<Standing>) -> bool {
        Arc::ptr_eq(&self.0, standing)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partners::Taken;

    #[test]
    fn a_partner_is_found_by_name_and_has_its_own_places() {
        let book = Book::default();
        let (adnet, paynet) = (book.partner("adnet"), book.partner("paynet"));
        let held: Vec<_> = (0..5).filter_map(|_| adnet.enter(Some(2))).collect();
        assert_eq!((held.len(), adnet.in_flight(), paynet.in_flight()), (2, 2, 0));
        assert!(paynet.enter(Some(1)).is_some(), "one partner's flood costs the other nothing");
        drop(held);
        assert_eq!(book.partner("adnet").in_flight(), 0);
        let place = adnet.connect(None).expect("as many as come");
        assert_eq!((adnet.connections(), adnet.in_flight()), (1, 0));
        drop(place);
        assert_eq!(adnet.connections(), 0);
    }

    #[test]
    fn threads_together_get_no_more_than_there_is() {
        let standing = Arc::new(Standing::default());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let standing = Arc::clone(&standing);
                std::thread::spawn(move || {
                    (0..1000).filter_map(|_| standing.enter(Some(700))).collect::<Vec<_>>()
                })
            })
            .collect();
        let held: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), 700);
        drop(held);
        assert_eq!(standing.in_flight(), 0);
    }

    #[test]
    fn every_reason_has_its_own_count() {
        let refusals = Refusals::default();
        for (times, why) in (1..).zip(Refusal::ALL) {
            (0..times).for_each(|_: u64| refusals.count(why));
        }
        let counted = Refusal::ALL.map(|why| refusals.of(why));
        assert!((1..).zip(counted).all(|(times, counted): (u64, _)| times == counted), "{counted:?}");
    }

    #[test]
    fn days_go_over_into_the_next_life() {
        let before = Book::default();
        assert_eq!(before.partner("adnet").daily().take(None, 7), Taken::Yes);
        let after = Book::default();
        after
            .restore(crate::partners::read_days(&crate::partners::write_days(&before.days())).expect("text"));
        assert_eq!(after.partner("adnet").daily().used(7), 1);
        assert_eq!(after.partner("adnet").daily().used(8), 0);
    }
}
