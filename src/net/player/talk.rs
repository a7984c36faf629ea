//! What a connection to a backend that speaks WebSocket has beside its bytes: which message is still open, what the
//! backend says in messages, and who has closed. The gateway is the client here: what it sends is masked.

use rand::Rng;

use super::messages::Farewell;
use crate::wire::websocket::{
    FrameKind, Incoming, MessageDecoder, MessageKind, Peer, Reading, WebSocketFault, append_close,
    append_frame, append_head, apply_mask,
};
use crate::wire::{FrameLayout, Framing};

/// One conversation in messages.
#[derive(Debug)]
pub(super) struct Talk {
    /// Where the backend speaks WebSocket.
    pub(super) path: String,
    decoder: MessageDecoder,
    /// Where in the bytes that wait the message begins into which more frames may come. It has no header yet.
    open: Option<usize>,
    /// What a ping said that is not answered. A newer one takes its place.
    ping: Option<Vec<u8>>,
    /// How the backend is told that nothing more comes.
    farewell: Farewell,
    /// Whether our Close is among the bytes that wait, or out: nothing comes behind it.
    closed: bool,
}

/// What a backend has come to, apart from its messages.
#[derive(Debug)]
pub(super) enum Heard {
    /// It goes on.
    More,
    /// It has closed, and says nothing more.
    Closed(Farewell),
}

impl Talk {
    pub(super) fn new(path: &str, layout: &FrameLayout) -> Self {
        let text = layout.framing == Framing::Opaque;
        let reading = Reading { peer: Peer::Server, max: layout.max_length, text, deflate: false };
        Self {
            path: path.to_owned(),
            decoder: MessageDecoder::new(reading),
            open: None,
            ping: None,
            farewell: Farewell::default(),
            closed: false,
        }
    }

    /// Whether nothing more may be put in.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// A frame for the message that is open, or for a new one.
    pub(super) fn put_frame(&mut self, frame: &[u8], out: &mut Vec<u8>) {
        self.open.get_or_insert(out.len());
        out.extend_from_slice(frame);
    }

    /// A whole message.
    pub(super) fn put_message(&mut self, kind: MessageKind, bytes: &[u8], out: &mut Vec<u8>) {
        self.seal(out);
        append_frame(kind_of(kind), bytes, Some(new_mask()), out);
    }

    /// Ends the message that is open: its bytes are masked where they are, and its header comes before them.
    pub(super) fn seal(&mut self, out: &mut Vec<u8>) {
        let Some(start) = self.open.take() else { return };
        let (mask, end) = (new_mask(), out.len());
        apply_mask(out.get_mut(start..).unwrap_or_default(), mask, 0);
        append_head(FrameKind::Binary, end - start, Some(mask), out);
        let head = out.len() - end;
        out.get_mut(start..).unwrap_or_default().rotate_right(head);
    }

    /// Whether a ping waits for its answer.
    pub(super) const fn has_ping(&self) -> bool {
        self.ping.is_some()
    }

    /// Answers the last ping.
    pub(super) fn pong(&mut self, out: &mut Vec<u8>) {
        if let Some(payload) = self.ping.take() {
            append_frame(FrameKind::Pong, &payload, Some(new_mask()), out);
        }
    }

    /// Keeps the words for [`Talk::say_farewell`].
    pub(super) fn keep_farewell(&mut self, farewell: &Farewell) {
        self.farewell = farewell.clone();
    }

    /// Says Close in the words that were kept.
    pub(super) fn say_farewell(&mut self, out: &mut Vec<u8>) {
        let farewell = std::mem::take(&mut self.farewell);
        self.close(farewell.code, &farewell.reason, out);
    }

    /// Says Close, once.
    pub(super) fn close(&mut self, code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
        if !self.closed {
            self.seal(out);
            self.closed = true;
            append_close(code, reason, Some(new_mask()), out);
        }
    }

    /// Goes through what `input` completes.
    pub(super) fn hear<E: From<WebSocketFault>>(
        &mut self,
        input: &mut [u8],
        mut message: impl FnMut(MessageKind, &[u8]) -> Result<(), E>,
    ) -> Result<Heard, E> {
        let mut messages = self.decoder.messages(input);
        while let Some(found) = messages.next() {
            match found? {
                Incoming::Message(kind, bytes) => message(kind, bytes)?,
                Incoming::Ping(payload) if !self.closed => self.ping = Some(payload.to_vec()),
                // Backends are offered no compression: a deflated message is a fault already.
                Incoming::Deflated(..) | Incoming::Ping(_) | Incoming::Pong(_) => {}
                Incoming::Close(close) => return Ok(Heard::Closed(Farewell::of(&close))),
            }
        }
        Ok(Heard::More)
    }

    /// The messages among bytes that were put in and never sent.
    pub(super) fn messages(unsent: &[u8]) -> Vec<Vec<u8>> {
        let mut bytes = unsent.to_vec();
        let reading = Reading { peer: Peer::Client, max: u32::MAX, text: true, deflate: false };
        let (mut decoder, mut found) = (MessageDecoder::new(reading), Vec::new());
        let mut messages = decoder.messages(&mut bytes);
        while let Some(Ok(next)) = messages.next() {
            if let Incoming::Message(_, payload) = next {
                found.push(payload.to_vec());
            }
        }
        drop(messages);
        found
    }
}

/// Players choose what is masked: they must not be able to know the mask before, or they could write to the network
/// between here and the backend what they like.
fn new_mask() -> [u8; 4] {
    let mut mask = [0; 4];
    rand::rng().fill_bytes(&mut mask);
    mask
}

const fn kind_of(kind: MessageKind) -> FrameKind {
    match kind {
        MessageKind::Text => FrameKind::Text,
        MessageKind::Binary => FrameKind::Binary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk() -> Talk {
        let framing = Framing::Opaque;
        let layout = FrameLayout { framing, id: None, max_length: 1000, heartbeat: None, notice: None };
        Talk::new("/play", &layout)
    }

    #[test]
    fn what_is_put_in_between_two_seals_is_one_masked_message() {
        let (mut talk, mut out) = (talk(), Vec::new());
        talk.put_frame(b"one", &mut out);
        talk.put_frame(&[7; 200], &mut out);
        talk.seal(&mut out);
        talk.seal(&mut out);
        talk.put_frame(b"", &mut out);
        talk.put_message(MessageKind::Text, b"text", &mut out);
        assert!(out.get(1).is_some_and(|length| length & 0x80 != 0), "the header says that it is masked");
        assert_eq!(
            Talk::messages(&out),
            [[b"one".as_slice(), &[7; 200]].concat(), Vec::new(), b"text".to_vec()]
        );
    }

    #[test]
    fn only_the_last_ping_is_answered_and_nothing_comes_behind_a_close() {
        let (mut talk, mut out) = (talk(), Vec::new());
        let mut pings = [0x89, 1, b'a', 0x89, 1, b'b'];
        let heard = talk.hear(&mut pings, |_, _| Ok::<(), WebSocketFault>(()));
        assert!(matches!(heard, Ok(Heard::More)) && talk.has_ping());
        talk.pong(&mut out);
        talk.pong(&mut out);
        assert_eq!(out.len(), 2 + 4 + 1, "one pong");
        talk.close(Some(1000), "", &mut out);
        let length = out.len();
        talk.close(Some(1001), "again", &mut out);
        assert_eq!(out.len(), length);
        let heard = talk.hear(&mut [0x89, 0], |_, _| Ok::<(), WebSocketFault>(()));
        assert!(heard.is_ok() && !talk.has_ping(), "who was told Close gets no pong");
    }
}
