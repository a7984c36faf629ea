//! Every wait has a bound and a name: its own, and that of the whole scenario.

use std::time::{Duration, Instant};

use crate::Outcome;

/// How long the scenario may take in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    began: Instant,
    end: Instant,
}

/// Between the first two looks; it grows by a half each time, so that long waits cost the machine little.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(50);

impl Patience {
    /// From now on.
    pub(crate) fn new(seconds: u64) -> Self {
        let began = Instant::now();
        Self { began, end: began + Duration::from_secs(seconds) }
    }

    /// How long the scenario has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// An error once the scenario's time is over.
    pub(crate) fn must_hold(&self) -> Outcome<()> {
        if Instant::now() < self.end {
            return Ok(());
        }
        Err(format!("the scenario's {:?} are over", self.end - self.began))
    }

    /// Looks until there is something to see, within `limit` and the scenario's time.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Outcome<Option<T>>,
    ) -> Outcome<T> {
        let until = (Instant::now() + limit).min(self.end);
        let mut pause = SHORTEST;
        loop {
            if let Some(seen) = look()? {
                return Ok(seen);
            }
            if Instant::now() >= self.end {
                let all = self.end - self.began;
                return Err(format!("the scenario's {all:?} are over; it waited for {what}"));
            }
            if Instant::now() >= until {
                return Err(format!("waited {limit:?} for {what}"));
            }
            std::thread::sleep(pause);
            pause = (pause * 3 / 2).min(LONGEST);
        }
    }

    /// Lets the load go on for a while; `look` may find that there is no use in it.
    pub(crate) fn pass(
        &self,
        what: &str,
        time: Duration,
        mut look: impl FnMut() -> Outcome<()>,
    ) -> Outcome<()> {
        let until = Instant::now() + time;
        let slack = Duration::from_secs(5);
        self.wait(what, time + slack, || {
            look()?;
            Ok((Instant::now() >= until).then_some(()))
        })
    }
}
