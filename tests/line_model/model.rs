//! The reference: one list in the order of arrival, walked for every question.

/// The rules as the reference tells them. Times are whole milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) above: u32,
    pub(crate) admit: u32,
    pub(crate) length: u32,
}

/// What a wrong telling gets wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slips {
    pub(crate) kept: u64,
    pub(crate) above: u32,
    pub(crate) length: u32,
    pub(crate) admit: i32,
    pub(crate) forgets_elders: bool,
    pub(crate) counts_only_who_is_here: bool,
}

/// What became of who came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    In,
    Waits { place: u32 },
    Full,
}

#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    number: u64,
    pub(crate) account: u64,
    /// `None` while its connection is lost.
    pub(crate) session: Option<u64>,
    lost_at: u64,
    pub(crate) place: u32,
}

#[derive(Debug)]
pub(crate) struct Model {
    slips: Slips,
    /// `None` where everybody comes in.
    rules: Option<Rules>,
    /// The rules were taken away, and who still waits comes in as fast as they said.
    empties: bool,
    inside: Vec<u64>,
    pub(crate) line: Vec<Waiting>,
    let_in: Vec<(u64, u32)>,
    last_turn: u64,
    /// Since when turns have been regular and somebody waited who had room, and how many came in since.
    pressed: Option<(u64, u32)>,
}

const KEPT: u64 = 60_000;

impl Model {
    pub(crate) fn new(rules: Option<Rules>, slips: Slips) -> Self {
        let mut model = Self {
            slips,
            rules: None,
            empties: false,
            inside: Vec::new(),
            line: Vec::new(),
            let_in: Vec::new(),
            last_turn: 0,
            pressed: None,
        };
        model.follow(rules);
        model
    }

    pub(crate) fn follow(&mut self, rules: Option<Rules>) {
        let slips = self.slips;
        self.empties = rules.is_none() && self.rules.is_some();
        if let Some(rules) = rules {
            self.rules = Some(Rules {
                above: rules.above + slips.above,
                admit: rules.admit.saturating_add_signed(slips.admit).max(1),
                length: rules.length + slips.length,
            });
        }
        self.pressed = None;
        self.open_if_empty();
    }

    fn open_if_empty(&mut self) {
        if self.empties && self.here() == 0 {
            (self.empties, self.rules) = (false, None);
            self.line.clear();
        }
    }

    pub(crate) fn here(&self) -> u32 {
        count(self.line.iter().filter(|waiting| waiting.session.is_some()))
    }

    pub(crate) fn inside(&self) -> u32 {
        count(self.inside.iter())
    }

    fn room(&self) -> u32 {
        let guarded = self.rules.filter(|_| !self.empties);
        guarded.map_or(u32::MAX, |rules| rules.above.saturating_sub(self.inside()))
    }

    pub(crate) fn enter(&mut self, session: u64, account: u64, elders: &[u64]) -> Came {
        if self.inside.contains(&session) {
            return Came::In;
        }
        if let Some(known) = self.line.iter().find(|waiting| waiting.session == Some(session)) {
            return Came::Waits { place: known.place };
        }
        let elders = if self.slips.forgets_elders { &[] } else { elders };
        let was_in = elders.iter().any(|elder| self.inside.contains(elder));
        self.inside.retain(|known| !elders.contains(known));
        let of_elder = |waiting: &Waiting| waiting.session.is_some_and(|known| elders.contains(&known));
        let former = self.line.iter().position(of_elder);
        let kept = |waiting: &Waiting| waiting.session.is_none() && waiting.account == account;
        let former = former.or_else(|| self.line.iter().position(kept).filter(|_| !was_in));
        let former = former.map(|place| Waiting { session: Some(session), ..self.line[place].clone() });
        let mut at = 0;
        let mine = former.as_ref().map(|former| former.number);
        self.line.retain(|waiting| Some(waiting.number) != mine && !of_elder(waiting));
        if was_in || self.here() == 0 && self.room() > 0 {
            self.inside.push(session);
            return Came::In;
        }
        if let Some(former) = former {
            while self.line.get(at).is_some_and(|waiting| waiting.number < former.number) {
                at += 1;
            }
            let place = former.place;
            self.line.insert(at, former);
            return Came::Waits { place };
        }
        let length = count(self.line.iter());
        if !self.empties && self.rules.is_some_and(|rules| length >= rules.length) {
            return Came::Full;
        }
        let (number, place) = (session, length + 1); // sessions are numbered as they come
        self.line.push(Waiting { number, account, session: Some(session), lost_at: 0, place });
        Came::Waits { place }
    }

    pub(crate) fn leave(&mut self, session: u64, returns: bool, now: u64) {
        self.inside.retain(|known| *known != session);
        for waiting in self.line.iter_mut().filter(|waiting| waiting.session == Some(session)) {
            (waiting.session, waiting.lost_at) = (None, if returns { now } else { 0 });
        }
        self.line.retain(|waiting| returns || waiting.session.is_some() || waiting.lost_at > 0);
    }

    /// At this turn the line let these in.
    pub(crate) fn turn(&mut self, now: u64, let_in: &[u64], context: &str) {
        let kept = KEPT + self.slips.kept;
        self.line.retain(|waiting| waiting.session.is_some() || waiting.lost_at + kept > now);
        let count = count(let_in.iter());
        assert!(count <= self.room(), "{count} where {} had room, {context}", self.room());
        let first = self.line.iter().filter_map(|waiting| waiting.session).take(let_in.len());
        assert_eq!(first.collect::<Vec<_>>(), let_in, "not the first, {context}");
        self.line.retain(|waiting| waiting.session.is_none_or(|session| !let_in.contains(&session)));
        self.inside.extend(let_in);
        self.let_in.push((now, count));
        self.check_rate(now, count, context);
        self.last_turn = now;
        self.open_if_empty();
    }

    fn check_rate(&mut self, now: u64, let_in: u32, context: &str) {
        let Some(rules) = self.rules else { return };
        self.let_in.retain(|(when, _)| when + 1_000 > now);
        let recent: u32 = self.let_in.iter().map(|(_, count)| count).sum();
        assert!(
            let_in == 0 || recent <= rules.admit,
            "{recent} within a second of {}, {context}",
            rules.admit
        );
        let is_pressed = now == self.last_turn + 50 && self.here() > 0 && self.room() > 0;
        self.pressed = match self.pressed {
            _ if !is_pressed => None,
            None => Some((now, 0)),
            Some((since, count)) => Some((since, count + let_in)),
        };
        if let Some((since, count)) = self.pressed {
            // What was made up for before, a quarter of a second at most, is missing for a second.
            let due = u64::from(rules.admit) * (now - since).saturating_sub(300) / 1_000;
            assert!(u64::from(count) + 1 >= due, "{count} since {since} at {}, {context}", rules.admit);
        }
    }

    /// Everybody's place, of those who are here.
    pub(crate) fn rank(&mut self, context: &str) -> Vec<(u64, u32)> {
        let mut place = 0;
        for waiting in &mut self.line {
            place += u32::from(waiting.session.is_some() || !self.slips.counts_only_who_is_here);
            assert!(place <= waiting.place, "{waiting:?} gets worse: {place}, {context}");
            waiting.place = place;
        }
        self.line.iter().filter_map(|waiting| Some((waiting.session?, waiting.place))).collect()
    }

    /// Sessions that are in or wait, of one account or in no order.
    pub(crate) fn waiting_sessions(&self, account: u64) -> Vec<u64> {
        let of = self.line.iter().filter(|waiting| waiting.account == account);
        of.filter_map(|waiting| waiting.session).collect()
    }
}

fn count<T>(all: impl Iterator<Item = T>) -> u32 {
    u32::try_from(all.count()).expect("few")
}
