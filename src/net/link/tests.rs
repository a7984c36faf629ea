//! The end of a link behind which something is held, and when a link is laden.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::SharedLink;
use super::connection::{Connection, LinkError};
use crate::base::{GatewayId, SessionId};
use crate::cluster::Registry;
use crate::config::{self, Source};
use crate::net::Commons;
use crate::net::hub::{self, Hub};
use crate::net::queue::Queue;
use crate::net::seat::Seat;
use crate::net::tls::Tickets;
use crate::net::worker::WorkerSetup;
use crate::net::world::World;
use crate::telemetry::{Meters, WorkerMeter};
use crate::wire::Lent;
use crate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HEADER_LENGTH, HelloAck, LINK, Message,
    append_frame_envelope,
};

const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

fn world(backend: SocketAddr) -> World {
    let text = format!(
        "[gateway]\nid = 1\n\
         [frame.game]\nlength = {{ offset = 0, width = 4 }}\nid = {{ offset = 4, width = 2 }}\nmax_length = \"1KiB\"\n\
         [listener.players]\nlisten = \"127.0.0.1:0\"\nlimits = {{ send_buffer = \"1KiB\" }}\n\
         [cluster.battle]\nbackends = [{{ address = \"{backend}\" }}]\n\
         [route.battle]\nids = [1000]\ncluster = \"battle\""
    );
    let plan = config::parse(vec![Source { path: "test.toml".into(), text }]).expect("a plan");
    let tickets = Tickets::new().expect("randomness");
    World::build(plan, &mut Registry::default(), &Meters::new(1), &tickets, UNIX_EPOCH).expect("a world")
}

/// A worker's hub in which one player has a seat.
fn hub_with_a_player(world: World) -> (Rc<Hub>, Rc<Seat>) {
    let id = SessionId::new(GatewayId::new(1).expect("small"), 1, 1);
    let seat = Seat::new(id, 1, HERE, world.doors()[0].listener(), hub::now());
    let world = Arc::new(ArcSwap::from_pointee(world));
    let (meters, commons) = (Arc::new(Meters::new(1)), Commons::new());
    let setup = WorkerSetup { index: 0, world, meters, started: hub::now(), commons };
    let hub = Hub::new(setup, Arc::new(WorkerMeter::default()));
    hub.take_seat(&seat);
    (hub, seat)
}

fn link_of(hub: &Hub) -> Rc<SharedLink> {
    let world = hub.world.load();
    let cluster = &world.clusters[0];
    let backend = Arc::clone(cluster.entry.at(0).expect("one"));
    SharedLink::new(Arc::clone(cluster), backend, hub.started, hub::now())
}

/// Takes the gateway's connection and greets it.
async fn greeted(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("the gateway");
    let (mut decoder, mut buffer) = (EnvelopeDecoder::new(), [0; 1024]);
    let length = stream.read(&mut buffer).await.expect("HELLO");
    assert!(decoder.envelopes(DEFAULT_MAX_ENVELOPE, &buffer[..length]).next().is_some());
    stream.write_all(&said(LINK, Message::HelloAck(HelloAck::new(7)))).await.expect("the gateway reads");
    stream
}

fn said(session: SessionId, message: Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, &mut bytes).expect("an envelope");
    bytes
}

/// A frame of so many bytes for a session.
fn frame_for(session: SessionId, length: u32) -> Vec<u8> {
    let mut frame = (length - 4).to_be_bytes().to_vec();
    frame.extend_from_slice(&1000_u16.to_be_bytes());
    frame.resize(usize::try_from(length).expect("small"), 7);
    let mut bytes = Vec::new();
    append_frame_envelope(session, &frame, &mut bytes).expect("a frame");
    bytes
}

#[tokio::test]
async fn what_was_read_before_a_link_broke_reaches_the_player_though_its_session_had_no_turn_between() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (hub, seat) = hub_with_a_player(world(listener.local_addr().expect("bound")));
    let link = link_of(&hub);
    let (connection, mut backend) = tokio::join!(Connection::establish(&hub, &link), greeted(&listener));
    let connection = connection.expect("a link");
    // The answer to the PING finds the connection broken, in the turn in which the first frame is enough for the player.
    let mut words = said(LINK, Message::Ping { payload: b"?" });
    words.extend_from_slice(&frame_for(seat.id, 600));
    words.extend_from_slice(&frame_for(seat.id, 100));
    words.extend_from_slice(&frame_for(seat.id, 200));
    backend.write_all(&words).await.expect("the gateway reads");
    backend.set_zero_linger().expect("a socket");
    drop(backend);
    let error = connection.serve().await;
    assert!(matches!(error, LinkError::Io(_)), "{error}");
    let outbox = seat.outbox.borrow();
    assert_eq!((outbox.frames(), outbox.waiting()), (3, 900));
}

#[test]
fn a_link_is_laden_by_what_was_copied_and_is_not_being_written() {
    let (hub, seat) = hub_with_a_player(world(HERE));
    let (link, now) = (link_of(&hub), hub.started);
    let leave = |bytes: &[u8], count: usize| {
        (0..count).for_each(|_| link.frame(seat.id, &Lent::alone(bytes), now));
        link.is_laden()
    };
    let small = [7; 1024 - HEADER_LENGTH];
    assert_eq!([leave(&small, 63), leave(&small, 1)], [false, true], "64 KiB");
    let mut writing = Queue::default();
    link.take_out(&mut writing);
    assert_eq!([link.is_laden(), leave(&small, 64)], [false; 2], "the socket has not taken it all");
    link.wrote(0, now);
    assert!(link.is_laden());

    link.take_out(&mut Queue::default());
    link.wrote(0, now);
    let block = Arc::new(vec![7; 1024 * 1024]);
    link.frame(seat.id, &Lent { bytes: &block, block: Some(&block) }, now);
    assert!(!link.is_laden(), "a large frame is not copied");
}
