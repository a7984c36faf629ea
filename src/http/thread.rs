//! A thread that speaks HTTP: one event loop, its connections, and what they share.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rand::rngs::SmallRng;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};

use super::arrival;
use super::cache::Cache;
use super::forward::Pool;
use super::gate::Gatehouse;
use super::line::{Counted, Line};
use super::web::WebSetup;
use crate::cluster::Picks;
use crate::net::{Commons, Guest, World};
use crate::telemetry::{self, Meters};

/// What the connections of one thread share; all of it belongs to that thread.
#[derive(Debug)]
pub(in crate::http) struct Thread {
    /// Where the world in force is published.
    pub(in crate::http) world: Arc<ArcSwap<World>>,
    /// Where everything counts.
    pub(in crate::http) meters: Arc<Meters>,
    /// What all threads of the process share.
    pub(in crate::http) commons: Arc<Commons>,
    /// What the gateway wants.
    pub(in crate::http) news: watch::Receiver<News>,
    pub(in crate::http) dice: RefCell<SmallRng>,
    /// The memory of picks.
    pub(in crate::http) picks: RefCell<Picks>,
    /// Connections to backends.
    pub(in crate::http) pool: Pool,
    /// Answers that are kept.
    pub(in crate::http) cache: Cache,
    /// What all threads know of partners.
    pub(in crate::http) gate: Arc<Gatehouse>,
    started: Instant,
}

/// What everybody who speaks HTTP hears of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum News {
    /// It serves; a world with this number is in force.
    Serving {
        /// The number.
        generation: u64,
    },
    /// It drains: connections end in order, the idle ones evenly over this time.
    Leaving {
        /// That time.
        spread: Duration,
        /// The number of the world in force.
        generation: u64,
    },
    /// It ends now.
    Stopping,
}

/// Connections on their way to their thread.
pub(in crate::http) type Arrivals = mpsc::Receiver<(Guest, Counted)>;

impl Thread {
    /// The time since the process's start.
    pub(in crate::http) fn since_start(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Whether an operator has banned where a connection comes from.
    pub(in crate::http) fn has_banned(&self, line: &Line) -> bool {
        self.world.load().bans_address(line.address.ip())
    }

    /// Whether the listener that a connection came in at is still there, at the same address and for requests.
    pub(in crate::http) fn has_door(&self, line: &Line) -> bool {
        let came = line.door().listener();
        let world = self.world.load();
        let there = world.door(came.name()).map(|door| door.listener());
        there.is_some_and(|there| !there.is_for_players() && there.listen().get() == came.listen().get())
    }

    /// Whether connections are to end behind their next answer.
    pub(in crate::http) fn is_leaving(&self) -> bool {
        !matches!(*self.news.borrow(), News::Serving { .. })
    }
}

/// Runs a thread until the gateway stops; `ready` hears whether it could begin.
pub(in crate::http) fn run(
    setup: &WebSetup,
    gate: Arc<Gatehouse>,
    news: watch::Receiver<News>,
    arrivals: Arrivals,
    ready: oneshot::Sender<io::Result<()>>,
) {
    let thread = || {
        Rc::new(Thread {
            world: Arc::clone(&setup.world),
            meters: Arc::clone(&setup.meters),
            commons: Arc::clone(&setup.commons),
            news,
            dice: RefCell::new(rand::make_rng()),
            picks: RefCell::default(),
            pool: Pool::default(),
            cache: Cache::default(),
            gate,
            started: setup.started,
        })
    };
    stand_back();
    match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => {
            drop(ready.send(Ok(())));
            runtime.block_on(work(thread(), arrivals));
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

/// Players come first where there is not enough for all. A kernel that does not allow it is only told of.
pub(in crate::http) fn stand_back() {
    let own = Some(rustix::thread::gettid());
    if rustix::process::setpriority_process(own, NICENESS).is_err() {
        telemetry::same_priority();
    }
}

/// The part of a core that is left to HTTP beside a busy worker is a quarter of it.
const NICENESS: i32 = 5;

async fn work(thread: Rc<Thread>, mut arrivals: Arrivals) {
    let mut news = thread.news.clone();
    loop {
        tokio::select! {
            arrived = arrivals.recv() => match arrived {
                Some((guest, count)) => {
                    drop(tokio::task::spawn_local(arrival::serve(Rc::clone(&thread), guest, count)));
                }
                None => return,
            },
            stopped = news.wait_for(|news| *news == News::Stopping) => return drop(stopped),
        }
    }
}

/// Nothing of a connection is told to another thread but how many there are.
pub(in crate::http) type Count = Arc<AtomicUsize>;
