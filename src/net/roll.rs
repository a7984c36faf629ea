//! The roll call of a worker's sessions: each one asked describes itself in its own turn, so that nothing is kept
//! for it in the meantime.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::facts::SessionFacts;
use super::hub::Hub;
use super::seat::{Bell, Order};

/// The answers to one call.
#[derive(Debug, Default)]
pub(super) struct Roll {
    asked: Cell<usize>,
    answers: RefCell<Vec<SessionFacts>>,
    bell: Bell,
}

/// Sessions that end while they are asked do not answer; nobody waits longer for them.
const PATIENCE: Duration = Duration::from_secs(1);

impl Roll {
    /// A session describes itself.
    pub(super) fn answer(&self, facts: SessionFacts) {
        self.answers.borrow_mut().push(facts);
        self.bell.ring();
    }

    /// Asks up to `limit` sessions of a worker, of one account or of all.
    pub(super) async fn call(hub: &Hub, account: Option<&str>, limit: usize) -> Vec<SessionFacts> {
        let roll = Rc::new(Self::default());
        let is_asked = |account: &str, seat: &super::seat::Seat| seat.account().as_deref() == Some(account);
        for seat in hub.all_seats() {
            if roll.asked.get() < limit && account.is_none_or(|account| is_asked(account, &seat)) {
                roll.asked.set(roll.asked.get() + 1);
                seat.order(Order::Describe(Rc::clone(&roll)));
            }
        }
        let everybody = poll_fn(|cx| {
            roll.bell.listen(cx.waker());
            if roll.answers.borrow().len() < roll.asked.get() { Poll::Pending } else { Poll::Ready(()) }
        });
        drop(tokio::time::timeout(PATIENCE, everybody).await);
        roll.answers.take()
    }
}
