//! The game's server: one thread at one port speaks the shared link, knows who sits where, answers questions, and says
//! things by itself as it is ordered: to a room, to everybody one by one, numbered to each, or far too much to some.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use realmgate::base::SessionId;
use realmgate::wire::link::{
    DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, HelloAck, LINK, LoadReport, Message, RawEnvelope, Scope,
    append_frame_envelope,
};

use crate::Outcome;
use crate::dice::Dice;
use crate::frame::{self, ASK, EVERYBODY, SEAT, SHORTEST_TALK, Seat, Talk};
use crate::pace::Pace;
use crate::serving::{Lines, Over, Serving, Trade};

/// What the server is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// One BROADCAST to a room.
    ToRoom { room: u8, number: u32, size: usize },
    /// The same frame in a FRAME of its own to each of these players.
    ToEach { players: Range<u32>, number: u32, size: usize },
    /// Frames with numbers of their own to each of these players, so many a second in all; [`size_of`] says how long.
    Number { players: Range<u32>, per_second: u64 },
    /// Frames of one size to these players in turn, so many a second in all.
    Flood { players: Range<u32>, size: usize, per_second: u64 },
    /// Neither numbers nor floods any more.
    Silence,
}

/// What the server saw and did.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Sessions that took their seats.
    pub(crate) seated: AtomicU64,
    /// Sessions that were seated and closed.
    pub(crate) closed: AtomicU64,
    /// UNDELIVERED.
    pub(crate) undelivered: AtomicU64,
    /// ERROR, and whatever breaks the link's rules.
    pub(crate) wrong: AtomicU64,
    /// The longest that a numbered frame left after its time, in nanoseconds.
    pub(crate) latest: AtomicU64,
    /// Numbered frames by player.
    numbered: Vec<AtomicU32>,
}

/// The running server; gone when dropped.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Where.
    pub(crate) address: SocketAddr,
    /// What it saw and did.
    pub(crate) counts: Arc<Counts>,
    orders: SyncSender<Order>,
    serving: Serving,
}

/// Players of a run at most.
const PLAYERS: usize = 1 << 16;
const ORDERS: usize = 64;
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(1);
/// Frames that are caught up before the links are looked at again.
const AT_ONCE: usize = 2000;

/// The name of a room in the gateway.
fn room_name(room: u8) -> &'static str {
    if room == 1 { "plain" } else { "tls" }
}

/// How long a numbered frame is: every tenth player gets big ones.
pub(crate) fn size_of(talk: Talk) -> usize {
    let mut dice = Dice(u64::from(talk.player) << 32 | u64::from(talk.number));
    let (least, span) = if talk.player.is_multiple_of(10) { (4000, 8000) } else { (SHORTEST_TALK, 600) };
    least + usize::try_from(dice.below(span)).unwrap_or(0)
}

impl Backend {
    /// Starts it.
    pub(crate) fn start() -> Outcome<Self> {
        let counts = Arc::new(Counts {
            seated: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            undelivered: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            numbered: (0..PLAYERS).map(|_| AtomicU32::new(0)).collect(),
        });
        let (orders, ordered) = sync_channel(ORDERS);
        let game = Game {
            counts: Arc::clone(&counts),
            orders: ordered,
            links: Vec::new(),
            seats: Vec::new(),
            players: HashMap::new(),
            pushing: None,
            frame: Vec::new(),
        };
        let serving = Serving::start(1, game)?;
        let address = serving.addresses.first().copied().ok_or("no backend")?;
        Ok(Self { address, counts, orders, serving })
    }

    /// Tells it to do something.
    pub(crate) fn order(&self, order: Order) -> Outcome<()> {
        self.orders.send(order).map_err(|_| "the backend's thread has ended".to_owned())?;
        self.serving.wake()
    }
}

impl Counts {
    /// How many numbered frames were sent to a player.
    pub(crate) fn numbered(&self, player: u32) -> u64 {
        let count = usize::try_from(player).ok().and_then(|player| self.numbered.get(player));
        count.map_or(0, |count| count.load(Relaxed).into())
    }
}

/// Everything of the thread.
struct Game {
    counts: Arc<Counts>,
    orders: Receiver<Order>,
    /// The connections that speak the link.
    links: Vec<usize>,
    /// By player: its link and session.
    seats: Vec<Option<(usize, SessionId)>>,
    players: HashMap<u64, u32>,
    pushing: Option<Pushing>,
    frame: Vec<u8>,
}

/// What is said again and again.
struct Pushing {
    players: Range<u32>,
    /// The size of what has no number.
    size: Option<usize>,
    pace: Pace,
}

impl Trade for Game {
    type Speech = EnvelopeDecoder;

    fn greet(&mut self, _: usize, client: usize) -> EnvelopeDecoder {
        if !self.links.contains(&client) {
            self.links.push(client);
        }
        EnvelopeDecoder::new()
    }

    fn digest(
        &mut self,
        client: usize,
        speech: &mut EnvelopeDecoder,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Over> {
        let mut envelopes = speech.envelopes(DEFAULT_MAX_ENVELOPE, input);
        while let Some(envelope) = envelopes.next() {
            if envelope.map_err(|_| Over).and_then(|envelope| self.hear(client, &envelope, out)).is_err() {
                self.counts.wrong.fetch_add(1, Relaxed);
                return Err(Over);
            }
        }
        Ok(())
    }

    fn between(&mut self, lines: &mut Lines<EnvelopeDecoder>) -> Option<Duration> {
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order, lines);
        }
        self.push(lines);
        self.pushing.is_some().then_some(TICK)
    }
}

impl Game {
    fn hear(&mut self, client: usize, envelope: &RawEnvelope<'_>, out: &mut Vec<u8>) -> Result<(), Over> {
        if let Some((session, payload)) = envelope.frame() {
            match frame::parts(payload) {
                Some((ASK, _)) => out.extend_from_slice(envelope.bytes),
                Some((SEAT, body)) => self.seat(client, session, Seat::read(body).ok_or(Over)?, out)?,
                _ => drop(self.counts.wrong.fetch_add(1, Relaxed)),
            }
            return Ok(());
        }
        let heard = envelope.decode().map_err(|_| Over)?;
        #[expect(clippy::wildcard_enum_match_arm, reason = "this game has no use for the rest")]
        let message = match heard.message {
            Message::Hello(_) => Message::HelloAck(HelloAck::new(1)),
            Message::Ping { payload } => Message::Pong { payload, report: LoadReport::default() },
            Message::Close { .. } => {
                self.close(heard.session);
                return Ok(());
            }
            Message::Undelivered { .. } => {
                self.counts.undelivered.fetch_add(1, Relaxed);
                return Ok(());
            }
            Message::Error { .. } => {
                self.counts.wrong.fetch_add(1, Relaxed);
                return Ok(());
            }
            _ => return Ok(()),
        };
        say(LINK, message, out)
    }

    fn seat(&mut self, client: usize, session: SessionId, seat: Seat, out: &mut Vec<u8>) -> Result<(), Over> {
        let place = usize::try_from(seat.player).map_err(|_| Over)?;
        if place >= PLAYERS {
            return Err(Over);
        }
        if self.seats.len() <= place {
            self.seats.resize(place + 1, None);
        }
        if let Some(slot) = self.seats.get_mut(place) {
            *slot = Some((client, session));
        }
        self.players.insert(session.raw(), seat.player);
        if seat.room != 0 {
            say(session, Message::Join { room: room_name(seat.room) }, out)?;
        }
        self.counts.seated.fetch_add(1, Relaxed);
        Ok(())
    }

    fn close(&mut self, session: SessionId) {
        let Some(player) = self.players.remove(&session.raw()) else { return };
        self.counts.closed.fetch_add(1, Relaxed);
        let slot = usize::try_from(player).ok().and_then(|place| self.seats.get_mut(place));
        if let Some(slot) = slot.filter(|slot| slot.is_some_and(|(_, sits)| sits == session)) {
            *slot = None;
        }
    }

    fn obey(&mut self, order: Order, lines: &mut Lines<EnvelopeDecoder>) {
        match order {
            Order::ToRoom { room, number, size } => self.broadcast(room, number, size, lines),
            Order::ToEach { players, number, size } => {
                self.shape(Talk { player: EVERYBODY, number }, size);
                for player in players {
                    self.to(player, lines);
                }
            }
            Order::Number { players, per_second } => self.begin(players, None, per_second),
            Order::Flood { players, size, per_second } => self.begin(players, Some(size), per_second),
            Order::Silence => self.pushing = None,
        }
    }

    fn begin(&mut self, players: Range<u32>, size: Option<usize>, per_second: u64) {
        let pace = Pace::new(per_second as f64, Instant::now());
        self.pushing = Some(Pushing { players, size, pace });
    }

    fn shape(&mut self, talk: Talk, size: usize) {
        self.frame.clear();
        talk.append(size, &mut self.frame);
    }

    fn broadcast(&mut self, room: u8, number: u32, size: usize, lines: &mut Lines<EnvelopeDecoder>) {
        self.shape(Talk { player: EVERYBODY, number }, size);
        let Some(link) = self.links.iter().find(|link| lines.out(**link).is_some()) else { return };
        let Some(out) = lines.out(*link) else { return };
        let scope = Scope::Room(room_name(room));
        if say(LINK, Message::Broadcast { scope, payload: &self.frame }, out).is_err() {
            self.counts.wrong.fetch_add(1, Relaxed);
        }
    }

    /// The frame in hand to one player; false if it does not sit.
    fn to(&self, player: u32, lines: &mut Lines<EnvelopeDecoder>) -> bool {
        let seat = usize::try_from(player).ok().and_then(|place| *self.seats.get(place)?);
        let Some((link, session)) = seat else { return false };
        let Some(out) = lines.out(link) else { return false };
        append_frame_envelope(session, &self.frame, out).is_ok()
    }

    /// What is due of what is said again and again.
    fn push(&mut self, lines: &mut Lines<EnvelopeDecoder>) {
        let Some(mut pushing) = self.pushing.take() else { return };
        let count = u64::try_from(pushing.players.len()).unwrap_or(1).max(1);
        let now = Instant::now();
        for _ in 0..AT_ONCE {
            let Some((turn, _)) = pushing.pace.due(now) else { break };
            let player = pushing.players.start + u32::try_from(turn % count).unwrap_or(0);
            if let Some(size) = pushing.size {
                self.shape(Talk { player, number: 0 }, size);
                self.to(player, lines);
            } else {
                self.number(player, lines);
            }
        }
        let latest = u64::try_from(pushing.pace.latest().as_nanos()).unwrap_or(u64::MAX);
        self.counts.latest.fetch_max(latest, Relaxed);
        self.pushing = Some(pushing);
    }

    fn number(&mut self, player: u32, lines: &mut Lines<EnvelopeDecoder>) {
        let Ok(place) = usize::try_from(player) else { return };
        let number = self.counts.numbered.get(place).map_or(0, |count| count.load(Relaxed));
        let talk = Talk { player, number };
        self.shape(talk, size_of(talk));
        if self.to(player, lines)
            && let Some(count) = self.counts.numbered.get(place)
        {
            count.fetch_add(1, Relaxed);
        }
    }
}

fn say(session: SessionId, message: Message<'_>, out: &mut Vec<u8>) -> Result<(), Over> {
    Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, out).map_err(|_| Over)
}
