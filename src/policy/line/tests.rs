//! The line on a stepped clock: order, places, pace, estimates and other rules.

use super::*;

const RULES: LineRules = LineRules { above: 2, admit: 200.0, length: 4 };

const NOBODY: [u64; 0] = [];

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A line whose sessions and accounts are numbers, and whose tickets are what their holders were told at first.
struct Door {
    line: Line<(u64, u32)>,
    now: Duration,
}

impl Door {
    fn new(rules: LineRules) -> Self {
        let mut door = Self { line: Line::new(None), now: ms(1_000_000) };
        door.turn(Duration::ZERO);
        door.line.follow(Some(rules));
        door
    }

    fn enter(&mut self, session: u64, account: u64) -> Entered<(u64, u32)> {
        self.enter_for(session, account, &[])
    }

    fn enter_for(&mut self, session: u64, account: u64, elders: &[u64]) -> Entered<(u64, u32)> {
        let elders: Vec<_> = elders.iter().copied().map(SessionId::from_raw).collect();
        let account: Arc<str> = account.to_string().into();
        let session_id = SessionId::from_raw(session);
        let newcomer = Newcomer { session: session_id, account: &account, instead_of: &elders };
        self.line.enter(&newcomer, self.now, |outlook| (session, outlook.place))
    }

    fn leave(&mut self, session: u64, returns: bool) {
        self.line.leave(SessionId::from_raw(session), returns, self.now);
    }

    /// After so much time: who is let in.
    fn turn(&mut self, after: Duration) -> Vec<u64> {
        self.now += after;
        let mut let_in = Vec::new();
        self.line.turn(self.now, |(session, _)| let_in.push(session));
        let_in
    }

    fn places(&mut self) -> Vec<(u64, u32)> {
        let mut places = Vec::new();
        self.line.rank(self.now, |(session, _), outlook| places.push((*session, outlook.place)));
        places
    }

    fn estimate(&mut self, session: u64) -> Duration {
        let mut found = None;
        let look = |(known, _): &(u64, u32), outlook: Outlook| {
            if *known == session {
                found = Some(outlook.estimate);
            }
        };
        self.line.rank(self.now, look);
        found.expect("it waits")
    }
}

/// Two in, and `3..` waiting.
fn full(rules: LineRules, waiting: u64) -> Door {
    let mut door = Door::new(rules);
    for session in 1..=u64::from(rules.above) {
        assert_eq!(door.enter(session, session), Entered::In);
    }
    for session in (1..=waiting).map(|one| one + u64::from(rules.above)) {
        assert!(matches!(door.enter(session, session), Entered::Waits(_)));
    }
    door
}

#[test]
fn who_comes_first_is_let_in_first_and_never_more_than_have_room() {
    let mut door = full(RULES, 3);
    assert_eq!(door.enter(6, 6), Entered::Waits((6, 4)));
    assert_eq!(door.turn(ms(50)), NOBODY);
    door.leave(1, true);
    assert_eq!(door.turn(ms(50)), [3]);
    assert_eq!(door.places(), [(4, 1), (5, 2), (6, 3)]);
    door.leave(2, false);
    door.leave(3, false);
    assert_eq!(door.turn(ms(50)), [4, 5]);
    assert_eq!((door.line.inside(), door.line.waits()), (2, 1));
}

#[test]
fn nobody_overtakes_those_who_wait_even_where_there_is_room() {
    let mut door = full(RULES, 1);
    door.leave(1, true);
    assert_eq!(door.enter(9, 9), Entered::Waits((9, 2)));
    assert_eq!(door.turn(ms(50)), [3]);
}

#[test]
fn a_session_that_logs_in_again_stands_where_it_stood() {
    let mut door = full(RULES, 2);
    assert_eq!(door.enter(1, 1), Entered::In);
    assert_eq!(door.enter(3, 3), Entered::Waits((3, 1)));
    assert_eq!((door.line.inside(), door.line.waits()), (2, 2));
}

#[test]
fn who_loses_its_connection_is_passed_over_and_finds_its_place_for_a_minute() {
    let mut door = full(RULES, 3);
    door.leave(3, true);
    assert_eq!(door.places(), [(4, 2), (5, 3)], "the one who is away is still counted");
    door.leave(1, true);
    assert_eq!(door.turn(ms(59_999)), [4]);
    assert_eq!(door.enter(33, 3), Entered::Waits((33, 1)));
    door.leave(33, true);
    assert_eq!(door.turn(ms(59_999)), NOBODY, "the minute begins anew");
    assert_eq!(door.line.len(), 2);
    door.turn(ms(1));
    assert_eq!(door.enter(34, 3), Entered::Waits((34, 2)), "behind the one who stayed");
}

#[test]
fn who_leaves_for_good_keeps_nothing() {
    let mut door = full(RULES, 2);
    door.leave(3, false);
    assert_eq!(door.places(), [(4, 1)]);
    assert_eq!(door.enter(33, 3), Entered::Waits((33, 2)));
}

#[test]
fn a_full_line_takes_those_who_come_back_and_nobody_else() {
    let mut door = full(RULES, 4);
    door.leave(3, true);
    assert_eq!(door.enter(9, 9), Entered::Full, "places that are kept count");
    assert_eq!(door.enter(33, 3), Entered::Waits((33, 1)));
    let mut none = Door::new(LineRules { above: 1, length: 0, ..RULES });
    assert_eq!((none.enter(1, 1), none.enter(2, 2)), (Entered::In, Entered::Full));
}

#[test]
fn who_replaces_a_session_goes_on_where_that_stood() {
    let mut door = full(RULES, 4);
    assert_eq!(door.enter_for(11, 1, &[1]), Entered::In);
    door.leave(1, true);
    assert_eq!((door.line.inside(), door.line.waits()), (2, 4), "the elder is counted once only");
    assert_eq!(door.enter_for(14, 4, &[4]), Entered::Waits((14, 2)));
    door.leave(4, true);
    assert_eq!(door.places(), [(3, 1), (14, 2), (5, 3), (6, 4)]);
    assert_eq!(door.enter_for(15, 5, &[6, 5, 2]), Entered::In, "the best of three");
    assert_eq!((door.line.inside(), door.places()), (2, vec![(3, 1), (14, 2)]));
    assert_eq!(door.enter_for(16, 9, &[77]), Entered::Waits((16, 3)), "nobody knows that elder");
}

#[test]
fn an_account_that_plays_twice_finds_its_places_one_after_the_other() {
    let mut door = full(RULES, 0);
    assert_eq!((door.enter(3, 7), door.enter(4, 7)), (Entered::Waits((3, 1)), Entered::Waits((4, 2))));
    door.leave(4, true);
    door.leave(3, true);
    assert_eq!((door.enter(5, 7), door.enter(6, 7)), (Entered::Waits((5, 1)), Entered::Waits((6, 2))));
    assert_eq!(door.enter(7, 7), Entered::Waits((7, 3)));
}

#[test]
fn accounts_whose_names_begin_alike_are_not_taken_for_each_other() {
    let mut door = full(RULES, 0);
    door.enter(3, 70);
    door.leave(3, true);
    assert_eq!(door.enter(4, 7), Entered::Waits((4, 2)));
    assert_eq!(door.enter(5, 70), Entered::Waits((5, 1)));
}

#[test]
fn they_come_in_evenly_at_the_rate_and_no_faster_after_a_pause() {
    let mut door = full(LineRules { above: 0, length: 10_000, ..RULES }, 2_000);
    assert_eq!(door.turn(ms(60_000)).len(), 0);
    door.line.follow(Some(LineRules { above: 10_000, ..RULES }));
    let counts: Vec<usize> = (0..60).map(|_| door.turn(ms(50)).len()).collect();
    assert_eq!(counts, [10; 60]);
}

#[test]
fn a_late_turn_is_made_up_for_only_a_little() {
    let mut door = full(LineRules { above: 0, length: 10_000, ..RULES }, 2_000);
    door.line.follow(Some(LineRules { above: 10_000, ..RULES }));
    door.turn(ms(50));
    assert_eq!(door.turn(ms(150)).len(), 30);
    assert_eq!(door.turn(ms(5_000)).len(), 50);
}

#[test]
fn rates_that_are_no_whole_numbers_are_kept_in_the_long_run() {
    for (admit, minute) in [(0.5, 30), (2.5, 150), (7.0, 420), (0.1, 6), (333.0, 19_980)] {
        let mut door = full(LineRules { above: 0, admit, length: 100_000 }, 25_000);
        door.line.follow(Some(LineRules { above: 100_000, admit, length: 100_000 }));
        door.turn(ms(50));
        let count: usize = (0..1_200).map(|_| door.turn(ms(50)).len()).sum();
        assert!((minute - 1..=minute).contains(&count), "{admit}: {count}");
    }
}

#[test]
fn rates_beyond_all_reason_neither_stop_nor_break_it() {
    for (admit, count) in [(f64::MAX, 3), (1e-300, 0), (f64::MIN_POSITIVE, 0)] {
        let mut door = full(LineRules { above: 0, admit, length: 10 }, 3);
        door.line.follow(Some(LineRules { above: 10, admit, length: 10 }));
        assert_eq!(door.turn(ms(50)).len(), count, "{admit}");
        assert!(door.turn(Duration::from_secs(86_400)).len() <= 1, "{admit}");
    }
}

#[test]
fn the_estimate_goes_by_what_the_last_half_minute_saw() {
    let mut door = full(LineRules { above: 100, length: 1_000, ..RULES }, 400);
    assert_eq!(door.estimate(500), ms(2_000), "nothing is known yet: as the rules let");
    // One leaves every half second.
    for one in 1..=80 {
        door.turn(ms(450));
        door.leave(one, false);
        assert_eq!(door.turn(ms(50)).len(), 1);
    }
    assert_eq!(door.estimate(181), ms(500));
    assert_eq!(door.estimate(500), ms(160_000));
    // And then nobody.
    door.turn(ms(60_000));
    assert_eq!(door.estimate(181), ms(30_000), "longer than half a minute for each");
    // And then all of them.
    (81..=100).for_each(|one| door.leave(one, false));
    assert_eq!(door.estimate(181), ms(5), "room for it, and a turn away");
}

#[test]
fn a_long_line_is_told_less_often() {
    let mut door = full(LineRules { above: 0, length: 60_000, ..RULES }, 9_000);
    assert_eq!(door.line.told_every(), ms(2_000));
    for session in 10_000..51_000 {
        door.enter(session, session);
    }
    assert_eq!(door.line.told_every(), ms(10_000));
}

#[test]
fn a_line_that_is_taken_away_lets_everybody_in_at_its_rate_and_is_none_any_more() {
    let mut door = full(LineRules { above: 2, length: 100, ..RULES }, 30);
    door.leave(3, true);
    door.line.follow(None);
    assert_eq!(door.enter(99, 99), Entered::Waits((99, 31)), "nobody overtakes");
    assert_eq!(door.turn(ms(50)).len(), 10);
    assert_eq!(door.turn(ms(50)).len(), 10);
    assert_eq!(door.turn(ms(50)).len(), 10);
    assert_eq!((door.line.inside(), door.line.len()), (32, 0), "the one who is away is not awaited");
    assert_eq!(door.enter(100, 100), Entered::In);
    door.line.follow(Some(RULES));
    assert_eq!(door.enter(101, 101), Entered::Waits((101, 1)));
}

#[test]
fn rules_that_change_hold_for_those_who_wait_already() {
    let mut door = full(RULES, 4);
    door.line.follow(Some(LineRules { above: 4, length: 2, ..RULES }));
    assert_eq!(door.turn(ms(50)), [3, 4]);
    assert_eq!(door.enter(9, 9), Entered::Full);
    door.line.follow(Some(LineRules { above: 1, length: 3, ..RULES }));
    door.leave(1, false);
    assert_eq!(door.turn(ms(50)), NOBODY, "four in where one may be: three are left");
    assert!(matches!(door.enter(9, 9), Entered::Waits(_)));
}
