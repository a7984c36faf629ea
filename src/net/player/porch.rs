//! What a connection goes through before anything of it is played: a PROXY header where one is due, and its turn among
//! the handshakes. Until then it owns no more than a socket.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::conduct::Conduct;
use super::transport::Broken;
use super::{Connection, Player};
use crate::net::desk::{self, Pass, Turn, Waiting};
use crate::net::world::{Door, World};
use crate::session::EndReason;
use crate::telemetry::DoorRefusal;
use crate::wire::{looks_like_proxy, read_proxy};

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Porch {
    /// A proxy has to say for whom it speaks. The transport holds what came so far.
    Header,
    /// Whoever speaks for others at this listener, this peer does not: it must not begin with a header.
    NoHeader,
    /// The first byte of a handshake is awaited: who says nothing takes nobody's turn.
    Silent,
    /// Other handshakes come first.
    Waiting(Box<Waiting>),
    /// The handshake is under way.
    Handshaking {
        /// Whoever holds it has a turn.
        _pass: Pass,
    },
    /// It is inside.
    Inside,
}

/// How long a proxy may take to say for whom it speaks.
pub(super) const HEADER_WITHIN: Duration = Duration::from_secs(5);

impl Porch {
    /// Where a connection from `peer` begins.
    pub(super) fn new(door: &Door, peer: IpAddr) -> Self {
        if door.listener().is_proxy(peer) {
            Self::Header
        } else if door.listener().has_proxies() {
            Self::NoHeader
        } else {
            Self::behind_header(door)
        }
    }

    fn behind_header(door: &Door) -> Self {
        if door.is_tls() { Self::Silent } else { Self::Inside }
    }

    pub(super) const fn awaits_header(&self) -> bool {
        matches!(self, Self::Header)
    }

    /// What it means that the time for the handshake is over; the listener's reason, where it was never begun.
    fn late(&self) -> Option<(DoorRefusal, EndReason)> {
        match self {
            Self::Header => Some((DoorRefusal::ProxyHeader, EndReason::ProxyHeader)),
            Self::Waiting(_) => Some((DoorRefusal::Handshakes, EndReason::Refused)),
            Self::NoHeader | Self::Silent | Self::Handshaking { .. } | Self::Inside => None,
        }
    }
}

impl Player {
    /// Brings the connection as far as it comes; ready when it may be read.
    pub(super) fn come_in(&mut self, cx: &mut Context<'_>, world: &World, now: Instant) -> Poll<()> {
        let Self { connection: Some(connection), conduct, .. } = self else { return Poll::Pending };
        while !conduct.closed {
            match &mut connection.porch {
                Porch::Inside | Porch::Handshaking { .. } => return Poll::Ready(()),
                Porch::Header | Porch::NoHeader => {
                    ready!(connection.read_front(cx, conduct, world, now));
                }
                Porch::Silent => {
                    ready!(connection.transport.poll_first_byte(cx));
                    connection.ask_for_turn(conduct, now);
                }
                Porch::Waiting(waiting) => {
                    let pass = ready!(waiting.poll(cx));
                    conduct.session.handshake_begins(now); // it has its whole time from now on
                    connection.begin_handshake(pass, conduct, now);
                }
            }
        }
        Poll::Pending
    }

    /// The handshake, or what comes before it, took too long: refuses one that was never begun; whether it was so.
    pub(super) fn refuse_late(&mut self, end: EndReason, now: Instant) -> bool {
        let porch = self.connection.as_ref().map(|connection| &connection.porch);
        let late = porch.filter(|_| end == EndReason::HandshakeTimeout).and_then(Porch::late);
        late.map(|(why, end)| refuse(&mut self.conduct, why, end, now)).is_some()
    }
}

impl Connection {
    /// Looks at the first bytes of a connection at a listener where proxies speak for others.
    fn read_front(
        &mut self,
        cx: &mut Context<'_>,
        conduct: &mut Conduct,
        world: &World,
        now: Instant,
    ) -> Poll<()> {
        let mut buffers = conduct.hub.buffers.borrow_mut();
        let read = ready!(self.transport.poll_front(cx, &mut buffers));
        drop(buffers);
        match read {
            Err(Broken::Reset | Broken::Tls) => conduct.broken(EndReason::PlayerReset, now),
            Ok(more) if self.porch.awaits_header() => self.take_header(more, conduct, world, now),
            Ok(more) => self.refuse_header(more, conduct, now),
        }
        Poll::Ready(())
    }

    fn take_header(&mut self, more: bool, conduct: &mut Conduct, world: &World, now: Instant) {
        match read_proxy(self.transport.front()) {
            Ok(Some(header)) => {
                self.transport.skip(header.length);
                if let Err(why) = self.comes_from(header.player, conduct, world, now) {
                    let end = if why == DoorRefusal::Banned { EndReason::Banned } else { EndReason::Refused };
                    return refuse(conduct, why, end, now);
                }
                conduct.session.header_read(conduct.door.is_tls() || conduct.door.is_websocket(), now);
                self.pass_header(conduct);
            }
            Ok(None) if more => {}
            // Whoever looks whether somebody listens leaves so.
            Ok(None) if self.transport.front().is_empty() => conduct.broken(EndReason::PlayerLeft, now),
            Ok(None) | Err(_) => refuse(conduct, DoorRefusal::ProxyHeader, EndReason::ProxyHeader, now),
        }
    }

    /// From here on the connection is the player's, and not the proxy's. A proxy that speaks for nobody keeps its own
    /// address, and that one has no limits.
    fn comes_from(
        &mut self,
        player: Option<(SocketAddr, SocketAddr)>,
        conduct: &mut Conduct,
        world: &World,
        now: Instant,
    ) -> Result<(), DoorRefusal> {
        let Some((address, local)) = player else { return Ok(()) };
        conduct.seat.learn_address(address);
        conduct.tally.local = local;
        conduct.settle(world, now);
        let (hub, listener) = (&conduct.hub, conduct.door.listener());
        match desk::keeps_out(world, &hub.commons, listener, address.ip(), hub.since_start(now)) {
            Some(why) => Err(why),
            None => self.place.count_for(address.ip(), now),
        }
    }

    fn refuse_header(&mut self, more: bool, conduct: &mut Conduct, now: Instant) {
        match looks_like_proxy(self.transport.front()) {
            Some(true) => refuse(conduct, DoorRefusal::ProxyHeader, EndReason::ProxyHeader, now),
            None if more => conduct.session.holds_part(true, now),
            Some(false) | None => self.pass_header(conduct),
        }
    }

    fn pass_header(&mut self, conduct: &Conduct) {
        self.porch = Porch::behind_header(&conduct.door);
        if matches!(self.porch, Porch::Inside) {
            self.transport.open();
        }
    }

    fn ask_for_turn(&mut self, conduct: &mut Conduct, now: Instant) {
        let most = conduct.door.listener().limits().handshakes();
        match self.place.desk().turnstile.come(most) {
            Turn::Now(pass) => self.begin_handshake(pass, conduct, now),
            Turn::Later(waiting) => self.porch = Porch::Waiting(Box::new(waiting)),
        }
    }

    fn begin_handshake(&mut self, pass: Pass, conduct: &mut Conduct, now: Instant) {
        self.porch = Porch::Handshaking { _pass: pass };
        let config = conduct.door.tls.as_ref().map(crate::net::tls::ServerTls::config);
        if config.is_none_or(|config| self.transport.shake_hands(config).is_err()) {
            conduct.broken(EndReason::TlsFailed, now);
        }
    }
}

/// The connection ends without a word: whoever it is has not come in.
fn refuse(conduct: &mut Conduct, why: DoorRefusal, end: EndReason, now: Instant) {
    conduct.door.meter.refuse(why);
    conduct.broken(end, now);
}
