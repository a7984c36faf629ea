//! What a backend has reported of itself, and what this gateway has sent it since.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::base::millis;
use crate::policy::{REPORT_LIFE, allowance, share, step};

/// What a backend says of itself; what it left out is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// 0.0 idle to 1.0 fully busy.
    pub load: Option<f64>,
    /// Sessions it has, of all gateways.
    pub sessions: Option<u32>,
    /// Sessions it can have.
    pub capacity: Option<u32>,
}

/// A moment not after which a report was made: taken when the backend is asked something that it must answer
/// before it reports, since what has been sent after that moment may be missing in the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// Sessions that this gateway had opened there, ever.
    pub(super) opened: u64,
}

/// What is true here when a report comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    /// Sessions that this gateway has there.
    pub(super) sessions: u32,
    /// How much of its capacity slow start leaves, 0.1 to 1.0.
    pub(super) factor: f64,
    /// Drawn evenly from 0..1.
    pub(super) drawn: f64,
    /// Since the gateway's start.
    pub(super) now: Duration,
}

/// The last report of one backend, ready to be read by every pick.
#[derive(Debug)]
pub(super) struct Reports {
    /// Sessions opened there by this gateway, ever.
    opened: AtomicU64,
    /// How many may be opened before the next report; `u64::MAX`: no report sets a limit.
    allowed: AtomicU64,
    /// The capacity of the greeting, which holds for the backend's life, and of the last report; [`UNSAID`].
    greeted: AtomicU32,
    capacity: AtomicU32,
    /// When the last report came, in milliseconds since the gateway's start; [`NEVER`].
    at: AtomicU64,
    /// Bits of the reported load, not a number where none was reported, and of what one opened session adds to it.
    load: AtomicU64,
    step: AtomicU64,
    /// [`Mark::opened`] of the last report.
    since: AtomicU64,
    /// Until when a greeting limits, in milliseconds since the gateway's start; [`NOT_YET`], [`OVER`].
    greeted_until: AtomicU64,
    last: Mutex<Last>,
    crowd: Arc<Crowd>,
}

/// What is needed to take in the next report.
#[derive(Debug, Default)]
struct Last {
    /// What the crowd has of this backend.
    own: i64,
    counted: i64,
    offset: f64,
    offset_at: Option<Duration>,
    /// When it last said how many sessions it has, and [`Mark::opened`] then.
    sessions_at: Duration,
    marked: u64,
}

/// The sessions of a cluster over all backends that report: this gateway's and everybody's.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    own: AtomicI64,
    counted: AtomicI64,
}

const NEVER: u64 = u64::MAX;
const UNSAID: u32 = u32::MAX;
const MOST: u32 = UNSAID - 1;
/// No greeting has limited yet.
const NOT_YET: u64 = 0;
/// No greeting limits any more: sessions were reported, or they never will be.
const OVER: u64 = u64::MAX;
/// How long a greeting limits: a backend that counts its sessions has reported by then.
const GREETING_LIFE: Duration = Duration::from_secs(10);
/// How long the rounding of fractions of a session is kept.
const OFFSET_LIFE: Duration = Duration::from_secs(5);

impl Last {
    /// Sessions at a mark, by the last count and what has been sent between.
    fn counted_by(&self, mark: Mark) -> Option<u32> {
        let counted = u64::try_from(self.counted).ok()? + mark.opened.saturating_sub(self.marked);
        u32::try_from(counted).ok()
    }

    /// What decides about fractions of a session: drawn anew every few seconds.
    fn offset(&mut self, local: &Local) -> f64 {
        if self.offset_at.is_none_or(|at| local.now.saturating_sub(at) >= OFFSET_LIFE) {
            (self.offset, self.offset_at) = (local.drawn, Some(local.now));
        }
        self.offset
    }
}

impl Crowd {
    fn share(&self) -> f64 {
        let positive = |count: &AtomicI64| u64::try_from(count.load(Ordering::Relaxed)).unwrap_or(0);
        share(positive(&self.own), positive(&self.counted))
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.forget(); // the crowd has nobody there any more
    }
}

impl Reports {
    pub(super) fn new(crowd: Arc<Crowd>) -> Self {
        Self {
            opened: AtomicU64::new(0),
            allowed: AtomicU64::new(u64::MAX),
            greeted: AtomicU32::new(UNSAID),
            capacity: AtomicU32::new(UNSAID),
            at: AtomicU64::new(NEVER),
            load: AtomicU64::new(f64::NAN.to_bits()),
            step: AtomicU64::new(0),
            since: AtomicU64::new(0),
            greeted_until: AtomicU64::new(NOT_YET),
            last: Mutex::default(),
            crowd,
        }
    }

    /// The backend greets and can have so many sessions. Until it counts them, a gateway that has others beside it
    /// takes no more than its share of an empty backend.
    pub(super) fn greet(&self, capacity: u32, local: &Local) {
        self.greeted.store(capacity.min(MOST), Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let share = self.crowd.share();
        if self.greeted_until.load(Ordering::Relaxed) == NOT_YET && share < 1.0 {
            let more = allowance(scaled(capacity, local.factor), 0, share, last.offset(local));
            self.allowed.store(self.opened().saturating_add(more), Ordering::Relaxed);
            self.greeted_until.store(millis(local.now + GREETING_LIFE), Ordering::Relaxed);
        }
    }

    /// Takes in a report that was made after `mark`.
    pub(super) fn take(&self, report: Report, mark: Mark, local: &Local) {
        let Local { sessions: own, factor, now, .. } = *local;
        if let Some(capacity) = report.capacity {
            self.capacity.store(capacity.min(MOST), Ordering::Relaxed);
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sessions) = report.sessions {
            self.greeted_until.store(OVER, Ordering::Relaxed);
            self.count(&mut last, i64::from(own), i64::from(sessions));
            (last.sessions_at, last.marked) = (now, mark.opened);
        } else if now.saturating_sub(last.sessions_at) > REPORT_LIFE {
            self.allowed.store(u64::MAX, Ordering::Relaxed);
        }
        let share = self.crowd.share();
        let known = || self.limits().then(|| last.counted_by(mark)).flatten();
        if let (Some(sessions), Some(capacity)) = (report.sessions.or_else(known), self.capacity()) {
            let more = allowance(scaled(capacity, factor), sessions, share, last.offset(local));
            self.allowed.store(mark.opened.saturating_add(more), Ordering::Relaxed);
        }
        self.publish_load(report, mark, share);
        self.at.store(millis(now), Ordering::Relaxed);
    }

    fn count(&self, last: &mut Last, own: i64, counted: i64) {
        self.crowd.own.fetch_add(own - last.own, Ordering::Relaxed);
        self.crowd.counted.fetch_add(counted - last.counted, Ordering::Relaxed);
        (last.own, last.counted) = (own, counted);
    }

    fn publish_load(&self, report: Report, mark: Mark, share: f64) {
        let of_sessions = || Some(f64::from(report.sessions?) / f64::from(self.capacity()?.max(1)));
        let Some(load) = report.load.or_else(of_sessions) else { return };
        self.load.store(load.to_bits(), Ordering::Relaxed);
        self.step.store(
            self.capacity().map_or(0.0, |capacity| step(capacity, share)).to_bits(),
            Ordering::Relaxed,
        );
        self.since.store(mark.opened, Ordering::Relaxed);
    }

    /// Forgets all, the greeting too: its life is over.
    pub(super) fn end_life(&self) {
        self.forget();
        self.greeted.store(UNSAID, Ordering::Relaxed);
    }

    /// Forgets what was reported; the greeting stays.
    pub(super) fn forget(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.count(&mut last, 0, 0);
        self.capacity.store(UNSAID, Ordering::Relaxed);
        self.expire();
    }

    fn expire(&self) {
        self.at.store(NEVER, Ordering::Relaxed);
        self.greeted_until.store(NOT_YET, Ordering::Relaxed);
        self.load.store(f64::NAN.to_bits(), Ordering::Relaxed);
        self.allowed.store(u64::MAX, Ordering::Relaxed);
    }

    /// Lets go of a report that is too old to believe.
    pub(super) fn age(&self, now: Duration) {
        let at = self.at.load(Ordering::Relaxed);
        if at != NEVER && millis(now).saturating_sub(at) > millis(REPORT_LIFE) {
            self.forget();
        }
        let until = self.greeted_until.load(Ordering::Relaxed);
        if until != NOT_YET && millis(now) >= until {
            self.stop_greeting(until);
        }
    }

    /// A backend that has never counted its sessions is not held down for ever.
    fn stop_greeting(&self, until: u64) {
        let _last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.greeted_until.load(Ordering::Relaxed) == until {
            self.greeted_until.store(OVER, Ordering::Relaxed);
            self.allowed.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// Sessions it can have, as it has said.
    pub(super) fn capacity(&self) -> Option<u32> {
        let said = [&self.capacity, &self.greeted].map(|capacity| capacity.load(Ordering::Relaxed));
        said.into_iter().find(|capacity| *capacity != UNSAID)
    }

    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Whether the report lets another session be opened.
    pub(super) fn allows(&self) -> bool {
        self.opened() < self.allowed.load(Ordering::Relaxed)
    }

    /// Whether a limit comes from a report of sessions, so that the capacity alone is none.
    pub(super) fn limits(&self) -> bool {
        self.allowed.load(Ordering::Relaxed) != u64::MAX
    }

    /// Opens one more session, unless the report is used up.
    pub(super) fn open(&self) -> bool {
        let one_more = |opened| (opened < self.allowed.load(Ordering::Relaxed)).then_some(opened + 1);
        self.opened.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Opens one more session, whether the report is used up or not.
    pub(super) fn open_anyway(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// One that was opened has not come there.
    pub(super) fn take_back(&self) {
        self.opened.fetch_sub(1, Ordering::Relaxed);
    }

    /// The load it reported last; `None` where none was.
    pub(super) fn reported(&self) -> Option<f64> {
        let load = f64::from_bits(self.load.load(Ordering::Relaxed));
        (!load.is_nan()).then_some(load)
    }

    /// The reported load plus what has been sent since; `None` where none was reported.
    pub(super) fn predicted(&self) -> Option<f64> {
        let sent = self.opened().saturating_sub(self.since.load(Ordering::Relaxed));
        let step = f64::from_bits(self.step.load(Ordering::Relaxed));
        Some(self.reported()? + sent as f64 * step)
    }
}

/// A limit under slow start: at least one of what is not none.
pub(super) fn scaled(limit: u32, factor: f64) -> u32 {
    if factor >= 1.0 || limit == 0 {
        return limit;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and `limit`")]
    let scaled = (f64::from(limit) * factor).max(1.0) as u32;
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn reports() -> Reports {
        Reports::new(Arc::default())
    }

    fn take(reports: &Reports, report: Report, mark: Mark, own: u32) {
        reports.take(report, mark, &Local { sessions: own, factor: 1.0, drawn: 0.0, now: NOW });
    }

    fn said(load: f64, sessions: u32, capacity: u32) -> Report {
        Report { load: Some(load), sessions: Some(sessions), capacity: Some(capacity) }
    }

    fn open(reports: &Reports, wanted: usize) -> usize {
        (0..wanted).filter(|_| reports.open()).count()
    }

    #[test]
    fn what_was_sent_since_the_question_counts_and_the_capacity_is_never_passed() {
        let reports = reports();
        take(&reports, said(0.0, 0, 10), Mark::default(), 0);
        let asked = Mark { opened: reports.opened() };
        assert_eq!(open(&reports, 4), 4);
        // Made before any of the four had come, and read after.
        take(&reports, said(0.0, 0, 10), asked, 4);
        assert_eq!(open(&reports, 100), 6);
        assert!(!reports.allows());
    }

    #[test]
    fn the_predicted_load_grows_with_what_is_sent_until_the_next_report() {
        let reports = reports();
        assert_eq!(reports.predicted(), None);
        take(&reports, said(0.5, 0, 10), Mark::default(), 0);
        open(&reports, 2);
        assert!((reports.predicted().expect("reported") - 0.7).abs() < 1e-9);
        take(&reports, said(0.6, 2, 10), Mark { opened: 2 }, 2);
        assert!((reports.predicted().expect("reported") - 0.6).abs() < 1e-9);
    }

    #[test]
    fn a_greeting_says_nothing_of_the_load_and_does_not_grow_old() {
        let reports = reports();
        reports.greet(10, &Local { sessions: 0, factor: 1.0, drawn: 0.0, now: NOW });
        assert_eq!((reports.predicted(), reports.capacity(), reports.limits()), (None, Some(10), false));
        take(&reports, said(0.5, 0, 20), Mark::default(), 0);
        assert_eq!(reports.capacity(), Some(20));
        reports.age(NOW + 2 * REPORT_LIFE);
        assert_eq!((reports.predicted(), reports.capacity()), (None, Some(10)));
    }

    #[test]
    fn who_is_gone_counts_no_longer_in_what_this_gateway_has_of_all_sessions() {
        let crowd = Arc::<Crowd>::default();
        let (old, new) = (Reports::new(Arc::clone(&crowd)), Reports::new(Arc::clone(&crowd)));
        take(&old, said(0.5, 1000, 2000), Mark::default(), 0);
        take(&new, said(0.5, 100, 2000), Mark::default(), 50);
        assert!(crowd.share() < 0.1, "{}", crowd.share());
        drop(old);
        assert!((crowd.share() - 0.5).abs() < 1e-9, "{}", crowd.share());
    }

    #[test]
    fn of_one_that_has_only_greeted_each_gateway_takes_its_share_until_it_counts_or_time_is_over() {
        let crowd = Arc::<Crowd>::default();
        let greeting = Local { sessions: 0, factor: 1.0, drawn: 0.0, now: NOW };
        let known = Reports::new(Arc::clone(&crowd));
        take(&known, said(0.5, 1000, 2000), Mark::default(), 10);
        let new = Reports::new(Arc::clone(&crowd));
        new.greet(1000, &greeting);
        assert_eq!(open(&new, 1000), 4, "a hundredth of half of 99 %");
        new.age(NOW + GREETING_LIFE);
        new.greet(1000, &Local { now: NOW + GREETING_LIFE, ..greeting });
        assert!(new.allows(), "one that never counts its sessions is not held down for ever");
        let counts = Reports::new(crowd);
        counts.greet(1000, &greeting);
        take(&counts, said(1.0, 1000, 1000), Mark::default(), 0);
        counts.age(NOW + GREETING_LIFE);
        assert!(!counts.allows());
    }

    #[test]
    fn with_others_about_each_gateway_takes_half_of_its_share() {
        let reports = reports();
        take(&reports, said(0.0, 1000, 11_000), Mark::default(), 100);
        // A tenth of half of what is free below 99 % of 11,000.
        assert_eq!(open(&reports, 10_000), (10_890 - 1000) / 20);
    }

    #[test]
    fn a_capacity_that_shrinks_counts_at_once_also_without_a_count_of_sessions_and_none_is_none() {
        let reports = reports();
        take(&reports, said(0.0, 0, 100), Mark::default(), 0);
        assert_eq!(open(&reports, 3), 3);
        let less = Report { capacity: Some(5), ..Report::default() };
        take(&reports, less, Mark { opened: 3 }, 3);
        assert_eq!(open(&reports, 100), 2);
        let none = Reports::new(Arc::default());
        take(&none, said(0.0, 0, 0), Mark::default(), 0);
        assert_eq!((open(&none, 9), none.capacity(), scaled(0, 0.1)), (0, Some(0), 0));
    }

    #[test]
    fn a_report_is_forgotten_after_three_minutes() {
        let reports = reports();
        take(&reports, said(1.0, 10, 10), Mark::default(), 10);
        reports.age(NOW + REPORT_LIFE);
        assert!(!reports.allows());
        reports.age(NOW + REPORT_LIFE + Duration::from_millis(1));
        assert!(reports.allows() && reports.predicted().is_none());
    }

    #[test]
    fn slow_start_holds_the_reported_capacity_down_too() {
        let reports = reports();
        let cold = Local { sessions: 0, factor: 0.1, drawn: 0.0, now: NOW };
        reports.take(said(0.0, 0, 100), Mark::default(), &cold);
        assert_eq!(open(&reports, 100), 10);
        assert_eq!([scaled(5, 0.1), scaled(100, 0.5), scaled(7, 1.0)], [1, 50, 7]);
    }
}
