//! A running gateway as one handle with phases: started, serving, draining, stopped.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::descriptors;
use crate::cluster::Registry;
use crate::config::{Plan, Problem, Report};
use crate::net::{Bound, Command, Prober, SessionIds, Tickets, WorkerHandle, WorkerSetup, World, bind};
use crate::telemetry::{self, Meters};

/// How far the gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Players are accepted.
    Serving,
    /// The order to stop has come; players are still accepted.
    LameDuck,
    /// Nobody is accepted; sessions are told and closed.
    Draining,
    /// Nothing is left.
    Stopped,
}

/// A running gateway. Dropped without [`Gate::drain`] or [`Gate::stop`], its listeners close and its workers end
/// when their handles do.
#[derive(Debug)]
pub struct Gate {
    world: Arc<ArcSwap<World>>,
    meters: Arc<Meters>,
    workers: Arc<[WorkerHandle]>,
    listeners: Vec<(String, SocketAddr)>,
    accepting: JoinSet<()>,
    /// Goes on while sessions are told to leave: they still need backends that live.
    probing: JoinSet<()>,
    phase: watch::Sender<Phase>,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// Certificates or keys cannot be used; exit code 64.
    Configuration(Box<Report>),
    /// An address cannot be listened at; exit code 71.
    Bind(Box<Report>),
    /// The machine gives no threads, no event queue or no randomness; exit code 71.
    Machine(io::Error),
}

/// How often the end of the last session is looked for.
const LOOK: Duration = Duration::from_millis(20);

impl Gate {
    /// Opens everything, binds, starts the workers, and accepts once every link has been tried; backends are probed from then on.
    ///
    /// # Errors
    /// What cannot be opened or bound, all of it at once; nothing is left running.
    pub async fn start(plan: Plan) -> Result<Self, StartError> {
        let started = now();
        let wanted = workers_of(&plan);
        descriptors::raise(&plan, wanted);
        let meters = Arc::new(Meters::new(wanted));
        let world = build(plan, &meters)?;
        let bound = bind_all(&world)?;
        let ids = Arc::new(SessionIds::new(world.plan().gateway().id(), start_number()));
        let world = Arc::new(ArcSwap::from_pointee(world));
        let workers = start_workers(wanted, &world, &meters, started).await.map_err(StartError::Machine)?;
        let listeners: Vec<_> =
            bound.iter().map(|bound| (bound.name().to_owned(), bound.address())).collect();
        let mut accepting = JoinSet::new();
        for bound in bound {
            accepting.spawn(bound.accept(Arc::clone(&workers), Arc::clone(&ids)));
        }
        let mut probing = JoinSet::new();
        probing.spawn(Prober::new(&world.load(), Arc::clone(&workers), started).run());
        telemetry::up(workers.len(), &listeners);
        let phase = watch::Sender::new(Phase::Serving);
        Ok(Self { world, meters, workers, listeners, accepting, probing, phase })
    }

    /// Where a listener really listens.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.listeners.iter().find(|(name, _)| name == listener).map(|(_, address)| *address)
    }

    /// What it counted.
    #[must_use]
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Sessions it has now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.workers.iter().map(WorkerHandle::sessions).sum()
    }

    /// Sessions by worker.
    #[must_use]
    pub fn sessions_by_worker(&self) -> Vec<usize> {
        self.workers.iter().map(WorkerHandle::sessions).collect()
    }

    /// The world in force.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Hears of every phase.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Stops as `[drain]` says: accepts for `lame_duck`, tells the sessions over `spread`, ends when the last one
    /// has left or at `deadline`. How many sessions were cut.
    pub async fn drain(mut self) -> usize {
        let drain = *self.world.load().plan().drain();
        let deadline = now() + drain.deadline();
        telemetry::drain_began(self.sessions(), drain.lame_duck(), drain.spread(), drain.deadline());
        self.phase.send_replace(Phase::LameDuck);
        sleep_until((now() + drain.lame_duck()).min(deadline).into()).await;
        self.phase.send_replace(Phase::Draining);
        self.accepting.shutdown().await;
        for worker in self.workers.iter() {
            worker.command(Command::Drain(drain.spread())).await;
        }
        while self.sessions() > 0 && now() < deadline {
            sleep(LOOK).await;
        }
        let cut = self.sessions();
        telemetry::drain_over(cut);
        self.stop().await;
        cut
    }

    /// Stops at once: sessions are cut, backends are told.
    pub async fn stop(mut self) {
        self.accepting.shutdown().await;
        self.probing.shutdown().await;
        for worker in self.workers.iter() {
            worker.command(Command::Stop).await;
        }
        while !self.workers.iter().all(WorkerHandle::has_ended) {
            sleep(LOOK).await;
        }
        self.phase.send_replace(Phase::Stopped);
        telemetry::stopped();
    }
}

/// Opens what a plan names without starting anything: the part of a start that `check` does too.
///
/// # Errors
/// Certificates and keys that cannot be used.
pub(super) fn build(plan: Plan, meters: &Meters) -> Result<World, StartError> {
    let tickets = Tickets::new().map_err(|error| StartError::Machine(io::Error::other(error)))?;
    let reporter = plan.clone();
    World::build(plan, &mut Registry::default(), meters, &tickets, wall_clock())
        .map_err(|problems| StartError::Configuration(Box::new(reporter.report(problems))))
}

fn bind_all(world: &World) -> Result<Vec<Bound>, StartError> {
    let mut bound = Vec::new();
    let mut problems = Vec::new();
    for door in world.doors() {
        match bind(door) {
            Ok(socket) => bound.push(socket),
            Err(error) => problems.push(
                Problem::at(door.listener().listen().site(), format!("cannot listen here: {error}"))
                    .because("players could not connect")
                    .write("an address of this machine and a port that no other program has"),
            ),
        }
    }
    if problems.is_empty() {
        Ok(bound)
    } else {
        Err(StartError::Bind(Box::new(world.plan().report(problems))))
    }
}

async fn start_workers(
    count: usize,
    world: &Arc<ArcSwap<World>>,
    meters: &Arc<Meters>,
    started: Instant,
) -> io::Result<Arc<[WorkerHandle]>> {
    let mut workers = Vec::new();
    let mut ready = Vec::new();
    for index in 0..count {
        let setup = WorkerSetup { index, world: Arc::clone(world), meters: Arc::clone(meters), started };
        let (worker, is_ready) = WorkerHandle::start(setup)?;
        workers.push(worker);
        ready.push(is_ready);
    }
    for is_ready in ready {
        is_ready.await.map_err(|_| io::Error::other("a worker ended while it started"))??;
    }
    Ok(workers.into())
}

fn workers_of(plan: &Plan) -> usize {
    match plan.gateway().workers() {
        0 => available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

/// Tells the lives of a gateway apart in session IDs: seconds, of which the low 20 bits (twelve days) are kept.
fn start_number() -> u32 {
    let seconds = wall_clock().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds & 0x000F_FFFF).unwrap_or(0)
}

#[expect(clippy::disallowed_methods, reason = "the process's edge")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "the process's edge")]
fn now() -> Instant {
    Instant::now()
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(report) | Self::Bind(report) => f.write_str(&report.render(false)),
            Self::Machine(error) => write!(f, "the machine does not let the gateway start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
