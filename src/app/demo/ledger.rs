//! What one player has sent and waits for. Knows no sockets.

use std::collections::{HashMap, VecDeque};

use super::rules::{KINDS, Kind, SERVERS, Server, body, server_of};
use crate::base::ProtocolId;

/// The frames of one player that have no answer yet, by cluster and in the order in which they were sent.
#[derive(Debug)]
pub(super) struct Ledger {
    player: usize,
    next: u32,
    waiting: HashMap<&'static str, VecDeque<Asked>>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    kind: &'static Kind,
    number: u32,
}

/// A right answer: what was asked, and the place of the server that answered in [`SERVERS`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) kind: &'static Kind,
    pub(super) server: usize,
}

impl Ledger {
    pub(super) fn new(player: usize) -> Self {
        Self { player, next: 1, waiting: HashMap::new() }
    }

    /// Notes a frame of this kind and gives the body to send.
    pub(super) fn ask(&mut self, kind: &'static Kind) -> String {
        let number = self.next;
        self.next += 1;
        self.waiting.entry(kind.cluster).or_default().push_back(Asked { kind, number });
        body(self.player, number, kind)
    }

    /// Crosses out what a frame answers. `None` when it answers nothing that is awaited. Frames that were sent
    /// earlier to the same cluster can have no answer after this one: they stay unanswered for good.
    pub(super) fn answer(&mut self, id: ProtocolId, answer: &[u8]) -> Option<Answered> {
        let kind = KINDS.iter().find(|kind| kind.answer == id)?;
        let waiting = self.waiting.get_mut(kind.cluster)?;
        let player = self.player;
        let found = waiting.iter().enumerate().find_map(|(place, asked)| {
            let server = server_of(answer, &body(player, asked.number, asked.kind))?;
            (asked.kind.id == kind.id).then_some((place, server))
        });
        let (place, server) = found?;
        let ours = SERVERS.get(server).is_some_and(|server: &Server| server.cluster == kind.cluster);
        waiting.drain(..=place);
        ours.then_some(Answered { kind, server })
    }

    /// Whether everything is answered or given up.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting.values().all(VecDeque::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::demo::rules::append_answer;

    fn by(server: usize, body: &str) -> Vec<u8> {
        let mut out = Vec::new();
        append_answer(body.as_bytes(), &SERVERS[server], &mut out);
        out
    }

    #[test]
    fn answers_of_different_clusters_may_overtake_each_other() {
        let mut ledger = Ledger::new(3);
        let (battle, pay) = (ledger.ask(&KINDS[0]), ledger.ask(&KINDS[3]));
        assert!(ledger.answer(ProtocolId(5001), &by(3, &pay)).is_some());
        assert!(!ledger.is_settled());
        assert!(ledger.answer(ProtocolId(1001), &by(1, &battle)).is_some_and(|found| found.server == 1));
        assert!(ledger.is_settled());
    }

    #[test]
    fn an_answer_that_was_overtaken_in_its_cluster_is_wrong() {
        let mut ledger = Ledger::new(3);
        let (first, second) = (ledger.ask(&KINDS[0]), ledger.ask(&KINDS[0]));
        assert!(ledger.answer(ProtocolId(1001), &by(0, &second)).is_some());
        assert!(ledger.answer(ProtocolId(1001), &by(0, &first)).is_none());
    }

    #[test]
    fn answers_of_the_wrong_server_or_id_or_sent_twice_are_wrong() {
        let mut ledger = Ledger::new(3);
        let body = ledger.ask(&KINDS[0]);
        assert!(ledger.answer(ProtocolId(1201), &by(0, &body)).is_none());
        assert!(ledger.answer(ProtocolId(1001), &by(2, &body)).is_none());
        assert!(ledger.answer(ProtocolId(1001), &by(0, &body)).is_none());
    }
}
