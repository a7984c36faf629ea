//! A chat server behind realmgate, in one file: what a backend in Rust needs of the shared link. `docs/backends.md`
//! explains it, `backend.py` is the same server by hand from the bytes, `conf/examples/chat.toml` is a gateway for both.
//!
//!     cargo run --example chat_backend -- 127.0.0.1:7101
//!
//! A frame of the game is a length u32 (counts what follows), an ID u16 and a text, big-endian. A player sends a name
//! as 100 and reads 101 (welcome), then sends lines as 200 and reads lines as 201. `/join ROOM` enters a room; any
//! other line is said to everybody in it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to whoever runs it")]

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use realmgate::base::{Reason, SessionId};
use realmgate::wire::link::{
    BackendState, DEFAULT_MAX_ENVELOPE, Envelope, EnvelopeDecoder, EnvelopeError, HelloAck, Kick, LINK,
    LoadReport, MAX_NAME, Message, Redirects, Scope,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::interval;

const LOGIN: u16 = 100;
const WELCOME: u16 = 101;
const SAID: u16 = 200;
const HEARD: u16 = 201;
const LONGEST_LINE: usize = 1000;
const CAPACITY: u32 = 10_000;
const SECOND: Duration = Duration::from_secs(1);

/// What all links share.
struct Server {
    /// New at each start: so gateways know that the sessions of an earlier life are forgotten.
    boot_id: u64,
    /// Every player holds one, so that they can be counted.
    seat: Arc<()>,
    state: watch::Sender<BackendState>,
}

/// One connection of a gateway. All that is about its sessions goes over it, both ways.
struct Link {
    server: Arc<Server>,
    players: HashMap<SessionId, Player>,
    greeted: bool,
    /// What is to be sent next.
    out: Vec<u8>,
}

struct Player {
    name: Option<String>,
    room: Option<String>,
    _seat: Arc<()>,
}

impl Server {
    fn players(&self) -> u32 {
        u32::try_from(Arc::strong_count(&self.seat) - 1).unwrap_or(u32::MAX)
    }
}

impl Link {
    /// One envelope of the gateway.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a chat has no use for the other types and skips them"
    )]
    fn hear(&mut self, envelope: &Envelope<'_>) {
        let session = envelope.session;
        match envelope.message {
            Message::Hello(_) => {
                let (name, state) = (Some("chat-rust"), *self.server.state.borrow());
                let ack = HelloAck { name, state, ..HelloAck::new(self.server.boot_id) };
                self.say(LINK, Message::HelloAck(ack));
                self.greeted = true;
            }
            Message::Ping { payload } => {
                self.say(LINK, Message::Pong { payload, report: LoadReport::default() });
            }
            // Account and attributes are there if another backend had the session before.
            Message::Open(open) => {
                let (name, room) = (open.account.map(str::to_owned), open.attributes.and_then(room_in));
                let player = Player { name, room, _seat: Arc::clone(&self.server.seat) };
                self.players.insert(session, player);
            }
            Message::Close { .. } => drop(self.players.remove(&session)),
            Message::Frame { payload: [_, _, _, _, high, low, body @ ..] } => {
                let text = String::from_utf8_lossy(body);
                match u16::from_be_bytes([*high, *low]) {
                    LOGIN => self.log_in(session, &text),
                    SAID => self.said(session, &text),
                    _ => {}
                }
            }
            Message::Error { text, .. } => eprintln!("the gateway says: {}", text.unwrap_or_default()),
            _ => {}
        }
    }

    /// A game would look into its database first. BIND may come at any time.
    fn log_in(&mut self, session: SessionId, name: &str) {
        let Some(player) = self.players.get_mut(&session) else { return };
        if name.is_empty() || name.len() > MAX_NAME {
            let (reason, text) = (Reason::Unauthorized.code(), Some("a name has 1 to 128 bytes"));
            let kick = Kick { reason, text, retry_after_ms: None, redirect: Redirects::NONE };
            return self.say(session, Message::Kick(kick));
        }
        player.name = Some(name.to_owned());
        // Every login of an account needs a higher epoch than the one before, wherever it happens.
        self.say(session, Message::Bind { account: name, epoch: clock() });
        self.tell(session, WELCOME, &format!("welcome, {name}"));
    }

    fn said(&mut self, session: SessionId, text: &str) {
        let Some(Player { name: Some(name), room, .. }) = self.players.get(&session) else { return };
        let (name, before) = (name.clone(), room.clone());
        match (text.strip_prefix("/join "), before) {
            (Some(room), _) if room.is_empty() || room.len() > MAX_NAME => {
                self.tell(session, HEARD, "the name of a room has 1 to 128 bytes");
            }
            (Some(room), before) => self.enter(session, before.as_deref(), room),
            (None, None) => self.tell(session, HEARD, "you are in no room: /join ROOM"),
            (None, _) if text.len() > LONGEST_LINE => {
                self.tell(session, HEARD, "a line has at most 1000 bytes");
            }
            // One envelope for all of the room, whichever link or backend they are at.
            (None, Some(room)) => {
                let payload = &frame(HEARD, &format!("{name}: {text}"));
                self.say(LINK, Message::Broadcast { scope: Scope::Room(&room), payload });
            }
        }
    }

    /// The rooms are the gateway's. The attribute is for the backend that has this session after us.
    fn enter(&mut self, session: SessionId, before: Option<&str>, room: &str) {
        if let Some(room) = before {
            self.say(session, Message::Leave { room });
        }
        self.say(session, Message::Join { room });
        let attributes = &serde_json::json!({ "room": room }).to_string();
        self.say(session, Message::Attributes { attributes });
        if let Some(player) = self.players.get_mut(&session) {
            player.room = Some(room.to_owned());
        }
        self.tell(session, HEARD, &format!("you are in {room}"));
    }

    /// A frame of the game for one player.
    fn tell(&mut self, session: SessionId, id: u16, text: &str) {
        self.say(session, Message::Frame { payload: &frame(id, text) });
    }

    fn report(&mut self) {
        let sessions = Some(self.server.players());
        self.say(LINK, Message::Load(LoadReport { load: None, sessions, capacity: Some(CAPACITY) }));
    }

    fn say(&mut self, session: SessionId, message: Message<'_>) {
        let written = Envelope { session, message }.encode(DEFAULT_MAX_ENVELOPE, &mut self.out);
        written.expect("names and lines are measured before they are said");
    }

    /// Every envelope that is whole now.
    fn hear_all(&mut self, decoder: &mut EnvelopeDecoder, input: &[u8]) -> Result<(), EnvelopeError> {
        let mut envelopes = decoder.envelopes(DEFAULT_MAX_ENVELOPE, input);
        while let Some(raw) = envelopes.next() {
            self.hear(&raw?.decode()?);
        }
        Ok(())
    }

    /// Until either side closes the connection. Where the gateway does not read, this waits and reads nothing.
    async fn serve(mut self, mut stream: TcpStream) -> io::Result<()> {
        let (mut decoder, mut input) = (EnvelopeDecoder::new(), vec![0; 16 * 1024]);
        let (mut state, mut second) = (self.server.state.subscribe(), interval(SECOND));
        loop {
            tokio::select! {
                length = stream.read(&mut input) => match length? {
                    0 => return Ok(()),
                    length => if let Err(error) = self.hear_all(&mut decoder, input.get(..length).unwrap_or_default()) {
                        let (reason, text) = (Reason::Malformed.code(), error.to_string());
                        self.say(LINK, Message::Error { reason, text: Some(&text) });
                        return stream.write_all(&self.out).await;
                    }
                },
                _ = second.tick(), if self.greeted => self.report(),
                Ok(()) = state.changed(), if self.greeted => {
                    let state = *state.borrow_and_update();
                    self.say(LINK, Message::State { state, text: Some("SIGTERM") });
                }
            }
            stream.write_all(&self.out).await?;
            self.out.clear();
        }
    }
}

/// The room that the attributes of a session name.
fn room_in(attributes: &str) -> Option<String> {
    let attributes: serde_json::Value = serde_json::from_str(attributes).ok()?;
    attributes.get("room")?.as_str().map(str::to_owned)
}

fn frame(id: u16, text: &str) -> Vec<u8> {
    let length = u32::try_from(2 + text.len()).expect("lines are short");
    [&length.to_be_bytes()[..], &id.to_be_bytes(), text.as_bytes()].concat()
}

#[expect(clippy::disallowed_methods, reason = "a server of its own reads its own clock")]
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7101".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let (seat, state) = (Arc::new(()), watch::Sender::new(BackendState::Ok));
    let server = Arc::new(Server { boot_id: clock(), seat, state });
    let (mut stop, mut second) = (signal(SignalKind::terminate())?, interval(SECOND));
    // Whoever drains goes on accepting: probes ask how it is, and players who are here may get another link.
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let link = Link { server: Arc::clone(&server), players: HashMap::new(), greeted: false, out: Vec::new() };
                drop(tokio::spawn(link.serve(accepted?.0)));
            }
            _ = stop.recv() => {
                server.state.send_replace(BackendState::Draining);
                second.reset();
            }
            _ = second.tick() => {
                let is_draining = *server.state.borrow() == BackendState::Draining;
                if is_draining && server.players() == 0 {
                    return Ok(());
                }
            }
        }
    }
}
