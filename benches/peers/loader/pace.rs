//! The open loop's schedule: frame `n` of all connections is due at a fixed time, evenly spread, whatever happened to
//! the frames before it.

use std::os::fd::{AsRawFd, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// When frames are due.
#[derive(Debug)]
pub(super) struct Pace {
    start: u64,
    per_second: f64,
    next: u64,
    /// Wakes the event loop; what it says is never read.
    _ticker: OwnedFd,
}

/// How finely the loop is woken. A frame leaves at most about this long after its time, and its latency counts from
/// that time.
const TICK: i64 = 50_000;

impl Pace {
    /// Starts now.
    pub(super) fn new(
        per_second: f64,
        start: u64,
        token: Token,
        registry: &Registry,
    ) -> std::io::Result<Self> {
        let ticker = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        let tick = Timespec { tv_sec: 0, tv_nsec: TICK };
        let spec = Itimerspec { it_interval: tick, it_value: tick };
        timerfd_settime(&ticker, TimerfdTimerFlags::empty(), &spec)?;
        registry.register(&mut SourceFd(&ticker.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { start, per_second, next: 0, _ticker: ticker })
    }

    /// The next frame that is due: its number and its time.
    pub(super) fn due(&mut self, now: u64) -> Option<(u64, u64)> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and far below where a float has no whole numbers"
        )]
        let after = (self.next as f64 * 1e9 / self.per_second) as u64;
        let at = self.start + after;
        (at <= now).then(|| {
            self.next += 1;
            (self.next - 1, at)
        })
    }
}
