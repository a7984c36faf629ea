//! A player's client that speaks WebSocket with permessage-deflate, written by hand: `tungstenite` knows no extensions.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use super::{Frame, Player, frame};

/// A connected player that deflates.
pub(crate) struct Presser {
    player: Player,
    /// What the gate has agreed to.
    pub(crate) extensions: Option<String>,
    come: Vec<u8>,
}

/// One frame of WebSocket, inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) opcode: u8,
    pub(crate) deflated: bool,
    pub(crate) payload: Vec<u8>,
}

const MASK: [u8; 4] = [91, 0, 200, 3];

/// A message deflated, without the end of its last block.
pub(crate) fn press(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 100);
    let mut state = Compress::new(Compression::best(), false);
    state.compress_vec(bytes, &mut out, FlushCompress::Sync).expect("room");
    assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]));
    out.truncate(out.len() - 4);
    out
}

fn unpress(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 * 1024);
    let whole = [bytes, &[0, 0, 0xFF, 0xFF]].concat();
    let mut state = Decompress::new(false);
    state.decompress_vec(&whole, &mut out, FlushDecompress::Sync).expect("what was deflated");
    assert_eq!(state.total_in(), whole.len() as u64, "all of it is one message");
    out
}

impl Presser {
    /// Shakes hands at `/play` and offers this.
    pub(crate) async fn over(mut player: Player, offer: &str) -> Self {
        let request = format!(
            "GET /play HTTP/1.1\r\nHost: game.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Extensions: {offer}\r\n\r\n"
        );
        player.send_raw(request.as_bytes()).await;
        let mut come = Vec::new();
        let end = loop {
            if let Some(end) = come.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let more = player.read_some(1000).await;
            assert!(!more.is_empty(), "the end in place of an answer");
            come.extend(more);
        };
        let answer = String::from_utf8(come.drain(..end).collect()).expect("text");
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let line = answer.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
        let extensions = line.map(str::to_owned);
        Self { player, extensions, come }
    }

    /// Sends a frame of WebSocket with this first byte.
    pub(crate) async fn send_raw(&mut self, first: u8, payload: &[u8]) {
        let mut bytes = vec![first];
        match payload.len() {
            length @ ..126 => bytes.push(0x80 | u8::try_from(length).expect("short")),
            length @ ..0x1_0000 => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).expect("two bytes").to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.player.send_raw(&bytes).await;
    }

    /// Sends a frame of the game in a deflated message.
    pub(crate) async fn send(&mut self, id: u16, body: &[u8]) {
        self.send_raw(0xC2, &press(&frame(id, body))).await;
    }

    /// The next frame of WebSocket.
    pub(crate) async fn listen(&mut self) -> Heard {
        loop {
            if let Some((heard, length)) = read(&self.come) {
                self.come.drain(..length);
                return heard;
            }
            let more = self.player.read_some(64 * 1024).await;
            assert!(!more.is_empty(), "the end in place of a message");
            self.come.extend(more);
        }
    }

    /// The next frame of the game, and whether it came deflated.
    pub(crate) async fn recv(&mut self) -> (Frame, bool) {
        let Heard { opcode, deflated, payload } = self.listen().await;
        assert_eq!(opcode, 2, "a frame of the game");
        let (head, body) = payload.split_at(6);
        assert_eq!(head[..4], u32::try_from(payload.len() - 4).expect("short").to_be_bytes(), "one frame");
        (Frame { id: u16::from_be_bytes([head[4], head[5]]), body: body.to_vec() }, deflated)
    }

    /// The next frame, which is a notice: its JSON.
    pub(crate) async fn notice(&mut self) -> String {
        let (frame, _) = self.recv().await;
        assert_eq!(frame.id, 9000, "a notice, not {frame:?}");
        String::from_utf8(frame.body).expect("JSON")
    }

    /// The close that comes next, and then the end of the connection in order.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let Heard { opcode, deflated, payload } = self.listen().await;
        assert_eq!((opcode, deflated), (8, false), "a close");
        assert!(self.come.is_empty(), "the last");
        self.player.closed().await;
        let (code, words) = payload.split_at(2);
        (u16::from_be_bytes([code[0], code[1]]), String::from_utf8(words.to_vec()).expect("text"))
    }
}

/// The frame that the bytes begin with, and how many of them it is.
fn read(bytes: &[u8]) -> Option<(Heard, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert_eq!(first & 0xB0, 0x80, "whole messages, and no other bits");
    let (length, rest) = match second {
        126 => rest.split_first_chunk().map(|(length, rest)| (u16::from_be_bytes(*length).into(), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (short.into(), rest),
    };
    let payload = rest.get(..usize::try_from(length).expect("short"))?;
    let deflated = first & 0x40 != 0;
    let taken = bytes.len() - rest.len() + payload.len();
    let payload = if deflated { unpress(payload) } else { payload.to_vec() };
    Some((Heard { opcode: first & 0x0F, deflated, payload }, taken))
}
