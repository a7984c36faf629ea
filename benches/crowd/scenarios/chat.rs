//! A full room: what a message to everybody costs the gateway, as one BROADCAST and as one FRAME for each player.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Faults;
use crate::Outcome;
use crate::backend::Order;
use crate::cpu;
use crate::frame::{self, EVERYBODY, HEAD, Seat, TALK, Talk};
use crate::options::{Number, Options};
use crate::pace::Pace;
use crate::players::{Players, Seen, Watch};
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str =
    "messages to a room, and the same one by one: CPU of the gateway for each delivery";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("members", 5000, "in the room without TLS, and as many in the one with it"),
    ("arrivals", 1000, "of them a second"),
    ("messages", 10, "each way in a turn, by turns, each when the one before has reached everybody"),
    ("rounds", 10, "of six turns: three sizes, with and without TLS"),
    ("seconds", 600, "for all of it at most"),
];

/// Nobody logs in.
pub(super) fn setting(_: &Options) -> Setting {
    let limits = "connections = 20000, connections_per_ip = 0, new_per_ip = \"off\", handshake_timeout = \"30s\", \
         idle_timeout = \"1h\""; // members only listen
    Setting { limits, more: String::new(), files: Vec::new() }
}

const SIZES: [usize; 3] = [64, 512, 4096];
/// How long a message may take to reach everybody.
const REACH: Duration = Duration::from_secs(20);
/// How long all may take to come in, after the last one was let in.
const ARRIVE: Duration = Duration::from_secs(60);

/// To whom how much is said in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    /// 1 without TLS, 2 with it.
    room: u8,
    size: usize,
}

/// The gateway's nanoseconds for each delivery, one message after the other, both ways.
#[derive(Debug, Default)]
struct Costs {
    by_room: Vec<f64>,
    one_by_one: Vec<f64>,
}

/// What the members heard.
struct Room {
    members: usize,
    /// The message under way and its size; 0 before the first.
    number: u32,
    size: usize,
    heard: usize,
    /// The last message by member.
    last: Vec<u32>,
    /// Messages that are said until everybody hears them have no count of their own.
    is_warm: bool,
    faults: Faults,
}

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    let members = options.count("members");
    let mut room = Room {
        members,
        number: 0,
        size: 0,
        heard: 0,
        last: vec![0; 2 * members],
        is_warm: false,
        faults: Faults::default(),
    };
    let mut players = Players::new()?;
    arrive(stage, &mut players, &mut room, options.number("arrivals"))?;
    for name in [1, 2] {
        warm(stage, &mut players, &mut room, Kind { room: name, size: SIZES[0] })?;
    }
    room.is_warm = true;
    let kinds = SIZES.into_iter().flat_map(|size| [1, 2].map(|room| Kind { room, size }));
    let mut costs: Vec<(Kind, Costs)> = kinds.map(|kind| (kind, Costs::default())).collect();
    for round in 1..=options.number("rounds") {
        for (kind, costs) in &mut costs {
            turn(stage, &mut players, &mut room, *kind, options.number("messages"), costs)?;
        }
        println!("{round:>6} rounds");
    }
    judge(&costs, verdict);
    let counts = &stage.backend.counts;
    verdict.none("UNDELIVERED", counts.undelivered.load(Relaxed));
    verdict.none("sessions that ended", counts.closed.load(Relaxed));
    room.faults.judge(verdict);
    Ok(())
}

/// The members come, half of them with TLS, and take their seats.
fn arrive(stage: &Stage, players: &mut Players, room: &mut Room, per_second: u64) -> Outcome<()> {
    let all = 2 * room.members;
    let mut pace = Pace::new(per_second as f64, Instant::now());
    let patience = Instant::now() + Duration::from_secs_f64(all as f64 / per_second as f64) + ARRIVE;
    loop {
        stage.must_go_on()?;
        let now = Instant::now();
        let mut place = usize::try_from(pace.done()).unwrap_or(all);
        while place < all && pace.due(now).is_some() {
            let door = if place < room.members { &stage.plain } else { &stage.tls };
            players.come(place, door).map_err(|end| format!("a member: {}", end.as_str()))?;
            place += 1;
        }
        if stage.backend.counts.seated.load(Relaxed) >= u64::try_from(all).unwrap_or(u64::MAX) {
            return Ok(());
        }
        if now > patience {
            let seated = stage.backend.counts.seated.load(Relaxed);
            return Err(format!("{seated} of {all} members have come, {:?}", room.faults.first));
        }
        let next = if place < all { pace.next() } else { now + Duration::from_millis(20) };
        players.turn(next, room)?;
    }
}

/// Says something until everybody has heard it once: JOIN has no answer, and those of one worker may be behind.
fn warm(stage: &Stage, players: &mut Players, room: &mut Room, kind: Kind) -> Outcome<()> {
    let patience = Instant::now() + REACH;
    while Instant::now() < patience {
        if say(stage, players, room, kind, true, Duration::from_secs(2))? {
            return Ok(());
        }
    }
    Err(format!("{} of {} hear what is said to {kind:?}", room.heard, room.members))
}

/// One turn: messages both ways by turns, so that whatever else the machine does falls on both.
fn turn(
    stage: &Stage,
    players: &mut Players,
    room: &mut Room,
    kind: Kind,
    messages: u64,
    costs: &mut Costs,
) -> Outcome<()> {
    let pids = [stage.gateway.pid];
    for _ in 0..messages {
        for (by_room, costs) in [(true, &mut costs.by_room), (false, &mut costs.one_by_one)] {
            stage.must_go_on()?;
            let before = cpu::spent(&pids);
            if !say(stage, players, room, kind, by_room, REACH)? {
                return Err(format!("{} of {} have heard a message in {REACH:?}", room.heard, room.members));
            }
            costs.push(cpu::spent(&pids).saturating_sub(before) as f64 / room.members as f64);
        }
    }
    Ok(())
}

/// Says something and waits until everybody has heard it; false if not all have within that time.
fn say(
    stage: &Stage,
    players: &mut Players,
    room: &mut Room,
    Kind { room: name, size }: Kind,
    by_room: bool,
    within: Duration,
) -> Outcome<bool> {
    let by = Instant::now() + within;
    (room.number, room.size, room.heard) = (room.number + 1, size, 0);
    let number = room.number;
    let members = u32::try_from(room.members).map_err(|_| "too many members")?;
    let first = if name == 1 { 0 } else { members };
    stage.backend.order(if by_room {
        Order::ToRoom { room: name, number, size }
    } else {
        Order::ToEach { players: first..first + members, number, size }
    })?;
    while room.heard < room.members && Instant::now() < by {
        players.turn(by, room)?;
    }
    Ok(room.heard == room.members)
}

impl Watch for Room {
    fn see(&mut self, place: usize, seen: Seen<'_>, say: &mut Vec<u8>) {
        match seen {
            Seen::Open => {
                let room = if place < self.members { 1 } else { 2 };
                let player = u32::try_from(place).unwrap_or(EVERYBODY);
                say.extend_from_slice(&Seat { player, room }.frame());
            }
            Seen::Game(frame) => self.hear(place, frame),
            Seen::Notice(body) => self.faults.add(place, "notice", &String::from_utf8_lossy(body)),
            Seen::Ended(end) => self.faults.add(place, "connection", end.as_str()),
        }
    }
}

impl Room {
    fn hear(&mut self, place: usize, frame: &[u8]) {
        let talk = match frame::parts(frame) {
            Some((TALK, body)) if body.len() + HEAD == self.size => Talk::read(body),
            _ => None,
        };
        let Some(last) = self.last.get_mut(place) else { return };
        match talk {
            Some(talk) if talk.number == self.number && *last < talk.number => {
                *last = talk.number;
                self.heard += 1;
            }
            Some(talk) if !self.is_warm && *last < talk.number => *last = talk.number,
            Some(talk) => {
                let more = format!("{} after {last} while {} was said", talk.number, self.number);
                self.faults.add(place, "message again or late", &more);
            }
            None => self.faults.add(place, "garbled message", ""),
        }
    }
}

fn judge(costs: &[(Kind, Costs)], verdict: &mut Verdict) {
    for (Kind { room, size }, costs) in costs {
        let (by_room, one_by_one) = (Spread::of(&costs.by_room), Spread::of(&costs.one_by_one));
        let name = format!("{size:>4} bytes, {}", if *room == 1 { "plain" } else { "TLS" });
        let words = format!("{by_room} by BROADCAST, {one_by_one} by FRAMEs");
        let share = 100.0 * by_room.median / one_by_one.median;
        verdict.must(by_room.median <= one_by_one.median, &name, format!("{words}: {share:.0} %"));
    }
}

/// The median, and what four of five messages cost.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        let count = sorted.len();
        Self { least: at(count / 10), median: at(count / 2), most: at(count * 9 / 10) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |nanos: f64| nanos / 1000.0;
        write!(f, "{:.2} µs ({:.2}-{:.2})", micros(self.median), micros(self.least), micros(self.most))
    }
}
