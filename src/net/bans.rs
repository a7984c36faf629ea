//! Who is not let in, and for how long.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::config::{Banned, Override, Overrides};

/// The bans in force; their ends are counted from the process's start.
#[derive(Debug, Default)]
pub(super) struct Bans {
    addresses: HashMap<IpAddr, Duration>,
    accounts: HashMap<String, Duration>,
}

impl Bans {
    /// Those of the runtime changes; `clock` and `now` are the same moment.
    pub(super) fn new(overrides: &Overrides, clock: SystemTime, now: Duration) -> Self {
        let mut bans = Self::default();
        for entry in overrides.entries() {
            let Override::Ban { who, until } = entry else { continue };
            let until = now + until.duration_since(clock).unwrap_or_default();
            match who {
                Banned::Address(address) => drop(bans.addresses.insert(address.to_canonical(), until)),
                Banned::Account(account) => drop(bans.accounts.insert(account.clone(), until)),
            }
        }
        bans
    }

    pub(super) fn has_address(&self, address: IpAddr, now: Duration) -> bool {
        !self.addresses.is_empty()
            && self.addresses.get(&address.to_canonical()).is_some_and(|until| now < *until)
    }

    pub(super) fn has_account(&self, account: &str, now: Duration) -> bool {
        self.accounts.get(account).is_some_and(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_ban_ends_by_itself_and_an_address_is_the_same_in_both_its_forms() {
        let at = Duration::from_secs;
        let until = UNIX_EPOCH + at(1000);
        let address = Override::Ban { who: Banned::Address("192.0.2.1".parse().expect("an address")), until };
        let account = Override::Ban { who: Banned::Account("ann".to_owned()), until };
        let bans = Bans::new(&Overrides::default().with(address).with(account), UNIX_EPOCH + at(900), at(10));
        let mapped = "::ffff:192.0.2.1".parse().expect("an address");
        assert!(bans.has_address(mapped, at(109)) && !bans.has_address(mapped, at(110)));
        assert!(bans.has_account("ann", at(109)) && !bans.has_account("ann", at(110)));
        assert!(!bans.has_account("bob", at(10)));
    }
}
