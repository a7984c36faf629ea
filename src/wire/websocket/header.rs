//! The header of a frame: read from a peer, written to one, and found again in what was written.

use std::io::Cursor;

use tungstenite::error::{Error, ProtocolError};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::fault::WebSocketFault;
use super::mask::apply_mask;

/// What a frame is that is written whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// It asks for a pong.
    Ping,
    /// It answers a ping.
    Pong,
    /// Nothing comes behind it.
    Close,
}

/// One frame of what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentFrame {
    /// The bytes of its header.
    pub head: usize,
    /// The bytes of all of it, header included.
    pub length: usize,
    /// Whether it is a message, and not a control frame.
    pub is_message: bool,
}

/// The longest header: 14 bytes.
pub(super) const LONGEST_HEAD: usize = 14;

/// Reads the header that the bytes begin with, and how long it is.
pub(super) fn read_head(bytes: &[u8]) -> Result<Option<(FrameHeader, u64, usize)>, WebSocketFault> {
    let mut cursor = Cursor::new(bytes);
    match FrameHeader::parse(&mut cursor) {
        Ok(Some((header, length))) => {
            let shortest = header.len(length);
            if u64::try_from(shortest) != Ok(cursor.position()) {
                return Err(WebSocketFault::PaddedLength);
            }
            Ok(Some((header, length, shortest)))
        }
        Ok(None) => Ok(None),
        Err(Error::Protocol(ProtocolError::InvalidOpcode(_)) | _) => Err(WebSocketFault::ReservedOpcode),
    }
}

/// Appends the header of a whole frame whose payload has so many bytes.
pub fn append_head(kind: FrameKind, length: usize, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let opcode = match kind {
        FrameKind::Text => OpCode::Data(Data::Text),
        FrameKind::Binary => OpCode::Data(Data::Binary),
        FrameKind::Ping => OpCode::Control(Control::Ping),
        FrameKind::Pong => OpCode::Control(Control::Pong),
        FrameKind::Close => OpCode::Control(Control::Close),
    };
    append_header(&FrameHeader { opcode, mask, ..FrameHeader::default() }, length, out);
}

/// Appends a header before a payload of so many bytes.
pub(super) fn append_header(header: &FrameHeader, length: usize, out: &mut Vec<u8>) {
    header.format(length as u64, out).expect("a Vec takes every write");
}

/// Appends a whole frame.
pub fn append_frame(kind: FrameKind, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    out.reserve(head_length(payload.len()) + 4 + payload.len());
    append_head(kind, payload.len(), mask, out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(out.get_mut(start..).unwrap_or_default(), mask, 0);
    }
}

/// The bytes of the header before a payload of so many bytes that is not masked; a mask takes four more.
#[must_use]
pub const fn head_length(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// The frame that begins a run of what was written without a mask; `None` where its header is not whole.
#[must_use]
pub fn measure_sent(run: &[u8]) -> Option<SentFrame> {
    let (header, payload, head) = read_head(run).ok().flatten()?;
    let length = usize::try_from(payload).ok()?.checked_add(head)?;
    Some(SentFrame { head, length, is_message: matches!(header.opcode, OpCode::Data(_)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_found_again() {
        for length in [0, 1, 125, 126, 0xFFFF, 0x1_0000] {
            for (kind, is_message) in [(FrameKind::Binary, true), (FrameKind::Ping, false)] {
                let mut out = Vec::new();
                append_frame(kind, &vec![7; length], None, &mut out);
                let head = head_length(length);
                assert_eq!(measure_sent(&out), Some(SentFrame { head, length: head + length, is_message }));
                assert_eq!(measure_sent(&out[..head - 1]), None);
            }
        }
    }

    #[test]
    fn a_length_in_a_longer_form_is_none() {
        for bytes in [&[0x82, 126, 0, 125][..], &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]] {
            assert_eq!(read_head(bytes), Err(WebSocketFault::PaddedLength));
        }
    }
}
