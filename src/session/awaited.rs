//! Frames of a session that must be answered in time: the oldest first.

use std::collections::VecDeque;
use std::time::Instant;

use crate::base::{BackendKey, ProtocolId};

/// What a session waits for; `T` is what the caller wants back with the result.
#[derive(Debug)]
pub struct Awaited<T> {
    waiting: VecDeque<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    backend: BackendKey,
    reply: ProtocolId,
    until: Instant,
    what: T,
}

impl<T> Default for Awaited<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<T> Awaited<T> {
    /// A frame went to a backend that has to answer it with `reply` before `until`.
    pub fn push(&mut self, backend: BackendKey, reply: ProtocolId, until: Instant, what: T) {
        self.waiting.push_back(Waiting { backend, reply, until, what });
    }

    /// A frame with this ID came from a backend: what it answers, the oldest if it could be several.
    pub fn answered(&mut self, backend: BackendKey, id: ProtocolId) -> Option<T> {
        let place = self.waiting.iter().position(|one| one.backend == backend && one.reply == id)?;
        self.waiting.remove(place).map(|one| one.what)
    }

    /// One that has not been answered by `now`; call until `None`.
    pub fn overdue(&mut self, now: Instant) -> Option<T> {
        let place = self.waiting.iter().position(|one| one.until <= now)?;
        self.waiting.remove(place).map(|one| one.what)
    }

    /// One that a backend can not answer any more; call until `None`.
    pub fn lost(&mut self, backend: BackendKey) -> Option<T> {
        let place = self.waiting.iter().position(|one| one.backend == backend)?;
        self.waiting.remove(place).map(|one| one.what)
    }

    /// Waits no longer for a backend that will not answer.
    pub fn forget(&mut self, backend: BackendKey) {
        self.waiting.retain(|one| one.backend != backend);
    }

    /// Waits for nothing any more.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// When the first of them is overdue.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|one| one.until).min()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const A: BackendKey = BackendKey(1);
    const B: BackendKey = BackendKey(2);

    #[expect(clippy::disallowed_methods, reason = "an origin for a stepped clock")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn an_answer_ends_the_oldest_wait_of_its_backend_and_id() {
        let mut awaited = Awaited::default();
        let until = start() + Duration::from_secs(3);
        for (backend, reply, what) in [(A, 10, "first"), (B, 10, "other"), (A, 11, "id"), (A, 10, "second")] {
            awaited.push(backend, ProtocolId(reply), until, what);
        }
        assert_eq!(awaited.answered(A, ProtocolId(10)), Some("first"));
        assert_eq!(awaited.answered(A, ProtocolId(10)), Some("second"));
        assert_eq!(awaited.answered(A, ProtocolId(10)), None);
        assert_eq!(awaited.answered(B, ProtocolId(10)), Some("other"));
        assert_eq!(awaited.len(), 1);
        assert_eq!((awaited.lost(A), awaited.lost(A)), (Some("id"), None));
        awaited.push(A, ProtocolId(11), until, "goes");
        awaited.push(B, ProtocolId(12), until, "stays");
        awaited.forget(A);
        assert_eq!((awaited.len(), awaited.answered(B, ProtocolId(12))), (1, Some("stays")));
    }

    #[test]
    fn what_is_not_answered_in_time_is_overdue_once() {
        let mut awaited = Awaited::default();
        let at = |seconds| start() + Duration::from_secs(seconds);
        let (soon, late) = (at(3), at(9));
        awaited.push(A, ProtocolId(1), late, "late");
        awaited.push(A, ProtocolId(2), soon, "soon");
        assert_eq!(awaited.deadline(), Some(soon));
        assert_eq!(awaited.overdue(soon), Some("soon"));
        assert_eq!(awaited.overdue(soon), None);
        assert_eq!(awaited.deadline(), Some(late));
    }
}
