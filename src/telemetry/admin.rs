//! Who was not let in at the operator's API: each is counted, and some are told of, since whoever guesses tokens does so
//! many times a second.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::meters::Counter;

/// Why a request or a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminRefusal {
    /// It showed no token, or another one.
    Token,
    /// A page of another origin asked.
    Origin,
    /// It named a host that is not the gateway.
    Host,
    /// It came from another machine, and no token is set.
    Address,
}

/// Refusals since the start. One thread serves the API.
#[derive(Debug, Default)]
pub struct AdminMeter {
    refused: [Counter; AdminRefusal::ALL.len()],
    silence: Mutex<Silence>,
}

/// Until when no line is written, and how many refusals had none.
#[derive(Debug, Default)]
struct Silence {
    until: Duration,
    untold: u64,
}

/// One line at most in so long.
const BETWEEN: Duration = Duration::from_secs(10);

impl AdminRefusal {
    /// Every reason, for tables.
    pub const ALL: [Self; 4] = [Self::Token, Self::Origin, Self::Host, Self::Address];

    /// The word of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Origin => "origin",
            Self::Host => "host",
            Self::Address => "address",
        }
    }
}

impl AdminMeter {
    /// Counts one, and writes a line unless one was written just before.
    pub fn refuse(&self, why: AdminRefusal, peer: SocketAddr, now: Duration) {
        if let Some(counter) = self.refused.get(why as usize) {
            counter.add(1);
        }
        if let Some(untold) = self.silence.lock().unwrap_or_else(PoisonError::into_inner).ends(now) {
            let reason = why.as_str();
            warn!(%peer, reason, untold, "not let in at the API");
        }
    }

    /// How many were not let in for this.
    #[must_use]
    pub fn refused(&self, why: AdminRefusal) -> u64 {
        self.refused.get(why as usize).map_or(0, Counter::get)
    }
}

impl Silence {
    /// How many refusals had no line before this one; `None`: this one has none either.
    fn ends(&mut self, now: Duration) -> Option<u64> {
        if now < self.until {
            self.untold += 1;
            return None;
        }
        self.until = now + BETWEEN;
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_refusals_all_are_counted_and_few_are_told() {
        let (mut silence, at) = (Silence::default(), Duration::from_secs);
        let told: Vec<_> = [0, 1, 9, 10, 11, 40].into_iter().map(|second| silence.ends(at(second))).collect();
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
        let meter = AdminMeter::default();
        let peer = SocketAddr::from(([192, 0, 2, 1], 1));
        for _ in 0..3 {
            meter.refuse(AdminRefusal::Token, peer, Duration::ZERO);
        }
        assert_eq!(AdminRefusal::ALL.map(|why| meter.refused(why)), [3, 0, 0, 0]);
    }
}
