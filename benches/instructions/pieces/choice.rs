//! Where a frame goes: what the session says, which route it is, which backend serves.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

use realmgate::base::ProtocolId;
use realmgate::cluster::{Ask, Cluster, Fit, PickState, Registry};
use realmgate::router::Router;
use realmgate::session::{Binding, Bindings, Rules, Session};

use crate::frame::ID;
use crate::game::many_routes;

/// The clock of the registry: the gateway has run for a while.
const NOW: Duration = Duration::from_secs(1000);

pub(crate) fn route_low(times: u64) {
    route(times, u64::from(ID));
}

pub(crate) fn route_high(times: u64) {
    route(times, 350_500);
}

pub(crate) fn route_rest(times: u64) {
    route(times, 60_000);
}

fn route(times: u64, id: u64) {
    let router = Router::new(&many_routes(""));
    for _ in 0..times {
        black_box(router.route(black_box(ProtocolId(id))));
    }
}

pub(crate) fn verdict(times: u64) {
    let plan = many_routes("");
    let (router, now) = (Router::new(&plan), Instant::now());
    let listener = plan.listeners().first().expect("the file has one");
    let rules = Rules { layout: listener.layout(), unknown_id: listener.unknown_id(), router: &router };
    let mut session = Session::new(Arc::clone(listener.limits()), false, now);
    for _ in 0..times {
        session.touched(now); // as the first of a turn does
        black_box(session.frame(black_box(ProtocolId(u64::from(ID))), &rules, now));
    }
}

/// What a worker asks of every frame of a sticky session.
pub(crate) fn kept(times: u64) {
    let cluster = cluster("round_robin");
    let mut bindings = Bindings::default();
    let backend = cluster.at(3).expect("there are eight").key();
    bindings.bind(Binding { cluster: cluster.key(), backend, epoch: 1, stands_in: false });
    for _ in 0..times {
        let kept = black_box(&bindings).pinned(cluster.key());
        let place = kept.and_then(|kept| cluster.place_of(kept));
        black_box(place.filter(|place| cluster.keeps(*place, NOW)));
    }
}

pub(crate) fn round_robin(times: u64) {
    pick(times, "round_robin");
}

pub(crate) fn random(times: u64) {
    pick(times, "random");
}

pub(crate) fn least_load(times: u64) {
    pick(times, "least_load");
}

pub(crate) fn modulo(times: u64) {
    pick(times, "modulo");
}

pub(crate) fn consistent_hash(times: u64) {
    pick(times, "consistent_hash");
}

pub(crate) fn backup(times: u64) {
    pick(times, "backup");
}

fn pick(times: u64, balance: &str) {
    let (cluster, mut state) = (cluster(balance), PickState::default());
    let mut dice = SmallRng::seed_from_u64(11);
    for key in 0..times {
        let ask = Ask { key, critical: false, now: NOW };
        black_box(cluster.pick(&ask, &mut state, &mut dice, |_| Fit::New)).expect("eight serve");
    }
}

pub(crate) fn hot_standby(times: u64) {
    let cluster = cluster("hot_standby");
    for _ in 0..times {
        let mut live = black_box(&cluster).live(NOW, |_| true);
        black_box((live.next(), live.next()));
    }
}

fn cluster(balance: &str) -> Cluster {
    let plan = many_routes(&format!("balance = \"{balance}\""));
    Registry::default().cluster(plan.clusters().first().expect("the file has one"), "")
}
