//! A game server that speaks WebSocket, and either end of such a connection: by `tungstenite` and none of our own code.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::server::{ErrorResponse, Request, Response, ServerHandshake};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tungstenite::{Error, WebSocket, accept_hdr_with_config};

use super::{frame, within};

/// A listening server whose conversations the test holds by hand.
pub(crate) struct Messenger {
    listener: TcpListener,
    /// The subprotocol that it chooses.
    pub(crate) subprotocol: Option<&'static str>,
}

/// One end of a connection that is upgraded.
pub(crate) struct Conversation {
    socket: WebSocket<Lent>,
    pub(crate) stream: Arc<TcpStream>,
    /// What asked for the upgrade.
    pub(crate) request: Request,
}

/// A socket that says `WouldBlock` where it would wait.
#[derive(Debug)]
pub(crate) struct Lent(Arc<TcpStream>);

impl Read for Lent {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Lent {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Messenger {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self { listener, subprotocol: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("bound")
    }

    /// The next connection that asks for an upgrade, which it gets: a probe says nothing.
    pub(crate) async fn accept(&self) -> Conversation {
        within("an upgrade from the gateway", async {
            loop {
                let (stream, _) = self.listener.accept().await.expect("accepting");
                if let Some(conversation) = self.upgrade(Arc::new(stream)).await {
                    return conversation;
                }
            }
        })
        .await
    }

    /// The next connection, after so many bytes that come before everything else.
    pub(crate) async fn accept_behind(&self, header: usize) -> (Vec<u8>, Conversation) {
        within("a connection with a header", async {
            loop {
                let (mut stream, _) = self.listener.accept().await.expect("accepting");
                let mut bytes = vec![0; header];
                if tokio::io::AsyncReadExt::read_exact(&mut stream, &mut bytes).await.is_ok() {
                    let conversation = self.upgrade(Arc::new(stream)).await;
                    return (bytes, conversation.expect("an upgrade behind the header"));
                }
            }
        })
        .await
    }

    /// Refuses whoever asks for an upgrade with these bytes, for ever.
    pub(crate) fn refuse(self, answer: &'static [u8]) -> SocketAddr {
        let address = self.address();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = self.listener.accept().await {
                let mut head = [0; 1024];
                if tokio::io::AsyncReadExt::read(&mut stream, &mut head).await.is_ok_and(|count| count > 0) {
                    drop(tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await);
                }
            }
        });
        address
    }

    async fn upgrade(&self, stream: Arc<TcpStream>) -> Option<Conversation> {
        stream.set_nodelay(true).expect("a socket");
        let (mut asked, chosen) = (None, self.subprotocol);
        let answer = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            asked = Some(request.clone());
            if let Some(chosen) = chosen {
                response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, chosen.parse().expect("a token"));
            }
            Ok(response)
        };
        let limits = WebSocketConfig::default();
        let mut attempt = accept_hdr_with_config(Lent(Arc::clone(&stream)), answer, Some(limits));
        let socket = loop {
            match attempt {
                Ok(socket) => break socket,
                Err(HandshakeError::Interrupted(half)) => attempt = go_on(&stream, half).await,
                Err(HandshakeError::Failure(_)) => return None,
            }
        };
        Some(Conversation { socket, stream, request: asked.expect("it was asked") })
    }
}

type Half<C> = MidHandshake<ServerHandshake<Lent, C>>;

async fn go_on<C>(
    stream: &TcpStream,
    half: Half<C>,
) -> Result<WebSocket<Lent>, HandshakeError<ServerHandshake<Lent, C>>>
where
    C: tungstenite::handshake::server::Callback,
{
    stream.readable().await.expect("a socket");
    half.handshake()
}

impl Conversation {
    /// A player's end of a connection: upgraded at `path`, with these headers beside the usual ones.
    pub(crate) async fn dial(gate: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Self {
        let stream = Arc::new(TcpStream::connect(gate).await.expect("the gate listens"));
        stream.set_nodelay(true).expect("a socket");
        let mut request = format!("ws://{gate}{path}").into_client_request().expect("an address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let mut attempt = tungstenite::client(request.clone(), Lent(Arc::clone(&stream)));
        let socket = loop {
            match attempt {
                Ok((socket, _)) => break socket,
                Err(HandshakeError::Interrupted(half)) => {
                    within("the gate's answer", stream.readable()).await.expect("a socket");
                    attempt = half.handshake();
                }
                Err(HandshakeError::Failure(error)) => panic!("no upgrade: {error}"),
            }
        };
        Self { socket, stream, request }
    }

    /// The next message that is not a ping or pong; an error where there is none.
    pub(crate) async fn next(&mut self) -> Result<Message, Error> {
        within("a message", async {
            loop {
                match self.any().await? {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return Ok(message),
                }
            }
        })
        .await
    }

    /// Whatever comes next.
    pub(crate) async fn any(&mut self) -> Result<Message, Error> {
        loop {
            match self.socket.read() {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    within("the socket to bring something", self.stream.readable()).await?;
                }
                read => return read,
            }
        }
    }

    /// The next message, which must be of bytes.
    pub(crate) async fn recv(&mut self) -> Vec<u8> {
        match self.next().await.expect("a message") {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("{other:?} is no binary message"),
        }
    }

    /// How the other side closes; it gets its answer.
    pub(crate) async fn closed(&mut self) -> Option<(u16, String)> {
        let close = self.next().await.expect("a Close");
        drop(self.socket.flush()); // fails where this side had closed before
        match close {
            Message::Close(close) => {
                close.map(|close| (u16::from(close.code), close.reason.as_str().to_owned()))
            }
            other => panic!("{other:?} is no Close"),
        }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        let mut sent = self.socket.send(message);
        while let Err(Error::Io(error)) = &sent {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
            within("the socket to take something", self.stream.writable()).await.expect("a socket");
            sent = self.socket.flush();
        }
        sent.expect("the other side takes messages");
    }

    /// Frames of the test game in one message.
    pub(crate) async fn send_frames(&mut self, frames: &[(u16, &[u8])]) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(id, body)| frame(*id, body)).collect();
        self.send(Message::binary(bytes)).await;
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let close = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.send(Message::Close(Some(close))).await;
    }

    /// Bytes that may be no WebSocket.
    pub(crate) async fn send_raw(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            within("the socket to take something", self.stream.writable()).await.expect("a socket");
            match self.stream.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}"),
            }
        }
    }

    /// Breaks the connection as a crash does.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&*self.stream);
        socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
    }
}
