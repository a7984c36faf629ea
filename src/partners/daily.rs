//! What a partner has had of its day, which is one of UTC. Requests are counted against what was reserved, and what was
//! reserved is on disk before: a life that ends without a word has never let through more than the disk says.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// The day of one partner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Daily {
    /// Days since 1970.
    day: u64,
    used: u64,
    /// What the disk says that was used; never less than what was.
    reserved: u64,
}

/// What becomes of one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is counted.
    Yes,
    /// The day is used up.
    Over,
    /// More has to be reserved first.
    Reserve,
}

/// A file that this program did not write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged(pub String);

/// A day is written down in so many steps: what a crash may cost is one of them.
const STEPS: u64 = 1000;
const DAY: u64 = 24 * 60 * 60;
const VERSION: u64 = 1;

/// The day of a time since 1970.
#[must_use]
pub fn day_of(now: Duration) -> u64 {
    now.as_secs() / DAY
}

/// How long the day goes on, rounded up to whole seconds.
#[must_use]
pub fn until_midnight(now: Duration) -> Duration {
    Duration::from_secs(DAY - now.as_secs() % DAY)
}

impl Daily {
    /// One more request of `most` in a day; `None`: as many as come.
    pub fn take(&mut self, most: Option<u64>, day: u64) -> Taken {
        self.turn(day);
        match most {
            Some(most) if self.used >= most => return Taken::Over,
            Some(_) if self.used >= self.reserved => return Taken::Reserve,
            Some(_) | None => self.used += 1,
        }
        Taken::Yes
    }

    /// What the disk says of a day: it counts where it is later, or where another life has reserved more of the same one.
    /// What was reserved here and not used is not used by being read again.
    pub fn learn(&mut self, said: Self) {
        match said.day.cmp(&self.day) {
            Ordering::Less => {}
            Ordering::Greater => *self = said,
            Ordering::Equal => {
                let known = self.used.max(self.reserved);
                self.used += said.used.saturating_sub(known);
                self.reserved = self.reserved.max(said.reserved);
            }
        }
    }

    /// The day that was counted for last.
    #[must_use]
    pub fn day(&self) -> u64 {
        self.day
    }

    /// One that was counted for this day was not let through in the end. Of a day that is over nothing can be taken again.
    pub fn give_back(&mut self, day: u64) {
        if self.day == day {
            self.used = self.used.saturating_sub(1);
        }
    }

    /// What was used on a day.
    #[must_use]
    pub fn used(&self, day: u64) -> u64 {
        if self.is_of(day) { self.used } else { 0 }
    }

    /// As it is to be on disk before more is taken.
    #[must_use]
    pub fn with_more(mut self, most: u64, day: u64) -> Self {
        self.turn(day);
        let step = (most / STEPS).max(1);
        Self { reserved: self.used.saturating_add(step).min(most).max(self.used), ..self }
    }

    /// It is on disk as `written` says.
    pub fn reserve(&mut self, written: Self) {
        self.turn(written.day);
        if self.day == written.day {
            self.reserved = self.reserved.max(written.reserved);
        }
    }

    /// As the last life leaves it when it ends in order: what was reserved and not used is given back.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { reserved: self.used, ..self }
    }

    /// Whether nothing of it counts any more, also when the clock is set back a little.
    #[must_use]
    pub fn is_over(&self, day: u64) -> bool {
        self.day + 1 < day
    }

    fn turn(&mut self, day: u64) {
        if !self.is_of(day) {
            *self = Self { day, ..Self::default() };
        }
    }

    /// A clock that is set back over midnight by a little gives nobody a second day; one that was wrong by days is
    /// believed when it is right again.
    fn is_of(&self, day: u64) -> bool {
        self.day == day || self.day == day + 1
    }
}

/// The text that a file keeps, by partner.
#[must_use]
pub fn write(days: &BTreeMap<String, Daily>) -> String {
    let line = |(name, daily): (&String, &Daily)| {
        (name.clone(), json!({ "day": daily.day, "used": daily.reserved.max(daily.used) }))
    };
    let partners: serde_json::Map<_, _> = days.iter().map(line).collect();
    format!("{:#}\n", json!({ "version": VERSION, "partners": partners }))
}

/// What a file keeps.
///
/// # Errors
/// When it is none that [`write()`] has made.
pub fn read(text: &str) -> Result<BTreeMap<String, Daily>, Damaged> {
    let file: Value = serde_json::from_str(text).map_err(|error| Damaged(error.to_string()))?;
    match file.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            return Err(Damaged(format!("it is of version {other}, and this program reads {VERSION}")));
        }
        None => return Err(Damaged("it has no version".to_owned())),
    }
    let partners = file.get("partners").and_then(Value::as_object);
    let partners = partners.ok_or_else(|| Damaged("it has no partners".to_owned()))?;
    let line = |(name, line): (&String, &Value)| {
        let number = |key: &str| line.get(key).and_then(Value::as_u64);
        let damaged = || Damaged(format!("this is no day of a partner: {line}"));
        let (day, used) = number("day").zip(number("used")).ok_or_else(damaged)?;
        Ok((name.clone(), Daily { day, used, reserved: used }))
    };
    partners.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a life lets through, and what the disk says in the end.
    struct Life {
        daily: Daily,
        disk: Daily,
        writes: u64,
    }

    impl Life {
        fn new(disk: Daily) -> Self {
            Self { daily: disk, disk, writes: 0 }
        }

        fn ask(&mut self, most: u64, day: u64) -> bool {
            loop {
                match self.daily.take(Some(most), day) {
                    Taken::Yes => return true,
                    Taken::Over => return false,
                    Taken::Reserve => {
                        self.disk = self.daily.with_more(most, day);
                        self.daily.reserve(self.disk);
                        self.writes += 1;
                    }
                }
            }
        }
    }

    fn kept(daily: Daily) -> Daily {
        let text = write(&BTreeMap::from([("adnet".to_owned(), daily)]));
        *read(&text).expect("its own text").get("adnet").expect("the partner")
    }

    #[test]
    fn what_the_disk_says_takes_nothing_back_of_what_was_used() {
        let of = |day, used| Daily { day, used, reserved: used };
        for (said, knows) in [(of(7, 500), of(7, 900)), (of(7, 950), of(7, 950)), (of(6, 999), of(7, 900))] {
            let mut daily = of(7, 900);
            daily.learn(said);
            assert_eq!(daily, knows, "{said:?}");
        }
        let ahead = Daily { day: 7, used: 900, reserved: 925 };
        for (said, knows) in [(of(7, 925), ahead), (of(7, 950), Daily { used: 925, reserved: 950, ..ahead })]
        {
            let mut daily = ahead;
            daily.learn(said);
            assert_eq!(daily, knows, "what was reserved here, and what another life added: {said:?}");
        }
        let mut daily = of(7, 900);
        daily.learn(of(8, 3));
        assert_eq!(daily, of(8, 3), "it is later there");
    }

    #[test]
    fn a_day_is_used_up_and_the_next_one_is_new() {
        let mut life = Life::new(Daily::default());
        assert_eq!((0..1000).filter(|_| life.ask(300, 7)).count(), 300);
        assert_eq!(life.daily.used(7), 300);
        assert_eq!(life.daily.used(8), 0);
        assert!(life.ask(300, 8));
        assert_eq!(life.daily.used(8), 1);
    }

    /// What lives of so many requests each let through together until the day is over, and how many lives that took.
    fn lives(most: u64, lived: u64) -> (u64, u64) {
        let (mut disk, mut passed, mut lives) = (Daily::default(), 0, 0);
        loop {
            let mut life = Life::new(kept(disk));
            let here = (0..lived).filter(|_| life.ask(most, 7)).count() as u64;
            (disk, passed) = (life.disk, passed + here);
            if here < lived {
                return (passed, lives);
            }
            lives += 1;
        }
    }

    #[test]
    fn lives_that_end_at_any_moment_never_let_through_more_than_one_day_has() {
        for (most, lived) in [1, 7, 999, 1000, 25_000]
            .into_iter()
            .flat_map(|most| [(most, 1), (most, 3), (most, 26), (most, 400)])
        {
            let (passed, lives) = lives(most, lived);
            let lost = lives * (most / STEPS).max(1);
            assert!(passed <= most, "{passed} of {most}");
            assert!(passed + lost >= most, "a crash costs one step at most: {passed} of {most}");
        }
    }

    #[test]
    fn the_disk_is_written_a_thousand_times_a_day_at_most_and_not_for_what_is_refused() {
        let mut life = Life::new(Daily::default());
        for _ in 0..3_000_000 {
            life.ask(1_000_000, 7);
        }
        assert_eq!(life.writes, 1000);
    }

    #[test]
    fn an_end_in_order_costs_nothing() {
        let mut life = Life::new(Daily::default());
        for _ in 0..10 {
            assert!(life.ask(25_000, 7));
        }
        assert_eq!(kept(life.disk).used(7), 25);
        assert_eq!(kept(life.daily.settled()).used(7), 10);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let mut life = Life::new(Daily::default());
        assert!(life.ask(1, 7) && !life.ask(1, 7));
        life.daily.give_back(life.daily.day());
        assert!(life.ask(1, 7) && !life.ask(1, 7));
    }

    #[test]
    fn what_is_given_back_of_yesterday_cannot_be_taken_today() {
        let mut life = Life::new(Daily::default());
        assert!(life.ask(2, 7));
        let yesterday = life.daily.day();
        assert!(life.ask(2, 8));
        life.daily.give_back(yesterday);
        assert!(life.ask(2, 8) && !life.ask(2, 8));
        life.daily.give_back(life.daily.day());
        assert!(
            life.ask(2, 7) && !life.ask(2, 7),
            "a clock that went back counts for the day that was begun"
        );
    }

    #[test]
    fn a_clock_that_goes_back_over_midnight_gives_no_second_day() {
        let mut life = Life::new(Daily::default());
        assert!(life.ask(1, 7));
        assert!(life.ask(1, 8));
        assert!(!life.ask(1, 7), "it is still the day that was begun");
        assert!(life.ask(1, 3), "the clock was wrong before");
    }

    #[test]
    fn a_limit_that_comes_later_counts_what_was_before() {
        let mut life = Life::new(Daily::default());
        for _ in 0..50 {
            assert_eq!(life.daily.take(None, 7), Taken::Yes);
        }
        assert!(!life.ask(50, 7));
        assert!(life.ask(51, 7) && !life.ask(51, 7));
        assert!(!life.ask(10, 7), "and one that becomes lower is over");
    }

    #[test]
    fn a_day_ends_at_midnight_of_utc() {
        let at = |text: &str| {
            let moment = crate::config::parse_moment(text).expect("a moment");
            moment.duration_since(std::time::UNIX_EPOCH).expect("later")
        };
        let (evening, midnight) = (at("2026-11-21T23:59:59Z"), at("2026-11-22T00:00:00Z"));
        assert_eq!(day_of(evening) + 1, day_of(midnight));
        assert_eq!(until_midnight(evening), Duration::from_secs(1));
        assert_eq!(until_midnight(midnight), Duration::from_hours(24));
    }

    #[test]
    fn what_this_program_has_not_written_is_damaged() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"version": 2, "partners": {}}"#,
            r#"{"version": 1}"#,
            r#"{"version": 1, "partners": {"adnet": 5}}"#,
            r#"{"version": 1, "partners": {"adnet": {"day": 7, "used": -1}}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read(r#"{"version": 1, "partners": {}}"#), Ok(BTreeMap::new()));
    }
}
