//! Players that come and go: connect, TLS, one frame, close, again. Each slot has its own tickets.

use std::io::ErrorKind;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::connection::{Connection, Scratch, Visit};
use super::tls::Tls;
use super::window::Window;
use super::{Clock, PATIENCE, fault, nanoseconds};
use crate::frame::Shape;
use crate::orders::{Order, Outcome};

/// One place where connections follow each other.
struct Slot {
    connection: Connection,
    began: u64,
    /// Connections before this one.
    before: u64,
}

/// All slots of one loader.
struct Slots<'a> {
    order: &'a Order,
    shape: &'a Shape,
    tls: Tls,
    resumed: bool,
    poll: Poll,
    scratch: Scratch,
    clock: Clock,
    slots: Vec<Option<Slot>>,
    wrong: u64,
    missing: u64,
}

/// Goes round until the window is over.
pub(super) fn repeat(order: &Order, shape: &Shape, resumed: bool) -> Result<Outcome, String> {
    let certificate = order.certificate.as_deref().ok_or("handshakes need a certificate")?;
    let mut all = Slots {
        order,
        shape,
        tls: Tls::new(certificate, resumed)?,
        resumed,
        poll: Poll::new().map_err(fault("event loop"))?,
        scratch: Scratch::new(),
        clock: Clock::start(),
        slots: Vec::new(),
        wrong: 0,
        missing: 0,
    };
    let mut window = Window::new(order, all.clock.now());
    for place in 0..order.connections {
        let slot = all.open(place, 0)?;
        all.slots.push(Some(slot));
    }
    let mut events = Events::with_capacity(256);
    let end = window.end() + nanoseconds(PATIENCE);
    while all.slots.iter().any(Option::is_some) && all.clock.now() < end {
        match all.poll.poll(&mut events, Some(Duration::from_millis(20))) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
            Ok(()) | Err(_) => {}
        }
        window.tick(all.clock.now());
        for event in &events {
            let Token(place) = event.token();
            all.visit(place, event.is_read_closed(), &mut window)?;
        }
    }
    window.tick(all.clock.now());
    let stuck = u64::try_from(all.slots.iter().flatten().count()).unwrap_or(u64::MAX);
    window.outcome(all.wrong, all.missing + stuck)
}

impl Slots<'_> {
    fn open(&mut self, place: usize, before: u64) -> Result<Slot, String> {
        let began = self.clock.now();
        let opened =
            Connection::open(self.order.target, Some(&self.tls), (place, place), self.poll.registry());
        let mut connection = opened.map_err(fault("cannot connect"))?;
        connection.ask(self.shape, began, &mut self.scratch).map_err(fault("cannot ask"))?;
        connection.flush().map_err(fault("cannot write"))?;
        Ok(Slot { connection, began, before })
    }

    fn visit(&mut self, place: usize, ends: bool, window: &mut Window) -> Result<(), String> {
        let Some(Some(slot)) = self.slots.get_mut(place) else { return Ok(()) };
        let mut visit = Visit::default();
        slot.connection.receive(self.shape, &mut self.scratch, ends, &mut visit);
        let flushed = slot.connection.flush();
        let answered = !visit.answered.is_empty();
        if !answered && !visit.ended && flushed.is_ok() {
            return Ok(());
        }
        let Some(Slot { connection, began, before }) = self.slots.get_mut(place).and_then(Option::take)
        else {
            return Ok(());
        };
        self.wrong += visit.wrong;
        self.missing += u64::from(!answered);
        if answered {
            // Only the first connection of a slot has no ticket.
            let as_ordered = connection.was_resumed() == (self.resumed && before > 0);
            self.wrong += u64::from(window.is_open() && !as_ordered);
            window.answer(began, self.clock.now());
        }
        connection.close();
        if !window.is_over() {
            let next = self.open(place, before + 1)?;
            if let Some(slot) = self.slots.get_mut(place) {
                *slot = Some(next);
            }
        }
        Ok(())
    }
}
