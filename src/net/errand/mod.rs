//! Errands: one frame to a shared cluster and the one that answers it, for somebody who is no player. Each has a session
//! number of its own, so that answers find whoever asked, in whatever order they come. What is under way is bounded on
//! every worker, and comes by a way of its own: a flood of errands keeps no player waiting.

mod board;
mod choose;
mod run;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

pub(super) use self::board::{Board, deliver, hears};
pub(super) use self::run::serve;
use super::guard::Guard;
use super::world::{ClusterView, Door};
use crate::base::ProtocolId;
use crate::wire::FrameLayout;

/// A frame that is to be brought to a backend of a cluster, and what is awaited for it.
#[derive(Debug)]
pub struct Errand {
    /// Who may serve it.
    pub way: Arc<ErrandWay>,
    /// The whole frame.
    pub frame: Vec<u8>,
    /// Who sends it, as the backend hears it.
    pub sender: ErrandSender,
    /// From then on nobody waits for the answer.
    pub until: Instant,
}

/// The way of the errands of one route: its cluster as it serves now, and what the frames look like there.
#[derive(Debug)]
pub struct ErrandWay {
    pub(super) cluster: Arc<ClusterView>,
    /// The route's breakers, one for each member, in the order of the view.
    pub(super) guards: Vec<Arc<Guard>>,
    pub(super) layout: Arc<FrameLayout>,
    /// What it is.
    pub(super) id: ProtocolId,
    /// What answers it.
    pub(super) reply: ProtocolId,
}

/// Who sends an errand.
#[derive(Clone, Debug)]
pub struct ErrandSender {
    /// Where it comes from.
    pub address: SocketAddr,
    /// The listener it came by.
    pub door: Arc<Door>,
    /// What the backend is told of it, as a JSON object of at most 4,096 bytes.
    pub attributes: String,
}

/// Why an errand has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// No backend serves it now; when one may again, as far as that is known. None has got it.
    Nobody(Option<Duration>),
    /// Too much is under way. No backend has got it.
    Overloaded,
    /// The backend that had it is gone.
    Lost,
    /// The backend that had it ended the session, says that it was wrong, or answered with what is no frame.
    Declined,
    /// No answer in time.
    Late,
    /// The gateway stops.
    Stopping,
}

/// What becomes of an errand: the whole frame that answers it, or why there is none.
pub type Outcome = Result<Vec<u8>, Mishap>;

/// An errand on its way to a worker, and who waits for it.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) errand: Errand,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// The ways to the workers, known once all of them have started; each gets its turn.
#[derive(Debug, Default)]
pub(super) struct Counter {
    inboxes: OnceLock<Vec<mpsc::Sender<Sent>>>,
    next: AtomicUsize,
}

/// Errands that may be on their way to one worker.
pub(super) const ON_THE_WAY: usize = 256;
/// Errands that one worker carries at a time: each holds its frame until it is answered.
const MOST: usize = 1024;

impl Counter {
    /// All workers have started.
    pub(super) fn connect(&self, inboxes: Vec<mpsc::Sender<Sent>>) {
        drop(self.inboxes.set(inboxes));
    }

    /// Gives an errand to a worker that has room for it, and waits for what becomes of it. Whoever stops waiting ends it.
    pub(super) async fn run(&self, errand: Errand) -> Outcome {
        let (answer, answered) = oneshot::channel();
        self.send(Sent { errand, answer })?;
        answered.await.unwrap_or(Err(Mishap::Stopping))
    }

    fn send(&self, sent: Sent) -> Result<(), Mishap> {
        let inboxes = self.inboxes.get().map_or(&[][..], Vec::as_slice);
        let first = self.next.fetch_add(1, Ordering::Relaxed) % inboxes.len().max(1);
        let (behind, ahead) = inboxes.split_at_checked(first).unwrap_or_default();
        let mut sent = sent;
        let mut mishap = Mishap::Stopping;
        for inbox in ahead.iter().chain(behind) {
            match inbox.try_send(sent) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(back)) => (sent, mishap) = (back, Mishap::Overloaded),
                Err(mpsc::error::TrySendError::Closed(back)) => sent = back,
            }
        }
        Err(mishap)
    }
}

impl ErrandWay {
    /// Longer bodies make no frame of the layout.
    #[must_use]
    pub fn longest(&self) -> usize {
        usize::try_from(self.layout.max_length).unwrap_or(usize::MAX)
    }

    /// What lies behind the header of a whole frame.
    #[must_use]
    pub fn body_of<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        self.layout.body_of(frame)
    }

    /// The whole frame with this body; `None` where it is longer than the layout allows.
    #[must_use]
    pub fn frame(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut frame = Vec::new();
        self.layout.append_frame(self.id, body, &mut frame).ok()?;
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Poll;
    use std::time::UNIX_EPOCH;

    use arc_swap::ArcSwap;
    use tokio::task::{LocalSet, unconstrained};

    use super::*;
    use crate::base::GatewayId;
    use crate::cluster::Registry;
    use crate::config::{Source, parse};
    use crate::net::accept::SessionIds;
    use crate::net::commons::Commons;
    use crate::net::hub::{Hub, now};
    use crate::net::tls::Tickets;
    use crate::net::worker::WorkerSetup;
    use crate::net::world::World;
    use crate::telemetry::{Meters, WorkerMeter};

    const PLAN: &str = r#"
        [frame.game]
        length = { width = 4 }
        id = { offset = 4, width = 2 }
        [listener.open]
        listen = "127.0.0.1:0"
        protocol = "http"
        [cluster.pay]
        backends = [{ address = "127.0.0.1:1" }]
        [http.pay]
        listener = "open"
        path = "/pay"
        cluster = "pay"
        convert = { id = 5001, reply = 5002 }
    "#;

    fn world() -> World {
        let plan = parse(vec![Source { path: "test.toml".into(), text: PLAN.to_owned() }]);
        let plan = plan.unwrap_or_else(|report| panic!("{report}"));
        let (mut registry, tickets) = (Registry::default(), Tickets::new().expect("randomness"));
        World::build(plan, &mut registry, &Meters::new(1), &tickets, UNIX_EPOCH).expect("a world")
    }

    /// An errand, and what hears of its outcome.
    fn sent() -> (Sent, oneshot::Receiver<Outcome>) {
        sent_in(&world(), now())
    }

    fn sent_in(world: &World, until: Instant) -> (Sent, oneshot::Receiver<Outcome>) {
        let way = Arc::clone(world.web_lanes()[0].errands().expect("it is converted"));
        let door = Arc::clone(&world.doors()[0]);
        let sender = ErrandSender { address: ([127, 0, 0, 1], 1).into(), door, attributes: "{}".to_owned() };
        let (answer, answered) = oneshot::channel();
        let frame = way.frame(b"{}").expect("short");
        assert_eq!((way.body_of(&frame), way.frame(&vec![0; way.longest()])), (&b"{}"[..], None));
        (Sent { errand: Errand { way, frame, sender, until }, answer }, answered)
    }

    /// A worker that has no link to anybody.
    fn hub(world: World) -> Rc<Hub> {
        let (meters, commons) = (Arc::new(Meters::new(1)), Commons::new());
        commons.connect(&[], &Arc::new(SessionIds::new(GatewayId::new(1).expect("small"), 1, 1)));
        let world = Arc::new(ArcSwap::from_pointee(world));
        let setup = WorkerSetup { index: 0, world, meters, started: now(), commons };
        Hub::new(setup, Arc::new(WorkerMeter::default()))
    }

    #[tokio::test]
    async fn of_a_burst_no_more_are_taken_than_may_be_under_way() {
        let (world, later) = (world(), now() + Duration::from_hours(1));
        let (inbox, outlet) = mpsc::channel(MOST + 9);
        let send = |_| {
            let (sent, answered) = sent_in(&world, later);
            inbox.try_send(sent).expect("room");
            answered
        };
        let mut answered: Vec<_> = (0..MOST + 9).map(send).collect();
        let hub = hub(world);
        let come = async {
            let mut serving = pin!(unconstrained(serve(Rc::clone(&hub), outlet)));
            assert!(poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await.is_pending());
            assert_eq!(hub.errands.len(), MOST);
            answered.drain(MOST..).for_each(|mut over| {
                assert_eq!(over.try_recv(), Ok(Err(Mishap::Overloaded)));
            });
            for mut one in answered {
                tokio::select! {
                    () = &mut serving => unreachable!("the inbox is open"),
                    outcome = &mut one => assert_eq!(outcome, Ok(Err(Mishap::Nobody(None)))),
                }
            }
            assert_eq!(hub.errands.len(), 0);
        };
        LocalSet::new().run_until(come).await;
    }

    #[tokio::test]
    async fn what_was_too_late_before_it_came_is_brought_to_nobody() {
        let world = world();
        let (sent, answered) = sent_in(&world, now());
        let (inbox, outlet) = mpsc::channel(1);
        inbox.try_send(sent).expect("room");
        drop(inbox);
        let serving = serve(hub(world), outlet);
        LocalSet::new()
            .run_until(async {
                serving.await;
                assert_eq!(answered.await, Ok(Err(Mishap::Late)));
            })
            .await;
    }

    #[test]
    fn each_worker_has_its_turn_and_who_is_full_or_gone_is_passed_over() {
        let counter = Counter::default();
        assert_eq!(counter.send(sent().0), Err(Mishap::Stopping), "nobody has started");
        let (mut inboxes, mut outlets) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (inbox, outlet) = mpsc::channel(2);
            inboxes.push(inbox);
            outlets.push(outlet);
        }
        counter.connect(inboxes);
        for _ in 0..3 {
            assert_eq!(counter.send(sent().0), Ok(()));
        }
        assert_eq!(outlets.iter().map(mpsc::Receiver::len).collect::<Vec<_>>(), [1, 1, 1]);
        drop(outlets.remove(1));
        for _ in 0..2 {
            assert_eq!(counter.send(sent().0), Ok(()));
        }
        assert_eq!(outlets.iter().map(mpsc::Receiver::len).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(counter.send(sent().0), Err(Mishap::Overloaded));
        let (last, mut answered) = sent();
        drop(outlets.remove(0).try_recv());
        assert_eq!(counter.send(last), Err(Mishap::Overloaded));
        assert!(answered.try_recv().is_err(), "it was never taken");
        drop(outlets);
        assert_eq!(counter.send(sent().0), Err(Mishap::Stopping));
    }
}
