//! How long the end of a session may take, moment by moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use realmgate::config::{self, Source};
use realmgate::session::{EndReason, Expired, Session};

const FILE: &str = r#"
[frame.game]
length = { offset = 0, width = 4 }
id = { offset = 4, width = 2 }
[listener.players]
listen = "127.0.0.1:0"
limits = { write_timeout = "15s" }
[cluster.battle]
backends = [{ address = "127.0.0.1:1" }]
[route.battle]
ids = [1000]
cluster = "battle"
"#;

const WRITE: u64 = 15;
const LINGER: u64 = 1;
const LONGEST_END: u64 = 60;

/// A session and the moment of its beginning: all others are in seconds behind that.
struct Ending {
    session: Session,
    start: Instant,
}

impl Ending {
    #[expect(clippy::disallowed_methods, reason = "an origin for a stepped clock")]
    fn of(end: EndReason) -> Self {
        let source = Source { path: "test.toml".into(), text: FILE.to_owned() };
        let plan = config::parse(vec![source]).expect("a good file");
        let limits = Arc::clone(plan.listeners()[0].limits());
        let start = Instant::now();
        let mut session = Session::new(limits, false, start);
        assert!(session.leave(end, start));
        Self { session, start }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn lingers_from(&mut self, moment: u64, now: u64) {
        self.session.lingers_from(self.at(moment), self.at(now));
    }

    /// Something waits for the player, which may have taken some of it.
    fn waits(&mut self, took: bool, now: u64) {
        self.session.waits(true, took, self.at(now));
    }

    fn expired(&mut self, now: u64) -> Option<Expired> {
        self.session.expired(self.at(now))
    }
}

#[test]
fn what_comes_before_the_last_words_may_take_longer_than_they_may() {
    let (mut ending, before) = (Ending::of(EndReason::PlayerLeft), 75);
    ending.lingers_from(before, 0);
    assert_eq!(ending.expired(before + LINGER - 1), None);
    assert_eq!(ending.expired(before + LINGER), Some(Expired::Close));
    assert_eq!(ending.expired(before + LONGEST_END - 1), None);
    assert_eq!(ending.expired(before + LONGEST_END), Some(Expired::Close), "a minute in all behind it");
}

#[test]
fn a_slow_player_keeps_its_time_where_the_last_words_begin_early() {
    let mut ending = Ending::of(EndReason::Draining);
    ending.waits(false, 0);
    ending.lingers_from(0, 0);
    assert_eq!(ending.expired(WRITE - 1), None);
    ending.waits(true, WRITE - 1);
    assert_eq!(ending.expired(2 * WRITE - 2), None, "from one piece to the next");
    ending.session.waits(false, true, ending.at(2 * WRITE - 2));
    assert_eq!(ending.expired(2 * WRITE - 2 + LINGER), Some(Expired::Close));

    let mut ending = Ending::of(EndReason::Draining);
    ending.lingers_from(0, 0);
    assert_eq!(ending.expired(LINGER), Some(Expired::Close), "nothing waits for it");
}
