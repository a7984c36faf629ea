//! What was asked over HTTP, in numbers. Any thread may count, any may read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::handshake::Handshake;
use crate::base::{Histogram, HistogramCounts};

/// The requests of one HTTP route; or those that found none.
#[derive(Debug, Default)]
pub struct HttpMeter {
    /// From the head of the request to the head of the answer.
    pub seconds: Histogram,
    retries: AtomicU64,
    failures: [AtomicU64; TryFailure::ALL.len()],
    statuses: Mutex<BTreeMap<String, Arc<Statuses>>>,
}

/// Why a try to have a request answered by a backend failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryFailure {
    /// Nobody serves, or every breaker is open.
    Unavailable,
    /// Those who serve have as many requests as they may have.
    Full,
    /// There was no connection.
    Unreachable,
    /// The backend broke off before its answer.
    Broken,
    /// What came was no answer.
    Garbled,
    /// There was no answer in time.
    Late,
    /// The answer was 502, 503 or 504.
    Status,
    /// The client did not send what it had announced.
    Upload,
}

/// Answers by their status, to one partner or to those who are none.
#[derive(Debug)]
pub struct Statuses {
    counts: Box<[AtomicU64]>,
}

/// TLS handshakes of all threads that speak HTTP.
#[derive(Debug, Default)]
pub struct WebHandshakes {
    seconds: Histogram,
    results: [AtomicU64; Handshake::ALL.len()],
}

/// The lowest status and how many there are.
const FIRST: u16 = 100;
const COUNT: u16 = 500;
/// The client went before its answer began.
pub const CLIENT_GONE: u16 = 499;

impl TryFailure {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unavailable,
        Self::Full,
        Self::Unreachable,
        Self::Broken,
        Self::Garbled,
        Self::Late,
        Self::Status,
        Self::Upload,
    ];

    /// The word of the metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Garbled => "garbled",
            Self::Late => "late",
            Self::Status => "status",
            Self::Upload => "upload",
        }
    }
}

impl HttpMeter {
    /// A request is asked anew at another backend.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that were asked anew.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// A try failed.
    pub fn failed(&self, why: TryFailure) {
        if let Some(count) = self.failures.get(why as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tries that failed for this.
    #[must_use]
    pub fn failures(&self, why: TryFailure) -> u64 {
        self.failures.get(why as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// What is counted for a partner; for the empty name, of everybody else.
    #[must_use]
    pub fn of(&self, partner: &str) -> Arc<Statuses> {
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(statuses.entry(partner.to_owned()).or_default())
    }

    /// Partner, status and number of what was answered at least once.
    #[must_use]
    pub fn answered(&self) -> Vec<(String, u16, u64)> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        let each = |(partner, statuses): (&String, &Arc<Statuses>)| {
            let counted = (FIRST..)
                .zip(&statuses.counts)
                .map(|(status, count)| (partner.clone(), status, count.load(Ordering::Relaxed)));
            counted.filter(|(_, _, count)| *count > 0).collect::<Vec<_>>()
        };
        statuses.iter().flat_map(each).collect()
    }
}

impl Statuses {
    /// One more answer; a status that HTTP does not know is none.
    pub fn add(&self, status: u16) {
        let place = status.checked_sub(FIRST).and_then(|place| self.counts.get(usize::from(place)));
        if let Some(count) = place {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers with this status.
    #[must_use]
    pub fn get(&self, status: u16) -> u64 {
        let place = status.checked_sub(FIRST).and_then(|place| self.counts.get(usize::from(place)));
        place.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

impl Default for Statuses {
    fn default() -> Self {
        Self { counts: (0..COUNT).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl WebHandshakes {
    /// One is over; a good one took so long.
    pub fn ended(&self, result: Handshake, took: Duration) {
        if let Some(count) = self.results.get(result as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if result == Handshake::Ok {
            self.seconds.record(took);
        }
    }

    /// How many ended so.
    #[must_use]
    pub fn count(&self, result: Handshake) -> u64 {
        self.results.get(result as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How long the good ones took.
    #[must_use]
    pub fn took(&self) -> HistogramCounts {
        self.seconds.counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_partner_and_status_and_only_what_was_answered_is_told() {
        let meter = HttpMeter::default();
        for status in [200, 200, 599, 100, 99, 600, 0] {
            meter.of("").add(status);
        }
        meter.of("adnet").add(403);
        let named = |partner: &str, status, count| (partner.to_owned(), status, count);
        assert_eq!(
            meter.answered(),
            [named("", 100, 1), named("", 200, 2), named("", 599, 1), named("adnet", 403, 1)]
        );
        assert_eq!((meter.of("").get(200), meter.of("").get(99)), (2, 0));
    }

    #[test]
    fn only_good_handshakes_took_time() {
        let handshakes = WebHandshakes::default();
        handshakes.ended(Handshake::Ok, Duration::from_millis(1));
        handshakes.ended(Handshake::Timeout, Duration::from_secs(5));
        assert_eq!(Handshake::ALL.map(|result| handshakes.count(result)), [1, 0, 1, 0]);
        assert_eq!(handshakes.took().count(), 1);
    }
}
