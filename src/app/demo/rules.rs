//! What is played: the frames of the embedded game, the servers that answer them, and what an answer looks like.

use crate::base::ProtocolId;

/// One sort of frame that players send.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) id: ProtocolId,
    /// The ID of the frame that answers it.
    pub(super) answer: ProtocolId,
    pub(super) word: &'static str,
    /// The cluster that the frame must reach.
    pub(super) cluster: &'static str,
}

/// How a server talks with the gateway; must agree with `link` in `game.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// Envelopes of a shared link.
    Envelopes,
    /// The players' frames as they are.
    Frames,
}

/// One game server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) cluster: &'static str,
    pub(super) speech: Speech,
}

/// All frames that have a route.
pub(super) static KINDS: [Kind; 4] = [
    Kind { id: ProtocolId(1000), answer: ProtocolId(1001), word: "move", cluster: "battle" },
    Kind { id: ProtocolId(1200), answer: ProtocolId(1201), word: "strike", cluster: "battle" },
    Kind { id: ProtocolId(2000), answer: ProtocolId(2001), word: "say", cluster: "chat" },
    Kind { id: ProtocolId(5000), answer: ProtocolId(5001), word: "buy", cluster: "pay" },
];

/// All game servers. Their names stand in `game.toml` where their ports belong.
pub(super) static SERVERS: [Server; 4] = [
    Server { name: "battle-1", cluster: "battle", speech: Speech::Envelopes },
    Server { name: "battle-2", cluster: "battle", speech: Speech::Envelopes },
    Server { name: "chat-1", cluster: "chat", speech: Speech::Frames },
    Server { name: "pay-1", cluster: "pay", speech: Speech::Envelopes },
];

/// What a player sends in turn, as places in [`KINDS`]: mostly battle, all clusters mixed.
pub(super) const TURN: [usize; 8] = [0, 2, 0, 1, 3, 0, 1, 2];

/// An ID that no route has.
pub(super) const STRANGE: ProtocolId = ProtocolId(7777);

/// What a frame carries. The length differs from frame to frame, so that a frame cut at the wrong byte is seen.
pub(super) fn body(player: usize, number: u32, kind: &Kind) -> String {
    let tail = usize::try_from(number % 97).unwrap_or(0) * 3;
    format!("player {player} frame {number} {} {}", kind.word, ".".repeat(tail))
}

/// What a server answers: the same body and its own name in a line of its own.
pub(super) fn append_answer(body: &[u8], server: &Server, out: &mut Vec<u8>) {
    out.extend_from_slice(body);
    out.push(b'\n');
    out.extend_from_slice(server.name.as_bytes());
}

/// The server that wrote an answer, if it carries exactly this body.
pub(super) fn server_of(answer: &[u8], body: &str) -> Option<usize> {
    let name = answer.strip_prefix(body.as_bytes())?.strip_prefix(b"\n")?;
    SERVERS.iter().position(|server| server.name.as_bytes() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_server_and_a_changed_body_is_seen() {
        let body = body(7, 12, &KINDS[0]);
        let mut answer = Vec::new();
        append_answer(body.as_bytes(), &SERVERS[3], &mut answer);
        assert_eq!(server_of(&answer, &body), Some(3));
        answer[0] ^= 1;
        assert_eq!(server_of(&answer, &body), None);
    }

    #[test]
    fn every_kind_has_its_turn_and_somebody_who_answers_it() {
        for (place, kind) in KINDS.iter().enumerate() {
            assert!(TURN.contains(&place));
            assert!(SERVERS.iter().any(|server| server.cluster == kind.cluster));
            assert_eq!(kind.answer.0, kind.id.0 + 1);
        }
    }
}
