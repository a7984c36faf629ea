//! What the listeners know of who comes: shared by the accept loops and the workers, kept over reloads. A short lock
//! when a connection comes and when it goes, never while it plays.

mod turnstile;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) use turnstile::{Pass, Turn, Turnstile, Waiting};

use super::commons::Commons;
use super::world::World;
use crate::base::AddressKey;
use crate::config::{Listener, ListenerLimits};
use crate::policy::{AddressLedger, AddressRefusal, AddressRules};
use crate::session::EndReason;
use crate::telemetry::DoorRefusal;

/// One desk for each listener, by name.
#[derive(Debug, Default)]
pub(super) struct Desks {
    desks: Mutex<HashMap<String, Arc<Desk>>>,
}

/// What one listener knows of who comes.
#[derive(Debug)]
pub(super) struct Desk {
    /// When it was set up: the ledger's times are counted from then.
    began: Instant,
    ledger: Mutex<AddressLedger>,
    /// Where handshakes wait for their turn.
    pub(super) turnstile: Arc<Turnstile>,
}

impl Desks {
    /// The desk of a listener; the same one at every call with its name.
    pub(super) fn of(&self, listener: &str, now: Instant) -> Arc<Desk> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = desks.get(listener) {
            return Arc::clone(desk);
        }
        let desk = Desk { began: now, ledger: Mutex::default(), turnstile: Arc::default() };
        Arc::clone(desks.entry(listener.to_owned()).or_insert_with(|| Arc::new(desk)))
    }

    /// Handshakes of a listener: in progress, and waiting.
    pub(super) fn handshakes(&self, listener: &str) -> (u32, usize) {
        let desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        desks.get(listener).map(|desk| desk.turnstile.count()).unwrap_or_default()
    }
}

impl Desk {
    /// One more connection of an address.
    pub(super) fn enter(
        &self,
        key: AddressKey,
        limits: &ListenerLimits,
        now: Instant,
    ) -> Result<(), DoorRefusal> {
        let rules = AddressRules { connections: limits.connections_per_ip(), new: limits.new_per_ip() };
        self.ledger().enter(key, &rules, self.since(now)).map_err(|refusal| match refusal {
            AddressRefusal::Connections => DoorRefusal::ConnectionsPerIp,
            AddressRefusal::New => DoorRefusal::NewPerIp,
            AddressRefusal::Glitches => DoorRefusal::Glitches,
        })
    }

    /// A connection of an address is over.
    pub(super) fn leave(&self, key: AddressKey, now: Instant) {
        self.ledger().leave(key, self.since(now));
    }

    /// A connection of an address ended so; what was none of the game is held against it.
    pub(super) fn ended(&self, key: AddressKey, end: EndReason, now: Instant) {
        if let Some(score) = glitch(end) {
            self.ledger().glitch(key, score, self.since(now));
        }
    }

    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    fn ledger(&self) -> MutexGuard<'_, AddressLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is kept out by name, whatever it does.
pub(super) fn keeps_out(
    world: &World,
    commons: &Commons,
    listener: &Listener,
    address: IpAddr,
    since_start: Duration,
) -> Option<DoorRefusal> {
    if world.bans_address(address) || commons.bans.has_address(address, since_start) {
        return Some(DoorRefusal::Banned);
    }
    if listener.denies(address) {
        return Some(DoorRefusal::Deny);
    }
    (!listener.allows(address)).then_some(DoorRefusal::Allow)
}

/// What an end is held against the address, in points of which it may have a hundred and loses one each second. A
/// handshake fails for clocks and old clients too; what is no frame comes of no client of the game.
fn glitch(end: EndReason) -> Option<u32> {
    let scores = [
        (EndReason::Malformed, 10),
        (EndReason::FrameTooLong, 10),
        (EndReason::ProxyHeader, 10),
        (EndReason::HandshakeTimeout, 5),
        (EndReason::TlsFailed, 2),
        (EndReason::HandshakeRefused, 2),
    ];
    scores.iter().find(|(known, _)| *known == end).map(|(_, score)| *score)
}
