//! What the access log says of a session: at its end, and every ten minutes before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::conduct::Conduct;
use crate::base::SessionId;
use crate::net::tls::TlsVersion;
use crate::router::RouteIndex;
use crate::session::EndReason;
use crate::telemetry::{self, Handshake, SessionRecord, WorkerMeter};
use crate::wire::link::Transport;

/// Counted while the session lives.
#[derive(Debug)]
pub(super) struct Tally {
    /// The address of the gateway that the player connected to.
    pub(super) local: SocketAddr,
    /// How many lines of a long session were due.
    lines: u32,
    /// The TLS version once the handshake is through.
    tls: TlsVersion,
    pub(super) frames_in: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// By place in the world at hand, as far as it is known there, and by name.
    routes: Vec<(Option<RouteIndex>, Arc<str>)>,
}

impl Tally {
    pub(super) fn new(local: SocketAddr) -> Self {
        Self {
            local,
            lines: 0,
            tls: TlsVersion::None,
            frames_in: 0,
            bytes_in: 0,
            bytes_out: 0,
            routes: Vec::new(),
        }
    }

    /// The session goes on by another connection, whose handshake was counted where it arrived.
    pub(super) fn comes_by(&mut self, local: SocketAddr, tls: TlsVersion) {
        (self.local, self.tls) = (local, tls);
    }

    /// Plain bytes can be sent: with TLS, a handshake in this version is through.
    pub(super) fn handshake_done(&mut self, version: TlsVersion, meter: &WorkerMeter, age: Duration) {
        self.tls = version;
        if version != TlsVersion::None {
            meter.handshake_seconds.record(age);
            count(Handshake::Ok, meter);
        }
    }

    /// A TLS session is over: a handshake that was not through is counted now.
    pub(super) fn handshake_over(&self, end: EndReason, meter: &WorkerMeter) {
        if let (true, Some(result)) = (self.tls == TlsVersion::None, Handshake::cut_short_by(end)) {
            count(result, meter);
        }
    }

    /// How old the session is when its next line is written.
    pub(super) fn due(&self) -> Duration {
        Duration::from_secs(LONG * (u64::from(self.lines) + 1))
    }

    /// Takes the line of a long session if it is due; the next one is ten minutes later.
    pub(super) fn take_due(&mut self, age: Duration) -> bool {
        let is_due = age >= self.due();
        if is_due {
            self.lines = u32::try_from(age.as_secs() / LONG).unwrap_or(u32::MAX);
        }
        is_due
    }

    /// Notes a route; a session uses a handful.
    pub(super) fn uses(&mut self, route: RouteIndex, name: &Arc<str>) {
        if self.routes.iter().any(|(known, _)| *known == Some(route)) {
            return;
        }
        match self.routes.iter_mut().find(|(_, known)| known == name) {
            Some((place, _)) => *place = Some(route),
            None => {
                self.routes.reserve_exact(1); // a handful in its life: room for more would lie idle
                self.routes.push((Some(route), Arc::clone(name)));
            }
        }
    }

    /// The routes have other places now.
    pub(super) fn world_changed(&mut self) {
        self.routes.iter_mut().for_each(|(place, _)| *place = None);
    }

    /// Writes the line.
    pub(super) fn log(&self, told: &Told<'_>) {
        let routes: Vec<&str> = self.routes.iter().map(|(_, name)| &**name).collect();
        telemetry::session(&SessionRecord {
            session: told.session,
            account: told.account.as_deref(),
            address: told.address,
            transport: told.transport.as_str(),
            tls: self.tls.as_str(),
            listener: told.listener,
            duration: told.age,
            frames_in: self.frames_in,
            frames_out: told.frames_out,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            routes: &routes,
            end: told.end,
        });
    }
}

impl Conduct {
    /// Writes the line of a session that has been here for long, when that is due.
    pub(super) fn log_long(&mut self, now: Instant) {
        if self.tally.take_due(self.session.age(now)) {
            self.tally.log(&self.told(None, now));
        }
    }

    pub(super) fn told(&self, end: Option<EndReason>, now: Instant) -> Told<'_> {
        Told {
            session: self.seat.id,
            account: self.seat.account(),
            address: self.seat.peer(),
            listener: self.door.listener.name(),
            transport: self.door.transport(),
            age: self.session.age(now),
            frames_out: self.seat.outbox.try_borrow().map_or(0, |outbox| outbox.frames()),
            end,
        }
    }
}

/// What the tally does not know itself.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) session: SessionId,
    pub(super) account: Option<Arc<str>>,
    pub(super) address: SocketAddr,
    pub(super) listener: &'a str,
    pub(super) transport: Transport,
    pub(super) age: Duration,
    pub(super) frames_out: u64,
    /// `None` while it lives.
    pub(super) end: Option<EndReason>,
}

/// A session that is here for so many seconds has a line, and one more each time.
const LONG: u64 = 600;

fn count(result: Handshake, meter: &WorkerMeter) {
    if let Some(counter) = meter.handshake(result) {
        counter.add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_session_has_a_line_every_ten_minutes_and_makes_up_for_none() {
        let mut tally = Tally::new(SocketAddr::from(([127, 0, 0, 1], 1)));
        let at = |minutes: u64| Duration::from_secs(60 * minutes);
        let due: Vec<u64> = (0..45).filter(|minutes| tally.take_due(at(*minutes))).collect();
        assert_eq!(due, [10, 20, 30, 40]);
        assert!(tally.take_due(at(75)), "late");
        assert!(!tally.take_due(at(79)) && tally.take_due(at(80)));
    }
}
