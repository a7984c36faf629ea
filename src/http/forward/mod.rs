//! Forwards requests to the backends of a cluster that speaks HTTP/1.1: who gets one, over which connection, how long
//! the answer may take, and when it is asked anew elsewhere. Bodies stream both ways, and what the one side does not
//! take the other side does not read. Refuses to know who may ask, and what a route is.

mod choose;
mod download;
mod exchange;
mod flow;
mod headers;
mod parcel;
mod pool;
mod refusal;
mod sending;
mod socket;
mod sticky;
mod ticket;
mod tunnel;
mod watch;

use std::rc::Rc;

pub(in crate::http) use pool::Pool;

use super::answer::Answer;
use super::line::RequestId;
use super::thread::Thread;
use super::visit::Visit;
use exchange::{Exchange, Failure};

/// What a client is told whose time is over before a backend could be asked.
pub(in crate::http) fn late(id: &RequestId) -> Answer {
    refusal::failed(&Failure::Late, id)
}

/// Brings a request to a backend of its route's cluster, and the answer back.
pub(in crate::http) async fn forward(thread: &Rc<Thread>, visit: Visit) -> Answer {
    match Exchange::new(thread, visit) {
        Ok((exchange, parcel)) => exchange.run(parcel).await,
        Err(answer) => answer,
    }
}
