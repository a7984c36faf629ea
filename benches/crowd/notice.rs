//! What the gateway tells players, and what they tell the gateway.

use serde_json::{Value, json};

use crate::frame::{self, NOTICE};

/// A notice of the gateway, as far as the players care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notice {
    /// What it says.
    pub(crate) code: String,
    /// The next key to this session.
    pub(crate) resume: Option<String>,
    /// Game frames that were handed to earlier connections of the session.
    pub(crate) frames: Option<u64>,
    /// Game frames of the session that will never arrive, and of which nothing was said before.
    pub(crate) lost: Option<u64>,
    /// The place in the waiting line.
    pub(crate) place: Option<u64>,
    /// Where to go instead.
    pub(crate) redirects: usize,
}

impl Notice {
    /// Reads a notice's body; no JSON is a notice without a code.
    pub(crate) fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| value.get(name).and_then(Value::as_u64);
        Self {
            code: text("code").unwrap_or_default(),
            resume: text("resume"),
            frames: number("frames"),
            lost: number("lost"),
            place: number("place"),
            redirects: value.get("redirect").and_then(Value::as_array).map_or(0, Vec::len),
        }
    }
}

/// The frame with which a player comes back to its session.
pub(crate) fn resume(token: &str, received: u64) -> Vec<u8> {
    frame::whole(NOTICE, json!({ "resume": token, "received": received }).to_string().as_bytes())
}
