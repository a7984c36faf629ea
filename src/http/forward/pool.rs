//! Connections to backends, and those that wait for their next request. All of it belongs to one thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::{AbortHandle, spawn_local};

use super::sending::Sending;
use super::socket::{Preludes, Socket};
use crate::base::BackendKey;
use crate::cluster::Cluster;
use crate::net::{self, BackendConnector, Dial};
use crate::policy::RetryBudget;

/// The connections of one thread that wait for their next request, and how many requests may be asked anew.
#[derive(Debug, Default)]
pub(in crate::http) struct Pool {
    shelves: Rc<Shelves>,
    /// By the cluster's place of memory.
    budgets: RefCell<Vec<RetryBudget>>,
    /// Where the reads of tunnels land.
    pub(super) scratch: RefCell<Vec<u8>>,
}

/// By the number of the backend: the one used last is at the end.
#[derive(Debug, Default)]
struct Shelves {
    wires: RefCell<Vec<VecDeque<Wire>>>,
    /// Whether somebody comes to take down what has waited too long.
    is_swept: Cell<bool>,
}

/// A connection to a backend. Dropped, it is closed, whatever is on it.
#[derive(Debug)]
pub(super) struct Wire {
    sender: SendRequest<Sending>,
    driver: AbortHandle,
    /// What is counted of the answers before the answer.
    pub(super) preludes: Preludes,
    backend: BackendKey,
    /// The trust under which the backend was met.
    tls: Option<BackendConnector>,
    since: Instant,
    /// Whether it has carried a request already: then it may be dead without anybody knowing yet.
    pub(super) is_used: bool,
}

/// So many wait for each backend.
const MOST: usize = 256;
/// So long one waits.
const IDLE: Duration = Duration::from_secs(30);
/// The most that is read ahead or waits to be written, and the largest head of an answer.
const BUFFER: usize = 64 * 1024;
/// The most headers of an answer.
const MOST_HEADERS: usize = 100;

impl Pool {
    /// The connection to a backend that was used last, met under the same trust.
    pub(super) fn take(&self, backend: BackendKey, tls: Option<&BackendConnector>) -> Option<Wire> {
        let mut shelves = self.shelves.wires.borrow_mut();
        let shelf = shelves.get_mut(backend.index())?;
        while let Some(wire) = shelf.pop_back() {
            let same = match (&wire.tls, tls) {
                (None, None) => true,
                (Some(a), Some(b)) => a.is_same(b),
                (None, Some(_)) | (Some(_), None) => false,
            };
            if same && wire.sender.is_ready() && net::now().duration_since(wire.since) < IDLE {
                return Some(wire);
            }
        }
        None
    }

    /// A request came for a cluster.
    pub(super) fn asked(&self, cluster: &Cluster, now: Duration) {
        self.with_budget(cluster, |budget| budget.asked(now));
    }

    /// Whether one more request of a cluster may be asked anew.
    pub(super) fn may_retry(&self, cluster: &Cluster, now: Duration) -> bool {
        self.with_budget(cluster, |budget| budget.may_retry(now))
    }

    fn with_budget<T: Default>(&self, cluster: &Cluster, act: impl FnOnce(&mut RetryBudget) -> T) -> T {
        let mut budgets = self.budgets.borrow_mut();
        let place = cluster.memory();
        if budgets.len() <= place {
            budgets.resize_with(place + 1, RetryBudget::default);
        }
        budgets.get_mut(place).map(act).unwrap_or_default()
    }

    /// Whether a connection to a backend waits.
    pub(super) fn has(&self, backend: BackendKey) -> bool {
        self.shelves.wires.borrow().get(backend.index()).is_some_and(|shelf| !shelf.is_empty())
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, mut wire: Wire) {
        wire.since = net::now();
        wire.is_used = true;
        let mut shelves = self.shelves.wires.borrow_mut();
        let place = wire.backend.index();
        if shelves.len() <= place {
            shelves.resize_with(place + 1, VecDeque::new);
        }
        let Some(shelf) = shelves.get_mut(place) else { return };
        if shelf.len() >= MOST {
            shelf.pop_front();
        }
        shelf.push_back(wire);
        if !self.shelves.is_swept.replace(true) {
            spawn_local(sweep(Rc::downgrade(&self.shelves)));
        }
    }
}

/// Takes down what has waited too long, until nothing waits.
async fn sweep(shelves: Weak<Shelves>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(shelves) = shelves.upgrade() else { return };
        let now = net::now();
        let mut wires = shelves.wires.borrow_mut();
        for shelf in wires.iter_mut() {
            shelf.retain(|wire| !wire.sender.is_closed() && now.duration_since(wire.since) < IDLE);
        }
        if wires.iter().all(VecDeque::is_empty) {
            shelves.is_swept.set(false);
            return;
        }
    }
}

impl Wire {
    /// Connects. `may_turn`: the connection may become one of another protocol.
    pub(super) async fn connect(dial: Dial, backend: BackendKey, may_turn: bool) -> io::Result<Self> {
        let tls = dial.tls.clone();
        let preludes = Preludes::default();
        let stream = TokioIo::new(Socket::new(dial.connect(Vec::new()).await?, preludes.clone()));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER).max_headers(MOST_HEADERS);
        let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        // What ends the connection is heard by whoever has a request on it.
        let driver = if may_turn {
            spawn_local(async move { drop(connection.with_upgrades().await) })
        } else {
            spawn_local(async move { drop(connection.await) })
        };
        let driver = driver.abort_handle();
        Ok(Self { sender, driver, preludes, backend, tls, since: net::now(), is_used: false })
    }

    /// Sends a request; it comes back where nothing of it was sent.
    pub(super) fn send(
        &mut self,
        request: Request<Sending>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Sending>>>> + use<> {
        self.sender.try_send_request(request)
    }

    /// Ready when it can take another request, which it may not be while a body is still on its way.
    pub(super) fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.sender.poll_ready(cx).map(|free| free.is_ok())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
