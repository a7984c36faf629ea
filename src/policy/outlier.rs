//! Taking a backend out of its cluster for what real traffic says of it.
//!
//! One count per backend, shared by all worker threads, in one number that changes by compare-and-swap. It knows
//! one backend only: whether the cluster can spare one more is asked of the caller.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::millis;

/// `[cluster.NAME.outlier]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierRules {
    /// So many failures in a row eject a backend.
    pub consecutive: u32,
    /// How long it is out, times the ejections in a row.
    pub eject: Duration,
    /// The longest time it is out.
    pub max_eject: Duration,
    /// At most so many percent of a cluster's backends are out at one time, but always one may be; 0..=100.
    pub max_percent: u8,
}

impl Default for OutlierRules {
    fn default() -> Self {
        Self {
            consecutive: 7,
            eject: Duration::from_secs(5),
            max_eject: Duration::from_secs(300),
            max_percent: 30,
        }
    }
}

/// What is worth keeping of an [`Outlier`] when another process goes on in its place. Times count from the moment of
/// asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierMemory {
    /// Failures in a row.
    pub row: u32,
    /// Ejections in a row.
    pub ejections: u32,
    /// The last ejection.
    pub last: Ejection,
}

/// The last ejection of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ejection {
    /// There was none.
    Never,
    /// It lasts for so long from now on.
    Lasts(Duration),
    /// It has been over for so long.
    Over(Duration),
}

/// Whether one more of `members` backends may be ejected when `already_out` are: at most `max_percent` of them, but
/// always one.
#[must_use]
pub const fn may_eject(already_out: usize, members: usize, max_percent: u8) -> bool {
    already_out == 0 || (already_out + 1).saturating_mul(100) <= members.saturating_mul(max_percent as usize)
}

/// Whether one backend is ejected, and what speaks for it. A new one is not. Time is read in whole milliseconds.
#[derive(Debug, Default)]
pub struct Outlier {
    /// A packed `Standing`. Nothing else depends on it, so relaxed operations are enough.
    standing: AtomicU64,
}

impl Outlier {
    /// It failed a frame or a connection. When that was one too many in a row and the cluster allows it, it is
    /// ejected for the time returned; without a success after its return, the next failure is one too many again. When `may_eject` says no the count stays, and the next failure asks again.
    pub fn failed(
        &self,
        rules: &OutlierRules,
        now: Duration,
        may_eject: impl FnOnce() -> bool,
    ) -> Option<Duration> {
        let now = millis(now);
        let counted = self.change(|seen| seen.failed(now))?;
        if !counted.has_failed_enough(rules) || !may_eject() {
            return None;
        }
        // Another thread may have ejected it meanwhile, or counted a success: then there is no more to do.
        let ejected = self.change(|seen| seen.ejected(rules, now))?;
        Some(Duration::from_millis(ejected.until - now))
    }

    /// It served a frame. One load when there is nothing to reset, and so always while it is out.
    pub fn succeeded(&self) {
        self.change(|seen| (seen.row > 0).then_some(Standing { row: 0, ..seen }));
    }

    /// Whether it is out.
    #[must_use]
    pub fn is_ejected(&self, now: Duration) -> bool {
        self.seen().is_out(millis(now))
    }

    /// Until when it is out, counted from the gateway's start; `None` when it is not.
    #[must_use]
    pub fn ejected_until(&self, now: Duration) -> Option<Duration> {
        Some(self.seen())
            .filter(|seen| seen.is_out(millis(now)))
            .map(|seen| Duration::from_millis(seen.until))
    }

    /// When its last ejection ended, counted from the gateway's start; `None` if it never was out, or is now.
    #[must_use]
    pub fn back_since(&self, now: Duration) -> Option<Duration> {
        let seen = self.seen();
        (seen.until > 0 && !seen.is_out(millis(now))).then_some(Duration::from_millis(seen.until))
    }

    /// What is worth keeping of it.
    #[must_use]
    pub fn remember(&self, now: Duration) -> OutlierMemory {
        let (seen, now) = (self.seen(), millis(now));
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let last = match seen.until {
            0 => Ejection::Never,
            until if seen.is_out(now) => Ejection::Lasts(Duration::from_millis(until - now)),
            until => Ejection::Over(Duration::from_millis(now - until)),
        };
        OutlierMemory { row: number(seen.row), ejections: number(seen.ejections), last }
    }

    /// One that goes on from there. An ejection that ended before the new process's clock began is forgotten.
    #[must_use]
    pub fn recall(memory: &OutlierMemory, now: Duration) -> Self {
        let until = match memory.last {
            Ejection::Never => 0,
            Ejection::Lasts(left) => millis(now).saturating_add(millis(left)),
            Ejection::Over(since) => millis(now).saturating_sub(millis(since)),
        };
        let standing = Standing {
            row: u64::from(memory.row).min(MOST_ROW),
            ejections: if until == 0 { 0 } else { u64::from(memory.ejections).min(MOST_EJECTIONS) },
            until,
        };
        Self { standing: AtomicU64::new(standing.pack()) }
    }

    fn seen(&self) -> Standing {
        Standing::unpack(self.standing.load(Ordering::Relaxed))
    }

    /// Goes to what `next` makes of the present standing, unless it makes nothing of it.
    fn change(&self, next: impl Fn(Standing) -> Option<Standing>) -> Option<Standing> {
        let mut changed = None;
        let packed = |bits| {
            changed = next(Standing::unpack(bits));
            changed.map(Standing::pack)
        };
        self.standing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, packed).ok()?;
        changed
    }
}

/// What is true of a backend. All zero is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// Failures in a row, none while it is out; twenty bits, saturating: more than `consecutive` may be.
    row: u64,
    /// Ejections in a row; seven bits, saturating.
    ejections: u64,
    /// The end of the last ejection in milliseconds since the gateway's start; 37 bits are four years.
    until: u64,
}

impl Standing {
    const fn is_out(self, now: u64) -> bool {
        now < self.until
    }

    fn failed(self, now: u64) -> Option<Self> {
        (!self.is_out(now)).then(|| Self { row: (self.row + 1).min(MOST_ROW), ..self })
    }

    fn has_failed_enough(self, rules: &OutlierRules) -> bool {
        self.row >= u64::from(rules.consecutive).clamp(1, MOST_ROW)
    }

    fn ejected(self, rules: &OutlierRules, now: u64) -> Option<Self> {
        // Another thread may have ejected it meanwhile.
        if self.is_out(now) || !self.has_failed_enough(rules) {
            return None;
        }
        let has_served_as_long = now >= self.until.saturating_add(out_for(rules, self.ejections));
        let ejections = if has_served_as_long { 1 } else { (self.ejections + 1).min(MOST_EJECTIONS) };
        // The row goes on: without a success between, the first failure after its return is one more of it.
        Some(Self { ejections, until: now.saturating_add(out_for(rules, ejections)), ..self })
    }

    fn pack(self) -> u64 {
        self.row << ROW_AT | self.ejections << EJECTIONS_AT | self.until.min(MOST_UNTIL)
    }

    fn unpack(bits: u64) -> Self {
        Self {
            row: bits >> ROW_AT,
            ejections: bits >> EJECTIONS_AT & MOST_EJECTIONS,
            until: bits & MOST_UNTIL,
        }
    }
}

/// How long the ejection with this place in the row lasts by the present rules, in milliseconds.
fn out_for(rules: &OutlierRules, ejections: u64) -> u64 {
    millis(rules.eject).saturating_mul(ejections).min(millis(rules.max_eject))
}

const EJECTIONS_AT: u32 = 37;
const ROW_AT: u32 = 44;
const MOST_UNTIL: u64 = (1 << EJECTIONS_AT) - 1;
const MOST_EJECTIONS: u64 = 0x7F;
const MOST_ROW: u64 = 0xF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: OutlierRules = OutlierRules {
        consecutive: 3,
        eject: Duration::from_secs(5),
        max_eject: Duration::from_secs(12),
        max_percent: 30,
    };

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Fails until it is out or enough failures have come.
    fn fail_enough(outlier: &Outlier, now: Duration) -> Option<Duration> {
        (0..RULES.consecutive).find_map(|_| outlier.failed(&RULES, now, || true))
    }

    #[test]
    fn failures_in_a_row_eject_and_a_success_between_does_not() {
        let outlier = Outlier::default();
        for _ in 0..2 {
            assert_eq!(outlier.failed(&RULES, secs(1), || panic!("not asked before it is due")), None);
        }
        outlier.succeeded();
        assert_eq!(outlier.failed(&RULES, secs(1), || true), None);
        assert_eq!(outlier.failed(&RULES, secs(1), || true), None);
        assert_eq!(outlier.failed(&RULES, secs(1), || true), Some(secs(5)));
        assert_eq!(outlier.ejected_until(secs(5)), Some(secs(6)));
        assert!(outlier.is_ejected(secs(6) - Duration::from_millis(1)));
        assert!(!outlier.is_ejected(secs(6)));
        assert_eq!(outlier.ejected_until(secs(6)), None);
    }

    #[test]
    fn the_longest_row_that_a_file_may_ask_for_is_counted_whole() {
        let (outlier, rules) = (Outlier::default(), OutlierRules { consecutive: 1_000_000, ..RULES });
        assert!((1..1_000_000).all(|_| outlier.failed(&rules, secs(1), || true).is_none()));
        assert_eq!(outlier.failed(&rules, secs(1), || true), Some(secs(5)));
    }

    #[test]
    fn a_cluster_that_cannot_spare_it_is_asked_again_at_the_next_failure() {
        let outlier = Outlier::default();
        assert_eq!((0..10).find_map(|_| outlier.failed(&RULES, secs(1), || false)), None);
        assert!(!outlier.is_ejected(secs(1)));
        assert_eq!(outlier.failed(&RULES, secs(1), || true), Some(secs(5)));
    }

    #[test]
    fn while_it_is_out_results_change_nothing() {
        let outlier = Outlier::default();
        assert_eq!(fail_enough(&outlier, secs(0)), Some(secs(5)));
        outlier.succeeded();
        assert_eq!((0..10).find_map(|_| outlier.failed(&RULES, secs(4), || true)), None);
        assert_eq!(outlier.ejected_until(secs(4)), Some(secs(5)));
        for _ in 0..2 {
            assert_eq!(outlier.failed(&RULES, secs(5), || true), None, "a success has ended the row");
        }
    }

    #[test]
    fn who_fails_first_thing_after_its_return_is_out_again() {
        let outlier = Outlier::default();
        assert_eq!(fail_enough(&outlier, secs(0)), Some(secs(5)));
        assert_eq!(outlier.failed(&RULES, secs(6), || true), Some(secs(10)));
        outlier.succeeded();
        assert_eq!(outlier.failed(&RULES, secs(16), || true), None);
    }

    #[test]
    fn ejections_in_a_row_grow_up_to_the_limit_until_it_has_served_as_long_as_it_was_out() {
        let outlier = Outlier::default();
        assert_eq!(fail_enough(&outlier, secs(0)), Some(secs(5)));
        assert_eq!(fail_enough(&outlier, secs(5)), Some(secs(10)));
        assert_eq!(fail_enough(&outlier, secs(24)), Some(secs(12)), "out for ten seconds, served nine");
        assert_eq!(fail_enough(&outlier, secs(48)), Some(secs(5)), "out for twelve seconds, served twelve");
        assert_eq!(fail_enough(&outlier, secs(57)), Some(secs(10)));
    }

    #[test]
    fn another_process_goes_on_with_the_ejection_its_row_and_the_time_since() {
        let (old, new) = (secs(1000), secs(50));
        let outlier = Outlier::default();
        let fresh = Outlier::recall(&outlier.remember(old), new);
        assert_eq!((fresh.is_ejected(new), fresh.back_since(new)), (false, None));
        assert_eq!(fail_enough(&outlier, old), Some(secs(5)));
        let out = Outlier::recall(&outlier.remember(old + secs(2)), new);
        assert_eq!(out.ejected_until(new), Some(new + secs(3)));
        assert_eq!(out.failed(&RULES, new + secs(3), || true), Some(secs(10)), "the second in a row");
        let back = Outlier::recall(&outlier.remember(old + secs(9)), new);
        assert_eq!((back.is_ejected(new), back.back_since(new)), (false, Some(new - secs(4))));
        let long_back = Outlier::recall(&outlier.remember(old + secs(500)), new);
        assert_eq!(long_back.back_since(new), None);
        assert_eq!(
            long_back.failed(&RULES, new, || true),
            Some(secs(5)),
            "its row goes on, its ejections do not"
        );
    }

    #[test]
    fn always_one_may_go_and_at_most_the_share() {
        assert!(may_eject(0, 1, 30) && may_eject(0, 2, 0));
        assert!(!may_eject(1, 6, 30));
        assert!(may_eject(2, 10, 30) && !may_eject(3, 10, 30));
        assert!(may_eject(9, 10, 100) && !may_eject(10, 10, 100));
    }

    #[test]
    fn of_many_threads_that_fail_together_one_ejects_once() {
        for round in 0..200 {
            let (outlier, together) = (Outlier::default(), std::sync::Barrier::new(4));
            let fail = || {
                together.wait();
                (0..3).filter(|_| outlier.failed(&RULES, secs(1), || true).is_some()).count()
            };
            let ejections: usize = std::thread::scope(|scope| {
                let threads = [(); 4].map(|()| scope.spawn(fail));
                threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
            });
            assert_eq!(ejections, 1, "round {round}");
        }
    }

    #[test]
    fn times_and_counts_without_bounds_stop_at_their_most() {
        let rules = OutlierRules { eject: Duration::MAX, max_eject: Duration::MAX, ..RULES };
        let outlier = Outlier::default();
        for now in [Duration::ZERO, Duration::MAX] {
            for _ in 0..RULES.consecutive {
                outlier.failed(&rules, now, || true);
            }
        }
        let last = Standing { row: MOST_ROW, ejections: MOST_EJECTIONS, until: 0 };
        assert_eq!(last.failed(0), Some(last));
        assert_eq!(Standing::unpack(last.pack()), last);
    }
}
