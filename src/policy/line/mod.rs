//! The waiting line before a full gateway: who plays, who waits, who is let in next and when.
//!
//! First come, first in. Whoever loses its connection keeps its place for a minute, by account, and is passed over
//! meanwhile. A place that was told never gets worse. It keeps no clock and wakes nobody: `now` counts from any
//! origin, and what it lets in is handed to the caller. Every operation is logarithmic in those who wait, but for
//! [`Line::rank`], which walks them all once.

mod pace;
mod places;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use self::pace::{MEASURED, Pace};
use self::places::{Place, Places};
use crate::base::SessionId;

/// When there is a line and how fast it moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineRules {
    /// So many sessions may be in before others wait.
    pub above: u32,
    /// The most that are let in from the line each second; above zero.
    pub admit: f64,
    /// So many may wait, those among them whose connection is lost.
    pub length: u32,
}

/// Everybody who is in, and everybody who waits. `T` is what the caller wants back when a session is let in.
#[derive(Debug)]
pub struct Line<T> {
    mode: Mode,
    /// Of every session that is in or waits.
    standing: HashMap<SessionId, Standing>,
    inside: u32,
    places: Places<T>,
    pace: Pace,
    /// When the first of those that wait now came to an empty line.
    formed: Duration,
}

/// Who wants to play.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// Its session.
    pub session: SessionId,
    /// Whose session it is.
    pub account: &'a Arc<str>,
    /// Sessions of the account that end for this one: it goes on where they stood.
    pub instead_of: &'a [SessionId],
}

/// What becomes of who came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered<T> {
    /// It plays.
    In,
    /// It waits, with this in its hands.
    Waits(T),
    /// Too many wait already.
    Full,
}

/// What somebody who waits is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Its place, from 1. Those who lost their connection are counted as long as they may come back.
    pub place: u32,
    /// How long it will take, as far as the last half minute says.
    pub estimate: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Everybody comes in, and nobody waits.
    Open,
    /// There are rules.
    Guarded(LineRules),
    /// The rules are gone: who still waits comes in as fast as they said, however many are in.
    Emptying(LineRules),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    In,
    Waits(u64),
}

/// Where somebody stood before, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Former {
    WasIn,
    Waited(Place),
}

/// How long a place is kept for an account whose connection is lost.
const KEPT: Duration = Duration::from_secs(60);
/// Nobody is told of its place more often than that.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// So many are told in a second at most: a long line must not take the time of those who play.
const TOLD_IN_A_SECOND: u32 = 5_000;
/// A line that is younger has no speed of its own yet.
const YOUNG: Duration = Duration::from_secs(2);

impl<T: Clone> Line<T> {
    /// One with nobody in it.
    #[must_use]
    pub fn new(rules: Option<LineRules>) -> Self {
        Self {
            mode: rules.map_or(Mode::Open, Mode::Guarded),
            standing: HashMap::new(),
            inside: 0,
            places: Places::default(),
            pace: Pace::default(),
            formed: Duration::ZERO,
        }
    }

    /// Other rules from now on. Who is in stays in; where there are none any more, who waits comes in at the pace
    /// of those before.
    pub fn follow(&mut self, rules: Option<LineRules>) {
        self.mode = match (rules, self.mode) {
            (Some(rules), _) => Mode::Guarded(rules),
            (None, Mode::Guarded(former) | Mode::Emptying(former)) => Mode::Emptying(former),
            (None, Mode::Open) => Mode::Open,
        };
        self.open_if_empty();
    }

    /// Somebody has logged in. `ticket` makes what it holds while it waits.
    pub fn enter(
        &mut self,
        newcomer: &Newcomer<'_>,
        now: Duration,
        ticket: impl FnOnce(Outlook) -> T,
    ) -> Entered<T> {
        match self.standing.get(&newcomer.session) {
            Some(Standing::In) => return Entered::In,
            Some(Standing::Waits(number)) => {
                return self.places.ticket(*number).map_or(Entered::Full, Entered::Waits);
            }
            None => {}
        }
        let former = self.former(newcomer);
        if former == Some(Former::WasIn) || self.takes_anybody() {
            self.come_in(newcomer.session);
            return Entered::In;
        }
        let place = match (former, self.mode) {
            (Some(Former::Waited(place)), _) => place,
            (_, Mode::Guarded(rules)) if self.len() >= rules.length => return Entered::Full,
            _ => self.end_of_line(now),
        };
        let ticket =
            ticket(Outlook { place: place.rank, estimate: self.each(now).saturating_mul(place.rank) });
        self.places.hold(place, newcomer, ticket.clone());
        self.standing.insert(newcomer.session, Standing::Waits(place.number));
        Entered::Waits(ticket)
    }

    /// Somebody who plays already counts from now on.
    pub fn count_in(&mut self, session: SessionId) {
        if !self.standing.contains_key(&session) {
            self.come_in(session);
        }
    }

    /// A session is over. Who `returns` may be back within a minute and finds its place in the line kept.
    pub fn leave(&mut self, session: SessionId, returns: bool, now: Duration) {
        match self.standing.remove(&session) {
            Some(Standing::In) => self.inside -= 1,
            Some(Standing::Waits(number)) if returns => self.places.keep(number, now + KEPT),
            Some(Standing::Waits(number)) => drop(self.places.vacate(number)),
            None => {}
        }
    }

    /// Gives up who was away for too long and lets in whose turn it is: the oldest first.
    pub fn turn(&mut self, now: Duration, mut let_in: impl FnMut(T)) {
        self.places.give_up(now);
        let (rules, room) = match self.mode {
            Mode::Open => return self.pace.rests(now),
            Mode::Guarded(rules) => (rules, rules.above.saturating_sub(self.inside)),
            Mode::Emptying(rules) => (rules, u32::MAX),
        };
        let due = self.pace.allowance(&rules, now);
        let mut count = 0;
        while count < due.min(room)
            && let Some((session, ticket)) = self.places.take_first()
        {
            self.come_in(session);
            let_in(ticket);
            count += 1;
        }
        let more_would_come = count < room && self.waits() > 0;
        self.pace.took(count, more_would_come, &rules, now);
        self.open_if_empty();
    }

    /// Counts everybody's place anew and tells those who are here.
    pub fn rank(&mut self, now: Duration, mut tell: impl FnMut(&T, Outlook)) {
        let each = self.each(now);
        self.places
            .rank(|ticket, place| tell(ticket, Outlook { place, estimate: each.saturating_mul(place) }));
    }

    /// How often those who wait are told of their places.
    #[must_use]
    pub fn told_every(&self) -> Duration {
        TOLD_EVERY.max(Duration::from_secs(1) * self.waits() / TOLD_IN_A_SECOND)
    }

    /// Sessions that play.
    #[must_use]
    pub fn inside(&self) -> u32 {
        self.inside
    }

    /// Sessions that wait.
    #[must_use]
    pub fn waits(&self) -> u32 {
        self.places.present()
    }

    /// Places in the line: of sessions that wait, and of those that may come back.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.places.len()
    }

    /// Whether nobody has a place in the line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether who comes now need not wait.
    fn takes_anybody(&self) -> bool {
        self.waits() == 0
            && match self.mode {
                Mode::Open | Mode::Emptying(_) => true,
                Mode::Guarded(rules) => self.inside < rules.above,
            }
    }

    /// Where the account stood: with a session that ends for this one, or with a place that was kept. Nobody stands
    /// there from here on.
    fn former(&mut self, newcomer: &Newcomer<'_>) -> Option<Former> {
        let mut best = None;
        for elder in newcomer.instead_of {
            let former = match self.standing.remove(elder) {
                Some(Standing::In) => {
                    self.inside -= 1;
                    Some(Former::WasIn)
                }
                Some(Standing::Waits(number)) => self.places.vacate(number).map(Former::Waited),
                None => None,
            };
            best = best.into_iter().chain(former).min();
        }
        best.or_else(|| self.places.take_kept(newcomer.account).map(Former::Waited))
    }

    /// One more place.
    fn end_of_line(&mut self, now: Duration) -> Place {
        if self.is_empty() {
            self.formed = now;
        }
        self.places.append()
    }

    fn come_in(&mut self, session: SessionId) {
        self.standing.insert(session, Standing::In);
        self.inside += 1;
    }

    /// A line that was taken away and has let everybody in is none any more.
    fn open_if_empty(&mut self) {
        if matches!(self.mode, Mode::Emptying(_)) && self.waits() == 0 {
            self.mode = Mode::Open;
            self.places.clear();
        }
    }

    /// How long one place takes: as the last half minute says, where that has let anybody in; never faster than the
    /// rules let.
    fn each(&self, now: Duration) -> Duration {
        let (rules, room) = match self.mode {
            Mode::Open => return Duration::ZERO,
            Mode::Guarded(rules) => (rules, self.inside < rules.above),
            Mode::Emptying(rules) => (rules, true),
        };
        let age = now.saturating_sub(self.formed).min(MEASURED);
        let let_in = self.pace.within(age, now);
        if age < YOUNG || let_in == 0 && room {
            return rules.cost();
        }
        rules.cost().max(age / let_in.max(1))
    }
}
