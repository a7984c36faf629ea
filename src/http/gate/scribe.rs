//! Who writes the nonces down: one thread for all who ask, so that a disk that is slow costs nobody else a turn.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::seen::{Log, Nonce};
use crate::http::thread::stand_back;
use crate::net::{Commons, since_1970};
use crate::partners::{Book, Spent};

/// Who writes to the files of the nonces; there are none: they end with the process.
#[derive(Debug, Default)]
pub(super) struct Scribe {
    log: Option<Arc<Mutex<Log>>>,
    writer: OnceLock<mpsc::Sender<Asked>>,
}

/// Who waits for what becomes of a nonce.
type Waiting = oneshot::Sender<Result<(), Spent>>;
type Asked = (Nonce, Waiting);

/// Nonces on their way to the writer, and those that it writes in one go. Whoever comes then waits, and holds one of its
/// partner's `in_flight`.
const MOST_WAITING: usize = 256;

impl Scribe {
    /// The files in a folder, as [`Log::open`].
    pub(super) fn open(folder: &Path, book: &Book, now: u64) -> io::Result<Self> {
        let log = Log::open(folder, book, now)?;
        Ok(Self { log: Some(Arc::new(Mutex::new(log))), writer: OnceLock::new() })
    }

    /// Starts the thread that writes, unless it runs. It ends with this.
    pub(super) fn start(&self, commons: &Arc<Commons>, sealed: &Arc<AtomicBool>) -> io::Result<()> {
        let (Some(log), None) = (&self.log, self.writer.get()) else { return Ok(()) };
        let (writer, mut asked) = mpsc::channel(MOST_WAITING);
        let (log, commons, sealed) = (Arc::clone(log), Arc::clone(commons), Arc::clone(sealed));
        let work = move || {
            stand_back();
            let mut batch = Vec::new();
            while asked.blocking_recv_many(&mut batch, MOST_WAITING) > 0 {
                let (nonces, waiting): (Vec<Nonce>, Vec<Waiting>) = batch.drain(..).unzip();
                let (now, may_turn) = (since_1970().as_secs(), !sealed.load(Ordering::Acquire));
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                let spent = log.spend(commons.partners(), &nonces, now, may_turn);
                for (told, spent) in waiting.into_iter().zip(spent) {
                    told.send(spent).ok(); // who has left does not wait
                }
            }
        };
        std::thread::Builder::new().name("nonces".to_owned()).spawn(work)?;
        drop(self.writer.set(writer));
        Ok(())
    }

    /// Spends a nonce. It is in the file then, or the disk takes nothing and the log says so.
    pub(super) async fn spend(&self, book: &Book, nonce: Nonce) -> Result<(), Spent> {
        let Some(writer) = self.writer.get() else {
            return nonce.spend(book, since_1970().as_secs()).map(drop);
        };
        let (told, answer) = oneshot::channel();
        // Nobody is let in by a writer that is gone.
        writer.send((nonce, told)).await.map_err(|_| Spent::Full)?;
        answer.await.unwrap_or(Err(Spent::Full))
    }
}
