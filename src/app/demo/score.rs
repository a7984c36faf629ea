//! What players and servers counted. Everything that counts runs on the demo's own thread.

use super::rules::{KINDS, SERVERS};
use crate::telemetry::Counter;

/// The counts of one game.
#[derive(Debug, Default)]
pub(super) struct Score {
    /// Frames that players sent, by place in [`KINDS`].
    pub(super) sent: [Counter; KINDS.len()],
    /// What happened at each server, by place in [`SERVERS`].
    pub(super) servers: [ServerScore; SERVERS.len()],
    /// Answers that a player did not expect: changed, out of order or from a wrong cluster.
    pub(super) wrong: Counter,
    /// Frames with an ID that no route has, and the notices that came back.
    pub(super) strange: Counter,
    pub(super) notices: Counter,
    /// Heartbeats, and the gateway's answers.
    pub(super) heartbeats: Counter,
    pub(super) replies: Counter,
    /// Players that are connected or have been.
    pub(super) joined: Counter,
    /// Players that could not join or lost their connection.
    pub(super) dropped: Counter,
}

/// The counts of one server.
#[derive(Debug, Default)]
pub(super) struct ServerScore {
    /// Frames that it received, by place in [`KINDS`].
    pub(super) received: [Counter; KINDS.len()],
    /// Its answers that reached the player who had asked, whole and in order.
    pub(super) answers: Counter,
    /// What it should never have received: frames of other clusters, or bytes that it cannot read.
    pub(super) misrouted: Counter,
}

impl Score {
    /// Frames that players sent to clusters.
    pub(super) fn total_sent(&self) -> u64 {
        sum(&self.sent)
    }

    /// Frames that servers received.
    pub(super) fn total_received(&self) -> u64 {
        self.servers.iter().map(ServerScore::total_received).sum()
    }

    /// Right answers that players received.
    pub(super) fn total_answers(&self) -> u64 {
        self.servers.iter().map(|server| server.answers.get()).sum()
    }

    /// What servers should never have received.
    pub(super) fn total_misrouted(&self) -> u64 {
        self.servers.iter().map(|server| server.misrouted.get()).sum()
    }

    /// Frames without an answer: under way while the game runs, lost when it is over.
    pub(super) fn unanswered(&self) -> u64 {
        self.total_sent().saturating_sub(self.total_answers())
    }

    /// Whether the game went as it must: to be asked when it is over.
    pub(super) fn is_perfect(&self) -> bool {
        let faults = self.unanswered() + self.total_misrouted() + self.wrong.get() + self.dropped.get();
        let all_noticed = self.strange.get() == self.notices.get();
        let all_replied = self.heartbeats.get() == self.replies.get();
        self.total_sent() > 0
            && self.total_received() == self.total_sent()
            && faults == 0
            && all_noticed
            && all_replied
    }
}

impl ServerScore {
    /// Frames that it received.
    pub(super) fn total_received(&self) -> u64 {
        sum(&self.received)
    }
}

/// Adds one to a counter of a list.
pub(super) fn count(counters: &[Counter], place: usize) {
    if let Some(counter) = counters.get(place) {
        counter.add(1);
    }
}

fn sum(counters: &[Counter]) -> u64 {
    counters.iter().map(Counter::get).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_without_an_answer_spoils_the_game_and_so_does_an_empty_one() {
        let score = Score::default();
        assert!(!score.is_perfect());
        score.sent[1].add(2);
        score.servers[0].received[1].add(2);
        score.servers[0].answers.add(1);
        assert_eq!(score.unanswered(), 1);
        assert!(!score.is_perfect());
        score.servers[0].answers.add(1);
        assert!(score.is_perfect());
        score.servers[2].misrouted.add(1);
        assert!(!score.is_perfect());
    }
}
