//! A backend as it really is, which no gateway sees but by its reports and refusals.

use super::time::{SECOND, Tick};

/// One backend.
#[derive(Debug)]
pub(crate) struct Backend {
    /// What it can have when it is warm.
    full: u32,
    pub(crate) condition: Condition,
    /// Which of its lives this is; links of an earlier one are dead.
    pub(crate) life: u32,
    /// When this life began cold; `None`: it is warm.
    pub(crate) cold_since: Option<Tick>,
    /// Sessions it has.
    pub(crate) sessions: u32,
    /// Sessions it has and that are on their way to it.
    pub(crate) counted: u32,
    /// The highest of `counted` / capacity in this life.
    pub(crate) peak: f64,
}

/// Whether it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Well,
    /// It answers every new session with an error, at once.
    Faulty,
    Dead,
}

/// What a session meets that reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    Taken,
    Refused,
    Failed,
    Silence,
}

/// A cold one has this part of its capacity.
const COLD: f64 = 0.1;
const WARM_AFTER: Tick = 60 * SECOND;
/// Beyond this part of its capacity it refuses.
const REFUSES: f64 = 1.2;

impl Backend {
    pub(crate) fn new(full: u32, cold_since: Option<Tick>) -> Self {
        Self { full, condition: Condition::Well, life: 1, cold_since, sessions: 0, counted: 0, peak: 0.0 }
    }

    /// What it can have now; it warms evenly.
    pub(crate) fn capacity(&self, now: Tick) -> u32 {
        let warmth = |since: Tick| f64::from(now.saturating_sub(since)) / f64::from(WARM_AFTER);
        let part = self.cold_since.map_or(1.0, |since| (COLD + (1.0 - COLD) * warmth(since)).min(1.0));
        ((f64::from(self.full) * part) as u32).max(1)
    }

    /// What it has against what it can have.
    pub(crate) fn load(&self, now: Tick) -> f64 {
        f64::from(self.counted) / f64::from(self.capacity(now))
    }

    pub(crate) fn is_in(&self, life: u32) -> bool {
        self.condition != Condition::Dead && self.life == life
    }

    /// A session sets out for it.
    pub(crate) fn sent(&mut self, life: u32, now: Tick) {
        if self.is_in(life) {
            self.counted += 1;
            self.peak = self.peak.max(self.load(now));
        }
    }

    /// A session reaches it.
    pub(crate) fn receive(&mut self, life: u32, now: Tick) -> Reception {
        if !self.is_in(life) {
            return Reception::Silence;
        }
        let has_room = f64::from(self.sessions + 1) <= REFUSES * f64::from(self.capacity(now));
        if self.condition == Condition::Well && has_room {
            self.sessions += 1;
            return Reception::Taken;
        }
        self.counted -= 1;
        if self.condition == Condition::Faulty { Reception::Failed } else { Reception::Refused }
    }

    /// A session it had is over.
    pub(crate) fn left(&mut self, life: u32) {
        if self.is_in(life) {
            self.sessions -= 1;
            self.counted -= 1;
        }
    }

    pub(crate) fn dies(&mut self) {
        self.condition = Condition::Dead;
        self.sessions = 0;
        self.counted = 0;
    }

    pub(crate) fn returns(&mut self, now: Tick) {
        *self = Self { life: self.life + 1, ..Self::new(self.full, Some(now)) };
    }
}
