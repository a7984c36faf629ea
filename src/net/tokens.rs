//! What players show to come back to their sessions. A token is drawn, not derived: who does not hold it learns nothing
//! from other tokens, and one means nothing any more once the next was shown.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::base::SessionId;
use crate::wire::FrameLayout;

/// 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Token([u8; LENGTH]);

/// The tokens of all sessions that may be resumed. Touched at logins, resumes and ends only.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    known: Mutex<HashMap<Token, Target, RandomState>>,
}

/// What a token leads to.
#[derive(Debug)]
struct Target {
    session: SessionId,
    /// Frames that were kept can only go to a player that reads this layout.
    layout: Arc<FrameLayout>,
    /// And in the form in which they were kept: in messages, or as they are.
    websocket: bool,
}

const LENGTH: usize = 16;

impl Tokens {
    /// A new token for a session; `None` when the operating system gives no randomness.
    pub(super) fn issue(
        &self,
        session: SessionId,
        layout: &Arc<FrameLayout>,
        websocket: bool,
    ) -> Option<Token> {
        let mut token = Token([0; LENGTH]);
        aws_lc_rs::rand::fill(&mut token.0).ok()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(token, Target { session, layout: Arc::clone(layout), websocket });
        Some(token)
    }

    /// The session that a token leads to; `None` for what was never issued, was revoked, or belongs to a session with
    /// frames of another layout, or in another form.
    pub(super) fn find(&self, token: Token, layout: &FrameLayout, websocket: bool) -> Option<SessionId> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |target: &&Target| *target.layout == *layout && target.websocket == websocket;
        known.get(&token).filter(fits).map(|target| target.session)
    }

    /// The session is over, or its player has shown a later token.
    pub(super) fn revoke(&self, token: Token) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&token);
    }
}

impl Token {
    /// Reads the 32 hexadecimal digits of a token.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * LENGTH {
            return None;
        }
        let mut token = [0; LENGTH];
        for (byte, pair) in token.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().try_fold(0, |byte, digit| Some(byte << 4 | value(*digit)?))?;
        }
        Some(Self(token))
    }

    /// Its 32 hexadecimal digits.
    pub(super) fn text(self) -> String {
        self.0.iter().fold(String::with_capacity(2 * LENGTH), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
    }
}

/// What a hexadecimal digit says.
fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl std::fmt::Debug for Token {
    /// Whoever reads a log must not be able to take a session.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{GatewayId, ProtocolId};
    use crate::wire::Framing;

    fn layout(notice: u64) -> Arc<FrameLayout> {
        let framing = Framing::Varint { offset: 0, max_width: 3 };
        let notice = Some(ProtocolId(notice));
        Arc::new(FrameLayout { framing, id: None, max_length: 100, heartbeat: None, notice })
    }

    #[test]
    fn a_token_leads_to_its_session_until_it_is_revoked() {
        let (tokens, layout) = (Tokens::default(), layout(1));
        let id = |counter| SessionId::new(GatewayId::new(1).expect("small"), 1, counter);
        let first = tokens.issue(id(1), &layout, false).expect("randomness");
        let second = tokens.issue(id(2), &layout, false).expect("randomness");
        assert_ne!(first, second);
        let shown = Token::parse(&first.text()).expect("a token");
        assert_eq!(tokens.find(shown, &layout, false), Some(id(1)));
        tokens.revoke(first);
        assert_eq!(tokens.find(shown, &layout, false), None, "it was revoked");
        assert_eq!(tokens.find(second, &layout, false), Some(id(2)));
        tokens.revoke(second);
        assert_eq!(tokens.known.lock().expect("no panic").len(), 0);
    }

    #[test]
    fn frames_of_one_layout_are_not_for_a_player_of_another() {
        let tokens = Tokens::default();
        let id = SessionId::new(GatewayId::new(1).expect("small"), 1, 1);
        let token = tokens.issue(id, &layout(1), false).expect("randomness");
        assert_eq!(tokens.find(token, &layout(2), false), None);
        assert_eq!(tokens.find(token, &layout(1), false), Some(id), "any such listener will do");
        assert_eq!(tokens.find(token, &layout(1), true), None, "what was kept is not in messages");
    }

    #[test]
    fn only_32_hexadecimal_digits_are_a_token() {
        let text = "00112233445566778899aAbBcCdDeEfF";
        assert_eq!(Token::parse(text).expect("a token").text(), text.to_lowercase());
        for wrong in ["", "00", &format!("{text}0"), &text.replace('3', "g"), &text.replace("33", "é")] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }
}
