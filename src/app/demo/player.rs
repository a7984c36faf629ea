//! A player: joins over TLS, mixes frames of all clusters in one connection and checks every answer.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::grounds::SERVER_NAME;
use super::ledger::{Answered, Ledger};
use super::rules::{KINDS, STRANGE, TURN};
use super::score::{Score, count};
use crate::base::ProtocolId;
use crate::telemetry::Counter;
use crate::wire::{Frame, FrameDecoder, FrameError, FrameLayout};

/// What every player is given.
#[derive(Clone, Debug)]
pub(super) struct Invitation {
    pub(super) gateway: SocketAddr,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) layout: Arc<FrameLayout>,
    pub(super) score: Arc<Score>,
    pub(super) news: mpsc::Sender<News>,
    /// Changes once: when the players shall come to an end.
    pub(super) over: watch::Receiver<bool>,
}

/// What is worth a line on the screen.
#[derive(Debug)]
pub(super) enum News {
    /// A frame that came back.
    Answer {
        /// Whose.
        player: usize,
        /// What it was and who answered.
        answered: Answered,
    },
    /// The gateway's words about a frame that no route has.
    Notice {
        /// Whose.
        player: usize,
        /// The notice's body.
        text: String,
    },
    /// A player is gone that should not be.
    Dropped {
        /// Who.
        player: usize,
        /// Why.
        why: Fault,
    },
}

/// Why a player had to stop.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection could not be made, or broke.
    Io(io::Error),
    /// The gateway closed it.
    Closed,
    /// The gateway took or gave nothing for too long.
    Stuck,
    /// What came is no frame.
    Frame(FrameError),
}

/// How often a player sends, and how many frames then: with 30 players 1,200 frames a second.
const BEAT: Duration = Duration::from_millis(100);
const FRAMES_A_BEAT: usize = 4;
/// Every so many beats a heartbeat, and a frame that no route has.
const HEARTBEAT_EVERY: u32 = 10;
const STRANGE_EVERY: u32 = 25;
/// Players come one after the other.
const STAGGER: Duration = Duration::from_millis(15);
/// The longest that a player waits for a handshake or for the gateway to take what it sends.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that a player waits at the end for what is still under way.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// Plays until it is over. Players count from 1.
pub(super) async fn play(number: usize, invitation: Invitation) {
    sleep(STAGGER * u32::try_from(number).unwrap_or(0)).await;
    let (score, news) = (Arc::clone(&invitation.score), invitation.news.clone());
    let result = match timeout(PATIENCE, Player::join(number, invitation)).await {
        Ok(Ok(mut player)) => player.play().await,
        Ok(Err(error)) => Err(Fault::Io(error)),
        Err(_) => Err(Fault::Stuck),
    };
    if let Err(why) = result {
        score.dropped.add(1);
        drop(news.try_send(News::Dropped { player: number, why }));
    }
}

struct Player {
    number: usize,
    invitation: Invitation,
    stream: TlsStream<TcpStream>,
    decoder: FrameDecoder,
    ledger: Ledger,
    beats: u32,
    turn: usize,
    /// Notices and heartbeat answers that are still to come.
    owed: u64,
    /// Whether this player has told of an answer; a few lines are enough.
    told: bool,
}

enum Event {
    Beat,
    Over,
    Read(usize),
}

impl Player {
    async fn join(number: usize, invitation: Invitation) -> io::Result<Self> {
        let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
        let stream = TcpStream::connect(invitation.gateway).await?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(Arc::clone(&invitation.tls)).connect(name, stream).await?;
        invitation.score.joined.add(1);
        Ok(Self {
            number,
            invitation,
            stream,
            decoder: FrameDecoder::new(),
            ledger: Ledger::new(number),
            beats: 0,
            turn: number,
            owed: 0,
            told: false,
        })
    }

    async fn play(&mut self) -> Result<(), Fault> {
        let mut input = vec![0; 16 * 1024];
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut over = self.invitation.over.clone();
        loop {
            let event = tokio::select! {
                _ = beat.tick() => Event::Beat,
                _ = over.changed() => Event::Over,
                read = self.stream.read(&mut input) => Event::Read(read.map_err(Fault::Io)?),
            };
            match event {
                Event::Beat => self.speak().await?,
                Event::Read(0) => return Err(Fault::Closed),
                Event::Read(length) => self.hear(input.get(..length).unwrap_or_default())?,
                Event::Over => break,
            }
        }
        self.leave(&mut input).await
    }

    /// Sends what belongs to one beat, all of it at once.
    async fn speak(&mut self) -> Result<(), Fault> {
        let mut out = Vec::new();
        for _ in 0..FRAMES_A_BEAT {
            self.ask(&mut out);
        }
        let score = Arc::clone(&self.invitation.score);
        let heartbeat = self.invitation.layout.heartbeat.map(|heartbeat| heartbeat.id);
        if self.beats.is_multiple_of(HEARTBEAT_EVERY)
            && let Some(id) = heartbeat
        {
            self.tell_gateway(id, &score.heartbeats, &mut out);
        }
        if self.beats.is_multiple_of(STRANGE_EVERY) {
            self.tell_gateway(STRANGE, &score.strange, &mut out);
        }
        self.beats = self.beats.wrapping_add(1);
        let write = async {
            self.stream.write_all(&out).await?;
            self.stream.flush().await
        };
        timeout(PATIENCE, write).await.map_err(|_| Fault::Stuck)?.map_err(Fault::Io)
    }

    /// The next frame for a cluster.
    fn ask(&mut self, out: &mut Vec<u8>) {
        let place = TURN.get(self.turn % TURN.len()).copied().unwrap_or(0);
        self.turn += 1;
        let Some(kind) = KINDS.get(place) else { return };
        let body = self.ledger.ask(kind);
        if self.invitation.layout.append_frame(kind.id, body.as_bytes(), out).is_ok() {
            count(&self.invitation.score.sent, place);
        }
    }

    /// A frame that the gateway itself answers.
    fn tell_gateway(&mut self, id: ProtocolId, counter: &Counter, out: &mut Vec<u8>) {
        if self.invitation.layout.append_frame(id, &[], out).is_ok() {
            counter.add(1);
            self.owed += 1;
        }
    }

    fn hear(&mut self, input: &[u8]) -> Result<(), Fault> {
        let layout = Arc::clone(&self.invitation.layout);
        let mut decoder = std::mem::take(&mut self.decoder);
        let mut frames = decoder.frames(&layout, input);
        while let Some(frame) = frames.next() {
            self.take(&layout, &frame.map_err(Fault::Frame)?);
        }
        drop(frames);
        self.decoder = decoder;
        Ok(())
    }

    fn take(&mut self, layout: &FrameLayout, frame: &Frame<'_>) {
        let body = layout.body_of(frame.bytes);
        if layout.notice == Some(frame.id) {
            self.noticed(body);
        } else if layout.heartbeat.is_some_and(|heartbeat| heartbeat.reply == frame.id) {
            self.invitation.score.replies.add(1);
            self.owed = self.owed.saturating_sub(1);
        } else if let Some(answered) = self.ledger.answer(frame.id, body) {
            self.answered(answered);
        } else {
            self.invitation.score.wrong.add(1);
        }
    }

    fn noticed(&mut self, body: &[u8]) {
        let text = String::from_utf8_lossy(body);
        if !text.contains("\"unknown_id\"") {
            self.invitation.score.wrong.add(1);
            return;
        }
        self.invitation.score.notices.add(1);
        self.owed = self.owed.saturating_sub(1);
        self.tell(News::Notice { player: self.number, text: text.into_owned() });
    }

    fn answered(&mut self, answered: Answered) {
        if let Some(server) = self.invitation.score.servers.get(answered.server) {
            server.answers.add(1);
        }
        // Each player waits for another kind, so that the first lines show all of them.
        let mine = KINDS.get(self.number % KINDS.len()).is_some_and(|kind| kind.id == answered.kind.id);
        if mine && !self.told {
            self.told = true;
            self.tell(News::Answer { player: self.number, answered });
        }
    }

    /// Nobody may listen any more.
    fn tell(&self, news: News) {
        drop(self.invitation.news.try_send(news));
    }

    /// Sends nothing more, waits for what is under way and says goodbye.
    async fn leave(&mut self, input: &mut [u8]) -> Result<(), Fault> {
        let rest = async {
            while !self.ledger.is_settled() || self.owed > 0 {
                match self.stream.read(input).await.map_err(Fault::Io)? {
                    0 => return Err(Fault::Closed),
                    length => self.hear(input.get(..length).unwrap_or_default())?,
                }
            }
            Ok(())
        };
        // Whoever waited in vain counts as lost: the sums tell.
        let heard = timeout(GRACE, rest).await.unwrap_or(Ok(()));
        drop(timeout(Duration::from_secs(1), self.stream.shutdown()).await);
        heard
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Closed => f.write_str("the gateway closed the connection"),
            Self::Stuck => write!(f, "the gateway did nothing for {} s", PATIENCE.as_secs()),
            Self::Frame(error) => write!(f, "what came is no frame: {error:?}"),
        }
    }
}
