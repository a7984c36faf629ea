//! Counters by route, listener and worker. A meter is found by name and outlives every reload.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::admin::AdminMeter;
use super::door::DoorRefusal;
use super::handshake::Handshake;
use super::lag::Lag;
use super::line::{LineMeter, LineRefusal};
use super::login::LoginResult;
use super::push::{Audience, Fate};
use super::reloads::Reloads;
use super::resumption::Resumption;
use super::web::{HttpMeter, WebHandshakes};
use crate::base::Histogram;
use crate::session::EndReason;
use crate::wire::NoticeCode;

/// A number that one thread raises and every thread may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number of now that one thread sets and every thread may read.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

/// Why a frame of a route was not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No backend of its cluster serves.
    Unavailable,
    /// Those that serve have as many sessions as they can take now.
    Full,
    /// The link's buffer is above the mark of its class, or the session awaits as many replies as it may.
    Overloaded,
    /// The route is closed for maintenance.
    Maintenance,
    /// The player has not logged in.
    LoginRequired,
    /// The player waits to be let in.
    Queued,
    /// More frames than the route takes.
    RateLimited,
    /// The process has little left of something, and the route is optional.
    Pressure,
}

/// What one worker counted of one route.
#[derive(Debug, Default)]
#[repr(align(128))] // two cache lines: no worker's counting slows another's
pub struct RouteCounts {
    /// Frames from players to the cluster.
    pub frames_in: Counter,
    /// Their bytes.
    pub bytes_in: Counter,
    /// Frames with this route's IDs from backends to players.
    pub frames_out: Counter,
    /// Their bytes.
    pub bytes_out: Counter,
    unavailable: Counter,
    full: Counter,
    overloaded: Counter,
    maintenance: Counter,
    login_required: Counter,
    queued: Counter,
    rate_limited: Counter,
    pressure: Counter,
    /// Frames beyond a rate that only observes; they were forwarded.
    pub observed: Counter,
}

/// A route's counts, one set per worker.
#[derive(Debug)]
pub struct RouteMeter {
    workers: Vec<RouteCounts>,
}

/// What one worker counted beyond routes.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct WorkerMeter {
    /// Sessions that began.
    pub sessions: Counter,
    /// Frames with an ID that no route has.
    pub unknown_ids: Counter,
    /// Frames beyond `frames_per_session`.
    pub over_rate: Counter,
    /// Heartbeats answered.
    pub heartbeats: Counter,
    /// Envelopes that named a session that is gone or too slow.
    pub undelivered: Counter,
    /// Answers to a backend that were left out because it does not read.
    pub unsaid: Counter,
    /// Envelopes of types that this version reads and does not act on.
    pub ignored_envelopes: Counter,
    /// What a hot standby that is not the first said to players or of them.
    pub standby_dropped: Counter,
    /// Payloads of backends that are not one whole frame of the player's layout.
    pub bad_backend_frames: Counter,
    /// TLS handshakes that succeeded, from the accepted connection on.
    pub handshake_seconds: Histogram,
    /// Rooms that its sessions are in.
    pub rooms: Level,
    /// Its sessions in them, each counted once for each of its rooms.
    pub room_members: Level,
    /// How late it wakes.
    pub lag: Lag,
    /// Turns of its event loop that were kept apart, so that frames gather.
    pub gathered_turns: Counter,
    /// Sessions that began to wait for their player to come back.
    pub parked: Counter,
    /// Of them, those that no longer wait.
    pub unparked: Counter,
    resumptions: [Counter; Resumption::ALL.len()],
    notices: [Counter; NoticeCode::ALL.len()],
    ended: [Counter; EndReason::ALL.len()],
    handshakes: [Counter; Handshake::ALL.len()],
    logins: [Counter; LoginResult::ALL.len()],
    publications: [Counter; Audience::ALL.len()],
    published: [Counter; Fate::ALL.len()],
    not_queued: [Counter; LineRefusal::ALL.len()],
}

/// What was counted at one listener: by its accept loop, and by the workers where they refuse a connection.
#[derive(Debug, Default)]
pub struct ListenerMeter {
    connections: AtomicU32,
    away: AtomicU32,
    /// Connections handed to a worker.
    pub accepted: Counter,
    refused: [AtomicU64; DoorRefusal::ALL.len()],
    malformed: AtomicU64,
}

/// Every meter of the process.
#[derive(Debug)]
pub struct Meters {
    workers: Vec<Arc<WorkerMeter>>,
    /// What became of the configurations that were read.
    pub reloads: Reloads,
    /// Who was not let in at the API.
    pub admin: AdminMeter,
    /// Who is in, and who waits.
    pub line: LineMeter,
    routes: Mutex<HashMap<String, Arc<RouteMeter>>>,
    listeners: Mutex<HashMap<String, Arc<ListenerMeter>>>,
    http: Mutex<HashMap<String, Arc<HttpMeter>>>,
    /// TLS handshakes at listeners for HTTP.
    pub web_handshakes: WebHandshakes,
}

impl Counter {
    /// Raises it; only its one writing thread may.
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Level {
    /// Sets it; only its one writing thread may.
    pub fn set(&self, level: usize) {
        self.0.store(level as u64, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Refusal {
    /// Every refusal, for tables.
    pub const ALL: [Self; 8] = [
        Self::Unavailable,
        Self::Full,
        Self::Overloaded,
        Self::Maintenance,
        Self::LoginRequired,
        Self::Queued,
        Self::RateLimited,
        Self::Pressure,
    ];

    /// The word of metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::Overloaded => "overloaded",
            Self::Maintenance => "maintenance",
            Self::LoginRequired => "login_required",
            Self::Queued => "queued",
            Self::RateLimited => "rate_limited",
            Self::Pressure => "pressure",
        }
    }

    /// What the player is told.
    #[must_use]
    pub const fn notice(self) -> NoticeCode {
        match self {
            Self::Unavailable => NoticeCode::Unavailable,
            Self::Full | Self::Overloaded | Self::Pressure => NoticeCode::Overloaded,
            Self::Maintenance => NoticeCode::Maintenance,
            Self::LoginRequired => NoticeCode::LoginRequired,
            Self::Queued => NoticeCode::Queued,
            Self::RateLimited => NoticeCode::RateLimited,
        }
    }
}

impl ListenerMeter {
    /// A connection is not let in.
    pub fn refuse(&self, why: DoorRefusal) {
        if let Some(counter) = self.refused.get(why as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What came on a connection is no HTTP, or could be read in two ways.
    pub fn count_malformed(&self) {
        self.malformed.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections on which such came.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    /// Connections that were not let in for this.
    #[must_use]
    pub fn refused(&self, why: DoorRefusal) -> u64 {
        self.refused.get(why as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

impl RouteCounts {
    /// The counter of one kind of refusal.
    #[must_use]
    pub const fn refused(&self, refusal: Refusal) -> &Counter {
        match refusal {
            Refusal::Unavailable => &self.unavailable,
            Refusal::Full => &self.full,
            Refusal::Overloaded => &self.overloaded,
            Refusal::Maintenance => &self.maintenance,
            Refusal::LoginRequired => &self.login_required,
            Refusal::Queued => &self.queued,
            Refusal::RateLimited => &self.rate_limited,
            Refusal::Pressure => &self.pressure,
        }
    }
}

impl ListenerMeter {
    /// One more connection; how many there were before.
    pub fn enter(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::AcqRel)
    }

    /// One connection less.
    pub fn leave(&self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
    }

    /// The player of one of its sessions is away.
    pub fn goes_away(&self) {
        self.away.fetch_add(1, Ordering::AcqRel);
    }

    /// The player of one of its sessions is away no longer.
    pub fn comes_back(&self) {
        self.away.fetch_sub(1, Ordering::AcqRel);
    }

    /// Sessions it has whose players are away.
    #[must_use]
    pub fn away(&self) -> u32 {
        self.away.load(Ordering::Acquire)
    }

    /// Connections it has now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Acquire)
    }
}

impl RouteMeter {
    /// The counts that a worker writes.
    #[must_use]
    pub fn of(&self, worker: usize) -> Option<&RouteCounts> {
        self.workers.get(worker)
    }

    /// One number over all workers.
    pub fn total(&self, which: impl Fn(&RouteCounts) -> &Counter) -> u64 {
        self.workers.iter().map(|counts| which(counts).get()).sum()
    }
}

impl WorkerMeter {
    /// When the worker last woke, counted from the process's start; zero before the first time.
    #[must_use]
    pub fn beat(&self) -> Duration {
        self.lag.beat()
    }

    /// The counter of one notice.
    #[must_use]
    pub fn notice(&self, code: NoticeCode) -> Option<&Counter> {
        self.notices.get(code as usize)
    }

    /// The counter of one result of tokens that were shown.
    #[must_use]
    pub fn resumption(&self, result: Resumption) -> Option<&Counter> {
        self.resumptions.get(result as usize)
    }

    /// The counter of one result of TLS handshakes.
    #[must_use]
    pub fn handshake(&self, result: Handshake) -> Option<&Counter> {
        self.handshakes.get(result as usize)
    }

    /// The counter of one result of logins.
    #[must_use]
    pub fn login(&self, result: LoginResult) -> Option<&Counter> {
        self.logins.get(result as usize)
    }

    /// The counter of what backends said to one audience.
    #[must_use]
    pub fn published_to(&self, audience: Audience) -> Option<&Counter> {
        self.publications.get(audience as usize)
    }

    /// The counter of one fate of frames for many.
    #[must_use]
    pub fn published(&self, fate: Fate) -> Option<&Counter> {
        self.published.get(fate as usize)
    }

    /// The counter of one kind of player who found the waiting line full.
    #[must_use]
    pub fn not_queued(&self, why: LineRefusal) -> Option<&Counter> {
        self.not_queued.get(why as usize)
    }

    /// The counter of one way to end.
    #[must_use]
    pub fn ended(&self, end: EndReason) -> Option<&Counter> {
        self.ended.get(end as usize)
    }
}

impl Meters {
    /// Meters for so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            reloads: Reloads::default(),
            admin: AdminMeter::default(),
            line: LineMeter::default(),
            routes: Mutex::default(),
            listeners: Mutex::default(),
            http: Mutex::default(),
            web_handshakes: WebHandshakes::default(),
        }
    }

    /// The meter of a worker.
    #[must_use]
    pub fn worker(&self, worker: usize) -> Option<&Arc<WorkerMeter>> {
        self.workers.get(worker)
    }

    /// The meters of all workers, in their order.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerMeter> {
        self.workers.iter().map(|meter| &**meter)
    }

    /// The last beat of the worker that has been silent for longest: a watchdog's question. Zero until each has
    /// woken once.
    #[must_use]
    pub fn oldest_beat(&self) -> Duration {
        self.workers().map(WorkerMeter::beat).min().unwrap_or_default()
    }

    /// One number over all workers.
    pub fn total(&self, which: impl Fn(&WorkerMeter) -> Option<&Counter>) -> u64 {
        self.workers.iter().filter_map(|meter| which(meter)).map(Counter::get).sum()
    }

    /// The meter of a route; the same one at every call with its name.
    #[must_use]
    pub fn route(&self, name: &str) -> Arc<RouteMeter> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let workers = self.workers.iter().map(|_| RouteCounts::default()).collect();
            Arc::new(RouteMeter { workers })
        };
        Arc::clone(routes.entry(name.to_owned()).or_insert_with(new))
    }

    /// The meter of an HTTP route; the same one at every call with its name. The empty name is that of no route.
    #[must_use]
    pub fn http(&self, name: &str) -> Arc<HttpMeter> {
        let mut routes = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(name.to_owned()).or_default())
    }

    /// The meter of a listener; the same one at every call with its name.
    #[must_use]
    pub fn listener(&self, name: &str) -> Arc<ListenerMeter> {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(listeners.entry(name.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_kept_by_name_and_adds_up_over_workers() {
        let meters = Meters::new(2);
        for worker in 0..2 {
            meters.route("battle").of(worker).expect("there are two").frames_in.add(5);
        }
        assert_eq!(meters.route("battle").total(|counts| &counts.frames_in), 10);
        assert_eq!(meters.route("pay").total(|counts| &counts.frames_in), 0);
    }

    #[test]
    fn every_notice_and_every_end_has_its_own_counter() {
        let meter = WorkerMeter::default();
        for code in NoticeCode::ALL {
            meter.notice(code).expect("in range").add(1);
        }
        for end in EndReason::ALL {
            meter.ended(end).expect("in range").add(1);
        }
        assert!(
            NoticeCode::ALL.iter().all(|code| meter.notice(*code).is_some_and(|counter| counter.get() == 1))
        );
        for result in Handshake::ALL {
            meter.handshake(result).expect("in range").add(1);
        }
        let all = Handshake::ALL.map(|result| meter.handshake(result).map(Counter::get));
        assert_eq!(all, [Some(1); 4]);
        assert!(EndReason::ALL.iter().all(|end| meter.ended(*end).is_some_and(|counter| counter.get() == 1)));
    }

    #[test]
    fn the_oldest_beat_is_that_of_the_worker_that_stands_still() {
        let meters = Meters::new(2);
        for (worker, beat) in [(0, 900), (1, 250), (0, 1150)] {
            let beat = Duration::from_millis(beat);
            meters.worker(worker).expect("there are two").lag.woke(Duration::ZERO, beat);
        }
        assert_eq!(meters.oldest_beat(), Duration::from_millis(250));
        assert_eq!(Meters::new(0).oldest_beat(), Duration::ZERO);
    }
}
