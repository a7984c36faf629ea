//! The rest of the process's end of the threads that speak HTTP: they begin with the first listener for it, get its
//! connections, and hear what the gateway wants.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};

use super::gate::{Gatehouse, Ledger};
use super::line::Counted;
use super::thread::{self, Count, News};
use crate::config::Protocol;
use crate::net::{Commons, Guest, Lounge, World};
use crate::telemetry::{DoorRefusal, Meters};

/// What the threads are started with.
#[derive(Clone, Debug)]
pub struct WebSetup {
    /// Where the world in force is published.
    pub world: Arc<ArcSwap<World>>,
    /// Where everything counts.
    pub meters: Arc<Meters>,
    /// What all threads of the process share.
    pub commons: Arc<Commons>,
    /// How many there are to be: one for each worker.
    pub threads: usize,
    /// When the process started.
    pub started: Instant,
}

/// The threads that speak HTTP. Dropped, they end.
#[derive(Debug)]
pub struct Web {
    setup: WebSetup,
    gate: Arc<Gatehouse>,
    news: watch::Sender<News>,
    threads: Mutex<Vec<Handle>>,
}

#[derive(Debug)]
struct Handle {
    arrivals: mpsc::Sender<(Guest, Counted)>,
    connections: Count,
    thread: JoinHandle<()>,
}

/// Connections that may be on their way to one thread.
const ARRIVALS: usize = 1024;

impl Web {
    /// There are no threads before [`Web::make_ready`].
    #[must_use]
    pub fn new(setup: WebSetup, ledger: Ledger) -> Arc<Self> {
        let news = watch::Sender::new(News::Serving { generation: 1 });
        let gate = Arc::new(Gatehouse::new(ledger));
        Arc::new(Self { setup, gate, news, threads: Mutex::default() })
    }

    /// Starts the threads if a world is the first that needs them.
    ///
    /// # Errors
    /// When the machine gives no threads or no event queues.
    pub async fn make_ready(&self, world: &World) -> io::Result<()> {
        let needs = world.plan().listeners().iter().any(|listener| listener.protocol() == Protocol::Http);
        if !needs || !self.threads().is_empty() {
            return Ok(());
        }
        self.gate.ledger().start(&self.setup.commons)?;
        let mut handles = Vec::new();
        for index in 0..self.setup.threads {
            let (handle, is_ready) = self.start(index)?;
            is_ready.await.map_err(|_| io::Error::other("a thread ended while it started"))??;
            handles.push(handle);
        }
        *self.threads() = handles;
        Ok(())
    }

    fn start(&self, index: usize) -> io::Result<(Handle, oneshot::Receiver<io::Result<()>>)> {
        let (arrivals, arrived) = mpsc::channel(ARRIVALS);
        let (ready, is_ready) = oneshot::channel();
        let (setup, gate, news) = (self.setup.clone(), Arc::clone(&self.gate), self.news.subscribe());
        let thread = std::thread::Builder::new()
            .name(format!("web-{index}"))
            .spawn(move || thread::run(&setup, gate, news, arrived, ready))?;
        Ok((Handle { arrivals, connections: Count::default(), thread }, is_ready))
    }

    /// Connections there are now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.threads().iter().map(|handle| handle.connections.load(Ordering::Acquire)).sum()
    }

    /// Another world is in force.
    pub fn changed(&self, world: &World) {
        let now = world.generation();
        self.news.send_modify(|news| match news {
            News::Serving { generation } | News::Leaving { generation, .. } => *generation = now,
            News::Stopping => {}
        });
    }

    /// Connections end in order, the idle ones evenly over this time.
    pub fn leave(&self, spread: Duration) {
        self.news.send_modify(|news| {
            if let News::Serving { generation } = *news {
                *news = News::Leaving { spread, generation };
            }
        });
    }

    /// Connections end now, and then the threads.
    pub fn stop(&self) {
        self.news.send_replace(News::Stopping);
    }

    /// Whether all threads have ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads().iter().all(|handle| handle.thread.is_finished())
    }

    /// What partners have had: kept by this process, with all that an earlier one has written down.
    pub fn keep(&self) {
        self.gate.ledger().keep(self.setup.commons.partners());
    }

    /// What partners have had is another process's to keep from now on.
    pub fn seal(&self) {
        self.gate.ledger().seal();
    }

    /// What partners were given ahead of their day and did not use is given back; to be said when the threads have ended.
    pub fn settle(&self) {
        self.gate.ledger().settle(self.setup.commons.partners());
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Handle>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lounge for Web {
    fn receive(&self, guest: Guest) {
        let threads = self.threads();
        let idlest = threads.iter().min_by_key(|handle| handle.connections.load(Ordering::Acquire));
        let Some(handle) = idlest else { return guest.stay.refuse(DoorRefusal::Overload) };
        let count = Counted::new(Arc::clone(&handle.connections));
        if let Err(
            mpsc::error::TrySendError::Full((guest, _)) | mpsc::error::TrySendError::Closed((guest, _)),
        ) = handle.arrivals.try_send((guest, count))
        {
            guest.stay.refuse(DoorRefusal::Overload);
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop();
    }
}
