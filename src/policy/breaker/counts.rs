//! What a closed breaker counts: failures in a row, and results within the window in ten slices.
//!
//! Every counter carries the life that it counts for, and whoever belongs to another life leaves it alone. So a
//! thread that was held up between reading the standing and counting can do no harm to a later life. A counter is
//! one number, changed by one swap, and guards nothing else: all operations are relaxed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::standing::Life;
use super::{BreakerRules, millis};

/// The counts of one breaker.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The life in the upper half, the failures in a row in the lower one.
    row: AtomicU64,
    successes: Slices,
    failures: Slices,
}

impl Counts {
    pub(super) fn success(&self, life: Life, rules: &BreakerRules, now: u64) {
        self.successes.add(life, slice(rules, now));
        // One load and nothing more when there is nothing to reset.
        let none = |row: u64| (row >> ROW_BITS == life.get() && row & ROW != 0).then_some(row & !ROW);
        self.row.fetch_update(Ordering::Relaxed, Ordering::Relaxed, none).ok();
    }

    /// Counts a failure and says whether it is one too many.
    pub(super) fn failure_is_too_much(&self, life: Life, rules: &BreakerRules, now: u64) -> bool {
        let slice = slice(rules, now);
        self.failures.add(life, slice);
        self.one_more_in_a_row(life) >= u64::from(rules.consecutive)
            || self.rate_is_reached(life, rules, slice)
    }

    /// All empty, for a new life.
    pub(super) fn restart(&self, life: Life) {
        self.row.store(life.get() << ROW_BITS, Ordering::Relaxed);
        self.successes.restart(life);
        self.failures.restart(life);
    }

    /// Failures in a row.
    pub(super) fn row(&self) -> u32 {
        u32::try_from(self.row.load(Ordering::Relaxed) & ROW).unwrap_or(u32::MAX)
    }

    /// Goes on from so many failures in a row, in a breaker's first life.
    pub(super) fn set_row(&self, row: u32) {
        self.row.store(Life::default().get() << ROW_BITS | u64::from(row), Ordering::Relaxed);
    }

    fn one_more_in_a_row(&self, life: Life) -> u64 {
        let more = |row: u64| (row >> ROW_BITS == life.get() && row & ROW < ROW).then(|| row + 1);
        let before = self.row.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        before.map_or(0, |row| (row & ROW) + 1)
    }

    fn rate_is_reached(&self, life: Life, rules: &BreakerRules, slice: u64) -> bool {
        let failures = self.failures.sum(life, slice);
        let results = failures + self.successes.sum(life, slice);
        results >= u64::from(rules.min_frames) && failures * 100 >= results * u64::from(rules.failure_rate)
    }
}

/// Ten counters, each for the slice of time whose number it carries. From the top: the life (12 bits), the
/// slice's number (28 bits: they repeat after eight years of slices of one second), the count (24 bits: a slice
/// with sixteen million results counts no further).
#[derive(Debug, Default)]
struct Slices([AtomicU64; SLICES]);

impl Slices {
    fn add(&self, life: Life, slice: u64) {
        let place = usize::try_from(slice % TEN).ok();
        if let Some(cell) = place.and_then(|place| self.0.get(place)) {
            let more = |cell| one_more(cell, life, slice);
            cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
        }
    }

    /// What was counted in the present slice and the nine before it.
    fn sum(&self, life: Life, slice: u64) -> u64 {
        let cells = self.0.iter().map(|cell| cell.load(Ordering::Relaxed));
        let of_life = cells.filter(|cell| cell >> LIFE_AT == life.get());
        let within = of_life.filter(|cell| slice.wrapping_sub(cell >> NUMBER_AT) & NUMBER < TEN);
        within.map(|cell| cell & COUNT).sum()
    }

    fn restart(&self, life: Life) {
        for cell in &self.0 {
            cell.store(life.get() << LIFE_AT, Ordering::Relaxed);
        }
    }
}

/// A cell with one more result; a cell of another slice starts again. That slice may be a later one when the
/// rules now cut time otherwise, or when a thread's `now` is a whole window late: neither must stop the counting.
fn one_more(cell: u64, life: Life, slice: u64) -> Option<u64> {
    if cell >> LIFE_AT != life.get() {
        return None;
    }
    let empty = life.get() << LIFE_AT | (slice & NUMBER) << NUMBER_AT;
    let count = if cell & !COUNT == empty { cell & COUNT } else { 0 };
    (count < COUNT).then_some(empty + count + 1)
}

/// The number of the slice in which `now` lies. Slices are cut from the gateway's start on.
fn slice(rules: &BreakerRules, now: u64) -> u64 {
    now.saturating_mul(TEN) / millis(rules.window).max(1)
}

const SLICES: usize = 10;
const TEN: u64 = SLICES as u64;
const ROW_BITS: u32 = 32;
const ROW: u64 = (1 << ROW_BITS) - 1;
const NUMBER_AT: u32 = 24;
const LIFE_AT: u32 = u64::BITS - Life::BITS;
const COUNT: u64 = (1 << NUMBER_AT) - 1;
const NUMBER: u64 = (1 << (LIFE_AT - NUMBER_AT)) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_life_leaves_every_counter_alone() {
        let (rules, old) = (BreakerRules::default(), Life::default());
        let counts = Counts::default();
        let new = old.next();
        counts.restart(new);
        for _ in 0..100 {
            assert!(!counts.failure_is_too_much(old, &rules, 0));
        }
        assert_eq!((counts.failures.sum(old, 0), counts.failures.sum(new, 0)), (0, 0));
        assert_eq!(counts.row.load(Ordering::Relaxed) & ROW, 0);
    }

    #[test]
    fn a_full_counter_stays_full() {
        let life = Life::default();
        let full = COUNT;
        assert_eq!(one_more(full - 1, life, 0), Some(full));
        assert_eq!(one_more(full, life, 0), None);
    }

    #[test]
    fn a_cell_is_counted_in_ten_slices_and_no_more() {
        let (life, slices) = (Life::default(), Slices::default());
        slices.add(life, 7);
        let counted: Vec<u64> = (6..18).filter(|&slice| slices.sum(life, slice) == 1).collect();
        assert_eq!(counted, (7..17).collect::<Vec<_>>());
        slices.add(life, 17);
        assert_eq!(slices.sum(life, 17), 1);
    }
}
