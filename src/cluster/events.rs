//! What was seen and counted at one backend, for people and their tools: no pick looks at it, and no frame waits
//! for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::{Histogram, HistogramCounts};

/// The record of one backend. Any thread may write.
#[derive(Debug, Default)]
pub struct Events {
    /// Why it is down, or why it last was.
    reason: Mutex<String>,
    probe_seconds: Histogram,
    probes_failed: AtomicU64,
    ejections: AtomicU64,
    reconnects: AtomicU64,
    /// Bytes that wait in its shared links, all workers together.
    buffered: AtomicU64,
}

impl Events {
    /// Why it is down, or why it last was; empty if it never was.
    #[must_use]
    pub fn reason(&self) -> String {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its health has changed, and this was the last word of a probe that failed.
    pub fn set_reason(&self, reason: &str) {
        reason.clone_into(&mut self.reason.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A probe has ended.
    pub fn probed(&self, success: bool, took: Duration) {
        self.probe_seconds.record(took);
        self.probes_failed.fetch_add(u64::from(!success), Ordering::Relaxed);
    }

    /// How long probes took, and how many of them failed.
    #[must_use]
    pub fn probes(&self) -> (HistogramCounts, u64) {
        let failed = self.probes_failed.load(Ordering::Relaxed); // first, so that never more failed than there were
        (self.probe_seconds.counts(), failed)
    }

    /// Real traffic put it out.
    pub(super) fn ejected(&self) {
        self.ejections.fetch_add(1, Ordering::Relaxed);
    }

    /// How often real traffic put it out.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// A shared link that had been up came up again.
    pub fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    /// How often a shared link came up again.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// In one of its shared links so many bytes wait now, and not so many as before.
    pub fn buffered(&self, before: u64, now: u64) {
        self.buffered.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Bytes that wait in its shared links.
    #[must_use]
    pub fn bytes_buffered(&self) -> u64 {
        self.buffered.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_the_sum_over_the_links() {
        let events = Events::default();
        events.buffered(0, 700);
        events.buffered(0, 50);
        events.buffered(700, 20);
        assert_eq!(events.bytes_buffered(), 70);
        events.buffered(20, 0);
        events.buffered(50, 0);
        assert_eq!(events.bytes_buffered(), 0);
    }

    #[test]
    fn a_probe_that_failed_is_one_of_all_probes() {
        let events = Events::default();
        events.probed(true, Duration::from_millis(2));
        events.probed(false, Duration::from_secs(1));
        let (took, failed) = events.probes();
        assert_eq!((took.count(), failed), (2, 1));
    }
}
