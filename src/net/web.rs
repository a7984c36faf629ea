//! The HTTP routes of a world, each with everything that its requests need.

use std::sync::Arc;

use super::errand::ErrandWay;
use super::guard::Guard;
use super::opened::Opened;
use super::statics::StaticFile;
use super::world::{ClusterView, Ground, World};
use crate::cluster::Backend;
use crate::config::{Conversion, GroupIndex, HttpRoute, HttpTarget, Plan};
use crate::policy::Breaker;
use crate::router::{WebMiss, WebRouter};
use crate::telemetry::{HttpMeter, Statuses};

/// The HTTP routes of a plan.
#[derive(Debug, Default)]
pub(super) struct Web {
    router: WebRouter,
    lanes: Vec<Arc<WebLane>>,
}

/// An HTTP route as its requests use it.
#[derive(Debug)]
pub struct WebLane {
    name: Arc<str>,
    route: HttpRoute,
    cluster: Option<Arc<ClusterView>>,
    guards: Vec<Arc<Guard>>,
    errands: Option<Arc<ErrandWay>>,
    file: Option<Arc<StaticFile>>,
    meter: Arc<HttpMeter>,
    /// Counts of requests that no partner made, or none that was proven.
    of_nobody: Arc<Statuses>,
    /// By the route's partners.
    of_partners: Vec<(Arc<str>, Arc<Statuses>)>,
}

impl Web {
    /// `views`: what serves each release group, by cluster.
    pub(super) fn new(
        plan: &Plan,
        views: &[Vec<Arc<ClusterView>>],
        opened: &Opened,
        ground: &mut Ground<'_>,
    ) -> Self {
        let active = |place: usize| {
            let own = plan.clusters().get(place).and_then(|cluster| cluster.active());
            let group = own.or(plan.release().active()).map_or(0, GroupIndex::get);
            views.get(group).or(views.first()).and_then(|views| views.get(place)).cloned()
        };
        let lane = |(place, route)| {
            let file = opened.files.get(place).cloned().flatten();
            Arc::new(WebLane { file, ..WebLane::new(plan, route, &active, ground) })
        };
        Self { lanes: plan.http().iter().enumerate().map(lane).collect(), router: WebRouter::new(plan) }
    }
}

impl World {
    /// The route of a request; the host and the path as the router wants them.
    ///
    /// # Errors
    /// When there is none.
    pub fn web_lane(
        &self,
        listener: &str,
        host: Option<&str>,
        path: &[u8],
        method: &str,
    ) -> Result<&Arc<WebLane>, WebMiss> {
        let listeners = self.plan().listeners();
        let listener = listeners.iter().position(|known| known.name() == listener).ok_or(WebMiss::Nowhere)?;
        let route = self.web.router.route(listener, host, path, method)?;
        self.web.lanes.get(route.get()).ok_or(WebMiss::Nowhere)
    }

    /// Every HTTP route, in the order of the plan.
    #[must_use]
    pub fn web_lanes(&self) -> &[Arc<WebLane>] {
        &self.web.lanes
    }
}

impl WebLane {
    /// `active`: what serves the active group at a place of the plan's clusters.
    fn new(
        plan: &Plan,
        route: &HttpRoute,
        active: &impl Fn(usize) -> Option<Arc<ClusterView>>,
        ground: &mut Ground<'_>,
    ) -> Self {
        let name: Arc<str> = format!("http.{}", route.name()).into();
        let cluster = route.target().cluster().and_then(active);
        let guard = |(backend, breaker): (&Arc<Backend>, Arc<Breaker>)| {
            Guard::new(Arc::clone(&name), Arc::clone(backend), breaker, *route.breaker())
        };
        let guards = cluster.iter().flat_map(|view| {
            let breakers = ground.registry.breakers(&name, view.entry());
            view.entry().members().zip(breakers).map(guard).collect::<Vec<_>>()
        });
        let guards: Vec<_> = guards.collect();
        let errands = cluster.as_ref().zip(conversion(route)).map(|(cluster, conversion)| {
            let (id, reply) = (conversion.id(), conversion.reply());
            let layout = Arc::clone(conversion.layout());
            Arc::new(ErrandWay { cluster: Arc::clone(cluster), guards: guards.clone(), layout, id, reply })
        });
        let meter = ground.meters.http(route.name());
        let partners = route.partners().iter().filter_map(|place| plan.partners().get(*place));
        Self {
            guards,
            cluster,
            errands,
            file: None,
            of_nobody: meter.of(""),
            of_partners: partners.map(|partner| (partner.name().into(), meter.of(partner.name()))).collect(),
            meter,
            route: route.clone(),
            name: route.name().into(),
        }
    }

    /// The name in the file.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What the file says of it.
    #[must_use]
    pub fn route(&self) -> &HttpRoute {
        &self.route
    }

    /// What serves the active group there; `None`: the gateway answers itself.
    #[must_use]
    pub fn cluster(&self) -> Option<&Arc<ClusterView>> {
        self.cluster.as_ref()
    }

    /// Its breakers, one for each member, in the order of the cluster.
    #[must_use]
    pub fn guards(&self) -> &[Arc<Guard>] {
        &self.guards
    }

    /// Where its requests go as frames; `None`: they do not.
    #[must_use]
    pub fn errands(&self) -> Option<&Arc<ErrandWay>> {
        self.errands.as_ref()
    }

    /// What the gateway itself answers with; `None`: backends do.
    #[must_use]
    pub fn file(&self) -> Option<&Arc<StaticFile>> {
        self.file.as_ref()
    }

    /// Where it counts.
    #[must_use]
    pub fn meter(&self) -> &Arc<HttpMeter> {
        &self.meter
    }

    /// Where the answers to a partner are counted; a name that the route does not have is nobody.
    #[must_use]
    pub fn statuses(&self, partner: Option<&str>) -> &Arc<Statuses> {
        let of = |name: &str| self.of_partners.iter().find(|(known, _)| **known == *name);
        partner.and_then(of).map_or(&self.of_nobody, |(_, statuses)| statuses)
    }
}

fn conversion(route: &HttpRoute) -> Option<&Conversion> {
    match route.target() {
        HttpTarget::Convert(conversion) => Some(conversion),
        HttpTarget::Cluster(_) | HttpTarget::File(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::cluster::Registry;
    use crate::config::{Source, parse};
    use crate::net::tls::Tickets;
    use crate::telemetry::Meters;

    #[test]
    fn requests_meet_the_group_that_is_active_at_their_cluster() {
        let text = r#"
            [listener.open]
            listen = "127.0.0.1:0"
            protocol = "http"
            [release]
            active = "a"
            [cluster.one]
            link = "http"
            backends = [{ address = "127.0.0.1:1", group = "a" }, { address = "127.0.0.1:2", group = "b" }]
            [cluster.two]
            link = "http"
            active = "b"
            backends = [{ address = "127.0.0.1:3", group = "a" }, { address = "127.0.0.1:4", group = "b" }]
            [http.one]
            listener = "open"
            path = "/one"
            cluster = "one"
            [http.two]
            listener = "open"
            path = "/two"
            cluster = "two"
        "#;
        let plan = parse(vec![Source { path: "test.toml".into(), text: text.to_owned() }]);
        let plan = plan.unwrap_or_else(|report| panic!("{report}"));
        let (mut registry, tickets) = (Registry::default(), Tickets::new().expect("randomness"));
        let world =
            World::build(plan, &mut registry, &Meters::new(1), &tickets, UNIX_EPOCH).expect("a world");
        let met = world.web_lanes().iter().map(|lane| {
            let members = lane.guards().iter().map(|guard| guard.backend().address().to_owned());
            members.collect::<Vec<_>>()
        });
        assert_eq!(met.collect::<Vec<_>>(), [["127.0.0.1:1"], ["127.0.0.1:4"]]);
    }
}
