//! Which release groups a session is in, and whether it has to leave them.

use std::sync::Arc;

use super::world::World;
use crate::base::ClusterKey;
use crate::config::{GroupIndex, Moving};
use crate::router::Who;

/// The groups of one session. It keeps them for its life unless a reload moves it.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The world for which the places below are right.
    generation: u64,
    /// `None` where nothing is released in groups.
    groups: Option<Box<Groups>>,
}

/// The groups that a session is in.
#[derive(Debug, Default)]
struct Groups {
    entered: Option<Entered>,
    /// The group in which it met each cluster that has groups.
    pins: Vec<(ClusterKey, Entered)>,
}

/// A group by its name, and its place in the world at hand.
#[derive(Debug)]
struct Entered {
    name: Arc<str>,
    place: GroupIndex,
}

impl Standing {
    /// Forgets the groups: the session enters anew, as at its login.
    pub(super) fn leave(&mut self) {
        *self = Self::default();
    }

    /// Looks at a world that is new to the session. Whether the session has to move: its groups are not those it
    /// would enter now, and the release moves by force.
    pub(super) fn settle(&mut self, world: &World, who: &Who<'_>) -> bool {
        self.generation = world.generation();
        let decided = world.groups.decide(who);
        if self.groups.is_none() && decided.is_none() {
            return false;
        }
        let groups = self.groups.get_or_insert_default();
        let forced = world.plan().release().moving() == Moving::Forced;
        let stays = |entered: &mut Entered| match world.group_place(&entered.name) {
            Some(place) => {
                entered.place = place;
                true
            }
            None => false,
        };
        if !groups.entered.as_mut().is_some_and(stays) {
            groups.entered =
                decided.and_then(|place| Some(Entered { name: world.group_name(place)?, place }));
        }
        groups.pins.retain_mut(|(_, entered)| stays(entered));
        let elsewhere = |(cluster, entered): &(ClusterKey, Entered)| {
            let cluster = world.cluster(*cluster).filter(|cluster| cluster.plan.has_groups());
            cluster.is_some_and(|cluster| cluster.plan.active().or(decided) != Some(entered.place))
        };
        let own = groups.entered.as_ref().map(|entered| entered.place);
        forced && (own != decided || groups.pins.iter().any(elsewhere))
    }

    /// Whether the places are right for this world.
    pub(super) fn is_settled(&self, world: &World) -> bool {
        self.generation == world.generation()
    }

    /// The group in which the session meets a cluster, by its place.
    pub(super) fn at(&mut self, world: &World, cluster: usize) -> usize {
        let Some(cluster) = world.grouped(cluster) else { return 0 }; // every view of it is the same
        let mut pins = self.groups.iter().flat_map(|groups| &groups.pins);
        if let Some((_, pinned)) = pins.find(|(known, _)| *known == cluster.key()) {
            return pinned.place.get();
        }
        let own = || self.entered().map(|entered| entered.place);
        let Some(place) = cluster.plan.active().or_else(own) else { return 0 };
        if let Some(name) = world.group_name(place) {
            self.groups.get_or_insert_default().pins.push((cluster.key(), Entered { name, place }));
        }
        place.get()
    }

    /// Whether the session entered this group.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.entered().is_some_and(|entered| &*entered.name == name)
    }

    /// The name of the group that the session entered.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.entered().map(|entered| Arc::clone(&entered.name))
    }

    fn entered(&self) -> Option<&Entered> {
        self.groups.as_ref()?.entered.as_ref()
    }
}
