//! Players who come back to their sessions by another connection.

mod cuts;
mod ends;
mod standby;

use realmgate::base::SessionId;
use realmgate::wire::link::{LINK, Message};

use crate::fakes::{Backend, Certificates, Event, Frame, Gate, GateBuilder, Player, frame, until};

/// A gate with a login backend and a battle backend, and what they are asked.
struct Stage {
    gate: Gate,
    login: Backend,
    battle: Backend,
}

/// A player who is in.
struct Logged {
    player: Player,
    session: SessionId,
    token: String,
}

/// The gate's file.
fn builder(login: &Backend, battle: &Backend, resume: &str) -> GateBuilder {
    Gate::builder()
        .shared("login", "10", &[login.address()], "")
        .shared("battle", "\"1000-1999\"", &[battle.address()], "")
        .table(&format!("[login]\nroute = \"login\"\nresume = \"{resume}\""))
}

impl Stage {
    async fn start(adapt: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        let (login, battle) = (Backend::echo().await, Backend::echo().await);
        let gate = adapt(builder(&login, &battle, "60s")).start().await;
        Self { gate, login, battle }
    }

    async fn start_tls(certificates: &Certificates, workers: usize) -> Self {
        let (login, battle) = (Backend::echo().await, Backend::echo().await);
        let gate = builder(&login, &battle, "60s").workers(workers).start_tls(certificates).await;
        Self { gate, login, battle }
    }

    async fn log_in(&self, player: Player, account: &str) -> Logged {
        log_in(&self.login, player, account).await
    }

    /// Waits until so many sessions have lost their connection so far.
    async fn has_parked(&self, count: u64) {
        has_parked(&self.gate, count).await;
    }

    /// Lets the battle backend say frames with these numbers, and waits until the gate has them.
    async fn say(&self, session: SessionId, numbers: std::ops::Range<u64>, length: usize) {
        for number in numbers {
            let payload = numbered(number, length);
            self.battle.say(session, Message::Frame { payload: &payload }).await;
        }
        self.heard().await;
    }

    /// Waits until the gate has read everything that the battle backend has said.
    async fn heard(&self) {
        heard(&self.battle).await;
    }
}

async fn heard(backend: &Backend) {
    let pongs = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Pong { .. })).count();
    let links = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Hello { .. })).count();
    let before = pongs(&backend.events());
    backend.say(LINK, Message::Ping { payload: b"heard" }).await;
    backend.wait("PONGs", |events| (pongs(events) >= before + links(events)).then_some(())).await;
}

async fn has_parked(gate: &Gate, count: u64) {
    let parked = || gate.meters().total(|meter| Some(&meter.parked));
    until("a session to lose its connection", || parked() >= count).await;
}

async fn log_in(login: &Backend, mut player: Player, account: &str) -> Logged {
    player.echo(10, b"let me in").await;
    let address = player.address;
    let opened = |events: &[Event]| {
        events.iter().find_map(|event| match event {
            Event::Open { session, address: of, .. } if *of == address => Some(*session),
            _ => None,
        })
    };
    let session = login.wait("OPEN of the player", opened).await;
    login.say(session, Message::Bind { account, epoch: 1 }).await;
    let notice = player.notice().await;
    assert!(notice.starts_with(r#"{"code":"admitted","#), "{notice}");
    Logged { session, token: text(&notice, "resume"), player }
}

/// A frame of the game with this number in it.
fn numbered(number: u64, length: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(length.max(8), 7);
    frame(1500, &body)
}

fn number_of(frame: &Frame) -> u64 {
    assert_eq!(frame.id, 1500, "a numbered frame");
    u64::from_be_bytes(frame.body[..8].try_into().expect("eight bytes"))
}

fn claim(token: &str, received: Option<u64>) -> Vec<u8> {
    let received = received.map_or(String::new(), |received| format!(r#","received":{received}"#));
    frame(9000, format!(r#"{{"resume":"{token}"{received}}}"#).as_bytes())
}

fn field(notice: &str, name: &str) -> serde_json::Value {
    let notice: serde_json::Value = serde_json::from_str(notice).expect("JSON");
    notice.get(name).unwrap_or_else(|| panic!("no {name} in {notice}")).clone()
}

fn text(notice: &str, name: &str) -> String {
    field(notice, name).as_str().expect("a text").to_owned()
}

fn number(notice: &str, name: &str) -> u64 {
    field(notice, name).as_u64().expect("a number")
}

/// Reads the answer to a claim: what it says went out, and what was lost.
async fn admitted(player: &mut Player) -> (u64, u64, String) {
    let notice = player.notice().await;
    assert!(notice.starts_with(r#"{"code":"admitted","#), "{notice}");
    assert_eq!(number(&notice, "resume_ms"), 60_000);
    (number(&notice, "frames"), number(&notice, "lost"), text(&notice, "resume"))
}

/// Cuts a player that has nothing unread, and lets it come back with a frame right behind the token.
async fn come_back(stage: &Stage, logged: Logged, back: Player) {
    let Logged { mut player, session, token } = logged;
    player.echo(1000, b"before").await;
    drop(player);
    stage.has_parked(1).await;
    stage.say(session, 0..3, 20).await;
    let mut back = back;
    back.send_raw(&[claim(&token, Some(1)), frame(1000, b"behind the token")].concat()).await;
    let (frames, lost, next) = admitted(&mut back).await;
    assert_eq!((frames, lost), (1, 0), "one echo had gone out since the login");
    assert_ne!(token, next);
    for number in 0..3 {
        assert_eq!(number_of(&back.recv().await), number);
    }
    assert_eq!(back.recv().await, Frame { id: 1000, body: b"behind the token".to_vec() });
    back.echo(1000, b"and on").await;
    stage.gate.has_sessions(1).await;
    let events = stage.battle.events();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Open { .. })).count(), 1);
    assert!(!events.iter().any(|event| matches!(event, Event::Close { .. })));
    let of_session = |event: &&Event| matches!(event, Event::Frame { session: of, .. } if *of == session);
    assert_eq!(events.iter().filter(of_session).count(), 3);
    drop(back);
    stage.has_parked(2).await;
}

#[tokio::test]
async fn a_player_comes_back_on_the_same_worker() {
    let stage = Stage::start(|gate| gate).await;
    let logged = stage.log_in(stage.gate.player().await, "ann").await;
    let back = stage.gate.player().await;
    come_back(&stage, logged, back).await;
}

#[tokio::test]
async fn a_player_comes_back_by_another_worker() {
    let stage = Stage::start(|gate| gate.workers(2)).await;
    let logged = stage.log_in(stage.gate.player().await, "ann").await;
    let back = stage.gate.player().await; // the other worker has none yet
    come_back(&stage, logged, back).await;
}

#[tokio::test]
async fn a_player_comes_back_by_tls_with_its_keys_carried_along() {
    let certificates = Certificates::new();
    for workers in [1, 2] {
        let stage = Stage::start_tls(&certificates, workers).await;
        let logged = stage.log_in(stage.gate.tls_player().await, "ann").await;
        let back = stage.gate.tls_player().await;
        come_back(&stage, logged, back).await;
    }
}

#[tokio::test]
async fn half_a_frame_dies_with_its_connection() {
    let stage = Stage::start(|gate| gate).await;
    let Logged { mut player, token, .. } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"first").await;
    player.send_raw(&frame(1000, b"only half of this arrives")[..12]).await;
    drop(player);
    stage.has_parked(1).await;
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, None)).await;
    assert_eq!(admitted(&mut back).await.1, 0);
    back.echo(1000, b"whole").await;
    assert_eq!(stage.battle.frames(), [frame(1000, b"first"), frame(1000, b"whole")]);
}

#[tokio::test]
async fn a_connection_that_still_looks_alive_is_dropped_for_the_new_one() {
    let stage = Stage::start(|gate| gate.workers(2)).await;
    let Logged { mut player, token, session } = stage.log_in(stage.gate.player().await, "ann").await;
    player.echo(1000, b"before").await;
    let mut back = stage.gate.player().await;
    back.send_raw(&claim(&token, Some(1))).await;
    let (frames, lost, _) = admitted(&mut back).await;
    assert_eq!((frames, lost), (1, 0));
    back.echo(1000, b"after").await;
    let (rest, end) = player.read_to_end().await;
    assert!(rest.is_empty(), "{rest:?} {end:?}");
    stage.gate.has_sessions(1).await;
    assert_eq!(stage.gate.meters().total(|meter| Some(&meter.parked)), 0);
    let closes = |event: &Event| matches!(event, Event::Close { session: of, .. } if *of == session);
    assert!(!stage.battle.events().iter().any(closes));
}
