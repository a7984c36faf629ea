//! An answer's body on its way to the client. It holds the request's place at its backend until it is over, and gives
//! the connection back to the pool.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::task::spawn_local;
use tokio::time::{Sleep, sleep};

use super::pool::Wire;
use super::ticket::Ticket;
use super::watch::Watch;
use crate::http::content::Cut;
use crate::http::thread::Thread;

/// The body of an answer of a backend.
pub(super) struct Download {
    incoming: Incoming,
    /// The connection it comes over; given back at its end.
    wire: Option<Wire>,
    ticket: Ticket,
    /// How far the request is, which may still be on its way.
    watch: Rc<Watch>,
    /// How long the backend may say nothing.
    stall: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Download {
    pub(super) fn new(
        incoming: Incoming,
        wire: Wire,
        ticket: Ticket,
        watch: Rc<Watch>,
        stall: Duration,
    ) -> Self {
        Self { incoming, wire: Some(wire), ticket, watch, stall, alarm: None }
    }

    /// A backend that says nothing is waited for so long.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stall = self.stall;
        self.alarm.get_or_insert_with(|| Box::pin(sleep(stall))).as_mut().poll(cx)
    }

    /// The answer breaks off. Where the request has broken off before, or the client owes more of it, that says nothing of
    /// the backend.
    fn break_off(&mut self) -> Cut {
        if self.watch.trouble().is_none() && !self.watch.waits_for_client() {
            self.ticket.broke();
        }
        self.wire = None;
        Cut
    }

    /// The answer is whole. While the request is still on its way, the connection is waited for by itself.
    fn give_back(&mut self, cx: &mut Context<'_>) {
        let Some(mut wire) = self.wire.take() else { return };
        let thread = Rc::clone(self.ticket.thread());
        match wire.poll_free(cx) {
            Poll::Ready(true) => thread.pool.keep(wire),
            Poll::Ready(false) => {}
            Poll::Pending => drop(spawn_local(keep_when_free(thread, wire))),
        }
    }
}

/// So long a connection may take to be free behind an answer: more only where the request was not whole yet.
const LINGER: Duration = Duration::from_millis(100);

async fn keep_when_free(thread: Rc<Thread>, mut wire: Wire) {
    let free = std::future::poll_fn(|cx| wire.poll_free(cx));
    if tokio::time::timeout(LINGER, free).await == Ok(true) {
        thread.pool.keep(wire);
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.alarm = None;
                if this.incoming.is_end_stream() {
                    this.give_back(cx);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                this.give_back(cx);
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(this.break_off()))),
            Poll::Pending => this.poll_alarm(cx).map(|()| Some(Err(this.break_off()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Download {
    /// A body that was empty is over before anybody looks at it.
    fn drop(&mut self) {
        if self.incoming.is_end_stream()
            && let Some(wire) = self.wire.take()
        {
            drop(spawn_local(keep_when_free(Rc::clone(self.ticket.thread()), wire)));
        }
    }
}
