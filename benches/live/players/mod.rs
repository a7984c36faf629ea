//! The players: one thread has them all. Those who stay ask at a fixed rate whatever happens (an open loop); visitors
//! come at a fixed rate, ask three times and leave.

mod crowd;
mod ledger;
mod seat;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ClientConfig;

use crate::Outcome;
use crowd::Crowd;
pub(crate) use tally::{Tally, Turn};

/// Where players connect.
#[derive(Clone, Debug)]
pub(crate) struct Doors {
    /// Without TLS.
    pub(crate) plain: SocketAddr,
    /// With it.
    pub(crate) tls: SocketAddr,
    /// Whom they trust there.
    pub(crate) trust: Arc<ClientConfig>,
}

/// What the players are told to do.
#[derive(Debug)]
enum Order {
    /// So many come and stay, `tls` of them with TLS; every tenth of them pays.
    Arrive { count: usize, tls: usize, manner: Manner },
    /// From now on so many visitors a second come; every fourth with TLS.
    Visits(u64),
    /// Those who stay ask nothing more.
    Hush,
    /// Say who is there.
    Census(SyncSender<Vec<Seated>>),
    /// Leave.
    End,
}

/// What a session does when it is told to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nobody may tell it to: a notice or an end is a fault.
    Stays,
    /// It may be told `moved` or `shutting_down`, and comes again at once.
    Returns,
}

/// A session that is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seated {
    /// In the order of arrival.
    pub(crate) seat: usize,
    /// Its connection.
    pub(crate) serial: u32,
    /// Questions of this connection.
    pub(crate) sent: u32,
    /// Answers to them.
    pub(crate) answered: u32,
    /// The release group that answers; 0 for none yet.
    pub(crate) group: u8,
    /// Whether it can ask.
    pub(crate) is_open: bool,
}

/// All of them; gone when dropped.
#[derive(Debug)]
pub(crate) struct Players {
    /// What they saw.
    pub(crate) tally: Arc<Tally>,
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// How long a census may take.
const ANSWER: Duration = Duration::from_secs(10);
const ORDERS: usize = 64;

impl Players {
    /// Starts the thread; nobody plays yet. `serials` numbers the connections.
    pub(crate) fn start(doors: Doors, per_second: u64, serials: Arc<AtomicU32>) -> Outcome<Self> {
        let tally = Arc::new(Tally::default());
        let (orders, ordered) = sync_channel(ORDERS);
        let crowd = Crowd::new(doors, per_second, serials, Arc::clone(&tally));
        let crowd = crowd.map_err(|error| format!("players: {error}"))?;
        let thread = std::thread::Builder::new().name("players".to_owned());
        let thread = thread.spawn(move || crowd.run(&ordered)).map_err(|error| error.to_string())?;
        Ok(Self { tally, orders, thread: Some(thread) })
    }

    /// So many come and stay, `tls` of them with TLS.
    pub(crate) fn arrive(&self, count: usize, tls: usize, manner: Manner) -> Outcome<()> {
        self.order(Order::Arrive { count, tls, manner })
    }

    /// From now on so many visitors a second come.
    pub(crate) fn visits(&self, per_second: u64) -> Outcome<()> {
        self.order(Order::Visits(per_second))
    }

    /// Those who stay ask nothing more.
    pub(crate) fn hush(&self) -> Outcome<()> {
        self.order(Order::Hush)
    }

    /// Who stays and is there now.
    pub(crate) fn census(&self) -> Outcome<Vec<Seated>> {
        let (answer, answered) = sync_channel(1);
        self.order(Order::Census(answer))?;
        answered.recv_timeout(ANSWER).map_err(|_| "the players do not say who is there".to_owned())
    }

    fn order(&self, order: Order) -> Outcome<()> {
        self.orders.send(order).map_err(|_| "the players' thread has ended".to_owned())
    }
}

impl Drop for Players {
    fn drop(&mut self) {
        if self.orders.send(Order::End).is_ok()
            && let Some(thread) = self.thread.take()
        {
            drop(thread.join());
        }
    }
}
