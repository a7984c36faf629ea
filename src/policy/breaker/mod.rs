//! Whether a route's frames go to a backend: one breaker per route and backend, shared by all worker threads.
//!
//! Promises: no lock and no waiting; at most one trial at a time, however many threads ask; a result counts only
//! in the life of the breaker in which its frame was let in; every pass given back frees exactly one place.
//! Refuses to know: what a failure is, and what becomes of a frame that was not let in.
//!
//! The cost while closed: two relaxed loads and one atomic add to enter; a subtraction, three loads and one
//! compare-and-swap for a success. Time is read in whole milliseconds.

mod counts;
mod memory;
mod rules;
mod standing;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::base::millis;

use counts::Counts;
pub use memory::BreakerMemory;
pub use rules::BreakerRules;
pub use standing::Life;
use standing::{Phase, Standing};

/// What a breaker does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets frames in.
    Closed,
    /// Lets nothing in until its time is over and a frame comes to be the trial.
    Open,
    /// Waits for the result of the one trial.
    HalfOpen,
}

impl BreakerState {
    /// The word of logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What a frame that was let in is. It is given back once, to the breaker that gave it: a free one that is lost
/// holds its place for ever, a trial that is lost holds the breaker half open.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a pass is given back with succeeded, failed or forgotten"]
pub enum Pass {
    /// One of many, of this life of the breaker.
    Free(Life),
    /// The one that decides whether the breaker closes.
    Trial,
}

/// Why a frame was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// It is open.
    Open {
        /// How long until a trial may go, in whole milliseconds, at least one.
        remaining: Duration,
    },
    /// The trial has no result yet.
    Trying,
    /// It closed a short while ago and lets only a share in.
    Ramping,
    /// As many frames as the rules allow have no result yet.
    Crowded,
}

/// One route's breaker towards one backend. A new one is closed and has no ramp.
#[derive(Debug, Default)]
pub struct Breaker {
    /// A packed `Standing`.
    standing: AtomicU64,
    /// Frames without a result. Each subtraction follows the addition of its own pass, so it never underflows,
    /// and it guards no other memory: relaxed operations are enough.
    in_flight: AtomicU32,
    counts: Counts,
}

impl Breaker {
    /// Asks for one frame. When it is let in, its pass must be given back.
    ///
    /// # Errors
    /// Says why the frame was not let in.
    pub fn enter(&self, rules: &BreakerRules, now: Duration, dice: &mut impl Rng) -> Result<Pass, Shut> {
        let now = millis(now);
        // Relaxed: whoever is late to see a change enters as if it had come a moment earlier; its pass then
        // carries the life that it saw.
        let seen = self.standing(Ordering::Relaxed);
        match seen.phase {
            Phase::Closed => self.join(seen, rules, now, dice),
            Phase::Open => self.try_it(seen, now),
            Phase::Trying => Err(Shut::Trying),
        }
    }

    /// Whether `enter` could succeed, without taking anything: for choosing among backends. During the ramp it
    /// could.
    #[must_use]
    pub fn may_enter(&self, rules: &BreakerRules, now: Duration) -> bool {
        let seen = self.standing(Ordering::Relaxed);
        match seen.phase {
            Phase::Closed => self.in_flight() < rules.max_in_flight,
            Phase::Open => millis(now) >= seen.until,
            Phase::Trying => false,
        }
    }

    /// Whether it lets frames in, and only those that it has already are too many.
    #[must_use]
    pub fn is_crowded(&self, rules: &BreakerRules) -> bool {
        self.standing(Ordering::Relaxed).phase == Phase::Closed && self.in_flight() >= rules.max_in_flight
    }

    /// The frame had a good result. Returns the state that this brought about, if it did.
    pub fn succeeded(&self, pass: Pass, rules: &BreakerRules, now: Duration) -> Option<BreakerState> {
        match self.leave(pass) {
            Pass::Trial => self.close(millis(now)),
            Pass::Free(life) => {
                if self.counted_in(life).is_some() {
                    self.counts.success(life, rules, millis(now));
                }
                None
            }
        }
    }

    /// The frame had a bad result or none in time. Returns the state that this brought about, if it did.
    pub fn failed(
        &self,
        pass: Pass,
        rules: &BreakerRules,
        now: Duration,
        dice: &mut impl Rng,
    ) -> Option<BreakerState> {
        let now = millis(now);
        let seen = match self.leave(pass) {
            Pass::Trial => self.trying(),
            Pass::Free(life) => {
                self.counted_in(life).filter(|_| self.counts.failure_is_too_much(life, rules, now))
            }
        }?;
        let open = seen.opened(now, |failed_trials| open_for(rules, failed_trials, dice));
        self.change(seen, open).then_some(BreakerState::Open)
    }

    /// Nobody will ever know the frame's result: the player left first, say. A trial is put back, so that the
    /// next frame is the trial at once.
    pub fn forgotten(&self, pass: Pass) {
        if self.leave(pass) == Pass::Trial
            && let Some(seen) = self.trying()
        {
            self.change(seen, Standing { phase: Phase::Open, ..seen });
        }
    }

    /// Its state. It is half open only while a trial is out: one whose time is over stays open until a frame
    /// comes.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.standing(Ordering::Relaxed).phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open => BreakerState::Open,
            Phase::Trying => BreakerState::HalfOpen,
        }
    }

    /// How long until a trial may go, zero when it may; `None` unless the breaker is open.
    #[must_use]
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        let seen = self.standing(Ordering::Relaxed);
        (seen.phase == Phase::Open).then(|| Duration::from_millis(seen.until.saturating_sub(millis(now))))
    }

    /// Frames that were let in and have no result yet, those of former lives among them. It may read too high
    /// for the moment in which a frame finds the last place taken.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn standing(&self, order: Ordering) -> Standing {
        Standing::unpack(self.standing.load(order))
    }

    /// Moves on from what was seen; false when another thread was first.
    ///
    /// Release shows the counts that `close` emptied to whoever acquires the new standing, and as every change is
    /// a swap, a later one hands that on.
    fn change(&self, seen: Standing, next: Standing) -> bool {
        self.standing.compare_exchange(seen.pack(), next.pack(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    fn join(
        &self,
        seen: Standing,
        rules: &BreakerRules,
        now: u64,
        dice: &mut impl Rng,
    ) -> Result<Pass, Shut> {
        if self.in_flight() >= rules.max_in_flight {
            return Err(Shut::Crowded);
        }
        if now < seen.until && !ramp_lets_in(seen.until - now, dice) {
            return Err(Shut::Ramping);
        }
        // Others may have come since the look above; whoever is too many steps back.
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= rules.max_in_flight {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(Shut::Crowded);
        }
        Ok(Pass::Free(seen.life))
    }

    /// Of all who see the same open breaker the one whose swap succeeds has the trial.
    fn try_it(&self, seen: Standing, now: u64) -> Result<Pass, Shut> {
        if now < seen.until {
            return Err(Shut::Open { remaining: Duration::from_millis(seen.until - now) });
        }
        if !self.change(seen, Standing { phase: Phase::Trying, ..seen }) {
            return Err(Shut::Trying);
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(Pass::Trial)
    }

    /// Frees the place of a pass that comes back.
    fn leave(&self, pass: Pass) -> Pass {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        pass
    }

    /// The standing in which a result of `life` counts. Acquire: who sees it closed sees its counts emptied.
    fn counted_in(&self, life: Life) -> Option<Standing> {
        let seen = self.standing(Ordering::Acquire);
        (seen.phase == Phase::Closed && seen.life == life).then_some(seen)
    }

    /// The standing that only the owner of the trial may move on from.
    fn trying(&self) -> Option<Standing> {
        let seen = self.standing(Ordering::Acquire);
        (seen.phase == Phase::Trying).then_some(seen)
    }

    /// Only the owner of the trial gets here, so the counts are emptied by one thread at a time.
    fn close(&self, now: u64) -> Option<BreakerState> {
        let seen = self.trying()?;
        self.counts.restart(seen.life);
        let closed = Standing { phase: Phase::Closed, until: now.saturating_add(RAMP), ..seen };
        self.change(seen, closed).then_some(BreakerState::Closed)
    }
}

/// How long the share that is let in grows after a closing, in milliseconds.
const RAMP: u64 = 10_000;

/// Lets in the share of the ramp that has passed, and at least a tenth.
fn ramp_lets_in(left: u64, dice: &mut impl Rng) -> bool {
    dice.random_range(0..RAMP) < RAMP.saturating_sub(left).max(RAMP / 10)
}

/// Milliseconds drawn from the upper half of the time that doubles with each failed trial.
fn open_for(rules: &BreakerRules, failed_trials: u32, dice: &mut impl Rng) -> u64 {
    let doubled = millis(rules.open).saturating_mul(1 << failed_trials);
    let most = doubled.min(millis(rules.max_open));
    dice.random_range(most / 2..=most)
}
