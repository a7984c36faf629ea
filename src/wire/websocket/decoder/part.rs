//! One frame on its way in: what it is, by the rules of RFC 6455, 5.2 to 5.5, and what is still missing of it.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Incoming, MessageDecoder, MessageKind, Peer};
use crate::wire::websocket::close::Close;
use crate::wire::websocket::deflate::slack;
use crate::wire::websocket::fault::WebSocketFault;

/// What a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Message {
        kind: MessageKind,
        /// Whether the message begins with it.
        is_first: bool,
        /// Whether the message ends with it.
        is_final: bool,
        /// Whether the message is deflated.
        deflated: bool,
    },
    Ping,
    Pong,
    Close,
}

/// The payload of a frame whose header was good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    pub(super) part: Part,
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes that have come.
    pub(super) at: usize,
    /// Bytes that have not.
    pub(super) left: usize,
}

/// The most bytes of a control frame's payload.
const LONGEST_CONTROL: u64 = 125;

impl Payload {
    /// Whether it needs no other frame and nothing of it was gathered.
    pub(super) const fn is_alone(&self) -> bool {
        match self.part {
            Part::Message { is_first, is_final, .. } => is_first && is_final && self.at == 0,
            Part::Ping | Part::Pong | Part::Close => self.at == 0,
        }
    }
}

impl Part {
    pub(super) fn with(self, bytes: &[u8]) -> Incoming<'_> {
        match self {
            Self::Message { kind, deflated: true, .. } => Incoming::Deflated(kind, bytes),
            Self::Message { kind, .. } => Incoming::Message(kind, bytes),
            Self::Ping => Incoming::Ping(bytes),
            Self::Pong => Incoming::Pong(bytes),
            Self::Close => Incoming::Close(Close::read(bytes).unwrap_or_default()),
        }
    }
}

impl MessageDecoder {
    /// Judges a header.
    pub(super) fn admit(&mut self, header: &FrameHeader, length: u64) -> Result<Payload, WebSocketFault> {
        // Only the first frame of a message says that all of it is deflated.
        let may_deflate = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if header.rsv1 && !(may_deflate && self.reading.deflate) || header.rsv2 || header.rsv3 {
            return Err(WebSocketFault::ReservedBits);
        }
        if header.mask.is_some() != (self.reading.peer == Peer::Client) {
            return Err(WebSocketFault::Masking);
        }
        let part = match header.opcode {
            OpCode::Control(control) => control_part(control, header.is_final, length)?,
            OpCode::Data(data) => self.data_part(data, header)?,
        };
        if let Part::Message { .. } = part {
            self.check_length(length)?;
        }
        let left = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(Payload { part, mask: header.mask, at: 0, left })
    }

    fn data_part(&mut self, data: Data, header: &FrameHeader) -> Result<Part, WebSocketFault> {
        let (kind, is_first) = match (data, self.open) {
            (Data::Continue, Some(kind)) => (kind, false),
            (Data::Continue, None) => return Err(WebSocketFault::NothingToContinue),
            (Data::Text | Data::Binary, Some(_)) => return Err(WebSocketFault::Interrupted),
            (Data::Text, None) if !self.reading.text => return Err(WebSocketFault::Text),
            (Data::Text, None) => (MessageKind::Text, true),
            (Data::Binary, None) => (MessageKind::Binary, true),
            (Data::Reserved(_), _) => return Err(WebSocketFault::ReservedOpcode),
        };
        self.open = Some(kind);
        self.deflated = if is_first { header.rsv1 } else { self.deflated };
        Ok(Part::Message { kind, is_first, is_final: header.is_final, deflated: self.deflated })
    }

    fn check_length(&self, length: u64) -> Result<(), WebSocketFault> {
        let claimed = length.saturating_add(self.message.len() as u64);
        let max = self.reading.max;
        // What does not get smaller by deflating gets a little longer; what it says is measured when it is inflated.
        let slack = if self.deflated { slack(max.into()) } else { 0 };
        if claimed > u64::from(max) + slack { Err(WebSocketFault::TooLong { claimed, max }) } else { Ok(()) }
    }
}

fn control_part(control: Control, is_final: bool, length: u64) -> Result<Part, WebSocketFault> {
    let part = match control {
        Control::Ping => Part::Ping,
        Control::Pong => Part::Pong,
        Control::Close => Part::Close,
        Control::Reserved(_) => return Err(WebSocketFault::ReservedOpcode),
    };
    match (is_final, length) {
        (false, _) => Err(WebSocketFault::FragmentedControl),
        (true, ..=LONGEST_CONTROL) => Ok(part),
        (true, _) => Err(WebSocketFault::LongControl),
    }
}
