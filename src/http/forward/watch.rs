//! How far a request is on its way, and until when its answer is waited for: what sends the body writes it down, what
//! waits for the answer reads it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::http::upload::UploadError;

/// One request on its way to one backend.
#[derive(Debug)]
pub(super) struct Watch {
    leg: Cell<Leg>,
    trouble: Cell<Option<Trouble>>,
}

/// Whom the request waits for.
#[derive(Clone, Copy, Debug)]
enum Leg {
    /// The client, for more of the body; that has a time limit of its own.
    Client,
    /// The backend, to take what was handed to it then.
    Taking(Instant),
    /// The backend, to answer what was whole then.
    Answering(Instant),
}

/// Why a request's body does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The client says nothing.
    Stalled,
    /// It is longer than the route takes.
    TooLong,
    /// The partner was switched off meanwhile.
    Forbidden,
    /// The connection broke, or the body is malformed.
    Broken,
}

impl From<&UploadError> for Trouble {
    fn from(error: &UploadError) -> Self {
        match error {
            UploadError::Stalled => Self::Stalled,
            UploadError::TooLong => Self::TooLong,
            UploadError::Forbidden => Self::Forbidden,
            UploadError::Broken(_) | UploadError::TakenBack => Self::Broken,
        }
    }
}

/// How long a backend may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the head of the answer, from the end of the request, over all tries.
    pub(super) answer: Duration,
    /// For the next piece of a body.
    pub(super) stall: Duration,
}

impl Watch {
    /// A request that was whole at this time, or whose body is yet to come.
    pub(super) fn new(is_whole: bool, now: Instant) -> Self {
        let leg = if is_whole { Leg::Answering(now) } else { Leg::Taking(now) };
        Self { leg: Cell::new(leg), trouble: Cell::new(None) }
    }

    /// The client's next piece is waited for.
    pub(super) fn starves(&self) {
        self.leg.set(Leg::Client);
    }

    /// A piece was handed over.
    pub(super) fn moves(&self, now: Instant) {
        self.leg.set(Leg::Taking(now));
    }

    /// All of it was handed over.
    pub(super) fn ends(&self, now: Instant) {
        if !self.is_whole() {
            self.leg.set(Leg::Answering(now));
        }
    }

    /// The body broke off.
    pub(super) fn breaks(&self, error: &UploadError) {
        self.trouble.set(Some(error.into()));
    }

    /// Why the body broke off, if it did.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.get()
    }

    /// Whether the client has to say more of its body before anything goes on.
    pub(super) fn waits_for_client(&self) -> bool {
        matches!(self.leg.get(), Leg::Client)
    }

    /// Whether all of the request was handed over.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.leg.get(), Leg::Answering(_))
    }

    /// Until when there is nothing to decide: `since` is when the request came.
    pub(super) fn deadline(&self, patience: Patience, since: Instant, now: Instant) -> Instant {
        match self.leg.get() {
            Leg::Client => now + patience.stall,
            Leg::Taking(then) => then + patience.stall,
            Leg::Answering(then) => then.max(since) + patience.answer,
        }
    }

    /// Whether the backend has had its time.
    pub(super) fn is_late(&self, patience: Patience, since: Instant, now: Instant) -> bool {
        !matches!(self.leg.get(), Leg::Client) && now >= self.deadline(patience, since, now)
    }
}
