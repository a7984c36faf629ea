//! A worker: one thread with its own event loop, its sessions and its links.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};

use super::accept::Admission;
use super::commons::Commons;
use super::errand;
use super::facts::{SessionFacts, Target};
use super::hub::{self, Hub};
use super::lag;
use super::player::{self, Arrival, Carried};
use super::publish::{self, Publication};
use super::recovery;
use super::roll::Roll;
use super::seat::{Kick, Order, Seat};
use super::transition::{self, Transition};
use super::turns;
use super::world::{Door, World};
use crate::base::{BackendKey, SessionId};
use crate::policy::leave_at;
use crate::session::EndReason;
use crate::telemetry::{self, Meters};

/// What a worker is started with.
#[derive(Debug)]
pub struct WorkerSetup {
    /// Its number, from 0.
    pub index: usize,
    /// Where the world in force is published.
    pub world: Arc<ArcSwap<World>>,
    /// Where it counts.
    pub meters: Arc<Meters>,
    /// When the process started.
    pub started: Instant,
    /// What all threads share.
    pub commons: Arc<Commons>,
}

/// The control thread's end of a worker.
#[derive(Debug)]
pub struct WorkerHandle {
    commands: mpsc::Sender<Command>,
    publications: mpsc::Sender<Publication>,
    errands: mpsc::Sender<errand::Sent>,
    sessions: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// A worker's end of what others tell it.
#[derive(Debug)]
struct Inboxes {
    commands: mpsc::Receiver<Command>,
    publications: mpsc::Receiver<Publication>,
    errands: mpsc::Receiver<errand::Sent>,
}

/// Hears when a worker has started.
pub(crate) type Ready = oneshot::Receiver<io::Result<()>>;

/// What the control thread tells a worker.
#[derive(Debug)]
pub enum Command {
    /// Serve this connection.
    Arrive(Box<Arriving>),
    /// Tell the sessions to leave, evenly over this time, idle ones first.
    Drain(Duration),
    /// This backend of a cluster that closes for that is down by its probes: end its sessions.
    Down(BackendKey),
    /// Make the links that this world needs and that are not there yet; answer when each has been tried.
    Prepare(Arc<World>, oneshot::Sender<()>),
    /// Another world is in force.
    Changed(Arc<Transition>),
    /// Describe up to so many sessions, of one account or of all.
    List(Option<String>, usize, oneshot::Sender<Vec<SessionFacts>>),
    /// A newer login has this session's seat.
    Replaced(SessionId),
    /// Tell these sessions to go, with the notice `kicked`; answer how many there were.
    Kick(Target, oneshot::Sender<usize>),
    /// A connection comes for this session, which its player resumes.
    Adopt(SessionId, Box<Carried>),
    /// End every session now and then the worker.
    Stop,
}

/// An accepted connection on its way to its worker.
#[derive(Debug)]
pub struct Arriving {
    pub(super) stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) door: Arc<Door>,
    pub(super) session: SessionId,
    /// In which order it was accepted.
    pub(super) arrival: u64,
    pub(super) admission: Admission,
}

/// How long a start waits for links: a backend that cannot be reached must not keep players out.
const LINKS: Duration = Duration::from_secs(5);
/// Connections that may be on their way to one worker.
const COMMANDS: usize = 1024;
/// What may be on its way to one worker for many of its sessions; who has more to say waits.
const PUBLICATIONS: usize = 64;
/// How many task polls go by before the event loop looks at the sockets again. Higher gathers more frames per
/// write of a link, lower answers faster; 128 lets a turn of a busy worker finish.
const POLLS_PER_TURN: u32 = 128;

impl WorkerHandle {
    /// Starts a worker thread. The receiver hears when every shared link has been tried once.
    ///
    /// # Errors
    /// When the operating system gives no thread; the receiver hears when it gives no event queue.
    pub fn start(setup: WorkerSetup) -> io::Result<(Self, Ready)> {
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let (publications, published) = mpsc::channel(PUBLICATIONS);
        let (ready, is_ready) = oneshot::channel();
        let (errands, errands_in) = mpsc::channel(errand::ON_THE_WAY);
        let inboxes = Inboxes { commands: inbox, publications: published, errands: errands_in };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{}", setup.index))
            .spawn(move || run(setup, inboxes, ready))?;
        Ok((Self { commands, publications, errands, sessions: Arc::default(), thread }, is_ready))
    }

    /// Sessions it has or is about to have.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Acquire)
    }

    pub(super) fn publications(&self) -> mpsc::Sender<Publication> {
        self.publications.clone()
    }

    pub(super) fn errands(&self) -> mpsc::Sender<errand::Sent> {
        self.errands.clone()
    }

    pub(super) fn inbox(&self) -> mpsc::WeakSender<Command> {
        self.commands.downgrade()
    }

    pub(super) fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.sessions)
    }

    pub(super) async fn send(&self, arriving: Arriving) {
        self.command(Command::Arrive(Box::new(arriving))).await;
    }

    /// Tells it something; waits while its inbox is full. A worker that has ended hears nothing.
    pub async fn command(&self, command: Command) {
        drop(self.commands.send(command).await);
    }

    /// Makes the links that a world needs; what comes back is heard when each has been tried once.
    pub async fn prepare(&self, world: &Arc<World>) -> oneshot::Receiver<()> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Prepare(Arc::clone(world), answer)).await;
        answered
    }

    /// Up to `limit` of its sessions, of one account or of all.
    pub async fn list(&self, account: Option<&str>, limit: usize) -> Vec<SessionFacts> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::List(account.map(str::to_owned), limit, answer)).await;
        answered.await.unwrap_or_default()
    }

    /// Tells these sessions to go, with the notice `kicked`; how many there were.
    pub async fn kick(&self, target: &Target) -> usize {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Kick(target.clone(), answer)).await;
        answered.await.unwrap_or_default()
    }

    /// Whether its thread has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

fn run(setup: WorkerSetup, inboxes: Inboxes, ready: oneshot::Sender<io::Result<()>>) {
    let Some(meter) = setup.meters.worker(setup.index).cloned() else { return };
    turns::follow(setup.world.load().plan().net());
    let mut builder = Builder::new_current_thread();
    let builder = turns::keep_apart(&mut builder, setup.started, meter);
    match builder.enable_all().event_interval(POLLS_PER_TURN).build_local(LocalOptions::default()) {
        Ok(runtime) => runtime.block_on(work(setup, inboxes, ready)),
        Err(error) => drop(ready.send(Err(error))),
    }
}

async fn work(setup: WorkerSetup, inboxes: Inboxes, ready: oneshot::Sender<io::Result<()>>) {
    let Inboxes { commands: mut inbox, publications, errands } = inboxes;
    let Some(meter) = setup.meters.worker(setup.index).cloned() else { return };
    let hub = Hub::new(setup, meter);
    transition::start_links(&hub, &hub.world.load_full());
    drop(tokio::task::spawn_local(recovery::watch(Rc::clone(&hub))));
    drop(tokio::task::spawn_local(lag::watch(Rc::clone(&hub))));
    drop(tokio::task::spawn_local(publish::serve(Rc::clone(&hub), publications)));
    drop(tokio::task::spawn_local(errand::serve(Rc::clone(&hub), errands)));
    drop(tokio::time::timeout(LINKS, poll_fn(|cx| hub.poll_links_tried(cx))).await);
    if ready.send(Ok(())).is_err() {
        return; // the gateway gave up starting
    }
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Arrive(arriving) => arrive(&hub, *arriving),
            Command::Drain(spread) => drop(tokio::task::spawn_local(drain(Rc::clone(&hub), spread))),
            Command::Down(backend) => hub.order_all(&Order::BackendDown(backend)),
            Command::Prepare(world, answer) => {
                drop(tokio::task::spawn_local(transition::prepare(Rc::clone(&hub), world, answer)));
            }
            Command::Changed(transition) => transition::carry_out(&hub, &transition),
            Command::List(account, limit, answer) => {
                drop(tokio::task::spawn_local(list(Rc::clone(&hub), account, limit, answer)));
            }
            Command::Replaced(session) => hub.replaced(session),
            Command::Kick(target, answer) => drop(answer.send(kick(&hub, &target))),
            Command::Adopt(session, carried) => player::adopt(&hub, session, carried),
            Command::Stop => break,
        }
    }
    stop(&hub).await;
}

async fn list(
    hub: Rc<Hub>,
    account: Option<String>,
    limit: usize,
    answer: oneshot::Sender<Vec<SessionFacts>>,
) {
    drop(answer.send(Roll::call(&hub, account.as_deref(), limit).await));
}

fn kick(hub: &Hub, target: &Target) -> usize {
    let seats: Vec<_> = match target {
        Target::Session(session) => hub.seat(*session).into_iter().collect(),
        Target::Account(account) => {
            let is_of = |seat: &Rc<Seat>| seat.account().as_deref() == Some(account.as_str());
            hub.all_seats().into_iter().filter(is_of).collect()
        }
        Target::Address(address) => {
            let is_from = |seat: &Rc<Seat>| seat.is_from(*address);
            hub.all_seats().into_iter().filter(is_from).collect()
        }
    };
    seats.iter().for_each(|seat| seat.order(Order::Kick(Box::<Kick>::default())));
    seats.len()
}

fn arrive(hub: &Rc<Hub>, arriving: Arriving) {
    let Arriving { stream, address, door, session, arrival, admission } = arriving;
    let local = stream.local_addr();
    let (Ok(stream), Ok(local)) = (tokio::net::TcpStream::from_std(stream), local) else { return };
    let listener = door.listener();
    let seat = Seat::new(session, arrival, address, listener, hub::now());
    hub.take_seat(&seat);
    let arrival = Arrival { stream, address, local, door, admission };
    drop(tokio::task::spawn_local(player::serve(Rc::clone(hub), seat, arrival)));
}

/// Tells every session of now to leave, each at its own moment.
async fn drain(hub: Rc<Hub>, spread: Duration) {
    let began = hub::now();
    let mut seats = hub.all_seats();
    seats.sort_by_key(|seat| seat.last_frame.get());
    let count = seats.len();
    for (place, seat) in seats.into_iter().enumerate() {
        tokio::time::sleep_until((began + leave_at(place, count, spread)).into()).await;
        seat.order(Order::Leave(EndReason::Draining));
    }
}

/// Cuts who is still there and says goodbye to the backends.
async fn stop(hub: &Rc<Hub>) {
    for seat in hub.all_seats() {
        seat.order(Order::Leave(EndReason::Cut));
    }
    hub.errands.stop();
    let all_have_gone = async {
        tokio::task::yield_now().await;
        while hub.has_seats() {
            tokio::task::yield_now().await; // each time, all tasks that are ready have their turn
        }
    };
    drop(tokio::time::timeout(LAST_WRITES, all_have_gone).await);
    for link in hub.all_links() {
        link.say_goodbye("the gateway is stopping");
    }
    let flushed = poll_fn(|cx| {
        let links = hub.all_links();
        links.iter().for_each(|link| link.watch(cx.waker()));
        if links.iter().all(|link| link.is_flushed()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    });
    if tokio::time::timeout(LAST_WRITES, flushed).await.is_err() {
        telemetry::backend_error("", "", "did not take the gateway's last words in time", "");
    }
}

/// How long sessions may take to end, and how long backends may take to read what the gateway says last.
const LAST_WRITES: Duration = Duration::from_secs(1);
