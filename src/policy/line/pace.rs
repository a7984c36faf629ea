//! How fast a line moves: how many may be let in now, and how fast it went of late.

use std::collections::VecDeque;
use std::time::Duration;

use super::LineRules;

/// Counts those who are let in. In any second they are at most `admit`, whenever it begins, and within it they come
/// evenly.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Time that has gone by and let nobody in yet.
    credit: Duration,
    /// Up to when time has been counted.
    at: Duration,
    /// How many were let in when, the oldest first.
    recent: VecDeque<(Duration, u32)>,
}

/// The time between two turns of a line. While nobody waits, or nobody has room, so much is saved up that the next
/// turn lets in what is due in one turn, and one in any case.
const TURN: Duration = Duration::from_millis(50);
/// So much of a delay is made up for when the turns themselves are late.
const MADE_UP: Duration = Duration::from_millis(250);
/// What is looked at to say how fast it went.
pub(super) const MEASURED: Duration = Duration::from_secs(30);

impl Pace {
    /// How many may be let in now.
    pub(super) fn allowance(&mut self, rules: &LineRules, now: Duration) -> u32 {
        let cost = rules.cost();
        let saved = self.credit + now.saturating_sub(self.at);
        self.credit = saved.min(MADE_UP.max(cost));
        self.at = self.at.max(now);
        let (most, stretch) = rules.most();
        let kept = MEASURED.max(stretch);
        while self.recent.front().is_some_and(|(when, _)| *when + kept <= now) {
            self.recent.pop_front();
        }
        let due = u32::try_from(self.credit.as_nanos() / cost.as_nanos()).unwrap_or(u32::MAX);
        due.min(most.saturating_sub(self.within(stretch, now)))
    }

    /// So many were. What was due and not used is lost, unless more would come.
    pub(super) fn took(&mut self, count: u32, more_would_come: bool, rules: &LineRules, now: Duration) {
        let cost = rules.cost();
        self.credit = self.credit.saturating_sub(cost.saturating_mul(count));
        if !more_would_come {
            self.credit = self.credit.min(cost.saturating_sub(TURN));
        }
        if count > 0 {
            self.recent.push_back((now, count));
        }
    }

    /// There is no line.
    pub(super) fn rests(&mut self, now: Duration) {
        self.at = self.at.max(now);
        self.credit = Duration::ZERO;
    }

    /// How many were let in within this time before now.
    pub(super) fn within(&self, time: Duration, now: Duration) -> u32 {
        let recent = self.recent.iter().rev().take_while(|(when, _)| *when + time > now);
        recent.map(|(_, count)| count).sum()
    }
}

impl LineRules {
    /// The time that one of them takes.
    pub(super) fn cost(&self) -> Duration {
        seconds(1.0 / self.admit)
    }

    /// No stretch of this length sees more than so many: a second, or a little longer where the rate is no whole
    /// number.
    fn most(&self) -> (u32, Duration) {
        let most = self.admit.ceil().clamp(1.0, f64::from(u32::MAX));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
        let whole = most as u32;
        (whole, seconds(most / self.admit))
    }
}

/// Between a nanosecond and a day, whatever is asked for.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).clamp(Duration::from_nanos(1), LONGEST)
}

const LONGEST: Duration = Duration::from_secs(86_400);
