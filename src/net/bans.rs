//! Who is not let in, and for how long: what operators said, as a part of the world, and what backends said, beside
//! it. Of IPv6 addresses the first 64 bits count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::base::AddressKey;
use crate::config::{Banned, Overrides};

/// Bans with their ends: by the clock where people named them, counted from the process's start where backends did.
#[derive(Debug)]
pub(super) struct Bans<T> {
    addresses: HashMap<AddressKey, T>,
    accounts: HashMap<String, T>,
}

/// Bans that come and go while the world stays as it is. They live as long as the process.
#[derive(Debug, Default)]
pub(super) struct LiveBans {
    bans: Mutex<Bans<Duration>>,
}

/// The most bans that are kept beside the world's. One more, and the quarter of them that ends first is over.
const MOST: usize = 65_536;

impl Bans<SystemTime> {
    /// Those of the runtime changes. A clock that is set moves none of their ends: those are what was said.
    pub(super) fn new(overrides: &Overrides) -> Self {
        let mut bans = Self::default();
        overrides.bans().for_each(|(who, until)| bans.insert(who, until));
        bans
    }
}

impl<T: Copy + Ord> Bans<T> {
    fn insert(&mut self, who: &Banned, until: T) {
        match who {
            Banned::Address(address) => drop(self.addresses.insert(AddressKey::of(*address), until)),
            Banned::Account(account) => drop(self.accounts.insert(account.clone(), until)),
        }
    }

    /// What time it is, is only asked about those that are in the list.
    pub(super) fn has_address(&self, address: IpAddr, now: impl FnOnce() -> T) -> bool {
        !self.addresses.is_empty()
            && self.addresses.get(&AddressKey::of(address)).is_some_and(|until| now() < *until)
    }

    pub(super) fn has_account(&self, account: &str, now: impl FnOnce() -> T) -> bool {
        self.accounts.get(account).is_some_and(|until| now() < *until)
    }

    fn count(&self) -> usize {
        self.addresses.len() + self.accounts.len()
    }

    /// Makes room for one more.
    fn tidy(&mut self, now: T) {
        self.end_until(now);
        if self.count() >= MOST {
            let mut ends: Vec<_> = self.addresses.values().chain(self.accounts.values()).copied().collect();
            let (_, quarter, _) = ends.select_nth_unstable(MOST / 4);
            let quarter = *quarter;
            self.end_until(quarter);
        }
    }

    fn end_until(&mut self, end: T) {
        self.addresses.retain(|_, until| *until > end);
        self.accounts.retain(|_, until| *until > end);
    }
}

impl<T> Default for Bans<T> {
    fn default() -> Self {
        Self { addresses: HashMap::new(), accounts: HashMap::new() }
    }
}

impl LiveBans {
    /// Nobody with this account is let in until then. A longer ban stays as it is.
    pub(super) fn ban_account(&self, account: &str, until: Duration, now: Duration) {
        self.ban(&Banned::Account(account.to_owned()), until, now);
    }

    /// Nobody from there is let in until then. A longer ban stays as it is.
    pub(super) fn ban_address(&self, address: IpAddr, until: Duration, now: Duration) {
        self.ban(&Banned::Address(address), until, now);
    }

    fn ban(&self, who: &Banned, until: Duration, now: Duration) {
        let mut bans = self.bans();
        let is_longer = match who {
            Banned::Address(address) => bans.has_address(*address, || until),
            Banned::Account(account) => bans.has_account(account, || until),
        };
        if is_longer || until <= now {
            return;
        }
        if bans.count() >= MOST {
            bans.tidy(now);
        }
        bans.insert(who, until);
    }

    pub(super) fn has_address(&self, address: IpAddr, now: Duration) -> bool {
        self.bans().has_address(address, || now)
    }

    pub(super) fn has_account(&self, account: &str, now: Duration) -> bool {
        self.bans().has_account(account, || now)
    }

    /// Ends a ban, if there is one.
    pub(super) fn lift(&self, who: &Banned) {
        let mut bans = self.bans();
        match who {
            Banned::Address(address) => drop(bans.addresses.remove(&AddressKey::of(*address))),
            Banned::Account(account) => drop(bans.accounts.remove(account)),
        }
    }

    /// Those that are not over, and when they will be; of an IPv6 address the first of all that are meant.
    pub(super) fn list(&self, now: Duration) -> Vec<(Banned, Duration)> {
        let bans = self.bans();
        let addresses = bans.addresses.iter().map(|(key, until)| (Banned::Address(key.first()), *until));
        let accounts =
            bans.accounts.iter().map(|(account, until)| (Banned::Account(account.clone()), *until));
        let mut all: Vec<_> = addresses.chain(accounts).filter(|(_, until)| now < *until).collect();
        all.sort_by_key(|(_, until)| *until);
        all
    }

    fn bans(&self) -> MutexGuard<'_, Bans<Duration>> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::config::Override;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_ban_ends_by_itself_and_an_address_is_the_same_in_both_its_forms() {
        let until = at(1000);
        let ban = |who| Override::Ban { who, until };
        let overrides = Overrides::default()
            .with(ban(Banned::Address(address("192.0.2.1"))))
            .with(ban(Banned::Account("ann".to_owned())))
            .with(ban(Banned::Address(address("2001:db8::1"))));
        let bans = Bans::new(&overrides);
        let mapped = address("::ffff:192.0.2.1");
        assert!(bans.has_address(mapped, || at(999)) && !bans.has_address(mapped, || at(1000)));
        assert!(bans.has_account("ann", || at(999)) && !bans.has_account("ann", || at(1000)));
        assert!(!bans.has_account("bob", || at(0)));
        assert!(bans.has_address(address("2001:db8::ffff:2"), || at(999)), "the same /64");
        assert!(!bans.has_address(address("2001:db8:0:1::1"), || at(999)));
        assert!(bans.has_account("ann", || at(500)), "the clock was set back");
    }

    #[test]
    fn the_later_word_of_an_operator_counts_for_a_whole_network() {
        let ban = |text, until| Override::Ban { who: Banned::Address(address(text)), until: at(until) };
        let long = Overrides::default().with(ban("2001:db8::1", 1000)).with(ban("192.0.2.1", 1000));
        let short = long.with(ban("2001:db8::2", 910));
        assert_eq!(short.bans().count(), 2, "it is the same player");
        let lifted = long.with(ban("2001:db8::2", 800)).without_expired(at(900));
        let bans = Bans::new(&lifted);
        assert!(!bans.has_address(address("2001:db8::1"), || at(900)));
        assert!(bans.has_address(address("192.0.2.1"), || at(900)));
    }

    #[test]
    fn a_live_ban_ends_is_prolonged_and_is_lifted() {
        let (bans, at) = (LiveBans::default(), Duration::from_secs);
        bans.ban_account("ann", at(100), at(0));
        bans.ban_account("ann", at(50), at(0));
        assert!(
            bans.has_account("ann", at(99)) && !bans.has_account("ann", at(100)),
            "the longer one counts"
        );
        bans.ban_account("ann", at(200), at(0));
        bans.ban_address(address("::ffff:192.0.2.1"), at(70), at(0));
        assert!(bans.has_account("ann", at(199)) && bans.has_address(address("192.0.2.1"), at(69)));
        let ann = Banned::Account("ann".to_owned());
        assert_eq!(
            bans.list(at(0)),
            [(Banned::Address(address("192.0.2.1")), at(70)), (ann.clone(), at(200))]
        );
        assert_eq!(bans.list(at(70)), [(ann.clone(), at(200))]);
        bans.lift(&ann);
        assert!(!bans.has_account("ann", at(0)) && bans.list(at(70)).is_empty());
    }

    #[test]
    fn live_bans_are_bounded_and_the_longest_stay() {
        let (bans, at) = (LiveBans::default(), Duration::from_secs);
        bans.ban_account("longest", at(1_000_000), at(0));
        for number in 1..=200_000 {
            bans.ban_account(&number.to_string(), at(number), at(0));
            assert!(bans.bans().count() <= MOST);
        }
        assert!(bans.has_account("longest", at(0)) && bans.has_account("200000", at(0)));
        assert!(!bans.has_account("1", at(0)));
    }
}
