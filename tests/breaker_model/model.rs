//! The rules of a breaker told a second time, as slowly as they read: every result is kept with its time, and
//! whatever is asked is computed anew from all of them. Times are milliseconds.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

use realmgate::policy::{BreakerState, Shut};

const RAMP: u64 = 10_000;

/// The numbers of the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) consecutive: u32,
    pub(crate) failure_rate: u8,
    pub(crate) min_frames: u32,
    pub(crate) window: u64,
    pub(crate) open: u64,
    pub(crate) max_open: u64,
    pub(crate) max_in_flight: u32,
}

/// What a frame that was let in remembers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slip {
    pub(crate) is_trial: bool,
    life: u32,
}

/// Why it opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Row,
    Rate,
    Trial,
}

#[derive(Clone, Copy, Debug)]
struct Outcome {
    life: u32,
    at: u64,
    good: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Closed,
    Open { until: u64 },
    HalfOpen,
}

#[derive(Debug)]
pub(crate) struct Model {
    rules: Rules,
    stage: Stage,
    /// Openings from closed so far.
    life: u32,
    /// Every result that counted.
    outcomes: Vec<Outcome>,
    failed_trials: u32,
    /// When a trial last closed it.
    closed_at: Option<u64>,
    /// Every frame without a result.
    outstanding: u32,
    pub(crate) last_cause: Option<Cause>,
}

impl Model {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            stage: Stage::Closed,
            life: 0,
            outcomes: Vec::new(),
            failed_trials: 0,
            closed_at: None,
            outstanding: 0,
            last_cause: None,
        }
    }

    pub(crate) fn enter(&mut self, now: u64, dice: &mut SmallRng) -> Result<Slip, Shut> {
        match self.stage {
            Stage::Closed if self.outstanding >= self.rules.max_in_flight => return Err(Shut::Crowded),
            Stage::Closed => {
                if let Some(elapsed) = self.ramp(now)
                    && drawn(dice, 0, RAMP - 1) >= elapsed.max(RAMP / 10)
                {
                    return Err(Shut::Ramping);
                }
            }
            Stage::Open { until } if now < until => {
                return Err(Shut::Open { remaining: Duration::from_millis(until - now) });
            }
            Stage::Open { .. } => self.stage = Stage::HalfOpen,
            Stage::HalfOpen => return Err(Shut::Trying),
        }
        self.outstanding += 1;
        Ok(Slip { is_trial: matches!(self.stage, Stage::HalfOpen), life: self.life })
    }

    pub(crate) fn may_enter(&self, now: u64) -> bool {
        match self.stage {
            Stage::Closed => self.outstanding < self.rules.max_in_flight,
            Stage::Open { until } => now >= until,
            Stage::HalfOpen => false,
        }
    }

    pub(crate) fn succeeded(&mut self, slip: Slip, now: u64) -> Option<BreakerState> {
        self.outstanding -= 1;
        if slip.is_trial {
            self.stage = Stage::Closed;
            self.closed_at = Some(now);
            self.outcomes.clear();
            return Some(BreakerState::Closed);
        }
        if !self.is_late(slip) {
            self.outcomes.push(Outcome { life: slip.life, at: now, good: true });
        }
        None
    }

    pub(crate) fn failed(&mut self, slip: Slip, now: u64, dice: &mut SmallRng) -> Option<BreakerState> {
        self.outstanding -= 1;
        if slip.is_trial {
            self.failed_trials += 1;
            return Some(self.open(Cause::Trial, now, dice));
        }
        if self.is_late(slip) {
            return None;
        }
        self.outcomes.push(Outcome { life: slip.life, at: now, good: false });
        let cause = self.cause(now)?;
        self.failed_trials = if self.ramp(now).is_some() { self.failed_trials + 1 } else { 0 };
        self.life += 1;
        Some(self.open(cause, now, dice))
    }

    /// The trial's place is free again; until when it was open is long past.
    pub(crate) fn forgotten(&mut self, slip: Slip) {
        self.outstanding -= 1;
        if slip.is_trial {
            self.stage = Stage::Open { until: 0 };
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.stage {
            Stage::Closed => BreakerState::Closed,
            Stage::Open { .. } => BreakerState::Open,
            Stage::HalfOpen => BreakerState::HalfOpen,
        }
    }

    pub(crate) fn remaining(&self, now: u64) -> Option<u64> {
        match self.stage {
            Stage::Open { until } => Some(until.saturating_sub(now)),
            Stage::Closed | Stage::HalfOpen => None,
        }
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.outstanding
    }

    /// How long the ramp has lasted, while it does.
    pub(crate) fn ramp(&self, now: u64) -> Option<u64> {
        self.closed_at.map(|since| now - since).filter(|&elapsed| elapsed < RAMP)
    }

    /// Let in before an opening.
    pub(crate) fn is_late(&self, slip: Slip) -> bool {
        !matches!(self.stage, Stage::Closed) || slip.life != self.life
    }

    fn cause(&self, now: u64) -> Option<Cause> {
        let of_life: Vec<Outcome> =
            self.outcomes.iter().filter(|outcome| outcome.life == self.life).copied().collect();
        let row = of_life.iter().rev().take_while(|outcome| !outcome.good).count();
        if row >= self.rules.consecutive as usize {
            return Some(Cause::Row);
        }
        let recent: Vec<Outcome> =
            of_life.into_iter().filter(|outcome| !self.is_forgotten(outcome.at, now)).collect();
        let failures = recent.iter().filter(|outcome| !outcome.good).count();
        let enough = recent.len() >= self.rules.min_frames as usize;
        let rate = 100.0 * failures as f64 / recent.len() as f64;
        (enough && rate >= f64::from(self.rules.failure_rate)).then_some(Cause::Rate)
    }

    /// A slice is forgotten when its begin lies a whole window back. Counted in tenths of a millisecond, in which
    /// a slice is as long as the window is in milliseconds.
    fn is_forgotten(&self, at: u64, now: u64) -> bool {
        let slice = self.rules.window;
        let mut begin = 0;
        if at * 10 >= slice {
            begin = at * 10 - at * 10 % slice;
        }
        now * 10 - begin >= 10 * slice
    }

    fn open(&mut self, cause: Cause, now: u64, dice: &mut SmallRng) -> BreakerState {
        let mut longest = self.rules.open;
        for _ in 0..self.failed_trials {
            longest = (longest * 2).min(self.rules.max_open);
        }
        longest = longest.min(self.rules.max_open);
        self.stage = Stage::Open { until: now + drawn(dice, longest / 2, longest) };
        self.last_cause = Some(cause);
        BreakerState::Open
    }
}

fn drawn(dice: &mut impl Rng, least: u64, most: u64) -> u64 {
    dice.random_range(least..=most)
}
