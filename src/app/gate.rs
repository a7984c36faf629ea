//! A running gateway: starts, changes its world, drains, stops. It is the only writer of the world.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant, UNIX_EPOCH};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::chore::Chore;
use super::descriptors;
use super::doors::Doors;
use super::handover::TakeOverError;
use super::legacy::Legacy;
use super::rotation::Rotation;
use crate::admin::{Access, Desk, Order, Store};
use crate::base::Phase;
use crate::cluster::Registry;
use crate::config::{Banned, Overrides, Plan, Problem, Report};
use crate::http::{Ledger, Web, WebSetup};
use crate::net::{
    Command, Commons, Ground, Opened, Pressure, Prober, Reception, SessionIds, StateFault, Tickets, Usher,
    WorkerHandle, WorkerSetup, World, clock, metrics_page, now, since_1970, watch_pressure,
};
use crate::telemetry::{self, Meters};

/// A running gateway. Dropped without [`Gate::drain`] or [`Gate::stop`], its listeners close and its workers end
/// when their handles do.
#[derive(Debug)]
pub struct Gate {
    pub(super) world: Arc<ArcSwap<World>>,
    pub(super) meters: Arc<Meters>,
    pub(super) workers: Arc<[WorkerHandle]>,
    pub(super) registry: Registry,
    pub(super) tickets: Tickets,
    /// What the file says, without the runtime changes.
    pub(super) file: Plan,
    pub(super) overrides: Arc<ArcSwap<Overrides>>,
    /// How many mistakes the file on disk has, in words; nothing unless it was refused.
    pub(super) refused: Arc<ArcSwapOption<String>>,
    /// Where the runtime changes are kept.
    pub(super) store: Option<Store>,
    /// Who may use the API, where there is one.
    pub(super) access: Option<Access>,
    addresses: Arc<ArcSwap<Vec<(String, SocketAddr)>>>,
    pub(super) doors: Doors,
    pub(super) commons: Arc<Commons>,
    _usher: Usher,
    pub(super) prober: Prober,
    /// The threads that speak HTTP.
    pub(super) web: Arc<Web>,
    /// When the registry's time began: at the start of the first process of a line of upgrades.
    pub(super) started: Instant,
    /// When this process started.
    up_since: Instant,
    /// The start number of its session IDs.
    pub(super) start: u32,
    tickets_rotate: Rotation,
    /// Watches what the process has left.
    _sampler: Chore,
    phase: watch::Sender<Phase>,
}

/// Why a gateway did not start.
#[derive(Debug)]
pub enum StartError {
    /// Certificates or keys cannot be used; exit code 64.
    Configuration(Box<Report>),
    /// An address cannot be listened at; exit code 71.
    Bind(Box<Report>),
    /// The runtime changes of earlier lives cannot be read; exit code 71.
    State(StateFault),
    /// What partners have had cannot be read; exit code 71.
    Partners(StateFault),
    /// The running gateway does not hand over; exit code 71.
    TakeOver(TakeOverError),
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
        let mut gate = Self::prepare(plan, Legacy::default()).await?;
        gate.serve();
        Ok(gate)
    }

    /// Does the same with what is there already, and accepts nobody yet.
    ///
    /// # Errors
    /// As [`Gate::start`].
    pub async fn prepare(file: Plan, mut legacy: Legacy) -> Result<Self, StartError> {
        let up_since = now();
        let started = legacy.clock_start(up_since);
        let wanted = workers_of(&file);
        descriptors::raise(&file, wanted);
        let meters = Arc::new(Meters::new(wanted));
        let (tickets, age) = legacy.tickets()?;
        let since_start = up_since.saturating_duration_since(started);
        let mut registry = legacy.registry(since_start);
        let world = first_world(&file, &legacy, &mut registry, &meters, &tickets)?;
        let refuse = |problems| StartError::Bind(Box::new(file.report(problems)));
        let bound = Doors::bind_first(&world, &mut legacy).map_err(refuse)?;
        let world = Arc::new(ArcSwap::from_pointee(world));
        let start = legacy.start_number(start_number());
        let ids = Arc::new(SessionIds::new(file.gateway().id(), start, wanted));
        let commons = Commons::new();
        let ground = (&world, &meters, &commons);
        let workers = start_workers(wanted, ground, started).await.map_err(StartError::Machine)?;
        commons.connect(&workers, &ids);
        let ledger = ledger_of(&legacy, &file, &commons)?;
        let setup = WebSetup {
            world: Arc::clone(&world),
            meters: Arc::clone(&meters),
            commons: Arc::clone(&commons),
            threads: wanted,
            started,
        };
        let web = Web::new(setup, ledger);
        web.make_ready(&world.load()).await.map_err(StartError::Machine)?;
        let reception = Reception {
            world: Arc::clone(&world),
            workers: Arc::clone(&workers),
            ids,
            started,
            commons: Arc::clone(&commons),
            lounge: Arc::<Web>::clone(&web),
        };
        let doors = Doors::new(reception, bound);
        let prober = Prober::new(&world.load(), Arc::clone(&workers), started);
        commons.follow(None, &world.load());
        let usher = Usher::start(Arc::clone(&commons), Arc::clone(&meters), started);
        registry.starts_serving();
        let sampler = watch_pressure(Arc::clone(&commons), Arc::clone(&meters), started);
        Ok(Self {
            world,
            meters,
            workers,
            registry,
            tickets_rotate: Rotation::start(tickets.clone(), age),
            _sampler: Chore::start(sampler),
            tickets,
            file,
            overrides: Arc::new(ArcSwap::from_pointee(legacy.overrides)),
            refused: Arc::default(),
            store: legacy.store,
            access: None,
            addresses: Arc::new(ArcSwap::from_pointee(doors.addresses())),
            doors,
            commons,
            _usher: usher,
            prober,
            web,
            started,
            up_since,
            start,
            phase: watch::Sender::new(Phase::Starting),
        })
    }

    /// Accepts from now on.
    pub fn serve(&mut self) {
        self.web.keep();
        self.doors.resume();
        self.phase.send_replace(Phase::Serving);
        telemetry::up(self.workers.len());
    }

    /// How old the present key of session tickets is.
    pub(super) fn tickets_age(&self) -> Duration {
        self.tickets_rotate.age()
    }

    /// Where a listener really listens.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        let addresses = self.addresses.load();
        addresses.iter().find(|(name, _)| name == listener).map(|(_, address)| *address)
    }

    /// What the API looks at; its orders go into `orders`.
    #[must_use]
    pub fn desk(&self, orders: mpsc::Sender<Order>) -> Desk {
        Desk {
            world: Arc::clone(&self.world),
            meters: Arc::clone(&self.meters),
            workers: Arc::clone(&self.workers),
            overrides: Arc::clone(&self.overrides),
            refused: Arc::clone(&self.refused),
            addresses: Arc::clone(&self.addresses),
            phase: self.phases(),
            commons: Arc::clone(&self.commons),
            started: self.started,
            up_since: self.up_since,
            orders,
        }
    }

    /// What it counted.
    #[must_use]
    pub fn meters(&self) -> &Arc<Meters> {
        &self.meters
    }

    /// Where the sessions live.
    #[must_use]
    pub fn workers(&self) -> &[WorkerHandle] {
        &self.workers
    }

    /// The metrics page of now.
    #[must_use]
    pub fn metrics_page(&self) -> String {
        let now = now().duration_since(self.started);
        metrics_page(&self.world.load(), &self.meters, &self.commons, &self.workers, now)
    }

    /// How near the process is to what it has of memory, time and descriptors.
    #[must_use]
    pub fn pressure(&self) -> &Pressure {
        self.commons.pressure()
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

    /// Whom backends have banned, and how long they still are.
    #[must_use]
    pub fn bans(&self) -> Vec<(Banned, Duration)> {
        let now = now().saturating_duration_since(self.started);
        let left = |(who, until): (Banned, Duration)| (who, until.saturating_sub(now));
        self.commons.bans(now).into_iter().map(left).collect()
    }

    /// The world in force.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// The runtime changes in force.
    #[must_use]
    pub fn overrides(&self) -> Arc<Overrides> {
        self.overrides.load_full()
    }

    /// Hears of every phase.
    #[must_use]
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Stops as `[drain]` says: accepts for `lame_duck`, tells the sessions over `spread`, ends when the last one
    /// has left or at `deadline`. How many sessions were cut.
    pub async fn drain(mut self) -> usize {
        self.wind_down().await;
        self.finish().await
    }

    /// Drains until there is nobody left to wait for.
    pub(super) async fn wind_down(&mut self) {
        let lame_duck = self.world.load().plan().drain().lame_duck();
        self.phase.send_replace(Phase::LameDuck);
        let drain = *self.world.load().plan().drain();
        telemetry::drain_began(self.sessions(), lame_duck, drain.spread(), drain.deadline());
        let deadline = now() + drain.deadline();
        sleep(lame_duck.min(drain.deadline())).await;
        self.doors.close_all().await;
        self.let_go(deadline).await;
    }

    /// The same as one whose sockets serve on in another process: the sessions are told at once, over `spread`.
    pub(super) async fn hand_on(&mut self) {
        let drain = *self.world.load().plan().drain();
        telemetry::drain_began(self.sessions(), Duration::ZERO, drain.spread(), drain.deadline());
        self.doors.hand_over();
        self.let_go(now() + drain.deadline()).await;
    }

    async fn let_go(&self, deadline: Instant) {
        self.phase.send_replace(Phase::Draining);
        let spread = self.world.load().plan().drain().spread();
        for worker in self.workers.iter() {
            worker.command(Command::Drain(spread)).await;
        }
        self.web.leave(spread);
        while self.sessions() + self.web.connections() > 0 && now() < deadline {
            sleep(LOOK).await;
        }
    }

    /// Cuts whoever has not left in time; how many that were.
    pub(super) async fn finish(self) -> usize {
        let cut = self.sessions() + self.web.connections();
        telemetry::drain_over(cut);
        self.stop().await;
        cut
    }

    /// Stops at once: sessions are cut, backends are told.
    pub async fn stop(mut self) {
        self.doors.pause().await;
        self.doors.hand_over();
        drop(self.prober);
        for worker in self.workers.iter() {
            worker.command(Command::Stop).await;
        }
        while !self.workers.iter().all(WorkerHandle::has_ended) {
            sleep(LOOK).await;
        }
        self.web.stop(); // behind the workers: they tell the backends why their requests end
        while !self.web.has_ended() {
            sleep(LOOK).await;
        }
        self.web.settle();
        self.phase.send_replace(Phase::Stopped);
        telemetry::stopped();
    }

    /// The sockets are others now.
    pub(super) fn doors_changed(&self) {
        self.addresses.store(Arc::new(self.doors.addresses()));
    }
}

/// Opens what a plan names without starting anything: the part of a start that `check` does too.
///
/// # Errors
/// Certificates, keys and a token that cannot be used.
pub(super) fn build(plan: Plan, meters: &Meters) -> Result<World, StartError> {
    let access = plan.admin().and_then(|admin| Access::read(admin).err());
    let (tickets, _) = Legacy::default().tickets()?;
    let opened = open(&plan, &tickets, access)?;
    let (registry, overrides) = (&mut Registry::default(), &Overrides::default());
    let ground = Ground { registry, meters, overrides, generation: 1 };
    Ok(World::assemble(plan, opened, ground))
}

/// What partners have had, where anything is kept.
fn ledger_of(legacy: &Legacy, file: &Plan, commons: &Commons) -> Result<Ledger, StartError> {
    match &legacy.store {
        Some(_) => Ledger::open(file.gateway().state_dir(), commons.partners(), since_1970())
            .map_err(StartError::Partners),
        None => Ok(Ledger::default()),
    }
}

fn first_world(
    file: &Plan,
    legacy: &Legacy,
    registry: &mut Registry,
    meters: &Meters,
    tickets: &Tickets,
) -> Result<World, StartError> {
    let plan = file.with(&legacy.overrides);
    let opened = open(&plan, tickets, None)?;
    let ground = Ground { registry, meters, overrides: &legacy.overrides, generation: 1 };
    Ok(World::assemble(plan, opened, ground))
}

/// Opens its files; `more` is what else is wrong with them.
fn open(plan: &Plan, tickets: &Tickets, more: Option<Problem>) -> Result<Opened, StartError> {
    let refuse = |problems| StartError::Configuration(Box::new(plan.report(problems)));
    match (Opened::read(plan, tickets, clock()), more) {
        (Ok(opened), None) => Ok(opened),
        (opened, more) => Err(refuse(opened.err().into_iter().flatten().chain(more).collect())),
    }
}

async fn start_workers(
    count: usize,
    (world, meters, commons): (&Arc<ArcSwap<World>>, &Arc<Meters>, &Arc<Commons>),
    started: Instant,
) -> io::Result<Arc<[WorkerHandle]>> {
    let mut workers = Vec::new();
    let mut ready = Vec::new();
    for index in 0..count {
        let (world, meters, commons) = (Arc::clone(world), Arc::clone(meters), Arc::clone(commons));
        let setup = WorkerSetup { index, world, meters, started, commons };
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
    let seconds = clock().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    u32::try_from(seconds & 0x000F_FFFF).unwrap_or(0)
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(report) | Self::Bind(report) => f.write_str(&report.render(false)),
            Self::State(error) => {
                write!(f, "the runtime changes cannot be read: {error}\n  {}", Store::hint(error))
            }
            Self::Partners(fault) => {
                write!(f, "what partners have had cannot be read: {fault}\n  {}", Ledger::hint(fault))
            }
            Self::TakeOver(error) => error.fmt(f),
            Self::Machine(error) => write!(f, "the machine does not let the gateway start: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
