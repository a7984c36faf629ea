//! What wakes a session that nobody speaks to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::conduct::Conduct;
use super::tally::Tally;
use crate::base::{GatewayId, SessionId};
use crate::cluster::Registry;
use crate::config::{self, Listener, Plan, Source};
use crate::net::Commons;
use crate::net::hub::{self, Hub};
use crate::net::seat::{Call, Order, Seat};
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

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

fn plan() -> Plan {
    config::parse(vec![Source { path: "test.toml".into(), text: PLAN.to_owned() }]).expect("a plan")
}

fn seat(listener: &Listener) -> Rc<Seat> {
    let id = SessionId::new(GatewayId::new(1).expect("small"), 1, 1);
    Seat::new(id, 1, HERE, listener, hub::now())
}

#[test]
fn an_idle_session_wakes_every_ten_minutes_for_its_line() {
    let plan = plan();
    let (meters, tickets) = (Meters::new(1), Tickets::new().expect("randomness"));
    let world = World::build(plan, &mut Registry::default(), &meters, &tickets, UNIX_EPOCH);
    let world = Arc::new(ArcSwap::from_pointee(world.expect("a world")));
    let began = hub::now();
    let (meters, commons) = (Arc::new(Meters::new(1)), Commons::new());
    let setup = WorkerSetup { index: 0, world: Arc::clone(&world), meters, started: began, commons };
    let hub = Hub::new(setup, Arc::new(WorkerMeter::default()));
    let door = Arc::clone(&world.load().doors()[0]);
    let seat = seat(door.listener());
    let session = Session::new(Arc::clone(door.listener().limits()), false, began);
    let mut conduct = Conduct::new(Rc::clone(&hub), seat, door, session, Tally::new(HERE));
    let at = |minutes: u64| began + Duration::from_secs(60 * minutes);
    for minutes in [10, 20, 30] {
        assert_eq!(conduct.next_deadline(), Some(at(minutes)));
        conduct.log_long(at(minutes));
    }
}

#[test]
fn who_is_called_for_bytes_and_for_more_has_a_whole_turn() {
    let plan = plan();
    let seat = seat(plan.listeners().first().expect("a listener"));
    assert_eq!((seat.take_call(), seat.take_call()), (Call::Turn, Call::No), "the first one is whole");
    seat.call_for_bytes();
    assert_eq!((seat.take_call(), seat.take_call()), (Call::Bytes, Call::No));
    seat.call_for_bytes();
    seat.ring();
    seat.call_for_bytes();
    assert_eq!(seat.take_call(), Call::Turn);
    seat.order(Order::Replaced);
    assert_eq!(seat.take_call(), Call::Turn);
    seat.is_at(HERE);
    assert_eq!(seat.take_call(), Call::Turn, "it enters its release groups anew");
}

#[test]
fn who_is_called_for_bytes_is_woken_once_until_it_has_heard() {
    struct Bell(AtomicUsize);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let plan = plan();
    let seat = seat(plan.listeners().first().expect("a listener"));
    let bell = Arc::new(Bell(AtomicUsize::new(0)));
    seat.listen(&Waker::from(Arc::clone(&bell)));
    let woken = || bell.0.swap(0, Ordering::Relaxed);
    seat.take_call();
    for _ in 0..2 {
        seat.call_for_bytes();
        seat.call_for_bytes();
        assert_eq!(woken(), 1);
        seat.take_call();
    }
    seat.call_for_bytes();
    seat.order(Order::Replaced);
    assert_eq!(woken(), 2, "it may have been woken and not run yet: then the second costs nothing");
    seat.take_call();
    seat.is_at(HERE);
    assert_eq!(woken(), 1);
}

#[test]
fn a_session_has_not_grown_unnoticed() {
    // tokio allots a task in steps of 128 bytes and adds up to 112 of its own: at 656 it takes 768.
    assert!(size_of::<super::Player>() <= 656, "{} bytes", size_of::<super::Player>());
    assert!(size_of::<Seat>() <= 552, "{} bytes", size_of::<Seat>());
}
