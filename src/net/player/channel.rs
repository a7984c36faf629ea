//! What lies between a player's bytes and its frames: a stream that is cut at their ends, or WebSocket, which begins with
//! a handshake of its own behind that of TLS.

use std::sync::Arc;
use std::time::Instant;

use super::Connection;
use super::conduct::Conduct;
use super::messages::WebSocket;
use crate::net::world::Door;
use crate::session::EndReason;
use crate::telemetry::DoorRefusal;
use crate::wire::websocket::{Upgrade, UpgradeRefusal, UpgradeRules, read_upgrade};
use crate::wire::{FrameDecoder, Gap};

/// How a player's bytes become frames.
#[derive(Debug)]
pub(super) enum Channel {
    /// Frames one behind the other, or none that are read.
    Stream(FrameDecoder),
    /// The request that begins a WebSocket, as far as it has come.
    Upgrading(Vec<u8>),
    /// Frames in messages.
    Messages(Box<WebSocket>),
}

/// What a WebSocket player asked for in its handshake, where a backend has to hear of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    /// The page that connected.
    pub(super) origin: Option<String>,
    /// What both agreed to speak inside.
    pub(super) subprotocol: Option<String>,
}

impl Channel {
    /// What a connection at this door begins with.
    pub(super) fn new(door: &Door) -> Self {
        if door.is_websocket() { Self::Upgrading(Vec::new()) } else { Self::Stream(FrameDecoder::new()) }
    }

    pub(super) const fn is_upgrading(&self) -> bool {
        matches!(self, Self::Upgrading(_))
    }

    /// What is missing of a large frame.
    pub(super) fn gap(&mut self) -> Option<Gap<'_>> {
        match self {
            Self::Stream(decoder) => decoder.gap(),
            Self::Upgrading(_) | Self::Messages(_) => None,
        }
    }

    /// The WebSocket, once its handshake is through.
    pub(super) fn websocket(&mut self) -> Option<&mut WebSocket> {
        match self {
            Self::Messages(websocket) => Some(websocket),
            Self::Stream(_) | Self::Upgrading(_) => None,
        }
    }
}

impl Connection {
    /// Goes on with the handshake of a WebSocket; what came behind it when it is through.
    pub(super) fn upgrade(&mut self, conduct: &mut Conduct, bytes: &[u8], now: Instant) -> Option<Vec<u8>> {
        let Channel::Upgrading(head) = &mut self.channel else { return None };
        if bytes.is_empty() || conduct.session.leaving().is_some() {
            return None;
        }
        let may_be_whole = head.is_empty() || bytes.contains(&b'\n') || head.len() >= MANY;
        head.extend_from_slice(bytes);
        if !may_be_whole {
            return None; // nobody is read again for each byte it sends
        }
        let door = Arc::clone(&conduct.door);
        let rules = door.listener().websocket()?;
        let (path, origins, subprotocols) = (rules.path(), rules.origins(), rules.subprotocols());
        match read_upgrade(head, &UpgradeRules { path, origins, subprotocols, deflate: rules.compression() })
        {
            Ok(None) => None,
            Ok(Some(upgrade)) => {
                let behind = head.split_off(upgrade.length);
                let subprotocol = upgrade.subprotocol.and_then(|place| subprotocols.get(place)).cloned();
                conduct.offer = conduct
                    .is_opaque()
                    .then(|| Box::new(Offer { origin: upgrade.origin.clone(), subprotocol }));
                self.begin_messages(conduct, &upgrade, now);
                Some(behind)
            }
            Err(refusal) => {
                self.refuse_upgrade(conduct, refusal, now);
                None
            }
        }
    }

    fn begin_messages(&mut self, conduct: &mut Conduct, upgrade: &Upgrade, now: Instant) {
        self.channel = Channel::Messages(Box::new(WebSocket::new(&self.layout, upgrade.deflate, now)));
        self.transport.deflates(upgrade.deflate);
        if self.transport.say(&upgrade.answer).is_err() {
            conduct.broken(EndReason::TlsFailed, now);
        }
    }

    /// Says why, and closes.
    fn refuse_upgrade(&mut self, conduct: &mut Conduct, refusal: UpgradeRefusal, now: Instant) {
        conduct.door.meter.refuse(DoorRefusal::HandshakeRefused);
        conduct.leave(EndReason::HandshakeRefused, now);
        if self.transport.say(&refusal.answer()).is_err() {
            conduct.broken(EndReason::TlsFailed, now);
        }
    }
}

/// A head of so many bytes is looked at with each read: it is too long soon.
const MANY: usize = 4096;
