//! A gateway: the crate's registry, cluster and pick, and what it knows of its links.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use realmgate::cluster::{Ask, Cluster, Fit, Mark, PickState, Registry, Report};
use realmgate::config::{self, Plan, Source};

use super::cases::Policy;

/// One gateway with one worker.
#[derive(Debug)]
pub(crate) struct Gateway {
    registry: Registry,
    pub(crate) cluster: Cluster,
    state: PickState,
    dice: SmallRng,
    zone: &'static str,
    pub(crate) links: Vec<Link>,
}

/// A shared link as far as picking goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    pub(crate) up: bool,
    /// The life of the backend that it leads to.
    pub(crate) life: u32,
    mark: Mark,
    /// One for each PING that waits for its PONG.
    asked: VecDeque<Mark>,
}

impl Gateway {
    /// One that has just started with these backends.
    pub(crate) fn new(plan: &Plan, zone: &'static str, seed: u64) -> Self {
        let mut registry = Registry::default();
        let cluster = registry.cluster(battle(plan), zone);
        registry.starts_serving();
        let links = vec![Link::default(); cluster.members().len()];
        Self {
            registry,
            cluster,
            state: PickState::default(),
            dice: SmallRng::seed_from_u64(seed),
            zone,
            links,
        }
    }

    /// Goes on with another plan.
    pub(crate) fn reload(&mut self, plan: &Plan) {
        self.cluster = self.registry.cluster(battle(plan), self.zone);
        self.links.resize(self.cluster.members().len(), Link::default());
    }

    /// The place of the backend that gets one more session.
    pub(crate) fn choose(&mut self, now: Duration) -> Option<usize> {
        let Self { cluster, state, dice, links, .. } = self;
        let ask = Ask { key: 0, critical: false, now };
        let fit = |place: usize| if links[place].up { Fit::New } else { Fit::No };
        let place = cluster.pick(&ask, state, dice, fit).ok()?;
        cluster.open_session(place, now).then_some(place)
    }

    fn backend(&self, place: usize) -> &realmgate::cluster::Backend {
        self.cluster.at(place).expect("events name members")
    }

    /// A session is over or was refused.
    pub(crate) fn close(&self, place: usize) {
        self.backend(place).close_session();
    }

    /// A session failed; whether that has ejected the backend.
    pub(crate) fn failed(&self, place: usize, now: Duration) -> bool {
        self.cluster.failed(self.backend(place).key(), now).is_some()
    }

    pub(crate) fn succeeded(&self, place: usize) {
        self.backend(place).succeeded();
    }

    pub(crate) fn probed(&self, place: usize, up: bool, now: Duration) {
        self.backend(place).set_up(up, now);
    }

    /// A link came up, to this life of the backend.
    pub(crate) fn greeted(&mut self, place: usize, life: u32, capacity: Option<u32>, now: Duration) {
        self.ask(place);
        self.answered(place);
        self.links[place].up = true;
        self.links[place].life = life;
        let (drawn, slow_start) = (self.dice.random_range(0.0..1.0), self.cluster.slow_start());
        self.backend(place).link_came(u64::from(life), now);
        self.backend(place).greeted(capacity, slow_start, drawn, now);
    }

    pub(crate) fn lost(&mut self, place: usize) {
        if self.links[place].up {
            self.links[place] = Link { mark: self.links[place].mark, ..Link::default() };
            self.backend(place).link_went();
        }
    }

    pub(crate) fn ask(&mut self, place: usize) {
        let mark = self.backend(place).mark();
        self.links[place].asked.push_back(mark);
    }

    pub(crate) fn answered(&mut self, place: usize) {
        if let Some(mark) = self.links[place].asked.pop_front() {
            self.links[place].mark = mark;
        }
    }

    pub(crate) fn report(&mut self, place: usize, report: Report, now: Duration) {
        let drawn = self.dice.random_range(0.0..1.0);
        let slow_start = self.cluster.slow_start();
        self.backend(place).report(report, self.links[place].mark, slow_start, drawn, now);
    }
}

/// The plan of so many backends under this policy; with two zones, they take turns.
pub(crate) fn plan(policy: Policy, backends: usize, zones: &[&str]) -> Plan {
    let zone = |place: usize| {
        zones.get(place % zones.len().max(1)).map(|zone| format!(", zone = \"{zone}\"")).unwrap_or_default()
    };
    let backend = |place: usize| format!("{{ address = \"10.0.0.{place}:7100\"{} }}", zone(place));
    let backends = (0..backends).map(backend).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[frame.game]\nlength = {{ offset = 0, width = 4 }}\nid = {{ offset = 4, width = 2 }}\n\
         [listener.players]\nlisten = \"127.0.0.1:7000\"\nframe = \"game\"\n\
         [route.battle]\nids = [\"*\"]\ncluster = \"battle\"\n\
         [cluster.battle]\n{}backends = [{backends}]\n{}",
        policy.keys(),
        policy.outlier(),
    );
    let source = Source { path: "simulation.toml".into(), text };
    config::parse(vec![source]).unwrap_or_else(|report| panic!("{}", report.render(false)))
}

fn battle(plan: &Plan) -> &config::Cluster {
    plan.clusters().first().expect("one cluster")
}
