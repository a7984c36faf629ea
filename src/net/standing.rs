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
    entered: Option<Entered>,
    /// The group in which the session met each cluster that has groups.
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
        let forced = world.plan().release().moving() == Moving::Forced;
        let stays = |entered: &mut Entered| match world.group_place(&entered.name) {
            Some(place) => {
                entered.place = place;
                true
            }
            None => false,
        };
        if !self.entered.as_mut().is_some_and(stays) {
            self.entered = decided.and_then(|place| Some(Entered { name: world.group_name(place)?, place }));
        }
        self.pins.retain_mut(|(_, entered)| stays(entered));
        let elsewhere = |(cluster, entered): &(ClusterKey, Entered)| {
            let cluster = world.cluster(*cluster).filter(|cluster| cluster.plan.has_groups());
            cluster.is_some_and(|cluster| cluster.plan.active().or(decided) != Some(entered.place))
        };
        let own = self.entered.as_ref().map(|entered| entered.place);
        forced && (own != decided || self.pins.iter().any(elsewhere))
    }

    /// Whether the places are right for this world.
    pub(super) fn is_settled(&self, world: &World) -> bool {
        self.generation == world.generation()
    }

    /// The group in which the session meets a cluster, by its place.
    pub(super) fn at(&mut self, world: &World, cluster: usize) -> usize {
        let Some(cluster) = world.grouped(cluster) else { return 0 }; // every view of it is the same
        if let Some((_, pinned)) = self.pins.iter().find(|(known, _)| *known == cluster.key()) {
            return pinned.place.get();
        }
        let own = || self.entered.as_ref().map(|entered| entered.place);
        let Some(place) = cluster.plan.active().or_else(own) else { return 0 };
        if let Some(name) = world.group_name(place) {
            self.pins.push((cluster.key(), Entered { name, place }));
        }
        place.get()
    }

    /// Whether the session entered this group.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.entered.as_ref().is_some_and(|entered| &*entered.name == name)
    }

    /// The name of the group that the session entered.
    pub(super) fn name(&self) -> Option<Arc<str>> {
        self.entered.as_ref().map(|entered| Arc::clone(&entered.name))
    }
}
