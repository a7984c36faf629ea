//! The attackers: what each kind of them sends, how many come from how many addresses, and what becomes of them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::backend::Order;
use crate::connection::End;
use crate::dial::Door;
use crate::dice::Dice;
use crate::frame::{self, Seat, TOKEN};
use crate::notice::Notice;
use crate::pace::Pace;
use crate::players::{Leaving, Players, Seen, Watch};
use crate::stage::Stage;

/// One kind.
#[derive(Debug)]
pub(super) struct Attack {
    /// For a person.
    pub(super) name: &'static str,
    /// How many are there at one time.
    pub(super) crowd: usize,
    /// New ones in a second, until the crowd is there or for those that are gone.
    per_second: u64,
    /// How many addresses they come from.
    addresses: u32,
    weapon: Weapon,
    /// The words of the counters that may grow by it.
    pub(super) reasons: &'static [&'static str],
    /// Memory that each of the crowd may cost.
    pub(super) each: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weapon {
    /// A ClientHello, byte after byte.
    SlowHandshake,
    /// A frame, byte after byte.
    SlowHeader,
    /// A header that promises much, and then byte after byte.
    SlowBody,
    /// Bytes without sense, at both listeners.
    Junk,
    /// Nothing: it comes, and leaves after a while.
    Silence,
    /// A frame that is too short for its own header.
    Malformed,
    /// It logs in, asks for much and reads nothing.
    Deafness,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Report {
    /// Connections that were made.
    pub(super) connected: u64,
    /// Connections that were refused by the machine, not by the gateway.
    pub(super) refused: u64,
    /// Connections that the gateway ended.
    pub(super) ended: u64,
    /// Connections that they left by themselves.
    pub(super) left: u64,
    /// The longest that an attacker came after its time.
    pub(super) latest: Duration,
}

const CONNECTION: u64 = 24 << 10;
/// Bytes that wait for a deaf player: its `send_buffer`, and a little around it.
const DEAF_PLAYER: u64 = (256 + 64) << 10;

/// In the order of the manual.
pub(super) const ALL: [Attack; 7] = [
    Attack {
        name: "slow handshake",
        crowd: 3000,
        per_second: 1500,
        addresses: 300,
        weapon: Weapon::SlowHandshake,
        reasons: &["handshake_timeout", "handshakes", "refused"],
        each: CONNECTION,
    },
    Attack {
        name: "slow header",
        crowd: 3000,
        per_second: 1500,
        addresses: 300,
        weapon: Weapon::SlowHeader,
        reasons: &["frame_timeout", "login_timeout"],
        each: CONNECTION,
    },
    Attack {
        name: "slow body",
        crowd: 3000,
        per_second: 1500,
        addresses: 300,
        weapon: Weapon::SlowBody,
        reasons: &["frame_timeout", "login_timeout"],
        each: CONNECTION,
    },
    Attack {
        name: "junk",
        crowd: 5000,
        per_second: 2000,
        addresses: 500,
        weapon: Weapon::Junk,
        reasons: &[
            "tls_failed",
            "malformed",
            "frame_too_long",
            "frame_timeout",
            "glitches",
            "handshake_timeout",
        ],
        each: CONNECTION,
    },
    Attack {
        name: "flood of connections",
        crowd: 5000,
        per_second: 2000,
        addresses: 1,
        weapon: Weapon::Silence,
        reasons: &["new_per_ip", "connections_per_ip"],
        each: CONNECTION,
    },
    Attack {
        name: "flood of malformed frames",
        crowd: 1000,
        per_second: 1000,
        addresses: 40,
        weapon: Weapon::Malformed,
        reasons: &["malformed", "glitches", "new_per_ip"],
        each: CONNECTION,
    },
    Attack {
        name: "deaf players",
        crowd: 100,
        per_second: 200,
        addresses: 10,
        weapon: Weapon::Deafness,
        reasons: &["too_slow", "glitches"], // from the addresses of the attack before
        each: DEAF_PLAYER,
    },
];

/// Between two bytes of a slow one.
const DRIP: Duration = Duration::from_secs(1);
/// How long a silent one stays.
const SILENCE: Duration = Duration::from_millis(500);
/// The first address of attackers: players have those before.
const FIRST_ADDRESS: u32 = 1000;
/// The first account and seat of attackers.
const FIRST_ACCOUNT: u32 = 10_000;
/// What a deaf one is sent: so many bytes, and so many frames a second for all of them.
const FLOOD: (usize, u64) = (4096, 2000);
/// The frame that a slow body promises.
const PROMISED: u32 = 60_000;
const LOOK: Duration = Duration::from_millis(20);

/// Attacks for a time.
pub(super) fn run(attack: &Attack, stage: &Stage, length: Duration) -> Outcome<Report> {
    let crowd = Crowd {
        report: Report::default(),
        gone: Vec::new(),
        scripts: Vec::new(),
        is_open: vec![false; attack.crowd],
        admitted: Vec::new(),
    };
    Attackers { attack, stage, crowd, players: Players::new()?, drips: VecDeque::new(), dice: Dice(7) }
        .run(length)
}

struct Attackers<'a> {
    attack: &'a Attack,
    stage: &'a Stage,
    crowd: Crowd,
    players: Players,
    /// When somebody sends its next byte, or leaves, if the script is at its end.
    drips: VecDeque<(Instant, usize, u64)>,
    dice: Dice,
}

/// What they see.
struct Crowd {
    report: Report,
    /// Places that are free again.
    gone: Vec<usize>,
    /// By place: what is still to be said, and which of the place's attackers says it.
    scripts: Vec<(Script, u64)>,
    is_open: Vec<bool>,
    /// Deaf ones that are in.
    admitted: Vec<usize>,
}

/// What an attacker says: so many bytes at once, the rest one by one.
#[derive(Clone, Debug, Default)]
struct Script {
    bytes: Vec<u8>,
    said: usize,
    at_once: usize,
}

impl Attackers<'_> {
    fn run(mut self, length: Duration) -> Outcome<Report> {
        let (mut pace, until) =
            (Pace::new(self.attack.per_second as f64, Instant::now()), Instant::now() + length);
        let mut fresh = 0..self.attack.crowd;
        let is_deaf = self.attack.weapon == Weapon::Deafness;
        if is_deaf {
            let first = FIRST_ACCOUNT;
            let players = first..first + u32::try_from(self.attack.crowd).unwrap_or(0);
            self.stage.backend.order(Order::Flood { players, size: FLOOD.0, per_second: FLOOD.1 })?;
        }
        while Instant::now() < until {
            let now = Instant::now();
            while let Some((number, _)) = pace.due(now) {
                // Deaf ones come once: each shows one whole story.
                let again = if is_deaf { None } else { self.crowd.gone.pop() };
                if let Some(place) = again.or_else(|| fresh.next()) {
                    self.come(place, number);
                }
            }
            self.drip(now);
            for place in std::mem::take(&mut self.crowd.admitted) {
                let player = FIRST_ACCOUNT + u32::try_from(place).unwrap_or(0);
                self.players.send(place, &Seat { player, room: 0 }.frame());
                self.players.deafen(place);
            }
            let next = pace.next().min(until).max(now);
            self.players.turn(next.min(now + LOOK), &mut self.crowd)?;
        }
        self.crowd.report.latest = pace.latest();
        self.end(is_deaf)
    }

    fn come(&mut self, place: usize, number: u64) {
        let script = self.attack.weapon.script(place, self.stage, &mut self.dice);
        if self.crowd.scripts.len() <= place {
            self.crowd.scripts.resize(place + 1, (Script::default(), 0));
        }
        let Some(slot) = self.crowd.scripts.get_mut(place) else { return };
        *slot = (script, number);
        if let Some(open) = self.crowd.is_open.get_mut(place) {
            *open = false;
        }
        let door = self.door(place, number);
        match self.players.come(place, &door) {
            Ok(()) => {
                let first = if self.attack.weapon == Weapon::Silence { SILENCE } else { DRIP };
                self.drips.push_back((Instant::now() + first, place, number));
            }
            Err(_) => self.crowd.report.refused += 1,
        }
    }

    fn door(&self, place: usize, number: u64) -> Door {
        let with_tls = match self.attack.weapon {
            Weapon::SlowHandshake | Weapon::Silence => true,
            Weapon::Junk => place.is_multiple_of(2),
            Weapon::SlowHeader | Weapon::SlowBody | Weapon::Malformed | Weapon::Deafness => false,
        };
        let listener = if with_tls { &self.stage.tls } else { &self.stage.plain };
        // Nobody of them speaks TLS.
        let mut door = Door::of(listener.target, None);
        door.is_narrow = self.attack.weapon == Weapon::Deafness;
        door.from(FIRST_ADDRESS + u32::try_from(number % u64::from(self.attack.addresses)).unwrap_or(0))
    }

    /// The slow ones go on, the silent ones leave.
    fn drip(&mut self, now: Instant) {
        while let Some((_, place, number)) = self.drips.front().copied().filter(|(due, _, _)| *due <= now) {
            self.drips.pop_front();
            let Some((script, who)) = self.crowd.scripts.get_mut(place) else { continue };
            if *who != number || !self.players.is_open(place) {
                continue;
            }
            if self.attack.weapon == Weapon::Silence {
                self.players.leave(place, Leaving::Orderly);
                self.crowd.report.left += 1;
                self.crowd.gone.push(place);
            } else if let Some(byte) = script.bytes.get(script.said).copied() {
                script.said += 1;
                self.players.send(place, &[byte]);
                self.drips.push_back((now + DRIP, place, number));
            }
        }
    }

    /// The deaf ones look what has become of them; whoever is still there leaves.
    fn end(mut self, is_deaf: bool) -> Outcome<Report> {
        if is_deaf {
            self.stage.backend.order(Order::Silence)?;
            (0..self.attack.crowd).for_each(|place| self.players.listen(place, &mut self.crowd));
            let until = Instant::now() + Duration::from_secs(3);
            while self.players.there() > 0 && Instant::now() < until {
                self.players.turn(until, &mut self.crowd)?;
            }
        }
        for place in 0..self.attack.crowd {
            if self.players.is_open(place) {
                self.crowd.report.left += 1;
                self.players.leave(place, Leaving::Reset);
            }
        }
        Ok(self.crowd.report)
    }
}

impl Weapon {
    fn script(self, place: usize, stage: &Stage, dice: &mut Dice) -> Script {
        let frame = frame::whole(frame::ASK, &[0; 200]);
        let (bytes, at_once) = match self {
            Self::SlowHandshake => (client_hello(stage), 1),
            Self::SlowHeader => (frame, 1),
            Self::SlowBody => {
                ([&PROMISED.to_be_bytes()[..], &frame::ASK.to_be_bytes(), &[0; 200]].concat(), 106)
            }
            Self::Junk => {
                let length = 64 + usize::try_from(dice.below(448)).unwrap_or(0);
                ((0..length).map(|_| dice.any().to_le_bytes()[0]).collect(), length)
            }
            Self::Silence => (Vec::new(), 0),
            Self::Malformed => (vec![0; 8], 8),
            Self::Deafness => {
                let account = FIRST_ACCOUNT + u32::try_from(place).unwrap_or(0);
                let login = frame::whole(TOKEN, stage.signer.token(&format!("deaf-{account}")).as_bytes());
                let length = login.len();
                (login, length)
            }
        };
        Script { bytes, said: at_once, at_once }
    }
}

/// The first words of a handshake.
fn client_hello(stage: &Stage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let name = rustls::pki_types::ServerName::try_from(crate::certificates::HOST);
    if let (Some(config), Ok(name)) = (&stage.tls.tls, name)
        && let Ok(mut client) = rustls::ClientConnection::new(std::sync::Arc::clone(config), name)
    {
        drop(client.write_tls(&mut bytes));
    }
    bytes
}

impl Watch for Crowd {
    fn see(&mut self, place: usize, seen: Seen<'_>, say: &mut Vec<u8>) {
        match seen {
            Seen::Open => {
                self.report.connected += 1;
                if let Some(open) = self.is_open.get_mut(place) {
                    *open = true;
                }
                let script = self.scripts.get(place).map(|(script, _)| script);
                say.extend(
                    script.and_then(|script| script.bytes.get(..script.at_once)).into_iter().flatten(),
                );
            }
            Seen::Notice(body) if Notice::read(body).code == "admitted" => self.admitted.push(place),
            Seen::Game(_) | Seen::Notice(_) => {}
            Seen::Ended(End::Refused) => {
                self.report.refused += 1;
                self.gone.push(place);
            }
            Seen::Ended(_) => {
                let was_open = self.is_open.get(place).copied().unwrap_or(false);
                self.report.connected += u64::from(!was_open);
                self.report.ended += 1;
                self.gone.push(place);
            }
        }
    }
}
