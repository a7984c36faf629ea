//! What wakes a session that nobody speaks to, whose frames are behind a token, and who comes behind a link.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::conduct::Conduct;
use super::messages::WebSocket;
use super::tally::Tally;
use crate::base::{GatewayId, SessionId};
use crate::cluster::Registry;
use crate::config::{self, Listener, Plan, Source};
use crate::net::Commons;
use crate::net::hub::{self, Hub};
use crate::net::link::SharedLink;
use crate::net::seat::{CalledFor, Order, Seat};
use crate::net::tls::Tickets;
use crate::net::worker::WorkerSetup;
use crate::net::world::World;
use crate::session::{Binding, Session};
use crate::telemetry::{Meters, WorkerMeter};
use crate::wire::Lent;
use crate::wire::websocket::{FrameKind, append_frame};

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
    parsed(PLAN.to_owned())
}

fn parsed(text: String) -> Plan {
    config::parse(vec![Source { path: "test.toml".into(), text }]).expect("a plan")
}

fn frame(id: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(2 + body.len()).expect("short");
    [&length.to_be_bytes()[..], &id.to_be_bytes(), body].concat()
}

fn seat(listener: &Listener) -> Rc<Seat> {
    let id = SessionId::new(GatewayId::new(1).expect("small"), 1, 1);
    Seat::new(id, 1, HERE, listener, hub::now())
}

/// A session that has just come, of a listener in this plan, and the world that it came to.
fn guest(plan: Plan) -> (Conduct, Arc<World>) {
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
    (Conduct::new(hub, seat, door, session, Tally::new(HERE)), world.load_full())
}

#[test]
fn an_idle_session_wakes_every_ten_minutes_for_its_line() {
    let (mut conduct, _) = guest(plan());
    let began = conduct.session.began();
    let at = |minutes: u64| began + Duration::from_secs(60 * minutes);
    for minutes in [10, 20, 30] {
        assert_eq!(conduct.next_deadline(), Some(at(minutes)));
        conduct.log_long(at(minutes));
    }
}

#[test]
fn what_comes_behind_a_second_token_is_the_second_sessions() {
    let listener = "listen = \"127.0.0.1:0\"";
    let text = PLAN
        .replace(listener, &format!("{listener}\nprotocol = \"websocket\"\npath = \"/play\""))
        .replace("width = 2 }", "width = 2 }\nnotice = { id = 9000 }");
    let login = "[login]\nroute = \"battle\"\nresume = \"60s\"";
    let (mut conduct, world) = guest(parsed(text + login));
    let (now, layout) = (conduct.session.began(), Arc::clone(conduct.door.listener().layout()));
    let claim = || {
        let token = conduct.hub.commons.tokens.issue(conduct.seat.id, &layout, true).expect("randomness");
        frame(9000, format!(r#"{{"resume":"{}"}}"#, token.text()).as_bytes())
    };
    let mut bytes = Vec::new();
    append_frame(FrameKind::Binary, &[claim(), claim()].concat(), Some([7; 4]), &mut bytes);
    append_frame(FrameKind::Binary, &frame(1000, b"behind both"), Some([7; 4]), &mut bytes);

    let mut socket = WebSocket::new(&layout, false, now);
    let mut frames_in = |conduct: &mut Conduct, bytes: Option<&mut [u8]>| {
        match bytes {
            Some(bytes) => socket.take(conduct, (&layout, &world), bytes, now),
            None => socket.take_behind(conduct, (&layout, &world), now),
        }
        (conduct.tally.frames_in, conduct.comeback.claim.take().is_some())
    };
    assert_eq!(frames_in(&mut conduct, Some(&mut bytes)), (1, true));
    assert_eq!(frames_in(&mut conduct, None), (2, true));
    assert_eq!(frames_in(&mut conduct, None), (3, false));
}

#[test]
fn a_session_comes_behind_a_laden_link_that_it_uses() {
    let (mut conduct, world) = guest(plan());
    let cluster = &world.clusters[0];
    let backend = Arc::clone(cluster.entry.at(0).expect("one"));
    let key = backend.key();
    let link = SharedLink::new(Arc::clone(cluster), backend, conduct.hub.started, conduct.hub.started);
    conduct.hub.add_link(&link);
    for _ in 0..64 {
        link.frame(conduct.seat.id, &Lent::alone(&[7; 1024]), conduct.hub.started);
    }
    assert!(link.is_laden() && !conduct.comes_behind_a_link(), "it has not used it yet");
    conduct.session.bindings.bind(Binding {
        cluster: cluster.key(),
        backend: key,
        epoch: 0,
        stands_in: false,
    });
    assert!(conduct.comes_behind_a_link());
}

#[test]
fn who_is_called_for_bytes_and_for_more_has_a_whole_turn() {
    let plan = plan();
    let seat = seat(plan.listeners().first().expect("a listener"));
    assert_eq!(
        (seat.take_call(), seat.take_call()),
        (CalledFor::Turn, CalledFor::Nothing),
        "the first one is whole"
    );
    seat.call_for_bytes();
    assert_eq!((seat.take_call(), seat.take_call()), (CalledFor::Bytes, CalledFor::Nothing));
    seat.call_for_bytes();
    seat.ring();
    seat.call_for_bytes();
    assert_eq!(seat.take_call(), CalledFor::Turn);
    seat.order(Order::Replaced);
    assert_eq!(seat.take_call(), CalledFor::Turn);
    seat.learn_address(HERE);
    assert_eq!(seat.take_call(), CalledFor::Turn, "it enters its release groups anew");
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
    seat.learn_address(HERE);
    assert_eq!(woken(), 1);
}

#[test]
fn a_session_has_not_grown_unnoticed() {
    // tokio allots a task in steps of 128 bytes and adds up to 112 of its own: at 656 it takes 768.
    assert!(size_of::<super::Player>() <= 656, "{} bytes", size_of::<super::Player>());
    assert!(size_of::<Seat>() <= 552, "{} bytes", size_of::<Seat>());
}
