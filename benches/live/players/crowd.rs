//! The players' event loop.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use super::ledger::Ledger;
use super::seat::{Player, Seat};
use super::tally::{Tally, Turn};
use super::{Doors, Manner, Order, Seated};
use crate::connection::{Connection, End, Scratch};

/// Everything of the thread.
pub(super) struct Crowd {
    poll: Poll,
    doors: Doors,
    serials: Arc<AtomicU32>,
    tally: Arc<Tally>,
    seats: Vec<Seat>,
    free: Vec<usize>,
    /// Who asks in which tick of the period.
    wheel: Vec<Vec<usize>>,
    /// The next tick, counted from `start`.
    tick: u32,
    start: Instant,
    hushed: bool,
    visits: Visits,
}

/// The visitors' schedule.
#[derive(Default)]
struct Visits {
    per_second: u64,
    /// Visitors that are due, in parts of [`TICKS_A_SECOND`].
    due: u64,
    begun: u64,
    /// When each must have been served, the earliest first.
    patience: VecDeque<(Instant, usize, u32)>,
}

/// Questions of a visit.
const QUESTIONS: u32 = 3;
/// A visitor that is not served by then was left alone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Ticks that are caught up before the sockets are looked at again.
const AT_ONCE: usize = 20;
const EVENTS: usize = 1024;
/// How finely the players are spread over their period. A finer tick wakes both sides for fewer frames at a time.
const TICK: Duration = Duration::from_millis(5);
const TICKS_A_SECOND: u64 = 200;
/// Ticks until a refused session tries again.
const RETRY: u32 = 20;
/// New connections that are begun in one tick.
const ARRIVALS: usize = 10;

impl Crowd {
    pub(super) fn new(
        doors: Doors,
        per_second: u64,
        serials: Arc<AtomicU32>,
        tally: Arc<Tally>,
    ) -> io::Result<Self> {
        let period = usize::try_from(TICKS_A_SECOND / per_second.clamp(1, TICKS_A_SECOND)).unwrap_or(1);
        Ok(Self {
            poll: Poll::new()?,
            doors,
            serials,
            tally,
            seats: Vec::new(),
            free: Vec::new(),
            wheel: vec![Vec::new(); period],
            tick: 0,
            start: Instant::now(),
            hushed: false,
            visits: Visits::default(),
        })
    }

    /// Until it is told to leave.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut events = Events::with_capacity(EVENTS);
        let mut scratch = Scratch::new();
        let mut arrivals = VecDeque::new();
        loop {
            // The sockets are looked at once in a tick: a wake-up for every single answer costs more than the answer.
            std::thread::sleep(self.due().saturating_duration_since(Instant::now()));
            if let Err(error) = self.look(&mut events, &mut scratch) {
                return self.tally.fault(&format!("no event queue: {error}"), 0, "");
            }
            for _ in 0..AT_ONCE {
                if self.due() <= Instant::now() {
                    self.tick(&mut arrivals);
                }
            }
            loop {
                match orders.try_recv() {
                    Ok(Order::Arrive { count, tls, manner }) => {
                        arrivals.extend((0..count).map(|place| (place < tls, manner)));
                    }
                    Ok(Order::Visits(per_second)) => self.visits.per_second = per_second,
                    Ok(Order::Hush) => self.hushed = true,
                    Ok(Order::Census(answer)) => drop(answer.try_send(self.census())),
                    Ok(Order::End) | Err(TryRecvError::Disconnected) => return,
                    Err(TryRecvError::Empty) => break,
                }
            }
        }
    }

    fn look(&mut self, events: &mut Events, scratch: &mut Scratch) -> io::Result<()> {
        loop {
            match self.poll.poll(events, Some(Duration::ZERO)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let mut count = 0;
            for event in &*events {
                self.turn(event.token().0, event.is_read_closed(), scratch);
                count += 1;
            }
            if count < EVENTS {
                return Ok(());
            }
        }
    }

    fn due(&self) -> Instant {
        self.start + TICK * self.tick
    }

    fn census(&self) -> Vec<Seated> {
        let sits = |seat: &&Seat| matches!(seat.player, Player::Sits(_));
        let seated = |seat: &Seat| Seated {
            seat: seat.number,
            serial: seat.ledger.serial(),
            sent: seat.ledger.sent(),
            answered: seat.ledger.answered(),
            group: seat.ledger.group(),
            is_open: seat.was_open && seat.connection.is_some(),
        };
        self.seats.iter().filter(sits).map(seated).collect()
    }

    /// One tick: who is due asks, visitors and newcomers come, the forgotten are counted.
    fn tick(&mut self, arrivals: &mut VecDeque<(bool, Manner)>) {
        let due = self.due();
        self.tally.was_late(Instant::now().saturating_duration_since(due));
        let slot = usize::try_from(self.tick).unwrap_or(0) % self.wheel.len();
        self.tick += 1;
        let seats = self.wheel.get_mut(slot).map(std::mem::take).unwrap_or_default();
        for place in &seats {
            self.sit(*place);
        }
        if let Some(slot) = self.wheel.get_mut(slot) {
            *slot = seats;
        }
        for (tls, manner) in arrivals.drain(..arrivals.len().min(ARRIVALS)) {
            let place = self.seat(Player::Sits(manner), tls);
            let slot = place % self.wheel.len();
            self.wheel.get_mut(slot).expect("within the wheel").push(place);
            self.connect(place);
        }
        self.visits.due += self.visits.per_second;
        while self.visits.due >= TICKS_A_SECOND {
            self.visits.due -= TICKS_A_SECOND;
            self.visits.begun += 1;
            let place = self.seat(Player::Visits, self.visits.begun.is_multiple_of(4));
            self.tally.visits.add();
            self.connect(place);
        }
        self.lose_patience();
    }

    /// A session's time to ask has come.
    fn sit(&mut self, place: usize) {
        let tick = self.tick;
        let Some(seat) = self.seats.get_mut(place) else { return };
        if seat.connection.is_none() && seat.retry.is_some_and(|retry| retry <= tick) {
            return self.connect(place);
        }
        if !self.hushed && seat.was_open && seat.told.is_none() {
            self.ask(place);
        }
    }

    fn seat(&mut self, player: Player, tls: bool) -> usize {
        let place = self.free.pop().unwrap_or(self.seats.len());
        let seat = Seat::new(place, player, tls);
        match self.seats.get_mut(place) {
            Some(free) => *free = seat,
            None => self.seats.push(seat),
        }
        place
    }

    fn connect(&mut self, place: usize) {
        let serial = self.serials.fetch_add(1, Relaxed);
        let Some(seat) = self.seats.get_mut(place) else { return };
        let trust = seat.tls.then_some(&self.doors.trust);
        let target = if seat.tls { self.doors.tls } else { self.doors.plain };
        seat.ledger = Ledger::new(serial);
        (seat.told, seat.was_open, seat.retry) = (None, false, None);
        if seat.player == Player::Visits {
            self.visits.patience.push_back((Instant::now() + PATIENCE, place, serial));
        }
        if seat.tls {
            self.tally.tls.add();
        }
        let stream = TcpStream::connect(target).map_err(End::from);
        let registry = self.poll.registry();
        match stream.and_then(|stream| Connection::open(stream, trust, Token(place), registry)) {
            Ok(connection) => seat.connection = Some(connection),
            Err(end) => self.ended(place, &end),
        }
    }

    fn ask(&mut self, place: usize) {
        let Some(seat) = self.seats.get_mut(place) else { return };
        let Some(connection) = &mut seat.connection else { return };
        let frame = seat.ledger.ask(seat.pays, Instant::now()).ask();
        self.tally.sent.add();
        match connection.send(&frame) {
            // The last words of the gateway may wait to be read; the event that brings them brings the end, too.
            Ok(()) | Err(End::Reset) => {}
            Err(end) => self.ended(place, &end),
        }
    }

    /// The socket of a seat is ready for something.
    fn turn(&mut self, place: usize, ends: bool, scratch: &mut Scratch) {
        let Some(seat) = self.seats.get_mut(place) else { return };
        let Some(mut connection) = seat.connection.take() else { return };
        let tally = &self.tally;
        let done = connection.turn(scratch, ends, &mut |heard| seat.hear(heard, tally));
        let opened = connection.is_open() && !seat.was_open;
        seat.connection = Some(connection);
        if opened {
            seat.was_open = true;
            if seat.player != Player::Visits {
                tally.open.add();
            }
        }
        let asked = seat.ledger.sent();
        let visits = seat.player == Player::Visits;
        let all_answered = seat.ledger.answered() == asked;
        if visits && seat.was_open && all_answered && asked == QUESTIONS {
            return self.leave(place);
        }
        match done {
            Err(end) => self.ended(place, &end),
            Ok(()) if visits && seat.was_open && all_answered && seat.told.is_none() => self.ask(place),
            Ok(()) => {}
        }
    }

    /// A visitor has what it came for.
    fn leave(&mut self, place: usize) {
        let Some(seat) = self.seats.get_mut(place) else { return };
        if let Some(connection) = seat.connection.take() {
            connection.close();
        }
        seat.player = Player::Nobody;
        self.free.push(place);
        self.tally.served.add();
    }

    fn ended(&mut self, place: usize, end: &End) {
        let now = Instant::now();
        let Some(seat) = self.seats.get_mut(place) else { return };
        drop(seat.connection.take());
        let was_open = std::mem::take(&mut seat.was_open);
        if was_open && seat.player != Player::Visits {
            self.tally.open.remove();
        }
        let (serial, told) = (seat.ledger.serial(), seat.told.take());
        let in_order = *end == End::Closed && told.is_some();
        if !in_order {
            let answered = format!(
                " after {} of {} answers{}",
                seat.ledger.answered(),
                seat.ledger.sent(),
                told.as_ref().map_or(String::new(), |told| format!(" and the notice {told}"))
            );
            let kind = match (seat.player, was_open) {
                (Player::Visits, true) => "visit",
                (Player::Visits, false) => "visit before it began",
                (Player::Sits(_) | Player::Nobody, _) => "session",
            };
            self.tally.fault(&format!("{kind} {}", end.as_str()), serial, &answered);
        }
        match seat.player {
            Player::Visits if in_order => {
                self.tally.again.add();
                self.connect(place);
            }
            Player::Visits | Player::Nobody => {
                seat.player = Player::Nobody;
                self.free.push(place);
            }
            Player::Sits(_) if in_order => {
                let turn = Turn {
                    serial,
                    told: told.unwrap_or_default(),
                    closed: now,
                    sent: seat.ledger.sent(),
                    answered: seat.ledger.answered(),
                    group: seat.ledger.group(),
                    back: None,
                };
                self.tally.left(turn);
                seat.before = Some(serial);
                self.connect(place);
            }
            Player::Sits(_) => seat.retry = Some(self.tick + RETRY),
        }
    }

    /// Counts visitors whose time is over and lets them go.
    fn lose_patience(&mut self) {
        let now = Instant::now();
        while let Some((until, place, serial)) = self.visits.patience.front().copied() {
            if until > now {
                return;
            }
            self.visits.patience.pop_front();
            let Some(seat) = self.seats.get_mut(place) else { continue };
            if seat.player == Player::Visits && seat.ledger.serial() == serial {
                drop(seat.connection.take());
                seat.player = Player::Nobody;
                self.free.push(place);
                self.tally.fault("visit left without an answer", serial, "");
            }
        }
    }
}
