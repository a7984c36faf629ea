//! A connection that has become a WebSocket's: bytes both ways, unread. A half-close stays one, an abrupt end stays
//! abrupt. It ends with its listener, its partner and its backend's leave, and when the process stops.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{timeout, timeout_at};

use super::flow::{Broken, Flow};
use super::pool::Wire;
use super::socket::Socket;
use super::ticket::Ticket;
use crate::http::line::Caller;
use crate::http::thread::{News, Thread};
use crate::net::{self, BackendStream, World};

/// What a tunnel holds while it lasts.
#[derive(Debug)]
pub(super) struct Tunnel {
    thread: Rc<Thread>,
    ticket: Ticket,
    caller: Caller,
    /// Dropped, the connection ends, even while it turns.
    _wire: Wire,
}

/// Both sides of one that stands.
#[derive(Debug)]
struct Sides {
    client: TokioIo<Upgraded>,
    backend: BackendStream,
    up: Flow,
    down: Flow,
    up_over: bool,
    down_over: bool,
    /// When bytes last moved, each way.
    up_moved: Instant,
    down_moved: Instant,
}

/// Who broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Both sides have ended in order.
    Whole,
    Client,
    Backend,
}

/// Where the reads of a thread's tunnels land.
const SCRATCH: usize = 64 * 1024;

impl Tunnel {
    pub(super) fn new(ticket: Ticket, wire: Wire, caller: Caller) -> Self {
        Self { thread: Rc::clone(ticket.thread()), ticket, caller, _wire: wire }
    }

    /// Lasts until both sides have ended, one has broken off, or it must end.
    pub(super) async fn run(self, client: OnUpgrade, backend: OnUpgrade) {
        let patience = self.caller.line.door().listener().limits().write_timeout();
        let turning = async { (client.await, backend.await) };
        let Ok((Ok(client), Ok(backend))) = timeout(patience, turning).await else { return };
        let Ok(Parts { io, read_buf, .. }) = backend.downcast::<TokioIo<Socket>>() else { return };
        let now = net::now();
        let mut sides = Sides {
            client: TokioIo::new(client),
            backend: io.into_inner().into_inner(),
            up: Flow::default(),
            down: Flow::holding(&read_buf),
            up_over: false,
            down_over: false,
            up_moved: now,
            down_moved: now,
        };
        match self.last(&mut sides).await {
            Some(End::Client) => sides.backend.abort(),
            Some(End::Backend) => self.caller.line.pulse.abort(),
            Some(End::Whole) | None => {}
        }
    }

    /// How it ended by itself; `None`: it had to end.
    async fn last(&self, sides: &mut Sides) -> Option<End> {
        let mut news = self.thread.news.clone();
        if !self.may_last() {
            return None;
        }
        let patience = self.caller.line.door().listener().limits().write_timeout();
        loop {
            // A side that stops taking meanwhile has not had its time before that.
            let until = self.deadline(sides).min(net::now() + patience);
            tokio::select! {
                end = timeout_at(until.into(), poll_fn(|cx| sides.poll(cx, &self.thread))) => match end {
                    Ok(end) => return Some(end),
                    Err(_) if net::now() >= self.deadline(sides) => return None,
                    Err(_) => {}
                },
                told = news.changed() => if told.is_err() || !self.may_last() {
                    return None;
                },
            }
        }
    }

    /// When it has been silent, or a side has taken nothing, for too long.
    fn deadline(&self, sides: &Sides) -> Instant {
        let limits = self.caller.line.door().listener().limits();
        let silent = sides.up_moved.max(sides.down_moved) + limits.idle_timeout();
        // What moves the other way is no sign of life of a side that takes nothing.
        let stuck_up = sides.up.is_stuck().then(|| sides.up_moved + limits.write_timeout());
        let stuck_down = sides.down.is_stuck().then(|| sides.down_moved + limits.write_timeout());
        stuck_up.into_iter().chain(stuck_down).fold(silent, Instant::min)
    }

    /// Whether the world as it is now has a place for it.
    fn may_last(&self) -> bool {
        *self.thread.news.borrow() != News::Stopping && self.is_welcome(&self.thread.world.load())
    }

    fn is_welcome(&self, world: &World) -> bool {
        self.thread.has_door(&self.caller.line)
            && !self.thread.has_banned(&self.caller.line)
            && self.has_partner(world)
            && world.lets_serve(self.ticket.cluster().entry().name(), self.ticket.backend().key())
    }

    /// Whether its partner, if it has one, is still one, is switched on, and may come from there.
    fn has_partner(&self, world: &World) -> bool {
        let Some(name) = self.caller.partner.as_deref() else { return true };
        let partner = world.plan().partners().iter().find(|partner| partner.name() == name);
        partner.is_some_and(|partner| partner.enabled() && partner.allows(self.caller.line.address.ip()))
    }
}

impl Sides {
    fn poll(&mut self, cx: &mut Context<'_>, thread: &Thread) -> Poll<End> {
        let mut scratch = thread.pool.scratch.borrow_mut();
        if scratch.is_empty() {
            scratch.resize(SCRATCH, 0);
        }
        if !self.up_over {
            match self.up.poll(cx, &mut self.client, &mut self.backend, &mut scratch) {
                Poll::Ready(Ok(())) => self.up_over = true,
                Poll::Ready(Err(Broken::Source)) => return Poll::Ready(End::Client),
                Poll::Ready(Err(Broken::Target)) => return Poll::Ready(End::Backend),
                Poll::Pending => {}
            }
        }
        if !self.down_over {
            match self.down.poll(cx, &mut self.backend, &mut self.client, &mut scratch) {
                Poll::Ready(Ok(())) => self.down_over = true,
                Poll::Ready(Err(Broken::Source)) => return Poll::Ready(End::Backend),
                Poll::Ready(Err(Broken::Target)) => return Poll::Ready(End::Client),
                Poll::Pending => {}
            }
        }
        if self.up.has_moved() {
            self.up_moved = net::now();
        }
        if self.down.has_moved() {
            self.down_moved = net::now();
        }
        if self.up_over && self.down_over { Poll::Ready(End::Whole) } else { Poll::Pending }
    }
}
