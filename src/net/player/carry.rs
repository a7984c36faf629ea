//! A player's connection on its way to the session that it resumes: socket, TLS, and what was read but not used, as
//! they are. The session itself stays on its worker.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::channel::Channel;
use super::conduct::Conduct;
use super::parking::{Return, Shown};
use super::porch::Porch;
use super::tally::Tally;
use super::transport::Packed;
use super::{Connection, Player};
use crate::base::SessionId;
use crate::net::accept::ConnectionPlace;
use crate::net::hub::{self, Hub};
use crate::net::seat::Seat;
use crate::net::worker::Command;
use crate::net::world::{Door, World};
use crate::session::{EndReason, Session};
use crate::telemetry::Resumption;
use crate::wire::{Notice, NoticeCode};

/// A connection between two sessions, and maybe between two workers.
#[derive(Debug)]
pub struct Carried {
    transport: Packed,
    channel: Channel,
    place: ConnectionPlace,
    door: Arc<Door>,
    address: SocketAddr,
    local: SocketAddr,
    /// In which order the gateway accepted it.
    arrival: u64,
    shown: Shown,
}

/// A connection has come for a session of this worker. Of two before the session's turn it has the younger one.
pub(in crate::net) fn adopt(hub: &Rc<Hub>, session: SessionId, carried: Box<Carried>) {
    let Some(seat) = hub.seat(session).filter(|seat| seat.is_taken()) else {
        return serve_anew(hub, *carried);
    };
    let (younger, older) = match seat.take_carried() {
        Some(waits) if waits.arrival > carried.arrival => (waits, Some(carried)),
        waits => (carried, waits),
    };
    seat.hand(younger);
    older.into_iter().for_each(|older| serve_anew(hub, *older));
}

/// The session ended while its player was on the way to it: the player begins as a guest, and is told to log in.
fn serve_anew(hub: &Rc<Hub>, carried: Carried) {
    let now = hub::now();
    let Carried { address, local, .. } = carried;
    let door = Arc::clone(&carried.door);
    let Some((id, place)) = hub.commons.switchboard.seat_at(hub.worker) else { return };
    let arrival = carried.arrival; // its login is as old as the connection
    let Ok(connection) = carried.unpack() else { return };
    let seat = Seat::new(id, arrival, address, door.listener(), now);
    hub.take_seat(&seat);
    let session = Session::new(Arc::clone(door.listener.limits()), false, now);
    let mut tally = Tally::new(local);
    tally.comes_by(local, connection.transport.tls_version());
    let mut conduct = Conduct::new(Rc::clone(hub), seat, door, session, tally);
    if let Some(counter) = hub.meter.resumption(Resumption::Gone) {
        counter.add(1);
    }
    let world = hub.world.load();
    conduct.settle(&world, now);
    conduct.expect_login(&world, now);
    conduct.notice(&Notice::new(NoticeCode::LoginRequired));
    let mut player = Player::new(conduct, connection, place, now);
    player.conduct.seat.greeted.set(true); // its handshake was counted where it arrived
    player.take_behind(&world, now);
    drop(tokio::task::spawn_local(player));
}

impl Carried {
    fn unpack(self) -> io::Result<Connection> {
        let layout = Arc::clone(self.door.listener.layout());
        let transport = self.transport.unpack()?;
        Ok(Connection { transport, porch: Porch::Inside, channel: self.channel, layout, place: self.place })
    }
}

impl Player {
    /// Sends the connection to the session whose token it has shown. What ends here is only the guest.
    pub(super) fn hand_over(&mut self, now: Instant) {
        let Some(claim) = self.conduct.comeback.claim.take() else { return };
        self.conduct.session.leave(EndReason::Resumed, now);
        self.conduct.closed = true;
        let Some(mut connection) = self.connection.take() else { return };
        let hub = &self.conduct.hub;
        let mut outbox = self.conduct.seat.outbox.borrow_mut();
        let whole = connection.transport.absorb(&mut hub.buffers.borrow_mut(), &mut outbox, &hub.pool);
        let (Ok(()), Ok(transport)) = (whole, connection.transport.pack()) else { return };
        let carried = Box::new(Carried {
            transport,
            channel: connection.channel,
            place: connection.place,
            door: Arc::clone(&self.conduct.door),
            address: self.conduct.seat.peer(),
            local: self.conduct.tally.local,
            arrival: self.conduct.seat.arrival.get(),
            shown: claim.shown,
        });
        let worker = hub.commons.switchboard.worker_of(claim.session);
        hub.commons.switchboard.tell(worker, Command::Adopt(claim.session, carried));
    }

    /// Goes on with the connection that has come for this session, if one has; the one it had is dropped, however alive it
    /// looks.
    pub(super) fn welcome(&mut self, world: &World, now: Instant) {
        let Some(carried) = self.conduct.seat.take_carried() else { return };
        let may = self.conduct.session.may_come_back();
        if !may || !self.conduct.comes_by(carried.arrival) {
            return serve_anew(&self.conduct.hub, *carried);
        }
        let Carried { address, local, shown, .. } = *carried;
        let door = Arc::clone(&carried.door);
        let Ok(connection) = carried.unpack() else { return };
        if let Some(old) = self.connection.take() {
            old.transport.abort();
        }
        let tls = connection.transport.tls_version();
        self.conduct.tally.comes_by(local, tls);
        self.conduct.return_by(world, Return { door, address, shown }, now);
        self.connection = Some(connection);
        self.take_behind(world, now);
    }

    /// The session is over; a connection that has come for it until now is served by itself.
    pub(super) fn turn_away(&self) {
        if let Some(carried) = self.conduct.seat.take_carried() {
            serve_anew(&self.conduct.hub, *carried);
        }
    }
}
