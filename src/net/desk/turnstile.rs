//! So many TLS handshakes at one time. The others wait unread, and the newest is next: under a flood it is the one
//! that has the best chance to end in time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use crate::net::call::Call;

/// Lets handshakes in one after the other.
#[derive(Debug, Default)]
pub(in crate::net) struct Turnstile {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    inside: u32,
    /// As the configuration said when somebody came last.
    most: u32,
    /// The newest last. Who went away stays in it until its turn, or until it is tidied.
    waiting: Vec<Arc<Call>>,
    gone: usize,
}

/// What somebody hears who comes.
#[derive(Debug)]
pub(in crate::net) enum Turn {
    /// It may begin.
    Now(Pass),
    /// It waits.
    Later(Waiting),
}

/// A handshake under way; dropped, the next one has its turn.
#[derive(Debug)]
pub(in crate::net) struct Pass(Arc<Turnstile>);

/// A place in the line; given up when dropped.
#[derive(Debug)]
pub(in crate::net) struct Waiting {
    turnstile: Arc<Turnstile>,
    call: Arc<Call>,
    taken: bool,
}

/// Answers of a call.
const COME: u8 = 1;
const GONE: u8 = 2;
/// The line is tidied when more than so many in it, and more than half of all, are gone.
const MOST_GONE: usize = 64;

impl Turnstile {
    /// Somebody comes; at most `most` are inside.
    pub(in crate::net) fn come(self: &Arc<Self>, most: u32) -> Turn {
        let mut state = self.state();
        state.most = most;
        if state.inside < most {
            state.inside += 1;
            return Turn::Now(Pass(Arc::clone(self)));
        }
        let call = Arc::<Call>::default();
        state.waiting.push(Arc::clone(&call));
        Turn::Later(Waiting { turnstile: Arc::clone(self), call, taken: false })
    }

    /// How many are inside, and how many wait.
    pub(in crate::net) fn count(&self) -> (u32, usize) {
        let state = self.state();
        (state.inside, state.waiting.len().saturating_sub(state.gone))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn leave(&mut self) {
        self.inside = self.inside.saturating_sub(1);
        while self.inside < self.most {
            let Some(call) = self.waiting.pop() else { return };
            if call.now() == GONE {
                self.gone = self.gone.saturating_sub(1);
            } else {
                self.inside += 1;
                call.answer(COME);
            }
        }
    }

    fn give_up(&mut self, call: &Call) {
        call.answer(GONE);
        self.gone += 1;
        if self.gone > MOST_GONE && self.gone > self.waiting.len() / 2 {
            self.waiting.retain(|call| call.now() != GONE);
            self.gone = 0;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.state().leave();
    }
}

impl Waiting {
    /// Ready when its turn has come; not to be asked again then.
    pub(in crate::net) fn poll(&mut self, cx: &Context<'_>) -> Poll<Pass> {
        if self.call.poll(cx) != COME {
            return Poll::Pending;
        }
        self.taken = true;
        Poll::Ready(Pass(Arc::clone(&self.turnstile)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.turnstile.state();
        if self.call.now() == COME {
            state.leave(); // its turn came while it went
        } else {
            state.give_up(&self.call);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn waits(turn: Turn) -> Waiting {
        match turn {
            Turn::Now(_) => panic!("nobody else may be inside"),
            Turn::Later(waiting) => waiting,
        }
    }

    fn enters(turn: Turn) -> Pass {
        match turn {
            Turn::Now(pass) => pass,
            Turn::Later(_) => panic!("there is room"),
        }
    }

    fn is_next(waiting: &mut Waiting) -> Option<Pass> {
        match waiting.poll(&Context::from_waker(Waker::noop())) {
            Poll::Ready(pass) => Some(pass),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_newest_is_next_and_who_went_away_is_passed_over() {
        let turnstile = Arc::<Turnstile>::default();
        let first = enters(turnstile.come(1));
        let [mut oldest, mut middle, newest] = [1, 1, 1].map(|most| waits(turnstile.come(most)));
        drop(newest);
        assert!(is_next(&mut oldest).is_none() && is_next(&mut middle).is_none());
        drop(first);
        assert!(is_next(&mut oldest).is_none());
        let second = is_next(&mut middle).expect("the newest that is still here");
        drop(second);
        let last = is_next(&mut oldest).expect("nobody else is here");
        drop(last);
        drop(enters(turnstile.come(1)));
    }

    #[test]
    fn a_turn_that_came_too_late_goes_to_the_next() {
        let turnstile = Arc::<Turnstile>::default();
        let first = enters(turnstile.come(1));
        let [mut older, newer] = [1, 1].map(|most| waits(turnstile.come(most)));
        drop(first); // the newer one is called
        assert!(is_next(&mut older).is_none());
        drop(newer); // and never looked
        assert!(is_next(&mut older).is_some());
    }

    #[test]
    fn a_reload_that_allows_more_lets_more_in_at_the_next_end() {
        let turnstile = Arc::<Turnstile>::default();
        let first = enters(turnstile.come(1));
        let mut waiting: Vec<_> = (0..3).map(|_| waits(turnstile.come(1))).collect();
        let _second = enters(turnstile.come(3));
        drop(first);
        let passes: Vec<_> = waiting.iter_mut().filter_map(is_next).collect();
        assert_eq!(passes.len(), 2, "beside the second one");
        drop(passes);
        assert!(waiting.iter_mut().filter(|one| !one.taken).all(|one| is_next(one).is_some()));
    }

    #[test]
    fn the_line_keeps_nobody_who_is_gone() {
        let turnstile = Arc::<Turnstile>::default();
        let _inside = enters(turnstile.come(1));
        let stays = waits(turnstile.come(1));
        for _ in 0..10_000 {
            drop(waits(turnstile.come(1)));
            assert!(turnstile.state().waiting.len() <= 2 * MOST_GONE + 4);
        }
        drop(stays);
    }
}
