//! What one connection asked and what it may still hear: every question is answered once, in order.

use std::collections::VecDeque;
use std::time::Instant;

use crate::frame::{Lane, Signature, Stamp};

/// The questions of one connection.
#[derive(Debug)]
pub(super) struct Ledger {
    serial: u32,
    sent: u32,
    answered: u32,
    waiting: VecDeque<Question>,
    /// The last sequence that each backend answered on each lane.
    latest: Vec<(Lane, Signature, u32)>,
    group: u8,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    stamp: Stamp,
    at: Instant,
}

/// An answer that is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// When it was asked.
    pub(super) asked: Instant,
    /// Another backend had answered a later question of its lane before.
    pub(super) was_overtaken: bool,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not the bytes that were sent.
    Corrupt,
    /// The answer to another connection's question.
    Misdelivered,
    /// No such question waits: it has its answer, or was never asked.
    Duplicated,
    /// A later question of the same lane was answered before, by the same backend or where only one may answer.
    Disordered,
    /// A backend answered that does not serve this lane.
    Misrouted,
    /// A backend of another release group than before.
    Regrouped,
}

impl Ledger {
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, sent: 0, answered: 0, waiting: VecDeque::new(), latest: Vec::new(), group: 0 }
    }

    /// The next question.
    pub(super) fn ask(&mut self, has_pay: bool, at: Instant) -> Stamp {
        let sequence = self.sent;
        let stamp = Stamp { serial: self.serial, sequence, lane: Lane::of(sequence, has_pay) };
        self.sent += 1;
        self.waiting.push_back(Question { stamp, at });
        stamp
    }

    /// Judges an answer.
    pub(super) fn settle(&mut self, frame: &[u8]) -> Result<Answer, Fault> {
        let (stamp, by) = Stamp::read(frame).ok_or(Fault::Corrupt)?;
        if stamp.serial != self.serial {
            return Err(Fault::Misdelivered);
        }
        let place = self.waiting.iter().position(|question| question.stamp == stamp);
        let question = place.and_then(|place| self.waiting.remove(place)).ok_or(Fault::Duplicated)?;
        self.answered += 1;
        if !stamp.lane.allows(by.cluster) {
            return Err(Fault::Misrouted);
        }
        if self.group != 0 && by.group != 0 && self.group != by.group {
            return Err(Fault::Regrouped);
        }
        self.group = by.group;
        let (is_late, by_itself) = self.order(stamp, by);
        if by_itself || (is_late && stamp.lane.stays_put()) {
            return Err(Fault::Disordered);
        }
        Ok(Answer { asked: question.at, was_overtaken: is_late })
    }

    /// Whether a later question of the lane was answered before, and whether by the same backend. One that is never
    /// answered is not out of order: it is missed at the end.
    fn order(&mut self, stamp: Stamp, by: Signature) -> (bool, bool) {
        let later =
            |(lane, _, latest): &(Lane, Signature, u32)| *lane == stamp.lane && *latest > stamp.sequence;
        let is_late = self.latest.iter().any(later);
        let known = self.latest.iter_mut().find(|(lane, who, _)| (*lane, *who) == (stamp.lane, by));
        let Some((_, _, latest)) = known else {
            self.latest.push((stamp.lane, by, stamp.sequence));
            return (is_late, false);
        };
        let by_itself = *latest > stamp.sequence;
        *latest = (*latest).max(stamp.sequence);
        (is_late, by_itself)
    }

    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    /// Questions so far.
    pub(super) fn sent(&self) -> u32 {
        self.sent
    }

    /// Answers so far.
    pub(super) fn answered(&self) -> u32 {
        self.answered
    }

    /// The release group that answers; 0 before the first answer, and where there are no groups.
    pub(super) fn group(&self) -> u8 {
        self.group
    }
}

impl Fault {
    /// In a word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt answer",
            Self::Misdelivered => "answer to another session",
            Self::Duplicated => "duplicated answer",
            Self::Disordered => "answer out of order",
            Self::Misrouted => "answer from a wrong cluster",
            Self::Regrouped => "answers from two groups",
        }
    }
}
