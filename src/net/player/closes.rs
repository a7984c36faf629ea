//! How one side of a session has closed, in words that the other side hears: where its player or a backend speaks
//! WebSocket.

use std::time::Instant;

use super::conduct::Conduct;
use super::messages::Farewell;
use super::upstream::Upstream;
use crate::session::EndReason;
use crate::wire::websocket::{Close, MessageKind};

/// The close code of an end in order, and of one that is not the player's wish.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;

impl Farewell {
    pub(super) fn of(close: &Close<'_>) -> Self {
        Self { code: close.code, reason: close.reason.to_owned() }
    }

    /// Nothing more is to be said.
    pub(super) const fn in_order() -> Self {
        Self { code: Some(NORMAL), reason: String::new() }
    }

    /// What a backend is told of a session that ends for this reason.
    fn told(end: Option<EndReason>) -> Self {
        match end {
            None | Some(EndReason::PlayerLeft) => Self::in_order(),
            Some(end) => Self { code: Some(GOING_AWAY), reason: end.as_str().to_owned() },
        }
    }
}

impl Conduct {
    /// The player's message is over: what of it goes to a backend that speaks WebSocket is one message there too.
    pub(super) fn message_over(&mut self) {
        self.upstreams.iter_mut().for_each(Upstream::seal);
    }

    /// A message of an opaque session.
    pub(super) fn forward_message(&mut self, kind: MessageKind, bytes: &[u8]) {
        if let Some(upstream) = self.upstreams.first_mut() {
            upstream.put_message(kind, bytes, &self.hub.pool);
        }
    }

    /// What backends that speak WebSocket are told of the session's end.
    pub(super) fn last_words(&self) -> Farewell {
        self.parting.as_deref().cloned().unwrap_or_else(|| Farewell::told(self.session.leaving()))
    }

    /// The backend of an opaque session has closed like this: the player hears the same, unless it has closed before.
    pub(super) fn backend_closes(&mut self, farewell: Farewell, now: Instant) {
        if self.session.leaving().is_none() {
            self.farewell = Some(Box::new(farewell));
        }
        self.last_answer_came(now);
    }
}
