//! The route table: flat for the low IDs, sorted ranges above, one catch-all.

use crate::base::ProtocolId;
use crate::config::{Cluster, LinkKind, Plan, Route};
use crate::wire::Framing;

/// A route's place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteIndex(u16);

impl RouteIndex {
    /// The place in [`Plan::routes`].
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// Finds the route of a protocol ID.
#[derive(Clone, Debug, Default)]
pub struct Router {
    /// Route number plus one by ID; 0: none. As long as the highest routed ID below [`FLAT`] needs.
    flat: Vec<u16>,
    /// Ranges that reach above the flat table: first ID, last ID, route; sorted, disjoint.
    high: Vec<(u64, u64, RouteIndex)>,
    catch_all: Option<RouteIndex>,
    /// The catch-all whose cluster reads no frames: it is for opaque sessions, and no frame's ID leads there.
    opaque: Option<RouteIndex>,
    /// By route: whether only players who are in may send there.
    needs_login: Vec<bool>,
}

/// IDs below this are looked up by place: every 16-bit ID, in at most 128 KiB.
const FLAT: u64 = 1 << 16;

impl Router {
    /// The table of a plan, whose ranges do not overlap.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut router =
            Self::from_routes(plan.routes().iter().map(|route: &Route| (route.ids(), route.catch_all())));
        let rest = router.catch_all.and_then(|route| plan.routes().get(route.get()));
        if rest.and_then(|route| plan.clusters().get(route.cluster())).is_some_and(is_opaque) {
            router.opaque = router.catch_all.take();
        }
        router.needs_login = plan.routes().iter().map(Route::needs_login).collect();
        router
    }

    fn from_routes<'a>(routes: impl Iterator<Item = (&'a [(u64, u64)], bool)>) -> Self {
        let mut router = Self::default();
        for (place, (ids, catch_all)) in routes.enumerate() {
            let route = RouteIndex(u16::try_from(place).unwrap_or(u16::MAX - 1));
            for &(first, last) in ids {
                router.add(first, last, route);
            }
            if catch_all {
                router.catch_all = Some(route);
            }
        }
        router.high.sort_unstable_by_key(|&(first, _, _)| first);
        router
    }

    fn add(&mut self, first: u64, last: u64, route: RouteIndex) {
        if first < FLAT {
            let (from, to) = (place(first), place(last.min(FLAT - 1)));
            if self.flat.len() <= to {
                self.flat.resize(to + 1, 0);
            }
            self.flat.iter_mut().take(to + 1).skip(from).for_each(|slot| *slot = route.0 + 1);
        }
        if last >= FLAT {
            self.high.push((first.max(FLAT), last, route));
        }
    }

    /// The route of an ID; `None` where no route has it.
    #[must_use]
    pub fn route(&self, id: ProtocolId) -> Option<RouteIndex> {
        let named = if id.0 < FLAT { self.low(id.0) } else { self.above(id.0) };
        named.or(self.catch_all)
    }

    /// Whether only players who are in may send frames of a route.
    #[must_use]
    pub fn needs_login(&self, route: RouteIndex) -> bool {
        self.needs_login.get(route.get()).copied().unwrap_or(false)
    }

    /// Where the sessions of opaque listeners go.
    #[must_use]
    pub fn opaque(&self) -> Option<RouteIndex> {
        self.opaque
    }

    fn low(&self, id: u64) -> Option<RouteIndex> {
        self.flat.get(place(id)).and_then(|slot| slot.checked_sub(1)).map(RouteIndex)
    }

    fn above(&self, id: u64) -> Option<RouteIndex> {
        let after = self.high.partition_point(|&(first, _, _)| first <= id);
        let &(_, last, route) = self.high.get(after.checked_sub(1)?)?;
        (id <= last).then_some(route)
    }
}

fn is_opaque(cluster: &Cluster) -> bool {
    match cluster.link() {
        LinkKind::Shared | LinkKind::Http => false,
        LinkKind::Dedicated { layout, .. } => layout.framing == Framing::Opaque,
    }
}

/// An ID below [`FLAT`] as a place.
fn place(id: u64) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(&[(u64, u64)], bool)]) -> Router {
        Router::from_routes(routes.iter().copied())
    }

    #[test]
    fn numbers_ranges_and_the_rest_find_their_route_at_every_edge() {
        let router = router(&[
            (&[(1000, 1000), (1002, 1999)], false),
            (&[(5000, 70_000)], false),
            (&[(100_000, u64::MAX)], false),
            (&[], true),
        ]);
        let found = |id| router.route(ProtocolId(id)).map(RouteIndex::get);
        for (id, want) in [
            (0, 3),
            (999, 3),
            (1000, 0),
            (1001, 3),
            (1002, 0),
            (1999, 0),
            (2000, 3),
            (5000, 1),
            (65_535, 1),
            (65_536, 1),
            (70_000, 1),
            (70_001, 3),
            (99_999, 3),
            (100_000, 2),
            (u64::MAX, 2),
        ] {
            assert_eq!(found(id), Some(want), "id {id}");
        }
    }

    #[test]
    fn without_a_catch_all_the_rest_is_unknown() {
        let router = router(&[(&[(10, 20)], false), (&[(1 << 20, 1 << 21)], false)]);
        for id in [0, 9, 21, 65_536, (1 << 20) - 1, (1 << 21) + 1, u64::MAX] {
            assert_eq!(router.route(ProtocolId(id)), None, "id {id}");
        }
        assert_eq!(Router::default().route(ProtocolId(0)), None);
    }

    #[test]
    fn the_flat_table_is_only_as_long_as_its_highest_id() {
        let router = router(&[(&[(10, 20)], false)]);
        assert_eq!(router.flat.len(), 21);
    }
}
