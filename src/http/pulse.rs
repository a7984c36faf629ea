//! How a connection lives: whether it asks, whether it takes its answers, and from when on it has done neither for too
//! long. Shared by the socket, the requests and the answers of one connection, and looked at by its watch.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::ListenerLimits;

/// The signs of life of one connection.
#[derive(Debug)]
pub(in crate::http) struct Pulse {
    began: Instant,
    /// Whether requests run beside each other. What the socket takes may be chatter then, and who does not take one answer
    /// may take the next: each has a watch of its own.
    is_shared: AtomicBool,
    /// Whether the end of the connection may be all that tells where an answer ends.
    is_older: AtomicBool,
    /// Requests that are answered now.
    asked: AtomicU32,
    /// Answers of which a piece was given and the next one not yet asked for.
    given: AtomicU32,
    /// When the last request was over, or the connection came.
    quiet: AtomicU64,
    /// When something came after that; 0: nothing.
    heard: AtomicU64,
    /// Whether of the last head only a part has come.
    begun: AtomicBool,
    /// When an answer was last asked for more.
    taken: AtomicU64,
    /// Since when the socket takes nothing; 0: it does.
    blocked: AtomicU64,
    aborts: AtomicBool,
    malformed: AtomicBool,
}

/// What the watch of a connection does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Verdict {
    /// It looks again then.
    Fine(Instant),
    /// Nothing was asked for too long: the connection ends in order.
    Idle,
    /// A request was begun and does not come.
    Late,
    /// Answers are not taken.
    Stalled,
}

/// The times that a connection has.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Patience {
    /// Without a request.
    pub(in crate::http) idle: Duration,
    /// From the first byte of a request to the end of its head; `None`: what comes says nothing of requests.
    pub(in crate::http) head: Option<Duration>,
    /// Without taking anything of an answer.
    pub(in crate::http) write: Duration,
}

impl Patience {
    /// Of a listener's connection.
    pub(in crate::http) fn of(limits: &ListenerLimits, is_http2: bool) -> Self {
        let head = (!is_http2).then(|| limits.handshake_timeout());
        Self { idle: limits.idle_timeout(), head, write: limits.write_timeout() }
    }
}

impl Pulse {
    /// Of a connection that came now.
    pub(in crate::http) fn new(now: Instant) -> Self {
        Self {
            began: now,
            is_shared: AtomicBool::new(false),
            is_older: AtomicBool::new(false),
            asked: AtomicU32::new(0),
            given: AtomicU32::new(0),
            quiet: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            begun: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            aborts: AtomicBool::new(false),
            malformed: AtomicBool::new(false),
        }
    }

    /// HTTP/2 is spoken on it.
    pub(in crate::http) fn speaks_http2(&self) {
        self.is_shared.store(true, Ordering::Relaxed);
    }

    /// Whether requests run beside each other.
    pub(in crate::http) fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    /// HTTP/1.0 is spoken on it.
    pub(in crate::http) fn speaks_older(&self) {
        self.is_older.store(true, Ordering::Relaxed);
    }

    /// A request has come.
    pub(in crate::http) fn asks(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Its answer is over, whole or not.
    pub(in crate::http) fn answers(&self, now: Instant) {
        if self.asked.fetch_sub(1, Ordering::Relaxed) == 1 {
            let quiet = self.at(now);
            self.quiet.store(quiet, Ordering::Relaxed);
            // What came of the next request while this one was answered is its first byte.
            let heard = if self.begun.load(Ordering::Relaxed) { quiet.max(1) } else { 0 };
            self.heard.store(heard, Ordering::Relaxed);
        }
    }

    /// Requests that are answered now.
    pub(in crate::http) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Since when nothing is owed: every answer is over, and the socket has taken the last of it. `None`: something is.
    pub(in crate::http) fn owes_nothing(&self) -> Option<Instant> {
        let is_blocked = self.blocked.load(Ordering::Relaxed) > 0;
        let quiet = self.began + Duration::from_nanos(self.quiet.load(Ordering::Relaxed));
        (self.asked() == 0 && !is_blocked).then_some(quiet)
    }

    /// Whether of the head that came last only a part has come. Where none has begun, what was heard is no request: it
    /// may be the rest of a body whose answer is over.
    pub(in crate::http) fn note_begun(&self, begun: bool) {
        self.begun.store(begun, Ordering::Relaxed);
        if !begun {
            self.heard.store(0, Ordering::Relaxed);
        }
    }

    /// Something came.
    pub(in crate::http) fn hears(&self, now: Instant) {
        if self.asked() == 0 && self.heard.load(Ordering::Relaxed) == 0 {
            self.heard.store(self.at(now).max(1), Ordering::Relaxed);
        }
    }

    /// The socket took something.
    pub(in crate::http) fn writes(&self, now: Instant) {
        self.blocked.store(0, Ordering::Relaxed);
        if self.given.load(Ordering::Relaxed) > 0 {
            self.taken.store(self.at(now), Ordering::Relaxed);
        }
    }

    /// The socket takes nothing for now.
    pub(in crate::http) fn blocks(&self, now: Instant) {
        if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.at(now).max(1), Ordering::Relaxed);
        }
    }

    /// A piece of an answer was given.
    pub(in crate::http) fn gives(&self, now: Instant) {
        self.given.fetch_add(1, Ordering::Relaxed);
        self.taken.store(self.at(now), Ordering::Relaxed);
    }

    /// It was taken, or the answer is over.
    pub(in crate::http) fn takes(&self, now: Instant) {
        self.given.fetch_sub(1, Ordering::Relaxed);
        self.taken.store(self.at(now), Ordering::Relaxed);
    }

    /// What came is no HTTP, or could be read in two ways.
    pub(in crate::http) fn note_malformed(&self) {
        self.malformed.store(true, Ordering::Relaxed);
    }

    /// Whether that was so.
    pub(in crate::http) fn was_malformed(&self) -> bool {
        self.malformed.load(Ordering::Relaxed)
    }

    /// The end of the socket will be abrupt.
    pub(in crate::http) fn abort(&self) {
        self.aborts.store(true, Ordering::Relaxed);
    }

    /// An answer ends before it is whole.
    pub(in crate::http) fn breaks_off(&self) {
        if self.is_older.load(Ordering::Relaxed) {
            self.abort();
        }
    }

    /// Whether the end of the socket is to be abrupt, if it ends now.
    pub(in crate::http) fn aborts(&self) -> bool {
        let is_amid = self.is_older.load(Ordering::Relaxed) && self.owes_nothing().is_none();
        self.aborts.load(Ordering::Relaxed) || is_amid
    }

    /// How it stands now.
    pub(in crate::http) fn verdict(&self, patience: &Patience, now: Instant) -> Verdict {
        let end = |mark: &AtomicU64, time: Duration| {
            self.began + Duration::from_nanos(mark.load(Ordering::Relaxed)) + time
        };
        let is_set = |mark: &AtomicU64| mark.load(Ordering::Relaxed) > 0;
        let is_quiet = self.asked() == 0;
        let gives = !self.is_shared() && self.given.load(Ordering::Relaxed) > 0;
        let ends = [
            is_set(&self.blocked).then(|| (end(&self.blocked, patience.write), Verdict::Stalled)),
            gives.then(|| (end(&self.taken, patience.write), Verdict::Stalled)),
            patience
                .head
                .filter(|_| is_quiet && is_set(&self.heard))
                .map(|head| (end(&self.heard, head), Verdict::Late)),
            is_quiet.then(|| (end(&self.quiet, patience.idle), Verdict::Idle)),
        ];
        let over = ends.iter().flatten().find(|(end, _)| *end <= now);
        let next = ends.iter().flatten().map(|(end, _)| *end).min();
        over.map_or_else(|| Verdict::Fine(patience.look(next, now)), |(_, verdict)| *verdict)
    }

    fn at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Patience {
    /// When to look again: what begins meanwhile cannot be over before.
    fn look(&self, next: Option<Instant>, now: Instant) -> Instant {
        let shortest = self.idle.min(self.write).min(self.head.unwrap_or(self.idle));
        next.unwrap_or(now + shortest).min(now + shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        idle: Duration::from_secs(90),
        head: Some(Duration::from_secs(5)),
        write: Duration::from_secs(15),
    };

    struct Watched {
        pulse: Pulse,
        began: Instant,
    }

    impl Watched {
        fn new() -> Self {
            let began = crate::net::now();
            Self { pulse: Pulse::new(began), began }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.began + Duration::from_secs(seconds)
        }

        /// The second from which on it is not fine any more, and what it is then.
        fn ends(&self, patience: &Patience) -> Option<(u64, Verdict)> {
            let verdict = |second| (second, self.pulse.verdict(patience, self.at(second)));
            (0..1000).map(verdict).find(|(_, verdict)| !matches!(verdict, Verdict::Fine(_)))
        }
    }

    #[test]
    fn who_asks_nothing_is_idle_and_who_begins_to_ask_is_late() {
        let watched = Watched::new();
        assert_eq!(watched.ends(&PATIENCE), Some((90, Verdict::Idle)));
        watched.pulse.hears(watched.at(80));
        watched.pulse.hears(watched.at(84));
        assert_eq!(watched.ends(&PATIENCE), Some((85, Verdict::Late)), "from the first byte on");
        let http2 = Patience { head: None, ..PATIENCE };
        assert_eq!(watched.ends(&http2), Some((90, Verdict::Idle)), "chatter is no request");
    }

    #[test]
    fn a_request_has_its_time_and_the_quiet_begins_when_the_last_one_is_over() {
        let watched = Watched::new();
        watched.pulse.hears(watched.at(1));
        watched.pulse.asks();
        watched.pulse.asks();
        watched.pulse.hears(watched.at(3));
        assert_eq!(watched.ends(&PATIENCE), None);
        watched.pulse.answers(watched.at(200));
        assert_eq!(watched.ends(&PATIENCE), None);
        watched.pulse.answers(watched.at(300));
        assert_eq!(watched.ends(&PATIENCE), Some((390, Verdict::Idle)));
    }

    #[test]
    fn a_request_that_was_begun_behind_another_has_its_time_from_the_answer_of_that_one() {
        let watched = Watched::new();
        watched.pulse.hears(watched.at(1));
        watched.pulse.note_begun(true);
        watched.pulse.asks();
        assert_eq!(watched.ends(&PATIENCE), None);
        watched.pulse.answers(watched.at(200));
        assert_eq!(watched.ends(&PATIENCE), Some((205, Verdict::Late)));
        watched.pulse.note_begun(false);
        watched.pulse.asks();
        watched.pulse.answers(watched.at(300));
        assert_eq!(watched.ends(&PATIENCE), Some((390, Verdict::Idle)));
    }

    #[test]
    fn the_rest_of_a_body_behind_its_answer_is_no_request() {
        let watched = Watched::new();
        watched.pulse.asks();
        watched.pulse.answers(watched.at(100));
        watched.pulse.hears(watched.at(101));
        watched.pulse.note_begun(false);
        assert_eq!(watched.ends(&PATIENCE), Some((190, Verdict::Idle)));
        watched.pulse.hears(watched.at(110));
        watched.pulse.note_begun(true);
        assert_eq!(watched.ends(&PATIENCE), Some((115, Verdict::Late)), "and what begins behind it is one");
    }

    #[test]
    fn an_answer_that_is_not_taken_stalls_unless_the_socket_moves() {
        let watched = Watched::new();
        watched.pulse.asks();
        watched.pulse.gives(watched.at(10));
        assert_eq!(watched.ends(&PATIENCE), Some((25, Verdict::Stalled)));
        watched.pulse.writes(watched.at(20));
        assert_eq!(watched.ends(&PATIENCE), Some((35, Verdict::Stalled)));
        watched.pulse.takes(watched.at(34));
        assert_eq!(watched.ends(&PATIENCE), None, "it waits for the backend");
        watched.pulse.blocks(watched.at(40));
        watched.pulse.blocks(watched.at(50));
        assert_eq!(watched.ends(&PATIENCE), Some((55, Verdict::Stalled)), "since it began to");
        watched.pulse.writes(watched.at(54));
        assert_eq!(watched.ends(&PATIENCE), None);
    }

    #[test]
    fn an_answer_among_others_is_not_the_connections_business_but_its_socket_is() {
        let watched = Watched::new();
        watched.pulse.speaks_http2();
        watched.pulse.asks();
        watched.pulse.gives(watched.at(10));
        assert_eq!(watched.ends(&PATIENCE), None);
        watched.pulse.blocks(watched.at(40));
        assert_eq!(watched.ends(&PATIENCE), Some((55, Verdict::Stalled)));
    }

    #[test]
    fn an_answer_is_owed_until_the_socket_has_its_last_bytes() {
        let watched = Watched::new();
        assert_eq!(watched.pulse.owes_nothing(), Some(watched.at(0)));
        watched.pulse.asks();
        assert_eq!(watched.pulse.owes_nothing(), None);
        watched.pulse.blocks(watched.at(9));
        watched.pulse.answers(watched.at(9));
        assert_eq!(watched.pulse.owes_nothing(), None, "all of it was given, and not all was taken");
        assert_eq!(watched.ends(&PATIENCE), Some((24, Verdict::Stalled)), "and not for ever");
        watched.pulse.writes(watched.at(12));
        assert_eq!(watched.pulse.owes_nothing(), Some(watched.at(9)));
    }

    #[test]
    fn what_only_the_end_of_the_connection_delimits_never_ends_in_order_before_it_is_whole() {
        let (older, newer) = (Watched::new(), Watched::new());
        older.pulse.speaks_older();
        for Watched { pulse, .. } in [&older, &newer] {
            assert!(!pulse.aborts());
            pulse.asks();
        }
        assert!(older.pulse.aborts() && !newer.pulse.aborts());
        older.pulse.blocks(older.at(1));
        older.pulse.answers(older.at(1));
        assert!(older.pulse.aborts(), "its last bytes are on their way");
        older.pulse.writes(older.at(2));
        assert!(!older.pulse.aborts());
        for Watched { pulse, .. } in [&older, &newer] {
            pulse.breaks_off();
        }
        assert!(older.pulse.aborts() && !newer.pulse.aborts());
    }

    #[test]
    fn it_looks_again_before_anything_that_begins_now_can_be_over() {
        let watched = Watched::new();
        let look = watched.pulse.verdict(&PATIENCE, watched.at(0));
        assert_eq!(look, Verdict::Fine(watched.at(5)));
        watched.pulse.hears(watched.at(1));
        assert_eq!(watched.pulse.verdict(&PATIENCE, watched.at(4)), Verdict::Fine(watched.at(6)));
    }
}
