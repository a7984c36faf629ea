//! What all threads share beside the world. Built once, never changed by a reload.

use std::sync::Arc;
use std::time::Duration;

use super::accept::SessionIds;
use super::bans::LiveBans;
use super::desk::Desks;
use super::errand::{self, Errand, Outcome};
use super::lobby::{self, Lobby};
use super::pressure::Pressure;
use super::switchboard::Switchboard;
use super::tokens::Tokens;
use super::worker::WorkerHandle;
use super::world::World;
use crate::config::Banned;
use crate::partners::Book;
use crate::players::{Directory, Memory};

/// Shared by the control thread and all workers.
#[derive(Debug)]
pub struct Commons {
    /// Who sits where.
    pub(super) directory: Arc<dyn Directory>,
    /// Bans that backends ordered.
    pub(super) bans: LiveBans,
    pub(super) lobby: Lobby,
    pub(super) pressure: Pressure,
    pub(super) desks: Desks,
    pub(super) switchboard: Switchboard,
    errands: errand::Counter,
    /// How players come back to their sessions.
    pub(super) tokens: Tokens,
    partners: Book,
}

impl Commons {
    /// For a process that has just started.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            directory: Arc::new(Memory::default()),
            bans: LiveBans::default(),
            lobby: Lobby::default(),
            pressure: Pressure::default(),
            desks: Desks::default(),
            switchboard: Switchboard::default(),
            errands: errand::Counter::default(),
            tokens: Tokens::default(),
            partners: Book::default(),
        })
    }

    /// How near the process is to its end.
    #[must_use]
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// What is true of third parties now.
    #[must_use]
    pub fn partners(&self) -> &Book {
        &self.partners
    }

    /// All workers have started: from now on they can tell each other something.
    pub fn connect(&self, workers: &[WorkerHandle], ids: &Arc<SessionIds>) {
        self.switchboard.connect(workers, ids);
        self.errands.connect(workers.iter().map(WorkerHandle::errands).collect());
    }

    /// Has a frame brought to a shared cluster; what becomes of it. Whoever drops this has stopped waiting.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn run_errand(&self, errand: Errand) -> Outcome {
        self.errands.run(errand).await
    }

    /// Another world comes into force: who logs in under it meets its line.
    pub fn follow(&self, old: Option<&World>, world: &World) {
        self.lobby.follow(lobby::rules(world));
        if old.is_some_and(|old| old.login_kind() != world.login_kind()) {
            self.directory.renumber();
        }
    }

    /// Whom backends banned, and until when, counted from the process's start.
    #[must_use]
    pub fn bans(&self, now: Duration) -> Vec<(Banned, Duration)> {
        self.bans.list(now)
    }

    /// An operator says otherwise of somebody whom a backend may have banned.
    pub fn lift_ban(&self, who: &Banned) {
        self.bans.lift(who);
    }
}
