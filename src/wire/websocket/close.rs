//! The payload of a close frame: a code, and a reason for people.

use tungstenite::protocol::frame::coding::CloseCode;

use super::fault::WebSocketFault;
use super::header::{FrameKind, append_frame};

/// How a peer closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code; `None` where the frame has none.
    pub code: Option<u16>,
    /// Its words.
    pub reason: &'a str,
}

/// The most bytes that a reason has: a control frame's payload without the code.
pub const LONGEST_REASON: usize = 123;

impl<'a> Close<'a> {
    /// Reads the payload of a close frame.
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, WebSocketFault> {
        match payload {
            [] => Ok(Self::default()),
            [_] => Err(WebSocketFault::BadClose),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !CloseCode::from(code).is_allowed() {
                    return Err(WebSocketFault::BadClose);
                }
                let reason = std::str::from_utf8(reason).map_err(|_| WebSocketFault::NotUtf8)?;
                Ok(Self { code: Some(code), reason })
            }
        }
    }
}

/// Appends a close frame; `None` as code writes one without code and reason. A reason that is too long is cut between
/// characters.
pub fn append_close(code: Option<u16>, reason: &str, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let mut payload = [0; 2 + LONGEST_REASON];
    let mut length = 0;
    if let Some(code) = code {
        let reason = reason.get(..reason.floor_char_boundary(LONGEST_REASON)).unwrap_or_default();
        let words = code.to_be_bytes().into_iter().chain(reason.bytes());
        payload.iter_mut().zip(words).for_each(|(to, byte)| *to = byte);
        length = 2 + reason.len();
    }
    append_frame(FrameKind::Close, payload.get(..length).unwrap_or_default(), mask, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_goes_there_and_back_and_its_reason_is_cut_between_characters() {
        for (reason, kept) in [("", 0), ("kicked", 6), (&"ä".repeat(100), 122), (&"x".repeat(200), 123)] {
            let mut out = Vec::new();
            append_close(Some(1008), reason, None, &mut out);
            assert_eq!(&out[..2], [0x88, u8::try_from(kept + 2).expect("a control frame")]);
            let close = Close::read(&out[2..]);
            assert_eq!(close, Ok(Close { code: Some(1008), reason: reason.split_at(kept).0 }));
        }
        let mut out = Vec::new();
        append_close(None, "not said", None, &mut out);
        assert_eq!(out, [0x88, 0]);
        assert_eq!(Close::read(&[]), Ok(Close::default()));
    }

    #[test]
    fn codes_that_are_not_for_the_wire_are_bad() {
        let bad = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX];
        for code in bad {
            assert_eq!(Close::read(&code.to_be_bytes()), Err(WebSocketFault::BadClose), "{code}");
        }
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999]
        {
            assert_eq!(
                Close::read(&u16::to_be_bytes(code)),
                Ok(Close { code: Some(code), reason: "" }),
                "{code}"
            );
        }
        assert_eq!(Close::read(&[3]), Err(WebSocketFault::BadClose));
        assert_eq!(Close::read(&[3, 0xE8, 0xFF]), Err(WebSocketFault::NotUtf8));
    }
}
