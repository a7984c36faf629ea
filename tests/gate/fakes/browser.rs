//! A player's client that speaks WebSocket: `tungstenite` without its sockets, over any connection of a player.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tungstenite::client::IntoClientRequest;
use tungstenite::error::Error;
use tungstenite::handshake::{HandshakeError, client as handshake};
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, WebSocket};

use super::{Frame, Player, frame, within};

/// A connected player with a WebSocket.
pub(crate) struct Browser {
    socket: WebSocket<Pipe>,
    pipe: Pipe,
    player: Player,
    pub(crate) address: SocketAddr,
    pub(crate) subprotocol: Option<String>,
    /// Frames of the message that was read last.
    frames: Vec<Frame>,
}

/// The answer of HTTP to a handshake that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: u16,
}

/// What came and what goes, in memory.
#[derive(Clone, Debug, Default)]
struct Pipe(Arc<Mutex<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    come: Vec<u8>,
    go: Vec<u8>,
    ended: bool,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.0.lock().expect("no panic");
        if bytes.come.is_empty() {
            return if bytes.ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let length = bytes.come.len().min(into.len());
        into[..length].copy_from_slice(&bytes.come[..length]);
        bytes.come.drain(..length);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").go.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    /// Sends what is to go.
    async fn push(&self, player: &mut Player) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.0.lock().expect("no panic").go);
        if bytes.is_empty() { Ok(()) } else { player.try_send_raw(&bytes).await }
    }

    /// Sends what is to go, and reads once.
    async fn turn(&self, player: &mut Player) -> io::Result<()> {
        self.push(player).await.ok(); // who has closed may still have said something
        let mut bytes = vec![0; 64 * 1024];
        let length = within("bytes for the player", player.stream.read(&mut bytes)).await?;
        let mut held = self.0.lock().expect("no panic");
        held.ended = length == 0;
        held.come.extend_from_slice(&bytes[..length]);
        Ok(())
    }
}

impl Browser {
    /// Shakes hands at `/play` with these headers besides the usual ones.
    pub(crate) async fn over(player: Player, headers: &[(&str, &str)]) -> Result<Self, Refused> {
        Self::at(player, "/play", headers).await
    }

    /// Shakes hands at a path.
    pub(crate) async fn at(
        mut player: Player,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, Refused> {
        let mut request = format!("ws://game.test{path}").into_client_request().expect("a request");
        for (name, value) in headers {
            let name: HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
        }
        let pipe = Pipe::default();
        let mut attempt = handshake::ClientHandshake::start(pipe.clone(), request, None).expect("a request");
        loop {
            match attempt.handshake() {
                Ok((socket, response)) => {
                    let agreed = response.headers().get("sec-websocket-protocol");
                    let subprotocol = agreed.map(|name| name.to_str().expect("text").to_owned());
                    let address = player.address;
                    return Ok(Self { socket, pipe, player, address, subprotocol, frames: Vec::new() });
                }
                Err(HandshakeError::Interrupted(unfinished)) => {
                    attempt = unfinished;
                    pipe.turn(&mut player).await.expect("an answer");
                }
                Err(HandshakeError::Failure(Error::Http(response))) => {
                    return Err(Refused { status: response.status().as_u16() });
                }
                Err(HandshakeError::Failure(error)) => panic!("{error}"),
            }
        }
    }

    /// Sends one message of a kind.
    pub(crate) async fn say(&mut self, message: Message) {
        self.socket.send(message).expect("it goes into memory");
        self.pipe.push(&mut self.player).await.expect("the gate takes bytes");
    }

    /// Sends one frame in one message.
    pub(crate) async fn send(&mut self, id: u16, body: &[u8]) {
        self.say(Message::binary(frame(id, body))).await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.player.send_raw(bytes).await;
    }

    /// The next message, or how the connection ended; what the client answers by itself is sent.
    pub(crate) async fn try_listen(&mut self) -> Result<Message, Error> {
        loop {
            match self.socket.read() {
                Ok(message) => {
                    self.socket.flush().ok();
                    self.pipe.push(&mut self.player).await.ok();
                    return Ok(message);
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.pipe.turn(&mut self.player).await.map_err(Error::Io)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn listen(&mut self) -> Message {
        self.try_listen().await.expect("a message")
    }

    /// The next frame of the game.
    pub(crate) async fn recv(&mut self) -> Frame {
        while self.frames.is_empty() {
            match self.listen().await {
                Message::Binary(bytes) => self.frames = frames(&bytes),
                Message::Ping(_) => {}
                other => panic!("frames, not {other:?}"),
            }
        }
        self.frames.remove(0)
    }

    /// The next frame, which is a notice: its JSON.
    pub(crate) async fn notice(&mut self) -> String {
        let frame = self.recv().await;
        assert_eq!(frame.id, 9000, "a notice, not {frame:?}");
        String::from_utf8(frame.body).expect("JSON")
    }

    /// One frame there and its echo back.
    pub(crate) async fn echo(&mut self, id: u16, body: &[u8]) {
        self.send(id, body).await;
        assert_eq!(self.recv().await, Frame { id, body: body.to_vec() });
    }

    /// The close that comes next, and then the end of the connection in order.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let close = match self.listen().await {
            Message::Close(close) => {
                close.map(|CloseFrame { code, reason }| (code.into(), reason.to_string()))
            }
            other => panic!("a close, not {other:?}"),
        };
        match self.try_listen().await {
            Err(Error::ConnectionClosed) => close.unwrap_or((1005, String::new())),
            other => panic!("the end in order, not {other:?}"),
        }
    }

    /// Closes and waits for the answer.
    pub(crate) async fn close(&mut self, code: Option<u16>) -> (u16, String) {
        let close = code.map(|code| CloseFrame { code: code.into(), reason: "bye".into() });
        self.socket.close(close).expect("it goes into memory");
        self.pipe.push(&mut self.player).await.expect("the gate takes bytes");
        self.closed().await
    }

    /// Gives the connection up without a word.
    pub(crate) fn into_player(self) -> Player {
        self.player
    }

    /// Ends its side of the connection without a close.
    pub(crate) async fn finish(&mut self) {
        self.player.stream.shutdown().await.expect("a half-close");
    }
}

/// The frames of one message of the test game.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (frame, behind) = rest.split_at(u32::from_be_bytes(*length) as usize);
        let (id, body) = frame.split_first_chunk::<2>().expect("an ID");
        frames.push(Frame { id: u16::from_be_bytes(*id), body: body.to_vec() });
        bytes = behind;
    }
    assert!(bytes.is_empty(), "half a frame in a message");
    frames
}
