//! How workers tell each other something: by the inboxes that the control thread uses too.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use super::accept::{SessionIds, SessionPlace};
use super::publish::Publication;
use super::worker::{Command, WorkerHandle};
use crate::base::SessionId;

/// The inboxes of all workers, known once all of them have started. Workers know each other by it, and keep no worker that
/// its gateway has let go.
#[derive(Debug, Default)]
pub(super) struct Switchboard {
    inboxes: OnceLock<Vec<mpsc::WeakSender<Command>>>,
    /// What is said to many at once goes another way: in its order, and only as fast as it is delivered.
    publications: OnceLock<Vec<mpsc::Sender<Publication>>>,
    numbers: OnceLock<(Arc<SessionIds>, Vec<Arc<AtomicUsize>>)>,
}

impl Switchboard {
    /// All workers have started.
    pub(super) fn connect(&self, workers: &[WorkerHandle], ids: &Arc<SessionIds>) {
        let inboxes = workers.iter().map(WorkerHandle::inbox).collect();
        drop(self.inboxes.set(inboxes));
        drop(self.publications.set(workers.iter().map(WorkerHandle::publications).collect()));
        let counts = workers.iter().map(WorkerHandle::count).collect();
        drop(self.numbers.set((Arc::clone(ids), counts)));
    }

    /// The ID and the place of a session that begins on a worker without being accepted.
    pub(super) fn seat_at(&self, worker: usize) -> Option<(SessionId, SessionPlace)> {
        let (ids, counts) = self.numbers.get()?;
        let (id, _) = ids.next(worker);
        Some((id, SessionPlace::new(Arc::clone(counts.get(worker)?))))
    }

    /// The ID of a session on a worker that is no player's and takes no place.
    pub(super) fn number_at(&self, worker: usize) -> Option<SessionId> {
        let (ids, _) = self.numbers.get()?;
        Some(ids.next(worker).0)
    }

    /// Where a session of this process lives. IDs are dealt so that their counter names the worker.
    pub(super) fn worker_of(&self, session: SessionId) -> usize {
        let workers = self.inboxes.get().map_or(1, |inboxes| inboxes.len().max(1));
        usize::try_from(session.counter()).unwrap_or(0) % workers
    }

    /// Where every worker takes what is said to many at once, in the order of the workers.
    pub(super) fn publications(&self) -> &[mpsc::Sender<Publication>] {
        self.publications.get().map_or(&[], Vec::as_slice)
    }

    /// Tells one worker; it never blocks. A worker whose inbox is full hears it from a task of the caller's worker,
    /// as soon as there is room.
    pub(super) fn tell(&self, worker: usize, command: Command) {
        let inbox = self.inboxes.get().and_then(|inboxes| inboxes.get(worker)?.upgrade());
        let Some(inbox) = inbox else { return };
        if let Err(mpsc::error::TrySendError::Full(command)) = inbox.try_send(command) {
            drop(tokio::task::spawn_local(async move { drop(inbox.send(command).await) }));
        }
    }
}
