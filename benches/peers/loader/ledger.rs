//! What one connection has asked and what must come back: within a cluster in order, between clusters in any.

use std::collections::VecDeque;

use crate::frame::{CLUSTERS, Shape, Stamp};

/// The open questions of one connection.
#[derive(Debug)]
pub(super) struct Ledger {
    connection: u32,
    next: u64,
    /// Sequence and time of asking, by cluster.
    open: [VecDeque<(u64, u64)>; CLUSTERS.len()],
}

impl Ledger {
    pub(super) fn new(connection: u32) -> Self {
        Self { connection, next: 0, open: Default::default() }
    }

    /// Writes the next frame and remembers when it was asked.
    pub(super) fn ask(&mut self, shape: &Shape, at: u64, out: &mut Vec<u8>) {
        let stamp = Stamp { connection: self.connection, sequence: self.next };
        self.next += 1;
        shape.append(stamp, out);
        if let Some(open) = self.open.get_mut(stamp.route().0) {
            open.push_back((stamp.sequence, at));
        }
    }

    /// The time of asking of the frame that this answers; `None` if it answers nothing, or not in its turn.
    pub(super) fn settle(&mut self, shape: &Shape, answer: &[u8]) -> Option<u64> {
        let stamp = shape.read(answer).filter(|stamp| stamp.connection == self.connection)?;
        let open = self.open.get_mut(stamp.route().0)?;
        let (_, at) = open.pop_front_if(|(sequence, _)| *sequence == stamp.sequence)?;
        Some(at)
    }

    /// Frames without an answer.
    pub(super) fn unanswered(&self) -> usize {
        self.open.iter().map(VecDeque::len).sum()
    }
}
