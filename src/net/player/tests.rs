//! What wakes a session that nobody speaks to.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::conduct::Conduct;
use super::tally::Tally;
use crate::base::{GatewayId, SessionId};
use crate::cluster::Registry;
use crate::config::{self, Source};
use crate::net::Commons;
use crate::net::hub::{self, Hub};
use crate::net::seat::Seat;
use crate::net::tls::Tickets;
use crate::net::worker::WorkerSetup;
use crate::net::world::World;
use crate::session::Session;
use crate::telemetry::{Meters, WorkerMeter};

const PLAN: &str = r#"
[frame.game]
length = { offset = 0, width = 4 }
id = { offset = 4, width = 2 }
[listener.players]
listen = "127.0.0.1:0"
limits = { idle_timeout = "1h" }
[cluster.battle]
backends = [{ address = "127.0.0.1:1" }]
[route.battle]
ids = [1000]
cluster = "battle"
"#;

#[test]
fn an_idle_session_wakes_every_ten_minutes_for_its_line() {
    let plan = config::parse(vec![Source { path: "test.toml".into(), text: PLAN.to_owned() }]);
    let (meters, tickets) = (Meters::new(1), Tickets::new().expect("randomness"));
    let world = World::build(plan.expect("a plan"), &mut Registry::default(), &meters, &tickets, UNIX_EPOCH);
    let world = Arc::new(ArcSwap::from_pointee(world.expect("a world")));
    let (began, here) = (hub::now(), SocketAddr::from(([127, 0, 0, 1], 1)));
    let (meters, commons) = (Arc::new(Meters::new(1)), Commons::new());
    let setup = WorkerSetup { index: 0, world: Arc::clone(&world), meters, started: began, commons };
    let hub = Hub::new(setup, Arc::new(WorkerMeter::default()));
    let door = Arc::clone(&world.load().doors()[0]);
    let id = SessionId::new(GatewayId::new(1).expect("small"), 1, 1);
    let seat = Seat::new(id, 1, here, door.listener(), began);
    let session = Session::new(Arc::clone(door.listener().limits()), false, began);
    let mut conduct = Conduct::new(Rc::clone(&hub), seat, door, session, Tally::new(here));
    let at = |minutes: u64| began + Duration::from_secs(60 * minutes);
    for minutes in [10, 20, 30] {
        assert_eq!(conduct.next_deadline(), Some(at(minutes)));
        conduct.log_long(at(minutes));
    }
}

#[test]
fn a_session_has_not_grown_unnoticed() {
    // tokio allots a task in steps of 128 bytes and adds up to 112 of its own: at 656 it takes 768.
    assert!(size_of::<super::Player>() <= 656, "{} bytes", size_of::<super::Player>());
    assert!(size_of::<Seat>() <= 544, "{} bytes", size_of::<Seat>());
}
