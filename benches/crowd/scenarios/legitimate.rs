//! The people who play: an open loop of questions, and how long the answers take, counted from when each was due.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Faults;
use crate::Outcome;
use crate::frame::{self, ASK, TOKEN};
use crate::machine;
use crate::notice::Notice;
use crate::options::Options;
use crate::pace::Pace;
use crate::players::{Players, Seen, Watch};
use crate::stage::Stage;

/// All of them.
pub(super) struct Legitimate {
    players: Players,
    crowd: Crowd,
    pace: Pace,
    rate: f64,
    latest: Duration,
    /// What went wrong.
    pub(super) faults: Faults,
}

/// What was felt in a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// In microseconds.
    pub(super) p50: u64,
    /// In microseconds.
    pub(super) p99: u64,
    /// The most memory that the gateway had.
    pub(super) resident: u64,
}

struct Crowd {
    began: Instant,
    logins: Vec<Vec<u8>>,
    inside: usize,
    asked: u64,
    answered: u64,
    /// Microseconds.
    times: Histogram<u64>,
    faults: Faults,
}

/// Players of one address.
const AT_ONE_ADDRESS: u32 = 50;
const ARRIVE: Duration = Duration::from_secs(60);
/// The longest answer that is told from longer ones, in microseconds.
const SLOWEST: u64 = 60_000_000;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(250);

impl Legitimate {
    /// They come, so many a second, and log in.
    pub(super) fn arrive(stage: &Stage, options: &Options, arrivals: f64) -> Outcome<Self> {
        let count = options.count("players");
        let login =
            |place: usize| frame::whole(TOKEN, stage.signer.token(&format!("player-{place}")).as_bytes());
        let mut crowd = Crowd {
            began: stage.began,
            logins: (0..count).map(login).collect(),
            inside: 0,
            asked: 0,
            answered: 0,
            times: Histogram::new_with_max(SLOWEST, 3).map_err(|error| error.to_string())?,
            faults: Faults::default(),
        };
        let mut players = Players::new()?;
        let mut pace = Pace::new(arrivals, Instant::now());
        let until = Instant::now() + ARRIVE;
        let mut place = 0;
        while crowd.inside < count {
            stage.must_go_on()?;
            let now = Instant::now();
            while place < count && pace.due(now).is_some() {
                let address = u32::try_from(place).unwrap_or(0) / AT_ONE_ADDRESS;
                let door = stage.tls.clone().from(address);
                players.come(place, &door).map_err(|end| format!("a player: {}", end.as_str()))?;
                place += 1;
            }
            if now > until {
                return Err(format!("{} of {count} are in: {:?}", crowd.inside, crowd.faults.first));
            }
            players.turn(pace.next().min(now + LOOK).max(now), &mut crowd)?;
        }
        let rate = (count as u64 * options.number("rate")) as f64;
        let pace = Pace::new(rate, Instant::now());
        Ok(Self { players, crowd, pace, rate, latest: Duration::ZERO, faults: Faults::default() })
    }

    /// Plays for a time.
    pub(super) fn measure(&mut self, stage: &Stage, length: Duration) -> Outcome<Window> {
        self.crowd.times.reset();
        // Between two windows the program asks the gateway for its counts, and nobody plays.
        self.pace = Pace::new(self.rate, Instant::now());
        let (until, mut look) = (Instant::now() + length, Instant::now());
        let count = self.crowd.logins.len() as u64;
        let mut resident = 0;
        loop {
            let now = Instant::now();
            while let Some((number, due)) = self.pace.due(now) {
                let place = usize::try_from(number % count).unwrap_or(0);
                let due = due.saturating_duration_since(stage.began).as_nanos();
                self.players.send(place, &frame::ask(u64::try_from(due).unwrap_or(u64::MAX)));
                self.crowd.asked += 1;
            }
            if now >= look {
                stage.must_go_on()?;
                resident = resident.max(machine::resident(stage.gateway.pid)?);
                look = now + LOOK;
            }
            if now >= until {
                break;
            }
            self.players.turn(self.pace.next().min(until), &mut self.crowd)?;
        }
        // What is under way belongs to this time, too.
        let end = Instant::now() + Duration::from_secs(2);
        while self.crowd.answered < self.crowd.asked && Instant::now() < end {
            self.players.turn(end, &mut self.crowd)?;
        }
        self.latest = self.latest.max(self.pace.latest());
        self.faults = std::mem::take(&mut self.faults).and(std::mem::take(&mut self.crowd.faults));
        let at = |share: f64| self.crowd.times.value_at_quantile(share);
        Ok(Window { p50: at(0.5), p99: at(0.99), resident })
    }

    /// The longest that a question left after its time.
    pub(super) fn latest(&self) -> Duration {
        self.latest
    }

    /// Questions that nobody answered.
    pub(super) fn unanswered(&self) -> u64 {
        self.crowd.asked - self.crowd.answered
    }
}

impl Watch for Crowd {
    fn see(&mut self, place: usize, seen: Seen<'_>, say: &mut Vec<u8>) {
        match seen {
            Seen::Open => say.extend(self.logins.get(place).into_iter().flatten()),
            Seen::Notice(body) if Notice::read(body).code == "admitted" => self.inside += 1,
            Seen::Notice(body) => self.faults.add(place, "notice", &String::from_utf8_lossy(body)),
            Seen::Ended(end) => self.faults.add(place, "connection", end.as_str()),
            Seen::Game(frame) => {
                let due = frame::parts(frame).filter(|(id, _)| *id == ASK);
                let Some(due) = due.and_then(|(_, body)| frame::asked(body)) else {
                    return self.faults.add(place, "garbled frame", "");
                };
                self.answered += 1;
                let took = self.began.elapsed().saturating_sub(Duration::from_nanos(due));
                self.times.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            }
        }
    }
}
