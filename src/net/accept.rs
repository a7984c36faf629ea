//! Listening sockets and the loop that hands what they accept to the worker with the fewest sessions. It reads no
//! byte of a player: handshakes happen on the worker, under a deadline.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::worker::{Arriving, WorkerHandle};
use super::world::Door;
use crate::base::{GatewayId, SessionId};
use crate::telemetry;

/// A listening socket and the listener it belongs to.
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    door: Arc<Door>,
    address: SocketAddr,
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
pub fn bind(door: &Arc<Door>) -> io::Result<Bound> {
    let address = *door.listener().listen().get();
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = TcpListener::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok(Bound { socket, door: Arc::clone(door), address })
}

impl Bound {
    /// Where it listens; the port that was chosen if the plan said 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The listener's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.door.listener().name()
    }

    /// Accepts until it is dropped.
    pub async fn accept(self, workers: Arc<[WorkerHandle]>, ids: Arc<SessionIds>) {
        loop {
            match self.socket.accept().await {
                Ok((stream, address)) => self.hand_over(stream, address, &workers, &ids).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    telemetry::accept_paused(self.name(), &error.to_string());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn hand_over(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        workers: &[WorkerHandle],
        ids: &SessionIds,
    ) {
        let Some(worker) = workers.iter().min_by_key(|worker| worker.sessions()) else { return };
        let Some(admission) = Admission::new(worker, &self.door) else {
            self.door.meter.refused_connections.add(1);
            return;
        };
        let Ok(stream) = prepare(stream) else { return };
        self.door.meter.accepted.add(1);
        let door = Arc::clone(&self.door);
        worker.send(Arriving { stream, address, door, session: ids.next(), admission }).await;
    }
}

impl Admission {
    /// `None` when the listener has as many connections as it may have.
    fn new(worker: &WorkerHandle, door: &Arc<Door>) -> Option<Self> {
        let before = door.connections.fetch_add(1, Ordering::AcqRel);
        let worker = worker.count();
        worker.fetch_add(1, Ordering::AcqRel);
        let admission = Self { worker, door: Arc::clone(door) };
        (before < door.listener().limits().connections()).then_some(admission)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.worker.fetch_sub(1, Ordering::AcqRel);
        self.door.connections.fetch_sub(1, Ordering::AcqRel);
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
