//! All that decides about the next frame in one number, so that every change of a breaker is one
//! compare-and-swap and nobody ever sees half of one.

/// Which life of its breaker a frame belongs to: it changes whenever a closed breaker opens. It has twelve bits; a
/// frame would have to stay without a result through 4,096 openings to be taken for one of a later life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life(u16);

impl Life {
    pub(super) const BITS: u32 = 12;
    const MASK: u64 = (1 << Self::BITS) - 1;

    pub(super) fn get(self) -> u64 {
        u64::from(self.0)
    }

    fn unpack(bits: u64) -> Self {
        Self(u16::try_from(bits & Self::MASK).expect("twelve bits are a u16"))
    }

    pub(super) fn next(self) -> Self {
        Self::unpack(self.get() + 1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Closed,
    Open,
    /// A trial is out. Only its owner changes the standing now.
    Trying,
}

/// What is true of a breaker. All zero is a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) phase: Phase,
    pub(super) life: Life,
    /// The exponent of the time that it is open: failed trials, and openings during a ramp, since it was last
    /// fully closed. Saturates at 31, by when the shortest time of a configuration, a millisecond, is 24 days.
    pub(super) failed_trials: u32,
    /// Closed: when its ramp is over. Open or trying: from when on a trial may go. Milliseconds since the
    /// gateway's start; forty bits are 34 years.
    pub(super) until: u64,
}

impl Standing {
    /// Where the failed trials saturate.
    pub(super) const MOST_TRIALS: u32 = MOST_TRIALS;

    /// Open from `now` on, for what `lasts` says of the failed trials: after a trial or during a ramp they go on,
    /// else they start at none.
    pub(super) fn opened(self, now: u64, lasts: impl FnOnce(u32) -> u64) -> Self {
        let (life, goes_on) = match self.phase {
            Phase::Closed => (self.life.next(), now < self.until),
            Phase::Open | Phase::Trying => (self.life, true),
        };
        let failed_trials = if goes_on { (self.failed_trials + 1).min(MOST_TRIALS) } else { 0 };
        let until = now.saturating_add(lasts(failed_trials));
        Self { phase: Phase::Open, life, failed_trials, until }
    }

    pub(super) fn pack(self) -> u64 {
        let phase = match self.phase {
            Phase::Closed => 0,
            Phase::Open => 1,
            Phase::Trying => 2,
        };
        self.life.get() << LIFE_AT
            | phase << PHASE_AT
            | u64::from(self.failed_trials) << TRIALS_AT
            | self.until.min(MOST_UNTIL)
    }

    pub(super) fn unpack(bits: u64) -> Self {
        Self {
            phase: match bits >> PHASE_AT & 3 {
                0 => Phase::Closed,
                1 => Phase::Open,
                _ => Phase::Trying,
            },
            life: Life::unpack(bits >> LIFE_AT),
            failed_trials: u32::try_from(bits >> TRIALS_AT & u64::from(MOST_TRIALS))
                .expect("five bits are a u32"),
            until: bits & MOST_UNTIL,
        }
    }
}

const TRIALS_AT: u32 = 40;
const PHASE_AT: u32 = 45;
const LIFE_AT: u32 = 47;
const MOST_UNTIL: u64 = (1 << TRIALS_AT) - 1;
const MOST_TRIALS: u32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_one_is_closed_and_has_no_ramp() {
        let new = Standing { phase: Phase::Closed, life: Life(0), failed_trials: 0, until: 0 };
        assert_eq!(Standing::unpack(0), new);
    }

    #[test]
    fn every_field_comes_back_whatever_the_others_are() {
        let phases = [Phase::Closed, Phase::Open, Phase::Trying];
        let numbers =
            [(0, 0, 0), (1, 1, 1), (4095, 0, 0), (0, 31, 0), (0, 0, MOST_UNTIL), (4095, 31, MOST_UNTIL)];
        for (phase, (life, failed_trials, until)) in
            phases.into_iter().flat_map(|phase| numbers.map(|numbers| (phase, numbers)))
        {
            let standing = Standing { phase, life: Life(life), failed_trials, until };
            assert_eq!(Standing::unpack(standing.pack()), standing);
        }
    }

    #[test]
    fn lives_go_round_and_trials_and_times_stop_at_their_most() {
        assert_eq!(Life(4095).next(), Life(0));
        let last = Standing { phase: Phase::Trying, life: Life(0), failed_trials: 31, until: 0 };
        let open = Standing::unpack(last.opened(MOST_UNTIL, |_| 1).pack());
        assert_eq!((open.failed_trials, open.until), (31, MOST_UNTIL));
    }
}
