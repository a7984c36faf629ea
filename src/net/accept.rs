//! Listening sockets and the loop that hands what they accept to the worker with the fewest sessions. It reads no
//! byte of a player: handshakes happen on the worker, under a deadline.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::hub;
use super::worker::{Arriving, WorkerHandle};
use super::world::{Door, World};
use crate::base::{GatewayId, SessionId};
use crate::config::Listener;
use crate::telemetry;

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
}

/// A place among the sessions of a worker and the connections of a listener; given back when dropped.
#[derive(Debug)]
pub(super) struct Admission {
    worker: Arc<AtomicUsize>,
    door: Arc<Door>,
}

/// Gives every accepted connection its session ID.
#[derive(Debug)]
pub struct SessionIds {
    gateway: GatewayId,
    start: u32,
    counter: AtomicU32,
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
                accepted = self.socket.accept() => accepted,
                _ = &mut stop => return,
            };
            match accepted {
                Ok((stream, address)) => self.hand_over(stream, address, &reception).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    telemetry::accept_paused(self.name(), &error.to_string());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Serves whoever waits already: the last ones before the socket closes.
    pub async fn accept_waiting(&self, reception: &Reception) {
        for _ in 0..BACKLOG {
            match poll_fn(|cx| Poll::Ready(self.socket.poll_accept(cx))).await {
                Poll::Ready(Ok((stream, address))) => self.hand_over(stream, address, reception).await,
                Poll::Ready(Err(error)) if is_of_one_connection(&error) => {}
                Poll::Ready(Err(_)) | Poll::Pending => return,
            }
        }
    }

    async fn hand_over(&self, stream: TcpStream, address: SocketAddr, reception: &Reception) {
        let Reception { world, workers, ids, started } = reception;
        let (door, is_banned) = {
            let world = world.load();
            let now = hub::now().saturating_duration_since(*started);
            (world.door(&self.name).cloned(), world.bans.has_address(address.ip(), now))
        };
        let Some(door) = door else { return };
        if is_banned {
            door.meter.refused_banned.add(1);
            return;
        }
        let Some(worker) = workers.iter().min_by_key(|worker| worker.sessions()) else { return };
        let Some(admission) = Admission::new(worker, &door) else {
            door.meter.refused_connections.add(1);
            return;
        };
        let Ok(stream) = prepare(stream) else { return };
        door.meter.accepted.add(1);
        worker.send(Arriving { stream, address, door, session: ids.next(), admission }).await;
    }
}

impl Admission {
    /// `None` when the listener has as many connections as it may have.
    fn new(worker: &WorkerHandle, door: &Arc<Door>) -> Option<Self> {
        let before = door.meter.enter();
        let worker = worker.count();
        worker.fetch_add(1, Ordering::AcqRel);
        let admission = Self { worker, door: Arc::clone(door) };
        (before < door.listener().limits().connections()).then_some(admission)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.worker.fetch_sub(1, Ordering::AcqRel);
        self.door.meter.leave();
    }
}

impl SessionIds {
    /// IDs of one life of a gateway; `start` tells its lives apart, in seconds.
    #[must_use]
    pub fn new(gateway: GatewayId, start: u32) -> Self {
        Self { gateway, start, counter: AtomicU32::new(1) }
    }

    fn next(&self) -> SessionId {
        SessionId::new(self.gateway, self.start, self.counter.fetch_add(1, Ordering::Relaxed))
    }
}

/// Frees the socket from this thread's event loop, so that the worker's can have it.
fn prepare(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    stream.into_std()
}

/// Errors that only say that the accepted connection is gone already (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
