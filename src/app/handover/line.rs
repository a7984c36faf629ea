//! The line between the two processes: messages behind their length, and sockets.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::read::Table;

/// One end of the line.
#[derive(Debug)]
pub(super) struct Line(UnixStream);

/// What the two say to each other after the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The new one could accept now.
    Ready,
    /// The old one accepts no longer.
    Go,
    /// The new one accepts.
    Serving,
    /// The new one cannot take over, and says why.
    Refused(String),
}

/// What is wrong with the line or with who is at its other end.
#[derive(Debug)]
pub enum LineError {
    /// The operating system says so.
    Io(io::Error),
    /// The other process has closed it.
    Closed,
    /// The other process says what is no message of this protocol, and what is wrong with it.
    Nonsense(String),
}

/// The longest package: a hundred thousand backends with a breaker each.
pub(super) const MOST_PACKAGE: usize = 32 << 20;
/// The longest word, with the reason of a refusal in it.
const MOST_WORD: usize = 64 << 10;
/// What goes with a socket: a message of nothing but rights would not arrive.
const SOCKET: [u8; 1] = [b's'];

impl Line {
    /// An end of a pair; needs a runtime.
    pub(super) fn new(end: StdStream) -> io::Result<Self> {
        end.set_nonblocking(true)?;
        UnixStream::from_std(end).map(Self)
    }

    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), LineError> {
        let length = u32::try_from(message.len()).ok().filter(|_| message.len() <= MOST_PACKAGE);
        let length = length.ok_or_else(|| too_long(message.len(), MOST_PACKAGE))?;
        self.0.write_all(&length.to_be_bytes()).await?;
        Ok(self.0.write_all(message).await?)
    }

    /// The next message. Its length is checked before memory is reserved.
    pub(super) async fn receive(&mut self, most: usize) -> Result<Zeroizing<Vec<u8>>, LineError> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).await?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > most {
            return Err(too_long(length, most));
        }
        let mut message = Zeroizing::new(vec![0; length]);
        self.0.read_exact(&mut message).await?;
        Ok(message)
    }

    pub(super) async fn say(&mut self, word: &Word) -> Result<(), LineError> {
        self.send(word.to_json().to_string().as_bytes()).await
    }

    pub(super) async fn hear(&mut self) -> Result<Word, LineError> {
        Word::read(&self.receive(MOST_WORD).await?)
    }

    /// Hands a socket to the other process; this one keeps its own.
    pub(super) async fn hand(&self, socket: BorrowedFd<'_>) -> Result<(), LineError> {
        let send = || {
            let sockets = [socket];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut rights = SendAncillaryBuffer::new(&mut space);
            rights.push(SendAncillaryMessage::ScmRights(&sockets));
            Ok(sendmsg(&self.0, &[IoSlice::new(&SOCKET)], &mut rights, SendFlags::NOSIGNAL)?)
        };
        self.0.async_io(Interest::WRITABLE, send).await?;
        Ok(())
    }

    /// The socket that comes next.
    pub(super) async fn take(&self) -> Result<OwnedFd, LineError> {
        let (bytes, socket) = self.0.async_io(Interest::READABLE, || receive_one(&self.0)).await?;
        match (bytes, socket) {
            (0, _) => Err(LineError::Closed),
            (_, Some(socket)) => Ok(socket),
            (_, None) => Err(LineError::Nonsense("a message where a socket belongs".to_owned())),
        }
    }
}

/// One byte and the socket that came with it.
fn receive_one(line: &UnixStream) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(line, &mut [IoSliceMut::new(&mut byte)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = rights.drain().filter_map(|message| {
        if let RecvAncillaryMessage::ScmRights(mut sockets) = message { sockets.next() } else { None }
    });
    Ok((received.bytes, sockets.next()))
}

impl Word {
    fn to_json(&self) -> Value {
        match self {
            Self::Ready => json!({ "say": "ready" }),
            Self::Go => json!({ "say": "go" }),
            Self::Serving => json!({ "say": "serving" }),
            Self::Refused(why) => json!({ "say": "refused", "why": why }),
        }
    }

    fn read(message: &[u8]) -> Result<Self, LineError> {
        let value = Table::parse(message)?;
        let table = Table::of(&value)?;
        match table.text("say")? {
            "ready" => Ok(Self::Ready),
            "go" => Ok(Self::Go),
            "serving" => Ok(Self::Serving),
            "refused" => Ok(Self::Refused(table.text("why")?.to_owned())),
            _ => Err(LineError::Nonsense("a word that is none of this protocol".to_owned())),
        }
    }

    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Go => "go",
            Self::Serving => "serving",
            Self::Refused(_) => "refused",
        }
    }
}

fn too_long(length: usize, most: usize) -> LineError {
    LineError::Nonsense(format!("a message of {length} bytes, where {most} are the most"))
}

impl From<io::Error> for LineError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let is_end = matches!(error.kind(), UnexpectedEof | BrokenPipe | ConnectionReset);
        if is_end { Self::Closed } else { Self::Io(error) }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the line between the processes fails: {error}"),
            Self::Closed => f.write_str("the other process has closed the line"),
            Self::Nonsense(what) => write!(f, "the other process says what this one cannot read: {what}"),
        }
    }
}

impl std::error::Error for LineError {}
