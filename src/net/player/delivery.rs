//! What a dedicated backend says, on its way into the player's outbox: whole frames or whole messages only.

use std::fmt;
use std::time::Duration;

use crate::base::{BackendKey, ProtocolId};
use crate::net::hub::Hub;
use crate::net::outbox::Outbox;
use crate::net::seat::Seat;
use crate::net::world::World;
use crate::wire::websocket::{MessageKind, WebSocketFault};
use crate::wire::{FrameDecoder, FrameError, FrameLayout, Frames, Framing, Torn};

/// Where a session stands while a backend's bytes are taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery<'a> {
    pub(super) hub: &'a Hub,
    pub(super) world: &'a World,
    pub(super) seat: &'a Seat,
    /// Since the process's start.
    pub(super) now: Duration,
    /// Whether a short turn may write what comes of this one.
    pub(super) may_wait: bool,
}

/// Why what a backend said cannot be carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    Frame(FrameError),
    Message(WebSocketFault),
    /// A text where frames are awaited.
    Text,
}

impl Delivery<'_> {
    /// Bytes of a stream: what of it is whole.
    pub(super) fn stream(
        &self,
        backend: BackendKey,
        layout: &FrameLayout,
        decoder: &mut FrameDecoder,
        bytes: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), Unfit> {
        if layout.framing == Framing::Opaque {
            outbox.append(bytes, &self.hub.pool);
            return Ok(());
        }
        let torn = self.frames(backend, decoder.frames(layout, bytes), outbox)?;
        debug_assert!(torn.is_none(), "only what lies in a block is given back");
        Ok(())
    }

    /// Whole frames; what of the last one has to be adopted.
    pub(super) fn frames(
        &self,
        backend: BackendKey,
        mut frames: Frames<'_>,
        outbox: &mut Outbox,
    ) -> Result<Option<Torn>, Unfit> {
        while let Some(frame) = &frames.next() {
            let frame = frame.as_ref().map_err(|error| Unfit::Frame(*error))?;
            outbox.append_lent(&frame.lent(), &self.hub.pool);
            outbox.count_frame(!self.seat.layout.is_of_gateway(frame.id));
            self.seat.answered(backend, frame.id, self.now);
            self.hub.count_out(self.world, frame.id, frame.bytes.len());
        }
        Ok(frames.finish(self.hub.pool.least()))
    }

    /// A message, which stays one: whole frames of the layout and nothing else, or whatever it is where none are read.
    pub(super) fn message(
        &self,
        backend: BackendKey,
        layout: &FrameLayout,
        (kind, bytes): (MessageKind, &[u8]),
        outbox: &mut Outbox,
    ) -> Result<(), Unfit> {
        if layout.framing == Framing::Opaque {
            outbox.append_message(kind, bytes, &self.hub.pool);
            outbox.count_frame(true);
            return Ok(());
        }
        if kind == MessageKind::Text {
            return Err(Unfit::Text);
        }
        // All of it is looked at before any of it goes: half a message is none.
        each_frame(layout, bytes, |_, _| {})?;
        outbox.append_message(kind, bytes, &self.hub.pool);
        each_frame(layout, bytes, |id, frame| {
            outbox.count_frame(!self.seat.layout.is_of_gateway(id));
            self.seat.answered(backend, id, self.now);
            self.hub.count_out(self.world, id, frame.len());
        })
    }
}

impl From<WebSocketFault> for Unfit {
    fn from(fault: WebSocketFault) -> Self {
        Self::Message(fault)
    }
}

/// Goes through the frames of a message.
pub(super) fn each_frame(
    layout: &FrameLayout,
    message: &[u8],
    mut each: impl FnMut(ProtocolId, &[u8]),
) -> Result<(), Unfit> {
    let mut rest = message;
    loop {
        let (length, id) = layout.measure_in_message(rest).map_err(Unfit::Frame)?;
        let (frame, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        each(id, frame);
        rest = behind;
        if rest.is_empty() {
            return Ok(());
        }
    }
}

impl Unfit {
    /// The close code that tells a backend which speaks WebSocket.
    pub(super) const fn code(&self) -> u16 {
        match self {
            Self::Frame(FrameError::TooLong { .. }) => 1009,
            Self::Frame(_) => 1008,
            Self::Message(fault) => fault.code(),
            Self::Text => 1003,
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => error.fmt(f),
            Self::Message(fault) => fault.fmt(f),
            Self::Text => f.write_str("a text message; frames come in binary ones"),
        }
    }
}
