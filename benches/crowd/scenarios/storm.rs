//! A launch day: far more players than there is room for, within seconds, and what each of them is told.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use super::Faults;
use crate::Outcome;
use crate::dice::Dice;
use crate::frame::{self, ASK, TOKEN};
use crate::notice::Notice;
use crate::options::{Number, Options};
use crate::pace::Pace;
use crate::page;
use crate::players::{Leaving, Players, Seen, Watch};
use crate::stage::{LOGIN, Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str =
    "15,000 players with TLS in five seconds, room for 5,000, and a line for the rest";
/// The same with a short line.
pub(super) const FULL_ABOUT: &str = "the same, with a line that is too short: the rest is sent elsewhere";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &numbers(20_000);
/// The same with a short line.
pub(super) const FULL_NUMBERS: &[Number] = &numbers(4000);

const fn numbers(length: u64) -> [Number; 8] {
    [
        ("players", 15_000, "that come"),
        ("within", 5, "seconds"),
        ("above", 5000, "players in: the others wait"),
        ("admit", 400, "a second are let in"),
        ("length", length, "of the line"),
        ("every", 2, "seconds each player who is in asks something"),
        ("patience", 30, "seconds until a player without an answer gives up"),
        ("seconds", 300, "for all of it at most"),
    ]
}

/// A line, and somewhere else to go.
pub(super) fn setting(options: &Options) -> Setting {
    let limits = "connections = 40000, connections_per_ip = 0, new_per_ip = \"off\", handshake_timeout = \"25s\", \
                  login_timeout = \"25s\"";
    let (above, admit, length) = (options.number("above"), options.number("admit"), options.number("length"));
    let queue = format!(
        "queue = {{ above = {above}, admit = \"{admit}/s\", length = {length}, redirect = [\"127.0.0.1:7999\"] }}\n"
    );
    Setting { limits, more: format!("{LOGIN}{queue}"), files: Vec::new() }
}

/// Of one player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody has answered it.
    Unanswered,
    Queued,
    In,
    /// Somewhere else, or told to come later.
    SentAway,
    /// It has played and left.
    Left,
}

struct Player {
    phase: Phase,
    came: Instant,
    /// The last place in the line that it was told.
    place: Option<u64>,
    /// Questions that are not answered yet.
    open: u32,
}

struct Day {
    began: Instant,
    players: Vec<Player>,
    logins: Vec<Vec<u8>>,
    /// Who is in, in the order in which they came in.
    inside: VecDeque<usize>,
    /// Who asks next.
    asking: BinaryHeap<Reverse<(Instant, usize)>>,
    every: Duration,
    dice: Dice,
    /// From coming to the first answer.
    answers: Vec<Duration>,
    /// What the first answer was.
    said: page::Counts,
    in_line: u64,
    now_in: u64,
    most_in: u64,
    let_in: u64,
    /// Questions that were asked before the one before was answered.
    late: u64,
    seconds: Vec<Second>,
    faults: Faults,
}

/// What happened in one second of the day.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Players who were let in from the line.
    let_in: u64,
    /// Frames that were answered.
    answered: u64,
    /// Somebody waited all the time.
    has_line: bool,
}

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    let count = options.count("players");
    let login = |place: usize| frame::whole(TOKEN, stage.signer.token(&format!("player-{place}")).as_bytes());
    let mut day = Day {
        began: Instant::now(),
        players: Vec::with_capacity(count),
        logins: (0..count).map(login).collect(),
        inside: VecDeque::new(),
        asking: BinaryHeap::new(),
        every: Duration::from_secs(options.number("every")),
        dice: Dice(1),
        answers: Vec::new(),
        said: page::Counts::new(),
        in_line: 0,
        now_in: 0,
        most_in: 0,
        let_in: 0,
        late: 0,
        seconds: Vec::new(),
        faults: Faults::default(),
    };
    let mut players = Players::new()?;
    let before = stage.page()?;
    day.began = Instant::now();
    let lateness = run(stage, options, &mut players, &mut day)?;
    let after = stage.page()?;
    verdict.must(
        lateness < Duration::from_secs(1),
        "the players kept to their schedule",
        format!("{lateness:.1?} behind"),
    );
    judge_answers(&day, count, verdict);
    judge_line(&day, options, verdict);
    judge_goodput(&day, options, verdict);
    for (metric, label) in [("queue_admitted_total", ""), ("queue_refused_total", "reason")] {
        verdict.figure(metric, page::words(&after.growth(&before, metric, label)));
    }
    let ended = after.growth(&before, "session_ended_total", "reason");
    verdict.figure("sessions that ended", page::words(&ended));
    day.faults.judge(verdict);
    Ok(())
}

/// The whole day; how late the program itself was at worst.
fn run(stage: &Stage, options: &Options, players: &mut Players, day: &mut Day) -> Outcome<Duration> {
    let count = options.count("players");
    let mut arrivals = Pace::new(count as f64 / options.number("within") as f64, day.began);
    let mut departures: Option<Pace> = None;
    let patience = Duration::from_secs(options.number("patience"));
    let mut last_arrival = day.began;
    loop {
        let now = Instant::now();
        day.begin_second();
        while day.players.len() < count
            && let Some((place, _)) = arrivals.due(now)
        {
            let place = usize::try_from(place).map_err(|_| "too many players")?;
            day.players.push(Player { phase: Phase::Unanswered, came: now, place: None, open: 0 });
            // Every address has its own ports, and many thousands that have just left keep theirs for a while.
            let door = stage.tls.clone().from(u32::try_from(place / 5000).unwrap_or(0));
            if let Err(end) = players.come(place, &door) {
                day.faults.add(place, "cannot connect", end.as_str());
            }
            last_arrival = now;
        }
        let has_come = day.players.len() == count;
        // A little faster than the line moves, so that there is always room for the next one.
        let is_full = day.most_in >= options.number("above");
        if departures.is_none() && is_full && has_come {
            departures = Some(Pace::new(options.number("admit") as f64 * DEPARTURES, now));
            (0..options.number("above") / AT_FIRST).for_each(|_| day.depart(players));
        }
        if let Some(pace) = &mut departures {
            while pace.due(now).is_some() {
                day.depart(players);
            }
        }
        day.ask(now, players);
        let answered = day.players.iter().all(|player| player.phase != Phase::Unanswered);
        if has_come && day.in_line == 0 && (answered || now > last_arrival + patience) {
            return Ok(arrivals.latest());
        }
        stage.must_go_on()?;
        let next = if has_come { now + LOOK } else { arrivals.next().min(now + LOOK) };
        players.turn(next, day)?;
    }
}

/// Departures for each player that may be let in.
const DEPARTURES: f64 = 1.02;
/// One player of so many leaves before the others begin to.
const AT_FIRST: u64 = 50;
const LOOK: Duration = Duration::from_millis(5);
/// The share of its best second below which no second may fall afterwards, in percent.
const GOODPUT: u64 = 80;
/// How far the rate of admissions may be from what is configured, in percent.
const TOLERANCE: f64 = 5.0;

impl Day {
    fn second(&mut self) -> &mut Second {
        let place = usize::try_from(self.began.elapsed().as_secs()).unwrap_or(0);
        if self.seconds.len() <= place {
            self.seconds.resize(place + 1, Second { has_line: true, ..Second::default() });
        }
        self.seconds.get_mut(place).expect("just made")
    }

    fn begin_second(&mut self) {
        let has_line = self.in_line > 0;
        self.second().has_line &= has_line;
    }

    /// Whoever is in longest leaves.
    fn depart(&mut self, players: &mut Players) {
        let Some(place) = self.inside.pop_front() else { return };
        let Some(player) = self.players.get_mut(place) else { return };
        player.phase = Phase::Left;
        self.now_in -= 1;
        players.leave(place, Leaving::Orderly);
    }

    /// Whose time has come asks.
    fn ask(&mut self, now: Instant, players: &mut Players) {
        while let Some(Reverse((due, place))) = self.asking.peek().copied().filter(|next| next.0.0 <= now) {
            self.asking.pop();
            let Some(player) = self.players.get_mut(place) else { continue };
            if player.phase != Phase::In {
                continue;
            }
            self.late += u64::from(player.open > 0);
            player.open += 1;
            players.send(place, &frame::ask(0));
            self.asking.push(Reverse((due + self.every, place)));
        }
    }

    fn tell(&mut self, place: usize, body: &[u8]) {
        let notice = Notice::read(body);
        let Some(player) = self.players.get_mut(place) else { return };
        let was = player.phase;
        player.phase = match (notice.code.as_str(), was) {
            ("admitted", Phase::Unanswered | Phase::Queued) => Phase::In,
            ("queued", Phase::Unanswered | Phase::Queued) => Phase::Queued,
            ("redirect", Phase::Unanswered) if notice.redirects > 0 => Phase::SentAway,
            ("overloaded", Phase::Unanswered) => Phase::SentAway,
            _ => return self.faults.add(place, "notice", &String::from_utf8_lossy(body)),
        };
        let goes_back = notice.place > player.place && player.place.is_some();
        player.place = notice.place.or(player.place);
        let is = player.phase;
        if was == Phase::Unanswered {
            self.answers.push(player.came.elapsed());
            *self.said.entry(notice.code).or_default() += 1;
        }
        if goes_back {
            self.faults.add(place, "a place further back than before", "");
        }
        self.in_line += u64::from(is == Phase::Queued && was != Phase::Queued);
        if is == Phase::In {
            self.let_in(place, was == Phase::Queued);
        }
    }

    fn let_in(&mut self, place: usize, from_line: bool) {
        self.in_line -= u64::from(from_line);
        self.let_in += u64::from(from_line);
        self.second().let_in += u64::from(from_line);
        self.now_in += 1;
        self.most_in = self.most_in.max(self.now_in);
        self.inside.push_back(place);
        // Whoever comes at one time does not ask at one time.
        let first = self.dice.between(0, u64::try_from(self.every.as_millis()).unwrap_or(0));
        self.asking.push(Reverse((Instant::now() + first, place)));
    }
}

impl Watch for Day {
    fn see(&mut self, place: usize, seen: Seen<'_>, say: &mut Vec<u8>) {
        match seen {
            Seen::Open => say.extend(self.logins.get(place).into_iter().flatten()),
            Seen::Notice(body) => self.tell(place, body),
            Seen::Game(frame) => {
                let Some(player) = self.players.get_mut(place) else { return };
                let is_answer = frame::parts(frame).is_some_and(|(id, _)| id == ASK);
                if is_answer && player.open > 0 {
                    player.open -= 1;
                    self.second().answered += 1;
                } else {
                    self.faults.add(place, "a frame that nobody asked for", "");
                }
            }
            Seen::Ended(end) => {
                let phase = self.players.get(place).map(|player| player.phase);
                if phase != Some(Phase::SentAway) {
                    self.faults.add(place, "connection", &format!("{} while {phase:?}", end.as_str()));
                }
            }
        }
    }
}

fn judge_answers(day: &Day, count: usize, verdict: &mut Verdict) {
    let mut answers = day.answers.clone();
    answers.sort();
    let at = |share: usize| answers.get((answers.len() * share / 100).min(answers.len() - 1));
    if !answers.is_empty() {
        let words = format!("{:.1?} / {:.1?} / {:.1?}", at(50), at(99), answers.last());
        verdict.figure(
            "from SYN to the first answer: p50, p99, most",
            words.replace("Some(", "").replace(')', ""),
        );
    }
    let seen = format!("{} of {count}: {}", answers.len(), page::words(&day.said));
    verdict.must(answers.len() == count, "players with an answer", seen);
}

fn judge_line(day: &Day, options: &Options, verdict: &mut Verdict) {
    let admit = options.number("admit") as f64;
    verdict.must(
        day.most_in <= options.number("above"),
        "most players in at one time",
        format!("{} of {}", day.most_in, options.number("above")),
    );
    // The first departures make room in the middle of a second, the last ones in line leave within one.
    let busy: Vec<u64> =
        day.seconds.iter().skip_while(|second| second.let_in == 0).map(|second| second.let_in).collect();
    let whole: Vec<u64> = day
        .seconds
        .iter()
        .skip_while(|second| second.let_in == 0)
        .skip(1)
        .take_while(|second| second.has_line)
        .map(|second| second.let_in)
        .collect();
    let rate = whole.iter().sum::<u64>() as f64 / whole.len().max(1) as f64;
    let (least, most) = (whole.iter().min().copied().unwrap_or(0), busy.iter().max().copied().unwrap_or(0));
    verdict.must(
        (rate - admit).abs() <= admit * TOLERANCE / 100.0,
        "let in a second while somebody waited",
        format!("{rate:.1} over {} s ({least} to {most}), configured {admit}", whole.len()),
    );
    verdict.figure("let in from the line, still in it", format!("{}, {}", day.let_in, day.in_line));
}

fn judge_goodput(day: &Day, options: &Options, verdict: &mut Verdict) {
    // The last second is not whole. In so many seconds each player asks once: who came together asks together.
    let whole = day.seconds.split_last().map_or(&[][..], |(_, whole)| whole);
    let every = usize::try_from(options.number("every")).unwrap_or(1).max(1);
    let answered =
        |seconds: &[Second]| seconds.iter().map(|second| second.answered).sum::<u64>() / every as u64;
    let rates: Vec<u64> = whole.windows(every).map(answered).collect();
    let peak = rates.iter().max().copied().unwrap_or(0);
    let least = rates.iter().skip_while(|rate| **rate < peak).min().copied().unwrap_or(0);
    verdict.figure("answers that took longer than until the next question", day.late.to_string());
    verdict.must(
        peak > 0 && least * 100 >= peak * GOODPUT,
        "frames answered a second, while each asks once: best, worst after it",
        format!("{peak}, {least}"),
    );
}
