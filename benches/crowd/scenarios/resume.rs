//! Players whose connections break at any moment come back to their sessions: every numbered frame arrives once and in
//! order, or the gateway has said exactly how many are lost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::Faults;
use crate::Outcome;
use crate::backend::{Order, size_of};
use crate::connection::End;
use crate::dial::Door;
use crate::dice::Dice;
use crate::frame::{self, EVERYBODY, Seat, TALK, TOKEN, Talk};
use crate::notice::{self, Notice};
use crate::numbers::Numbers;
use crate::options::{Number, Options};
use crate::page::{self, Page};
use crate::players::{Leaving, Players, Seen, Watch};
use crate::stage::{LOGIN, Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str =
    "connections cut at any moment, and what the sessions get when they are resumed";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("players", 1000, "half of them with TLS; every tenth gets big frames"),
    ("rate", 10, "numbered frames a second to each"),
    ("storms", 3, "times of cuts, each judged when it is over"),
    ("storm", 20, "seconds of cuts"),
    ("seed", 1, "of where and how they are cut"),
    ("seconds", 300, "for all of it at most"),
];

/// Sessions wait longer than players are away; the buffer is small for big frames.
pub(super) fn setting(_: &Options) -> Setting {
    let limits =
        "connections = 20000, connections_per_ip = 0, new_per_ip = \"off\", send_buffer = \"128KiB\"";
    Setting { limits, more: format!("{LOGIN}resume = \"30s\"\n"), files: Vec::new() }
}

/// From the connection on, until it is cut.
const STAYS: (u64, u64) = (200, 4000);
/// Without a connection.
const AWAY: (u64, u64) = (0, 3000);
/// Not reading, before some of the cuts. Big frames fill the kernel's buffers in that time, but not the session's.
const DEAF: (u64, u64) = (0, 700);
/// How long the first logins, and the last frames after a storm, may take.
const SETTLE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// What comes next for a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Deafen,
    Cut,
    Return,
}

/// One of them.
struct Player {
    login: Vec<u8>,
    numbers: Numbers,
    /// The key to its session, once it has one.
    key: Option<String>,
    door: Door,
    is_there: bool,
}

struct Crowd {
    players: Vec<Player>,
    due: BinaryHeap<Reverse<(Instant, usize, Act)>>,
    dice: Dice,
    /// Whether connections are cut.
    is_stormy: bool,
    /// By the kind of the cut.
    cuts: page::Counts,
    resumed: u64,
    /// Resumes whose answer had a loss to tell.
    lossy: u64,
    faults: Faults,
}

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    let count = options.count("players");
    let player = |place: usize| {
        let mut door = if place.is_multiple_of(2) { stage.plain.clone() } else { stage.tls.clone() };
        door.is_narrow = true;
        let token = stage.signer.token(&format!("player-{place}"));
        let login = frame::whole(TOKEN, token.as_bytes());
        Player { login, numbers: Numbers::default(), key: None, door, is_there: false }
    };
    let mut crowd = Crowd {
        players: (0..count).map(player).collect(),
        due: BinaryHeap::new(),
        dice: Dice(options.number("seed")),
        is_stormy: false,
        cuts: page::Counts::new(),
        resumed: 0,
        lossy: 0,
        faults: Faults::default(),
    };
    let mut players = Players::new()?;
    let before = stage.page()?;
    for place in 0..count {
        let at = Instant::now() + Duration::from_millis(u64::try_from(place).unwrap_or(0) * 2);
        crowd.due.push(Reverse((at, place, Act::Return)));
    }
    let all = u64::try_from(count).unwrap_or(u64::MAX);
    pass(stage, &mut players, &mut crowd, "all to log in", SETTLE, |_| {
        stage.backend.counts.seated.load(Relaxed) >= all
    })?;
    let everybody = 0..u32::try_from(count).map_err(|_| "too many players")?;
    let per_second = options.number("rate") * all;
    let mut storms = Ok(());
    for _ in 0..options.number("storms") {
        stage.backend.order(Order::Number { players: everybody.clone(), per_second })?;
        storms = storms.and(storm(stage, &mut players, &mut crowd, options.number("storm")));
        stage.backend.order(Order::Silence)?;
        settle(stage, &mut players, &mut crowd)?;
    }
    judge(stage, &crowd, &before, verdict)?;
    storms
}

/// Cuts for a while, and then until everybody is back.
fn storm(stage: &Stage, players: &mut Players, crowd: &mut Crowd, seconds: u64) -> Outcome<()> {
    let length = Duration::from_secs(seconds);
    crowd.is_stormy = true;
    for place in 0..crowd.players.len() {
        crowd.plan_a_cut(place);
    }
    let until = Instant::now() + length;
    pass(stage, players, crowd, "the storm to pass", length + SETTLE, |_| Instant::now() >= until)?;
    crowd.is_stormy = false;
    let back = |crowd: &Crowd| crowd.due.is_empty() && crowd.players.iter().all(|player| player.is_there);
    pass(stage, players, crowd, "all to be back", SETTLE, back)
}

/// Waits until what the backend sent and what the players know of is the same, or it is clear that it will not be.
fn settle(stage: &Stage, players: &mut Players, crowd: &mut Crowd) -> Outcome<()> {
    let counts = &stage.backend.counts;
    let agree = |crowd: &Crowd| crowd.miscounted(counts).next().is_none();
    // What does not agree is judged, not waited for.
    drop(pass(stage, players, crowd, "the last frames", SETTLE, agree));
    stage.must_go_on()?;
    let wrong: Vec<_> = crowd.miscounted(counts).collect();
    for (place, more) in wrong {
        crowd.faults.add(place, "another loss than announced", &more);
    }
    Ok(())
}

/// Goes on until it is as it should be.
fn pass(
    stage: &Stage,
    players: &mut Players,
    crowd: &mut Crowd,
    what: &str,
    limit: Duration,
    done: impl Fn(&Crowd) -> bool,
) -> Outcome<()> {
    let until = Instant::now() + limit;
    let mut look = Instant::now();
    loop {
        let now = Instant::now();
        while let Some(Reverse((_, place, act))) = crowd.next_due(now) {
            crowd.act(place, act, players);
        }
        if now >= look {
            stage.must_go_on()?;
            if done(crowd) {
                return Ok(());
            }
            if now >= until {
                return Err(format!("waited {limit:?} for {what}: {:?}", crowd.faults.first));
            }
            look = now + LOOK;
        }
        let next = crowd.due.peek().map_or(look, |Reverse((at, _, _))| *at).min(look);
        players.turn(next, crowd)?;
    }
}

impl Crowd {
    fn next_due(&mut self, now: Instant) -> Option<Reverse<(Instant, usize, Act)>> {
        if self.due.peek().is_some_and(|Reverse((at, _, _))| *at <= now) { self.due.pop() } else { None }
    }

    fn plan_a_cut(&mut self, place: usize) {
        let at = Instant::now() + self.dice.between(STAYS.0, STAYS.1);
        let first = if self.dice.below(2) == 0 { Act::Cut } else { Act::Deafen };
        self.due.push(Reverse((at, place, first)));
    }

    fn act(&mut self, place: usize, act: Act, players: &mut Players) {
        let now = Instant::now();
        match act {
            Act::Deafen => {
                players.deafen(place);
                self.due.push(Reverse((now + self.dice.between(DEAF.0, DEAF.1), place, Act::Cut)));
            }
            Act::Cut => {
                self.cut(place, players);
                self.due.push(Reverse((now + self.dice.between(AWAY.0, AWAY.1), place, Act::Return)));
            }
            Act::Return => {
                let Some(player) = self.players.get(place) else { return };
                if let Err(end) = players.come(place, &player.door) {
                    self.faults.add(place, "cannot connect", end.as_str());
                }
            }
        }
    }

    /// One of four ends, half of them in the middle of a frame of the player's.
    fn cut(&mut self, place: usize, players: &mut Players) {
        let (leaving, word) = match self.dice.below(8) {
            0..4 => (Leaving::Reset, "reset"),
            4 => (Leaving::Orderly, "closed in order"),
            5 => (Leaving::Finished, "finished"),
            _ => (Leaving::HalfOpen, "left half-open"),
        };
        if self.dice.below(2) == 0 {
            let frame = frame::ask(0);
            let part = 1 + usize::try_from(self.dice.below(12)).unwrap_or(0);
            players.send(place, frame.get(..part).unwrap_or_default());
        }
        players.leave(place, leaving);
        *self.cuts.entry(word.to_owned()).or_default() += 1;
        if let Some(player) = self.players.get_mut(place) {
            player.is_there = false;
        }
    }

    /// Who has received or been told anything else than what was sent.
    fn miscounted(&self, counts: &crate::backend::Counts) -> impl Iterator<Item = (usize, String)> {
        let settled = self.players.iter().enumerate().map(|(place, player)| {
            let sent = counts.numbered(u32::try_from(place).unwrap_or(EVERYBODY));
            (place, player.numbers.settle(sent), sent)
        });
        let wrong = settled.filter_map(|(place, settled, sent)| {
            settled.err().map(|fault| (place, format!("of {sent} sent: {fault:?}")))
        });
        wrong.collect::<Vec<_>>().into_iter()
    }

    fn tell(&mut self, place: usize, body: &[u8], say: &mut Vec<u8>) {
        let notice = Notice::read(body);
        let Some(player) = self.players.get_mut(place) else { return };
        if notice.code != "admitted" || notice.resume.is_none() {
            return self.faults.add(place, "notice", &String::from_utf8_lossy(body));
        }
        player.is_there = true;
        if std::mem::replace(&mut player.key, notice.resume).is_none() {
            let number = u32::try_from(place).unwrap_or(EVERYBODY);
            return say.extend_from_slice(&Seat { player: number, room: 0 }.frame());
        }
        self.resumed += 1;
        let (Some(frames), Some(lost)) = (notice.frames, notice.lost) else {
            return self.faults.add(place, "resumed without counts", &String::from_utf8_lossy(body));
        };
        self.lossy += u64::from(lost > 0);
        if let Err(fault) = player.numbers.announce(frames, lost) {
            self.faults.add(place, fault.as_str(), &format!("{:?}, {frames} and {lost}", player.numbers));
        }
        if self.is_stormy {
            self.plan_a_cut(place);
        }
    }

    fn hear(&mut self, place: usize, frame: &[u8]) {
        let Some(player) = self.players.get_mut(place) else { return };
        let talk = match frame::parts(frame) {
            Some((TALK, body)) => Talk::read(body).filter(|talk| size_of(*talk) == frame.len()),
            _ => None,
        };
        let Some(talk) = talk.filter(|talk| usize::try_from(talk.player) == Ok(place)) else {
            return self.faults.add(place, "garbled frame", "");
        };
        if let Err(fault) = player.numbers.take(talk.number.into()) {
            self.faults.add(place, fault.as_str(), &format!("{} at {:?}", talk.number, player.numbers));
        }
    }
}

impl Watch for Crowd {
    fn see(&mut self, place: usize, seen: Seen<'_>, say: &mut Vec<u8>) {
        match seen {
            Seen::Open => {
                let Some(player) = self.players.get(place) else { return };
                match &player.key {
                    None => say.extend_from_slice(&player.login),
                    Some(key) => say.extend(notice::resume(key, player.numbers.count())),
                }
            }
            Seen::Game(frame) => self.hear(place, frame),
            Seen::Notice(body) => self.tell(place, body, say),
            Seen::Ended(end) => self.end(place, end),
        }
    }
}

impl Crowd {
    fn end(&mut self, place: usize, end: &End) {
        if let Some(player) = self.players.get_mut(place) {
            player.is_there = false;
        }
        self.faults.add(place, "connection", end.as_str());
    }
}

fn judge(stage: &Stage, crowd: &Crowd, before: &Page, verdict: &mut Verdict) -> Outcome<()> {
    let counts = &stage.backend.counts;
    let sent: u64 = (0..).take(crowd.players.len()).map(|player| counts.numbered(player)).sum();
    let sum =
        |of: fn(&Numbers) -> u64| -> u64 { crowd.players.iter().map(|player| of(&player.numbers)).sum() };
    let (received, lost) = (sum(Numbers::received), sum(Numbers::announced));
    verdict.figure("cuts", page::words(&crowd.cuts));
    verdict.figure("resumes, and those with a loss to tell", format!("{}, {}", crowd.resumed, crowd.lossy));
    verdict.must(
        received + lost == sent,
        "numbered frames: received + announced as lost = sent",
        format!("{received} + {lost} = {sent}"),
    );
    verdict.must(lost > 0 && lost < sent / 2, "the cuts cost some frames and left most", lost.to_string());
    let after = stage.page()?;
    verdict
        .figure("resumes in /metrics", page::words(&after.growth(before, "session_resumes_total", "result")));
    let ended = after.growth(before, "session_ended_total", "reason");
    verdict.figure("connections that ended, as counted", page::words(&ended));
    verdict.none("sessions that ended", counts.closed.load(Relaxed));
    let latest = Duration::from_nanos(counts.latest.load(Relaxed));
    verdict.must(
        latest < Duration::from_secs(2),
        "the backend kept to its schedule",
        format!("{latest:.1?} behind"),
    );
    crowd.faults.judge(verdict);
    Ok(())
}
