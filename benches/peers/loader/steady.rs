//! Connections that stay and frames that go back and forth: closed loop (as fast as it goes) and open loop (on time).

use std::io::ErrorKind;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::connection::{Connection, Scratch, Visit};
use super::pace::Pace;
use super::tls::Tls;
use super::window::Window;
use super::{Clock, GREETING, PATIENCE, fault, nanoseconds};
use crate::frame::{Shape, frames_to_every_cluster};
use crate::orders::{Order, Outcome};

/// All players of one loader.
pub(super) struct Crowd<'a> {
    shape: &'a Shape,
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    scratch: Scratch,
    visit: Visit,
    pub(super) clock: Clock,
    pub(super) wrong: u64,
    /// Connections that ended before they should.
    pub(super) ended: u64,
    asked: u64,
    answered: u64,
}

/// What every connection does before anything is measured.
#[derive(Clone, Copy, Debug)]
pub(super) enum Greeting {
    /// One frame.
    OneFrame,
    /// A frame to each cluster, so that every connection behind the proxy is there.
    EveryCluster,
}

/// The most frames that leave between two looks at the answers.
const BURST: usize = 256;

/// Every connection always waits for `in_flight` answers.
pub(super) fn closed(order: &Order, shape: &Shape, in_flight: usize) -> Result<Outcome, String> {
    let mut crowd = Crowd::greeted(order, shape, Greeting::EveryCluster)?;
    let mut window = Window::new(order, crowd.clock.now());
    crowd.keep_asking(&mut window, in_flight)?;
    window.outcome(crowd.wrong, crowd.missing())
}

/// Frames leave at their time; latency counts from that time, so a stall is felt by every frame it delays.
pub(super) fn open(order: &Order, shape: &Shape, per_second: f64) -> Result<Outcome, String> {
    let mut crowd = Crowd::greeted(order, shape, Greeting::EveryCluster)?;
    let start = crowd.clock.now();
    let mut window = Window::new(order, start);
    let registry = crowd.poll.registry();
    let mut pace =
        Pace::new(per_second, start, Token(order.connections), registry).map_err(fault("timer"))?;
    let connections = u64::try_from(order.connections.max(1)).map_err(|error| error.to_string())?;
    while !window.is_over() {
        let now = crowd.clock.now();
        window.tick(now);
        let until = now.min(window.end());
        for _ in 0..BURST {
            let Some((number, at)) = pace.due(until) else { break };
            crowd.ask(usize::try_from(number % connections).unwrap_or_default(), at, 1);
        }
        crowd.turn(POLL, |_, _, answered, now| {
            answered.iter().for_each(|asked| window.answer(*asked, now));
        })?;
    }
    crowd.drain(&mut window)?;
    window.outcome(crowd.wrong, crowd.missing())
}

impl Greeting {
    fn frames(self, connection: usize) -> usize {
        match self {
            Self::OneFrame => 1,
            Self::EveryCluster => u32::try_from(connection).map_or(1, frames_to_every_cluster),
        }
    }
}

const POLL: Duration = Duration::from_millis(20);

impl<'a> Crowd<'a> {
    /// Connects everybody and waits until each has had its answers.
    pub(super) fn greeted(order: &Order, shape: &'a Shape, greeting: Greeting) -> Result<Self, String> {
        let tls = order.certificate.as_deref().map(|path| Tls::new(path, false)).transpose()?;
        let mut crowd = Self {
            shape,
            poll: Poll::new().map_err(fault("event loop"))?,
            events: Events::with_capacity(1024),
            connections: Vec::with_capacity(order.connections),
            scratch: Scratch::new(),
            visit: Visit::default(),
            clock: Clock::start(),
            wrong: 0,
            ended: 0,
            asked: 0,
            answered: 0,
        };
        for number in 0..order.connections {
            let name = order.first + number;
            let opened = Connection::open(order.target, tls.as_ref(), (number, name), crowd.poll.registry());
            crowd.connections.push(opened.map_err(fault("cannot connect"))?);
            let now = crowd.clock.now();
            crowd.ask(number, now, greeting.frames(name));
            // Not too many handshakes at a time: this is not what is measured.
            while crowd.asked - crowd.answered > 64 {
                crowd.turn(POLL, |_, _, _, _| {})?;
                crowd.in_time(GREETING)?;
            }
        }
        while crowd.asked > crowd.answered {
            crowd.turn(POLL, |_, _, _, _| {})?;
            crowd.in_time(GREETING)?;
        }
        Ok(crowd)
    }

    fn in_time(&self, limit: Duration) -> Result<(), String> {
        if self.ended > 0 {
            return Err("a connection ended before its first answer".to_owned());
        }
        if self.clock.now() > nanoseconds(limit) {
            return Err(format!(
                "{} of {} connections had no answer within {limit:?}",
                self.asked - self.answered,
                self.asked
            ));
        }
        Ok(())
    }

    /// Sends so many frames over one connection.
    fn ask(&mut self, place: usize, at: u64, count: usize) {
        let Some(connection) = self.connections.get_mut(place) else { return };
        for _ in 0..count {
            self.asked += 1;
            if connection.ask(self.shape, at, &mut self.scratch).is_err() {
                return;
            }
        }
        // What cannot be written shows as a missing answer.
        drop(connection.flush());
    }

    /// Until the window is over, each connection waits for so many answers; then for what is still under way.
    pub(super) fn keep_asking(&mut self, window: &mut Window, in_flight: usize) -> Result<(), String> {
        for place in 0..self.connections.len() {
            let now = self.clock.now();
            self.ask(place, now, in_flight);
        }
        while !window.is_over() {
            window.tick(self.clock.now());
            let over = window.is_over();
            self.turn(POLL, |crowd, place, answered, now| {
                answered.iter().for_each(|asked| window.answer(*asked, now));
                if !over {
                    crowd.ask(place, now, answered.len());
                }
            })?;
        }
        self.drain(window)
    }

    /// Listens, and says nothing.
    pub(super) fn be_silent(&mut self, time: Duration) -> Result<(), String> {
        let end = self.clock.now() + nanoseconds(time);
        while self.clock.now() < end {
            self.turn(Duration::from_millis(50), |_, _, _, _| {})?;
        }
        Ok(())
    }

    /// One turn of the event loop; `took` hears of every connection that got answers.
    pub(super) fn turn(
        &mut self,
        patience: Duration,
        mut took: impl FnMut(&mut Self, usize, &[u64], u64),
    ) -> Result<(), String> {
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
            Ok(()) | Err(_) => {}
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Token(place) = event.token();
            let Some(connection) = self.connections.get_mut(place) else { continue };
            let mut visit = std::mem::take(&mut self.visit);
            connection.receive(self.shape, &mut self.scratch, event.is_read_closed(), &mut visit);
            drop(connection.flush());
            self.wrong += visit.wrong;
            self.ended += u64::from(visit.ended);
            self.answered += u64::try_from(visit.answered.len()).unwrap_or_default();
            if !visit.answered.is_empty() {
                let now = self.clock.now();
                took(self, place, &visit.answered, now);
            }
            self.visit = visit;
        }
        self.events = events;
        Ok(())
    }

    /// Waits for what is still under way.
    fn drain(&mut self, window: &mut Window) -> Result<(), String> {
        let end = self.clock.now() + nanoseconds(PATIENCE);
        while self.missing() > 0 && self.clock.now() < end {
            self.turn(POLL, |_, _, answered, now| {
                answered.iter().for_each(|asked| window.answer(*asked, now));
            })?;
        }
        Ok(())
    }

    /// Frames without an answer.
    pub(super) fn missing(&self) -> u64 {
        let missing: usize = self.connections.iter().map(Connection::unanswered).sum();
        u64::try_from(missing).unwrap_or(u64::MAX)
    }
}
