//! The waiting line in front of the game, shared by all threads: workers enter and leave, and one task of the control
//! thread lets in. A short lock at the login and at the end of a session, none on a frame's way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use super::call::Call;
use super::commons::Commons;
use super::world::World;
use crate::base::{SessionId, millis};
use crate::config::{Login, Queue};
use crate::policy::{Entered, Line, LineRules, Newcomer, Outlook};
use crate::telemetry::{LineMeter, Meters};

/// Who is in, and who waits.
#[derive(Debug)]
pub(super) struct Lobby {
    line: Mutex<Counted>,
    told_every_ms: AtomicU32,
}

/// The line, and when its places were counted last.
#[derive(Debug)]
struct Counted {
    line: Line<Arc<Ticket>>,
    at: Duration,
}

/// What becomes of a player who has logged in.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// It plays.
    In,
    /// It waits.
    Wait(Arc<Ticket>),
    /// The line is full.
    Full,
}

/// A place in the line.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    call: Call,
    place: AtomicU32,
    estimate_ms: AtomicU32,
}

/// The task of the control thread that lets players in; ends when dropped.
#[derive(Debug)]
pub struct Usher {
    task: AbortHandle,
}

/// How often players are let in.
const TURN: Duration = Duration::from_millis(50);
/// The answer of a call: the player is in.
const COME_IN: u8 = 1;

impl Default for Lobby {
    fn default() -> Self {
        let line = Line::new(None);
        let told_every_ms = AtomicU32::new(in_millis(line.told_every()));
        Self { line: Mutex::new(Counted { line, at: Duration::ZERO }), told_every_ms }
    }
}

impl Lobby {
    /// A player has logged in; `now` counts from the process's start.
    pub(super) fn enter(&self, newcomer: &Newcomer<'_>, now: Duration) -> Entry {
        match self.lock().line.enter(newcomer, now, |outlook| Arc::new(Ticket::new(outlook))) {
            Entered::In => Entry::In,
            Entered::Waits(ticket) => Entry::Wait(ticket),
            Entered::Full => Entry::Full,
        }
    }

    /// A player who is in without a login counts from now on.
    pub(super) fn count_in(&self, session: SessionId) {
        self.lock().line.count_in(session);
    }

    /// A session that entered is over, whether it played or waited. Who `returns` within a minute finds its place in
    /// the line kept.
    pub(super) fn leave(&self, session: SessionId, returns: bool, now: Duration) {
        self.lock().line.leave(session, returns, now);
    }

    /// How often a player who waits is told of its place.
    pub(super) fn told_every(&self) -> Duration {
        Duration::from_millis(u64::from(self.told_every_ms.load(Ordering::Relaxed)))
    }

    /// The rules in force from now on.
    pub(super) fn follow(&self, rules: Option<LineRules>) {
        self.lock().line.follow(rules);
    }

    /// Lets in whose turn it is and counts the places when that is due.
    fn turn(&self, now: Duration, meter: &LineMeter) {
        let mut let_in = Vec::new();
        let mut guard = self.lock();
        let Counted { line, at } = &mut *guard;
        line.turn(now, |ticket| let_in.push(ticket));
        let every = line.told_every();
        self.told_every_ms.store(in_millis(every), Ordering::Relaxed);
        if *at + every <= now {
            *at = now;
            line.rank(now, |ticket, outlook| ticket.tell(outlook));
        }
        meter.set(line.inside(), line.len());
        drop(guard);
        meter.admitted.add(let_in.len() as u64);
        let_in.iter().for_each(|ticket| ticket.call.answer(COME_IN));
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn new(outlook: Outlook) -> Self {
        let ticket = Self::default();
        ticket.tell(outlook);
        ticket
    }

    fn tell(&self, outlook: Outlook) {
        self.place.store(outlook.place, Ordering::Relaxed);
        self.estimate_ms.store(in_millis(outlook.estimate), Ordering::Relaxed);
    }

    /// Its place, from 1, and how many milliseconds it will take.
    pub(super) fn outlook(&self) -> (u32, u32) {
        (self.place.load(Ordering::Relaxed), self.estimate_ms.load(Ordering::Relaxed))
    }

    /// Whether its holder has been let in; its task is woken when it is.
    pub(super) fn is_called(&self, cx: &std::task::Context<'_>) -> bool {
        self.call.poll(cx) == COME_IN
    }
}

impl Usher {
    /// Lets players in as the world that the commons follow says. The time of a turn is the one it was due at, so that turns that come
    /// late by turns let no fewer in.
    #[must_use]
    pub fn start(commons: Arc<Commons>, meters: Arc<Meters>, started: Instant) -> Self {
        let task = tokio::spawn(async move {
            let mut turns = tokio::time::interval(TURN);
            turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                let due = turns.tick().await.into_std();
                commons.lobby.turn(due.saturating_duration_since(started), &meters.line);
            }
        });
        Self { task: task.abort_handle() }
    }
}

impl Drop for Usher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn rules(world: &World) -> Option<LineRules> {
    let of = |queue: &Queue| LineRules { above: queue.above(), admit: queue.admit(), length: queue.length() };
    world.plan().login().and_then(Login::queue).map(of)
}

fn in_millis(time: Duration) -> u32 {
    u32::try_from(millis(time)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn enter(lobby: &Lobby, session: u64, now: Duration) -> Entry {
        let (session, account) = (SessionId::from_raw(session), session.to_string().into());
        lobby.enter(&Newcomer { session, account: &account, instead_of: &[] }, now)
    }

    /// What a task sees that asks once.
    fn is_called(ticket: &Ticket) -> bool {
        ticket.is_called(&std::task::Context::from_waker(std::task::Waker::noop()))
    }

    #[test]
    fn who_waits_hears_of_its_place_and_is_called_when_it_is_in() {
        let (lobby, meter) = (Lobby::default(), LineMeter::default());
        lobby.turn(ms(10_000), &meter);
        lobby.follow(Some(LineRules { above: 1, admit: 20.0, length: 2 }));
        assert!(matches!(enter(&lobby, 1, ms(10_000)), Entry::In));
        let (Entry::Wait(second), Entry::Wait(third)) =
            (enter(&lobby, 2, ms(10_001)), enter(&lobby, 3, ms(10_002)))
        else {
            panic!("there is room for one only");
        };
        assert!(matches!(enter(&lobby, 4, ms(10_003)), Entry::Full));
        assert_eq!((second.outlook(), third.outlook()), ((1, 50), (2, 100)));
        lobby.turn(ms(10_050), &meter);
        assert!(!is_called(&second) && !is_called(&third));
        lobby.leave(SessionId::from_raw(1), false, ms(10_060));
        lobby.turn(ms(10_100), &meter);
        assert!(is_called(&second) && !is_called(&third));
        assert_eq!(third.outlook().0, 2, "places are counted every two seconds");
        lobby.turn(ms(12_050), &meter);
        assert_eq!(third.outlook().0, 1);
        assert_eq!((meter.inside(), meter.waiting(), meter.admitted.get()), (1, 1, 1));
    }

    #[test]
    fn workers_that_come_and_go_at_once_lose_nobody() {
        let (lobby, meter) = (Lobby::default(), LineMeter::default());
        lobby.follow(Some(LineRules { above: 10, admit: 1e6, length: 1_000_000 }));
        let worker = |worker: u64| {
            let mut tickets = Vec::new();
            for one in 0..2_000 {
                let session = worker * 1_000_000 + one;
                match enter(&lobby, session, ms(one)) {
                    Entry::In => lobby.leave(SessionId::from_raw(session), true, ms(one)),
                    Entry::Wait(ticket) => tickets.push((session, ticket)),
                    Entry::Full => panic!("there is room"),
                }
            }
            tickets
        };
        let tickets: Vec<_> = std::thread::scope(|scope| {
            let workers = [1, 2, 3].map(|place| scope.spawn(move || worker(place)));
            for turn in 0..200 {
                lobby.turn(ms(turn * 50), &meter);
            }
            workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
        });
        let mut open = tickets;
        for turn in 200.. {
            lobby.turn(ms(turn * 50), &meter);
            let (called, rest): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|(_, ticket)| is_called(ticket));
            called.iter().for_each(|(session, _)| lobby.leave(SessionId::from_raw(*session), false, ms(0)));
            open = rest;
            if open.is_empty() {
                break;
            }
            assert!(!called.is_empty(), "{} wait for ever", open.len());
        }
        let left = lobby.lock();
        assert_eq!((left.line.inside(), left.line.waits()), (0, 0));
    }
}
