//! Listening sockets and the loop that hands what they accept to the worker with the fewest sessions. It reads no
//! byte of a player: handshakes happen on the worker, under a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::commons::Commons;
use super::desk::{self, Desk};
use super::guest::{Guest, Lounge};
use super::hub;
use super::liveness::watch_player;
use super::worker::{Arriving, WorkerHandle};
use super::world::{Door, World};
use crate::base::{AddressKey, GatewayId, SessionId};
use crate::config::Listener;
use crate::session::EndReason;
use crate::telemetry::{self, DoorRefusal};

/// A listening socket and the listener it belongs to.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    name: String,
    wanted: SocketAddr,
    address: SocketAddr,
}

/// What an accept loop needs besides its socket.
#[derive(Clone, Debug)]
pub struct Reception {
    /// Where the world in force is published: each connection meets its listener as it is then.
    pub world: Arc<ArcSwap<World>>,
    /// Who gets the connections.
    pub workers: Arc<[WorkerHandle]>,
    /// Who numbers them.
    pub ids: Arc<SessionIds>,
    /// When the process started.
    pub started: Instant,
    /// What all threads share.
    pub commons: Arc<Commons>,
    /// Who takes what comes in at listeners for HTTP.
    pub lounge: Arc<dyn Lounge>,
}

/// What an accepted connection holds. A session may outlive its connection, and a connection its session.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) session: SessionPlace,
    pub(super) connection: ConnectionPlace,
}

/// A place among the sessions of a worker; given back when dropped.
#[derive(Debug)]
pub(super) struct SessionPlace(Arc<AtomicUsize>);

/// A place among the connections of a listener and those of an address; given back when dropped.
#[derive(Debug)]
pub(super) struct ConnectionPlace {
    door: Arc<Door>,
    desk: Arc<Desk>,
    /// Whose limits it counts for; nobody's where a proxy speaks, until it has said for whom.
    address: Option<AddressKey>,
}

/// Gives every accepted connection its session ID.
#[derive(Debug)]
pub struct SessionIds {
    gateway: GatewayId,
    start: u32,
    arrivals: AtomicU64,
    /// How many each worker has had: one that is busy does not use up the numbers of the others.
    dealt: Box<[AtomicU64]>,
}

/// Connections that the operating system keeps while the loop is busy: a login storm waits here.
const BACKLOG: i32 = 4096;
/// How long accepting pauses when the machine gives no more sockets.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens at a listener's address.
///
/// # Errors
/// What the operating system says: the address is in use, not this machine's, or not for this user.
pub fn bind(listener: &Listener) -> io::Result<Bound> {
    let address = *listener.listen().get();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?; // whatever the machine's default is: `check` goes by this
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Bound::adopt(socket.into(), listener)
}

impl Bound {
    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// When it cannot be used in this process's event loop.
    pub fn adopt(socket: std::net::TcpListener, listener: &Listener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, name: listener.name().to_owned(), wanted: *listener.listen().get(), address })
    }

    /// Where it listens; the port that was chosen if the plan said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the plan wanted it.
    #[must_use]
    pub fn wanted(&self) -> SocketAddr {
        self.wanted
    }

    /// The listener's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same socket for another listener, or for another process.
    ///
    /// # Errors
    /// When the machine gives no more descriptors.
    pub fn share(&self) -> io::Result<std::net::TcpListener> {
        Ok(self.socket.as_fd().try_clone_to_owned()?.into())
    }

    /// Accepts until it is told to stop. Whoever was accepted by then is handed over.
    pub async fn accept(self: Arc<Self>, reception: Reception, mut stop: oneshot::Receiver<()>) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut stop => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted.and_then(|(stream, address)| Ok((stream.into_std()?, address))) {
                Ok((stream, address)) => self.hand_over(stream, address, &reception).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    telemetry::accept_paused(self.name(), &error.to_string());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves whoever waits already: the last ones before the socket closes. Who that is, the socket itself says: the
    /// event loop may not have heard of them yet, and gives each task a few at a time.
    pub async fn accept_waiting(&self, reception: &Reception) {
        for _ in 0..BACKLOG {
            match SockRef::from(&self.socket).accept() {
                Ok((stream, address)) => {
                    let Some(address) = address.as_socket() else { continue };
                    if stream.set_nonblocking(true).is_ok() {
                        self.hand_over(stream.into(), address, reception).await;
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }

    /// The stream does not block, and is in no event loop: the worker's takes it.
    async fn hand_over(&self, stream: TcpStream, address: SocketAddr, reception: &Reception) {
        let Reception { world, workers, ids, started, commons, lounge } = reception;
        let Some(door) = world.load().door(&self.name).cloned() else { return };
        let now = hub::now();
        let visitor = Visitor { ip: address.ip(), now, since_start: now.saturating_duration_since(*started) };
        let connection = match visitor.admit(&world.load(), commons, &door) {
            Ok(connection) => connection,
            Err(why) => return door.meter.refuse(why),
        };
        if prepare(&stream, &door).is_err() {
            return; // it is gone already
        }
        door.meter.accepted.add(1);
        if !door.listener().is_for_players() {
            return lounge.receive(Guest::new(stream, address, door, connection));
        }
        let Some((place, worker)) = workers.iter().enumerate().min_by_key(|(_, worker)| worker.sessions())
        else {
            return;
        };
        let admission = Admission { session: SessionPlace::new(worker.count()), connection };
        let (session, arrival) = ids.next(place);
        worker.send(Arriving { stream, address, door, session, arrival, admission }).await;
    }
}

/// Who has just connected.
#[derive(Debug)]
struct Visitor {
    ip: IpAddr,
    now: Instant,
    since_start: Duration,
}

impl Visitor {
    /// A place, or why there is none. Of a proxy only what is not about addresses is asked: for whom it speaks is read
    /// on the worker.
    fn admit(
        &self,
        world: &World,
        commons: &Commons,
        door: &Arc<Door>,
    ) -> Result<ConnectionPlace, DoorRefusal> {
        let listener = door.listener();
        let is_proxy = listener.is_proxy(self.ip);
        if commons.pressure.refuses_sessions() {
            return Err(DoorRefusal::Overload);
        }
        let kept_out = || desk::keeps_out(world, commons, listener, self.ip, self.since_start);
        if let Some(why) = (!is_proxy).then(kept_out).flatten() {
            return Err(why);
        }
        let mut connection = ConnectionPlace::new(door, commons.desks.of(listener.name(), self.now))?;
        if !is_proxy {
            connection.count_for(self.ip, self.now)?;
        }
        Ok(connection)
    }
}

impl ConnectionPlace {
    /// Refused when the listener has as many connections as it may have.
    fn new(door: &Arc<Door>, desk: Arc<Desk>) -> Result<Self, DoorRefusal> {
        let before = door.meter.enter();
        let place = Self { door: Arc::clone(door), desk, address: None };
        let has_room = before < door.listener().limits().connections();
        if has_room { Ok(place) } else { Err(DoorRefusal::Connections) }
    }

    /// It is a connection of this address from now on.
    pub(super) fn count_for(&mut self, address: IpAddr, now: Instant) -> Result<(), DoorRefusal> {
        let key = AddressKey::of(address);
        self.desk.enter(key, self.door.listener().limits(), now)?;
        self.address = Some(key);
        Ok(())
    }

    /// Where its listener keeps what it knows of who comes.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The session ended so: what was none of the game is held against the address, unless the listener has no limits
    /// for one address because everybody comes from the same.
    pub(super) fn ended(&self, end: EndReason, now: Instant) {
        let limits = self.door.listener().limits();
        let counts_addresses = limits.connections_per_ip().is_some() || limits.new_per_ip().is_some();
        if let Some(address) = self.address.filter(|_| counts_addresses) {
            self.desk.ended(address, end, now);
        }
    }
}

impl SessionPlace {
    /// One more of a worker that counts its sessions here.
    pub(super) fn new(sessions: Arc<AtomicUsize>) -> Self {
        sessions.fetch_add(1, Ordering::AcqRel);
        Self(sessions)
    }
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        self.door.meter.leave();
        if let Some(address) = self.address {
            self.desk.leave(address, hub::now());
        }
    }
}

impl SessionIds {
    /// IDs of one life of a gateway with so many workers; `start` tells its lives apart, in seconds.
    #[must_use]
    pub fn new(gateway: GatewayId, start: u32, workers: usize) -> Self {
        let dealt = (0..workers.max(1)).map(|_| AtomicU64::new(1)).collect();
        Self { gateway, start, arrivals: AtomicU64::new(1), dealt }
    }

    /// The next ID for a worker, and in which order its connection came. The counter divided by the number of workers
    /// leaves the worker's place, so that everybody knows where a session lives.
    pub(super) fn next(&self, worker: usize) -> (SessionId, u64) {
        let arrival = self.arrivals.fetch_add(1, Ordering::Relaxed);
        let dealt = self.dealt.get(worker).map_or(arrival, |dealt| dealt.fetch_add(1, Ordering::Relaxed));
        let workers = u64::try_from(self.dealt.len()).unwrap_or(1);
        let rounds = (1 << u32::BITS) / workers;
        let counter = dealt % rounds * workers + u64::try_from(worker).unwrap_or(0);
        (SessionId::new(self.gateway, self.start, u32::try_from(counter).unwrap_or(u32::MAX)), arrival)
    }
}

fn prepare(stream: &TcpStream, door: &Door) -> io::Result<()> {
    stream.set_nodelay(true)?;
    watch_player(stream, door.listener().limits())
}

/// Errors that only say that the accepted connection is gone already (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::cluster::Registry;
    use crate::config::{Source, parse};
    use crate::net::Tickets;
    use crate::telemetry::Meters;

    const PLAN: &str = r#"
        [listener.open]
        protocol = "http"
        listen = "127.0.0.1:0"
        limits = { connections_per_ip = 1000, new_per_ip = "1000/s" }
        [cluster.web]
        link = "http"
        backends = [{ address = "127.0.0.1:1" }]
        [http.all]
        listener = "open"
        path = "/*"
        cluster = "web"
    "#;

    /// Counts whom it gets.
    #[derive(Debug, Default)]
    struct Counter(AtomicUsize);

    impl Lounge for Counter {
        fn receive(&self, _guest: Guest) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn whoever_waits_is_served_before_the_event_loop_has_heard_of_them() {
        let plan = parse(vec![Source { path: "test.toml".into(), text: PLAN.to_owned() }]);
        let plan = plan.unwrap_or_else(|report| panic!("{report}"));
        let (tickets, lounge) = (Tickets::new().expect("randomness"), Arc::<Counter>::default());
        let world = World::build(plan, &mut Registry::default(), &Meters::new(1), &tickets, UNIX_EPOCH);
        let world = Arc::new(ArcSwap::from_pointee(world.expect("a world")));
        let bound = bind(world.load().doors()[0].listener()).expect("a port");
        let reception = Reception {
            world,
            workers: Arc::new([]),
            ids: Arc::new(SessionIds::new(GatewayId::new(1).expect("small"), 1, 1)),
            started: hub::now(),
            commons: Commons::new(),
            lounge: Arc::<Counter>::clone(&lounge),
        };
        let connect = |_| TcpStream::connect(bound.address()).expect("it listens");
        let clients: Vec<_> = (0..300).map(connect).collect();
        bound.accept_waiting(&reception).await;
        assert_eq!(lounge.0.load(Ordering::Relaxed), clients.len());
    }

    #[test]
    fn a_worker_uses_up_no_numbers_of_another() {
        let ids = SessionIds::new(GatewayId::new(1).expect("small"), 1, 64);
        let (first, arrival) = ids.next(7);
        let others: Vec<_> = (0..1000).map(|_| ids.next(8)).collect();
        let (second, later) = ids.next(7);
        assert_eq!((first.counter() % 64, second.counter()), (7, first.counter() + 64));
        assert_eq!((others.len(), later), (1000, arrival + 1001), "all workers together say who came first");
    }
}
