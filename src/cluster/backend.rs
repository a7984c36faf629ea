//! What is true of one backend now, shared by all workers and the control thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::events::Events;
use super::exceptions::Exceptions;
use super::reports::{Crowd, Local, Mark, Report, Reports, scaled};
use super::snapshot::BackendMemory;
use crate::base::{BackendKey, ProtocolId, millis};
use crate::policy::{Outlier, OutlierRules, slow_start_factor};

/// A backend for the life of the process. Times are counted from the gateway's start.
#[derive(Debug)]
pub struct Backend {
    key: BackendKey,
    address: String,
    pub(super) sessions: AtomicU32,
    links: AtomicU32,
    /// Whether a shared link ever came up.
    was_linked: AtomicBool,
    state: AtomicU8,
    /// Whether its probes say that it lives.
    up: AtomicBool,
    /// Whether it is down because its probes called it down, and not because it has not been asked yet.
    fallen: AtomicBool,
    /// Milliseconds at which slow start began; [`WARM`]: it has none.
    cold_since: AtomicU64,
    /// The backend's own number of its present life.
    boot: AtomicU64,
    /// Before this time (in milliseconds) no new connection is tried.
    shunned_until: AtomicU64,
    /// Failed connections in a row.
    failures: AtomicU32,
    /// When the log last repeated its words, in milliseconds.
    told: AtomicU64,
    exceptions: Exceptions,
    events: Events,
    pub(super) reports: Reports,
    pub(super) outlier: Outlier,
}

/// What a backend says of its own readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServingState {
    /// It takes sessions.
    Ok,
    /// It takes sessions when others are short.
    Degraded,
    /// It takes no new sessions.
    Refusing,
    /// It takes no new sessions and will end.
    Leaving,
}

impl ServingState {
    /// Whether it takes sessions that it does not have yet.
    #[must_use]
    pub const fn takes_sessions(self) -> bool {
        matches!(self, Self::Ok | Self::Degraded)
    }

    /// The word of the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Refusing => "refusing",
            Self::Leaving => "leaving",
        }
    }
}

const WARM: u64 = u64::MAX;
const STATES: [ServingState; 4] =
    [ServingState::Ok, ServingState::Degraded, ServingState::Refusing, ServingState::Leaving];

impl Backend {
    /// One that was there at the gateway's own start is up; one that came later is down until a probe succeeds.
    pub(super) fn new(key: BackendKey, address: String, crowd: Arc<Crowd>, up: bool) -> Self {
        Self {
            key,
            address,
            sessions: AtomicU32::new(0),
            links: AtomicU32::new(0),
            was_linked: AtomicBool::new(false),
            state: AtomicU8::new(0),
            up: AtomicBool::new(up),
            fallen: AtomicBool::new(false),
            cold_since: AtomicU64::new(WARM),
            boot: AtomicU64::new(0),
            shunned_until: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            told: AtomicU64::new(0),
            exceptions: Exceptions::default(),
            events: Events::default(),
            reports: Reports::new(crowd),
            outlier: Outlier::default(),
        }
    }

    /// One that goes on from what another process knew of it. A start that lies before this process's clock is long
    /// over: it is warm.
    pub(super) fn recall(mut self, memory: &BackendMemory, now: Duration) -> Self {
        let cold_since = memory.cold_for.and_then(|age| now.checked_sub(age)).map_or(WARM, millis);
        self.cold_since = AtomicU64::new(cold_since);
        self.fallen = AtomicBool::new(memory.fallen);
        self.was_linked = AtomicBool::new(memory.boot.is_some());
        self.boot = AtomicU64::new(memory.boot.unwrap_or(0));
        self.outlier = Outlier::recall(&memory.outlier, now);
        self.set_state(memory.state);
        self
    }

    /// Since when it is cold, as an age; `None`: it was warm at the gateway's own start, and ever since.
    pub(super) fn cold_for(&self, now: Duration) -> Option<Duration> {
        match self.cold_since.load(Ordering::Relaxed) {
            WARM => None,
            since => Some(now.saturating_sub(Duration::from_millis(since))),
        }
    }

    /// The number of its present life; `None` before its first shared link.
    pub(super) fn boot(&self) -> Option<u64> {
        self.was_linked.load(Ordering::Relaxed).then(|| self.boot.load(Ordering::Relaxed))
    }

    /// Its key for the life of the process.
    #[must_use]
    pub fn key(&self) -> BackendKey {
        self.key
    }

    /// `host:port` as the configuration says it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What was seen and counted at it.
    #[must_use]
    pub fn events(&self) -> &Events {
        &self.events
    }

    /// Shared links that are up, at most one per worker.
    #[must_use]
    pub fn links(&self) -> u32 {
        self.links.load(Ordering::Relaxed)
    }

    /// It is in no plan in force any more: what it has reported counts no longer. Its greeting does as long as it lives.
    pub fn leaves(&self) {
        self.reports.forget();
    }

    /// Nobody asks it any more, since it leaves: should it come back, it joins anew.
    pub fn let_go(&self, now: Duration) {
        self.leaves();
        self.set_up(false, now);
        self.fallen.store(false, Ordering::Relaxed);
    }

    /// A shared link came up to a backend that says this `boot` number of its life. In a new life it starts slowly.
    /// Whether it is the first link of those that stand, or the first of a life.
    pub fn link_came(&self, boot: u64, now: Duration) -> bool {
        let first = self.links.fetch_add(1, Ordering::Relaxed) == 0;
        let known = self.was_linked.swap(true, Ordering::Relaxed);
        let reborn = self.boot.swap(boot, Ordering::Relaxed) != boot && known;
        if reborn {
            self.reports.end_life();
            self.exceptions.clear();
            self.start_slowly(now);
        }
        first || reborn
    }

    /// A shared link was lost; whether it was the last.
    pub fn link_went(&self) -> bool {
        self.links.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// What the backend says of its readiness; whether that is new.
    pub fn set_state(&self, state: ServingState) -> bool {
        let code = STATES.iter().position(|known| *known == state).and_then(|place| u8::try_from(place).ok());
        let code = code.unwrap_or(0);
        self.state.swap(code, Ordering::Relaxed) != code
    }

    /// What it said last of its readiness.
    #[must_use]
    pub fn state(&self) -> ServingState {
        STATES.get(usize::from(self.state.load(Ordering::Relaxed))).copied().unwrap_or(ServingState::Ok)
    }

    /// Whether the log may have a line of what it says of itself: one a second, whatever it says.
    #[must_use]
    pub fn may_be_told(&self, now: Duration) -> bool {
        let (now, told) = (millis(now), self.told.load(Ordering::Relaxed));
        let may = told == 0 || now.saturating_sub(told) >= 1000;
        may && self.told.compare_exchange(told, now.max(1), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether its probes say that it lives.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// What a row of probes says of it. Coming back, it starts slowly.
    pub fn set_up(&self, up: bool, now: Duration) {
        let was_up = self.up.swap(up, Ordering::Relaxed);
        self.fallen.store(!up, Ordering::Relaxed);
        if up && !was_up {
            self.start_slowly(now);
        }
    }

    /// Whether a row of probes called it down, so that it takes a row of them to be up again.
    #[must_use]
    pub fn has_fallen(&self) -> bool {
        self.fallen.load(Ordering::Relaxed)
    }

    /// Whether it is out for what real traffic said of it.
    #[must_use]
    pub fn is_ejected(&self, now: Duration) -> bool {
        self.outlier.is_ejected(now)
    }

    /// How long it is still out; `None` when it is not.
    #[must_use]
    pub fn ejected_for(&self, now: Duration) -> Option<Duration> {
        self.outlier.ejected_until(now).map(|until| until.saturating_sub(now))
    }

    /// Whether it counts as healthy: it lives and is not out.
    #[must_use]
    pub fn is_healthy(&self, now: Duration) -> bool {
        self.is_up() && !self.is_ejected(now)
    }

    /// Real traffic succeeded there.
    pub fn succeeded(&self) {
        self.outlier.succeeded();
    }

    fn start_slowly(&self, now: Duration) {
        self.cold_since.store(millis(now), Ordering::Relaxed);
    }

    /// How much of its weight and limits it has now, 0.1 to 1.0: less than all while it starts slowly, after
    /// joining, after it was down, and after it was out.
    #[must_use]
    pub fn slow_start(&self, slow_start: Duration, now: Duration) -> f64 {
        let cold = match self.cold_since.load(Ordering::Relaxed) {
            WARM => None,
            since => Some(Duration::from_millis(since)),
        };
        let back = self.outlier.back_since(now);
        match cold.max(back) {
            Some(since) => slow_start_factor(now.saturating_sub(since), slow_start),
            None => 1.0,
        }
    }

    /// A moment for [`Backend::report`], to be taken when the backend is asked something.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { opened: self.reports.opened() }
    }

    /// The backend greets and says how many sessions it can have, if it does. `slow_start` and `drawn` as for
    /// [`Backend::report`].
    pub fn greeted(&self, capacity: Option<u32>, slow_start: Duration, drawn: f64, now: Duration) {
        if let Some(capacity) = capacity {
            self.reports.greet(capacity, &self.local(slow_start, drawn, now));
        }
    }

    /// Takes in what the backend says of itself, made after `mark`, `slow_start` being its cluster's; `drawn` is
    /// drawn evenly from 0..1.
    pub fn report(&self, report: Report, mark: Mark, slow_start: Duration, drawn: f64, now: Duration) {
        self.reports.take(report, mark, &self.local(slow_start, drawn, now));
    }

    fn local(&self, slow_start: Duration, drawn: f64, now: Duration) -> Local {
        Local { sessions: self.sessions(), factor: self.slow_start(slow_start, now), drawn, now }
    }

    /// The load it reported last and the one predicted now; `None` where none was reported lately.
    #[must_use]
    pub fn load(&self, now: Duration) -> Option<(f64, f64)> {
        self.reports.age(now);
        self.reports.reported().zip(self.reports.predicted())
    }

    /// The sessions it said it can have.
    #[must_use]
    pub fn capacity(&self) -> Option<u32> {
        self.reports.capacity()
    }

    /// The most sessions of this gateway that it may have now.
    pub(super) fn limit(&self, max_sessions: Option<u32>, factor: f64) -> u32 {
        let said = self.reports.capacity().filter(|_| !self.reports.limits());
        let limit = max_sessions.unwrap_or(u32::MAX).min(said.unwrap_or(u32::MAX));
        if limit == u32::MAX { limit } else { scaled(limit, factor) }
    }

    /// The backend says that it fails for these protocol IDs, ends included, for so long. Whether that is new for
    /// the first of them.
    pub fn except(&self, first: u32, last: u32, length: Duration, now: Duration) -> bool {
        let is_new = self.excepts(ProtocolId(first.into()), now).is_none();
        self.exceptions.add(first, last, now + length, now);
        is_new
    }

    /// How long it still fails for this ID, as it has said itself.
    #[must_use]
    pub fn excepts(&self, id: ProtocolId, now: Duration) -> Option<Duration> {
        self.exceptions.until(id, now).map(|end| end.saturating_sub(now))
    }

    /// Counts a failure of real traffic; how long the backend is out if that was one too many. `may_eject` is
    /// asked only then.
    pub(super) fn failed(
        &self,
        rules: &OutlierRules,
        now: Duration,
        may_eject: impl FnOnce() -> bool,
    ) -> Option<Duration> {
        self.outlier.failed(rules, now, may_eject).inspect(|_| self.events.ejected())
    }

    /// Whether a new connection may be tried.
    #[must_use]
    pub fn may_be_tried(&self, now: Duration) -> bool {
        millis(now) >= self.shunned_until.load(Ordering::Relaxed)
    }

    /// A new connection worked: nothing stands against the next one.
    pub fn connected(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.shunned_until.store(0, Ordering::Relaxed);
    }

    /// A new connection failed: the next is tried after a second, two, four, and at last every eight.
    pub fn connect_failed(&self, now: Duration) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let wait = Duration::from_secs(1 << failures.min(3));
        self.shunned_until.store(millis(now + wait), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_secs(10);

    fn backend(up: bool) -> Backend {
        Backend::new(BackendKey(0), "127.0.0.1:1".to_owned(), Arc::default(), up)
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn factor(backend: &Backend, now: u64) -> f64 {
        (backend.slow_start(SLOW, at(now)) * 100.0).round() / 100.0
    }

    #[test]
    fn a_failed_backend_is_left_alone_for_longer_each_time_until_it_works() {
        let backend = backend(true);
        let mut now = at(100);
        for wait in [1, 2, 4, 8, 8] {
            backend.connect_failed(now);
            assert!(!backend.may_be_tried(now + at(wait) - Duration::from_millis(1)));
            now += at(wait);
            assert!(backend.may_be_tried(now));
        }
        backend.connected();
        backend.connect_failed(now);
        assert!(backend.may_be_tried(now + at(1)));
    }

    #[test]
    fn slow_start_is_for_joining_and_recovery_and_not_for_the_gateways_own_start() {
        assert_eq!(factor(&backend(true), 0), 1.0);
        let joined = backend(false);
        joined.set_up(true, at(100));
        assert_eq!([100, 101, 105, 110].map(|now| factor(&joined, now)), [0.1, 0.1, 0.5, 1.0]);
        joined.set_up(true, at(110));
        assert_eq!(factor(&joined, 110), 1.0, "a success more is no recovery");
        joined.set_up(false, at(200));
        joined.set_up(true, at(300));
        assert_eq!(factor(&joined, 302), 0.2);
    }

    #[test]
    fn a_new_life_starts_slowly_and_links_of_the_same_life_do_not() {
        let backend = backend(true);
        assert!(backend.link_came(7, at(1)));
        assert!(!backend.link_came(7, at(1)), "a second worker's");
        assert_eq!(factor(&backend, 1), 1.0);
        assert!(!backend.link_went());
        assert!(!backend.link_came(7, at(50)));
        assert_eq!(factor(&backend, 50), 1.0, "the other link stood");
        assert!(!backend.link_went());
        assert!(backend.link_went(), "the last one");
        assert!(backend.link_came(7, at(100)));
        assert_eq!(factor(&backend, 103), 1.0, "it lives on and is warm");
        assert!(backend.link_came(8, at(200)));
        assert_eq!(factor(&backend, 204), 0.4);
    }

    #[test]
    fn a_new_life_has_forgotten_what_the_old_one_reported() {
        let backend = backend(true);
        assert!(backend.link_came(7, at(1)));
        backend.greeted(Some(100), SLOW, 0.0, at(1));
        let full = Report { load: Some(1.0), sessions: Some(5), capacity: Some(5) };
        backend.report(full, backend.mark(), SLOW, 0.0, at(1));
        backend.except(1, 9, at(60), at(1));
        assert!(!backend.open_session(u32::MAX) && backend.excepts(ProtocolId(5), at(2)).is_some());
        assert!(backend.link_went());
        assert!(backend.link_came(8, at(2)));
        assert!(backend.open_session(u32::MAX) && backend.excepts(ProtocolId(5), at(2)).is_none());
        assert_eq!(
            (backend.capacity(), backend.limit(None, 1.0)),
            (None, u32::MAX),
            "it has not greeted with one"
        );
    }

    #[test]
    fn who_leaves_and_comes_back_has_the_capacity_of_its_greeting_while_it_lives() {
        let backend = backend(true);
        assert!(backend.link_came(7, at(1)));
        backend.greeted(Some(100), SLOW, 0.0, at(1));
        backend.leaves();
        assert_eq!(backend.capacity(), Some(100), "the link that it greeted stands");
    }

    #[test]
    fn a_limit_of_sessions_holds_and_slow_start_holds_it_down() {
        let backend = backend(true);
        assert_eq!([backend.open_session(1), backend.open_session(1)], [true, false]);
        assert_eq!(backend.limit(Some(50), 0.1), 5);
        assert_eq!(backend.limit(None, 0.1), u32::MAX);
        backend.greeted(Some(20), SLOW, 0.0, at(1));
        assert_eq!(backend.limit(Some(50), 1.0), 20, "a capacity alone limits this gateway's own");
    }
}
