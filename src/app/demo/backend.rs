//! The game servers: some behind a shared link, one behind dedicated connections. Each answers the frames of its
//! own cluster and counts all others as misrouted.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::rules::{KINDS, SERVERS, Server, Speech, append_answer};
use super::score::{Score, ServerScore, count};
use crate::base::{ProtocolId, SessionId};
use crate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HelloAck, LINK, LoadReport, Message, RawEnvelope,
    append_frame_envelope,
};
use crate::wire::{FrameDecoder, FrameLayout, Measured};

/// A server that has its port and does not serve yet: connections wait.
#[derive(Debug)]
pub(super) struct Backend {
    place: usize,
    server: &'static Server,
    listener: TcpListener,
    address: SocketAddr,
}

/// What the connections of one server share.
#[derive(Clone, Debug)]
struct Desk {
    place: usize,
    server: &'static Server,
    layout: Arc<FrameLayout>,
    score: Arc<Score>,
}

/// How long accepting rests after a failure, which is mostly that there are too many open files.
const REST: Duration = Duration::from_millis(50);
const READ_BUFFER: usize = 32 * 1024;

/// All servers of the game, in the order of [`SERVERS`].
///
/// # Errors
/// No port can be had.
pub(super) async fn open_all() -> io::Result<Vec<Backend>> {
    let mut backends = Vec::new();
    for (place, server) in SERVERS.iter().enumerate() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        backends.push(Backend { place, server, listener, address });
    }
    Ok(backends)
}

impl Backend {
    pub(super) fn name(&self) -> &'static str {
        self.server.name
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the task is dropped.
    pub(super) async fn serve(self, layout: Arc<FrameLayout>, score: Arc<Score>) {
        let desk = Desk { place: self.place, server: self.server, layout, score };
        let mut connections = JoinSet::new();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => drop(connections.spawn(desk.clone().talk(stream))),
                Err(_) => tokio::time::sleep(REST).await,
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

impl Desk {
    /// One connection of the gateway, until either side closes it.
    async fn talk(self, mut stream: TcpStream) {
        let mut ear = Ear::new(self.server.speech);
        let mut input = vec![0; READ_BUFFER];
        let mut out = Vec::new();
        drop(stream.set_nodelay(true));
        while let Ok(length @ 1..) = stream.read(&mut input).await {
            let sense = ear.hear(&self, input.get(..length).unwrap_or_default(), &mut out);
            if stream.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
            if sense.is_none() {
                self.misrouted();
                return;
            }
        }
    }

    /// Counts a frame and makes the answer; `None` for a frame of another cluster.
    fn answer(&self, id: ProtocolId, frame: &[u8]) -> Option<Vec<u8>> {
        let known = KINDS.iter().enumerate().find(|(_, kind)| kind.id == id);
        let Some((place, kind)) = known.filter(|(_, kind)| kind.cluster == self.server.cluster) else {
            self.misrouted();
            return None;
        };
        count(&self.counts()?.received, place);
        let (mut body, mut out) = (Vec::new(), Vec::new());
        append_answer(self.layout.body_of(frame), self.server, &mut body);
        self.layout.append_frame(kind.answer, &body, &mut out).ok().map(|()| out)
    }

    fn envelope(&self, raw: &RawEnvelope<'_>, out: &mut Vec<u8>) -> Option<()> {
        let envelope = raw.decode().ok()?;
        if let Message::Frame { payload } = envelope.message {
            return self.framed(envelope.session, payload, out);
        }
        if let Message::Hello(hello) = envelope.message {
            if hello.cluster != self.server.cluster {
                self.misrouted();
            }
            let ack = HelloAck { name: Some(self.server.name), ..HelloAck::new(BOOT) };
            return say(Message::HelloAck(ack), out);
        }
        if let Message::Ping { payload } = envelope.message {
            return say(Message::Pong { payload, report: LoadReport::default() }, out);
        }
        // Players come and go without a word to them in this game.
        Some(())
    }

    fn framed(&self, session: SessionId, frame: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let Ok(Measured::Frame { length, id }) = self.layout.measure(frame) else { return None };
        if length != frame.len() {
            return None;
        }
        self.answer(id, frame).map_or(Some(()), |answer| append_frame_envelope(session, &answer, out).ok())
    }

    fn misrouted(&self) {
        if let Some(counts) = self.counts() {
            counts.misrouted.add(1);
        }
    }

    fn counts(&self) -> Option<&ServerScore> {
        self.score.servers.get(self.place)
    }
}

/// What came of an unfinished frame or envelope.
#[derive(Debug)]
enum Ear {
    Envelopes(EnvelopeDecoder),
    Frames(FrameDecoder),
}

impl Ear {
    fn new(speech: Speech) -> Self {
        match speech {
            Speech::Envelopes => Self::Envelopes(EnvelopeDecoder::new()),
            Speech::Frames => Self::Frames(FrameDecoder::new()),
        }
    }

    /// Answers all that is whole now; `None` when the bytes make no sense.
    fn hear(&mut self, desk: &Desk, input: &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Envelopes(decoder) => {
                let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, input);
                while let Some(raw) = envelopes.next() {
                    desk.envelope(&raw.ok()?, out)?;
                }
            }
            Self::Frames(decoder) => {
                let mut frames = decoder.frames(&desk.layout, input);
                while let Some(frame) = frames.next() {
                    let frame = frame.ok()?;
                    out.extend(desk.answer(frame.id, frame.bytes).unwrap_or_default());
                }
            }
        }
        Some(())
    }
}

/// These servers start once.
const BOOT: u64 = 1;

fn say(message: Message<'_>, out: &mut Vec<u8>) -> Option<()> {
    Envelope { session: LINK, message }.encode(DEFAULT_MAX_ENVELOPE, out).ok()
}
