//! Who plays at a seat, as far as tokens and backends have said, from where, and the release groups that follow from that.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::Seat;
use crate::base::AddressKey;
use crate::net::world::{ClusterView, World};
use crate::players::Unfit;
use crate::router::Who;
use crate::wire::link::MAX_ATTRIBUTES;

/// Who plays.
#[derive(Debug, Default)]
pub(super) struct Identity {
    account: Option<Arc<str>>,
    /// Counts the logins of the account.
    epoch: u64,
    /// The client's version.
    version: Option<Arc<str>>,
}

/// A client's version is a few numbers.
const LONGEST_VERSION: usize = 64;

impl Seat {
    /// The account, once it is known whose session it is.
    pub(in crate::net) fn account(&self) -> Option<Arc<str>> {
        self.identity.borrow().account.clone()
    }

    /// The client's version, once it is known.
    pub(in crate::net) fn version(&self) -> Option<Arc<str>> {
        self.identity.borrow().version.clone()
    }

    /// It is known now whose session it is; false if that is behind what was known before of the account.
    pub(in crate::net) fn log_in(&self, world: &World, account: &str, epoch: u64) -> bool {
        if epoch < self.epoch_of(account) {
            return false;
        }
        self.identity.borrow_mut().epoch = epoch;
        self.learn(world, |identity| identity.account = Some(account.into()));
        true
    }

    /// Logins are numbered anew: any that comes now is newer.
    pub(in crate::net) fn forget_epoch(&self) {
        self.identity.borrow_mut().epoch = 0;
    }

    /// How new its login of this account is; 0 where it has none: each account counts its own logins.
    pub(in crate::net) fn epoch_of(&self, account: &str) -> u64 {
        let identity = self.identity.borrow();
        if identity.account.as_deref() == Some(account) { identity.epoch } else { 0 }
    }

    /// A backend says what the client's version is.
    pub(in crate::net) fn runs(&self, world: &World, version: &str) {
        self.learn(world, |identity| identity.version = Some(version.into()));
    }

    /// A backend has changed what is said of the player.
    pub(in crate::net) fn change(&self, world: &World, change: &str) -> Result<(), Unfit> {
        self.attributes.borrow_mut().get_or_insert_default().merge(change, MAX_ATTRIBUTES)?;
        let attributes = self.attributes.borrow();
        let version = attributes
            .as_ref()
            .and_then(|attributes| attributes.get("version"))
            .filter(|version| version.len() <= LONGEST_VERSION);
        if let Some(version) = version.filter(|version| self.version().as_deref() != Some(*version)) {
            self.runs(world, version);
        }
        Ok(())
    }

    /// What backends say of the player, as a JSON object.
    pub(in crate::net) fn attributes(&self) -> Option<Arc<str>> {
        self.attributes.borrow().as_ref()?.text()
    }

    /// Something new is known of the player: if it would enter another release group for that, it does.
    fn learn(&self, world: &World, what: impl FnOnce(&mut Identity)) {
        let decide = || world.groups.decide(&self.identity.borrow().who(self.address.get()));
        let before = decide();
        what(&mut self.identity.borrow_mut());
        if decide() != before {
            self.enter_anew();
            self.settle(world); // what a backend says next goes by it already
        }
    }

    /// It enters its release groups when it next looks at the world.
    fn enter_anew(&self) {
        self.standing.borrow_mut().leave();
        self.ring();
    }

    /// A proxy says where the player is: it enters its release groups by that.
    pub(in crate::net) fn learn_address(&self, address: SocketAddr) {
        self.address.set(address.ip());
        self.peer.set(address);
        self.enter_anew();
    }

    /// The player comes from this address now. Its release groups stay those of the address it came from first.
    pub(in crate::net) fn comes_from(&self, address: SocketAddr) {
        self.peer.set(address);
    }

    /// Where its connection comes from.
    pub(in crate::net) fn peer(&self) -> SocketAddr {
        self.peer.get()
    }

    /// Whether the player's address counts as this one.
    pub(in crate::net) fn is_from(&self, address: IpAddr) -> bool {
        AddressKey::of(self.peer.get().ip()) == AddressKey::of(address)
    }

    /// Whether its release groups are those of this world.
    pub(in crate::net) fn is_settled(&self, world: &World) -> bool {
        self.standing.borrow().is_settled(world)
    }

    /// Finds its release groups in a world that is new to it; whether it has to move.
    pub(in crate::net) fn settle(&self, world: &World) -> bool {
        let identity = self.identity.borrow();
        let moves = self.standing.borrow_mut().settle(world, &identity.who(self.address.get()));
        if !moves {
            self.move_at.set(None);
        }
        moves
    }

    /// What serves it at the first cluster of which this is true.
    pub(in crate::net) fn view<'w>(
        &self,
        world: &'w World,
        is_it: impl Fn(&ClusterView) -> bool,
    ) -> Option<&'w Arc<ClusterView>> {
        let place = world.clusters.iter().position(|cluster| is_it(cluster))?;
        world.view(self.group_at(world, place), place)
    }

    /// The release group in which it meets a cluster, by its place.
    pub(in crate::net) fn group_at(&self, world: &World, cluster: usize) -> usize {
        if world.has_groups() { self.standing.borrow_mut().at(world, cluster) } else { 0 }
    }

    /// The release group it entered.
    pub(in crate::net) fn group(&self) -> Option<Arc<str>> {
        self.standing.borrow().name()
    }

    /// Whether it entered this release group.
    pub(in crate::net) fn is_of_group(&self, name: &str) -> bool {
        self.standing.borrow().is_of(name)
    }

    /// Whether its next frame is answered by `moved`.
    pub(in crate::net) fn is_to_move(&self, now: Instant) -> bool {
        self.move_at.get().is_some_and(|at| at <= now)
    }
}

impl Identity {
    /// What release rules look at.
    fn who(&self, address: IpAddr) -> Who<'_> {
        Who { account: self.account.as_deref(), version: self.version.as_deref(), address }
    }
}
