//! The figures of one work.

use std::fmt;

use crate::lab::spread::{Spread, round};
use crate::orders::{Load, Outcome};
use crate::proxies::Peer;
use crate::works::Work;

/// One work with everything the peers did at it.
#[derive(Debug)]
pub(crate) struct Table {
    /// What was done.
    pub(crate) work: Work,
    turns: Vec<(Peer, Result<Outcome, String>)>,
}

/// A column that can be won or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Microseconds of the proxy's CPU for a frame or a handshake.
    Cpu,
    /// Frames or handshakes a second.
    Rate,
    /// Microseconds, every second answer is faster.
    P50,
    /// Microseconds, 99 of 100 are faster.
    P99,
    /// Microseconds, 999 of 1,000 are faster.
    P999,
    /// KiB of memory for one session.
    Memory,
}

impl Table {
    pub(crate) fn new(work: Work) -> Self {
        Self { work, turns: Vec::new() }
    }

    /// Adds one turn.
    pub(crate) fn add(&mut self, peer: Peer, outcome: Result<Outcome, String>) {
        self.turns.push((peer, outcome));
    }

    /// A turn in a line, for who watches.
    pub(crate) fn line(&self, outcome: &Result<Outcome, String>) -> String {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(reason) => return format!("failed: {reason}"),
        };
        if let Some(fault) = fault(outcome) {
            return format!("failed: {fault}");
        }
        let figures = self.figures().iter();
        let told = figures.map(|figure| format!("{} {}", figure.name(), round(figure.of(outcome))));
        let others = (self.work.load != Load::Idle).then(|| others(outcome));
        told.chain(others).collect::<Vec<_>>().join(", ")
    }

    /// The columns of this work.
    pub(super) fn figures(&self) -> &'static [Figure] {
        match self.work.load {
            Load::Idle => &[Figure::Memory],
            Load::Closed { .. } | Load::Open { .. } | Load::Handshakes { .. } => {
                &[Figure::Cpu, Figure::Rate, Figure::P50, Figure::P99, Figure::P999]
            }
        }
    }

    /// Whether being better at a figure means something here: a given rate is no merit.
    pub(super) fn ranks(&self, figure: Figure) -> bool {
        figure != Figure::Rate || !matches!(self.work.load, Load::Open { .. })
    }

    /// A peer's figure over the rounds; `None` if any of its turns failed.
    pub(super) fn spread(&self, peer: Peer, figure: Figure) -> Option<Spread> {
        if self.failure(peer).is_some() {
            return None;
        }
        Spread::of(self.outcomes(peer).map(|outcome| figure.of(outcome)))
    }

    /// Why a peer has no figures.
    pub(super) fn failure(&self, peer: Peer) -> Option<String> {
        self.turns.iter().filter(|(other, _)| *other == peer).find_map(|(_, outcome)| match outcome {
            Ok(outcome) => fault(outcome),
            Err(reason) => Some(reason.lines().next().unwrap_or_default().to_owned()),
        })
    }

    fn outcomes(&self, peer: Peer) -> impl Iterator<Item = &Outcome> {
        let own = self.turns.iter().filter(move |(other, _)| *other == peer);
        own.filter_map(|(_, outcome)| outcome.as_ref().ok())
    }

    /// What others took of the two cores in each turn, in percent.
    pub(super) fn strangers(&self) -> impl Iterator<Item = f64> {
        let outcomes = self.turns.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
        let measured = outcomes.filter(|_| self.work.load != Load::Idle);
        measured.map(|outcome| percent(outcome.strangers, 2 * outcome.window))
    }

    fn ratio(&self, peer: Peer) -> String {
        let first = self.figures().first().copied().unwrap_or(Figure::Cpu);
        let both = self.spread(peer, first).zip(self.spread(Peer::Haproxy, first));
        both.map_or("-".to_owned(), |(own, base)| format!("{:.2}", own.median / base.median))
    }

    fn wrong(&self, peer: Peer) -> String {
        let (wrong, missing) = self
            .outcomes(peer)
            .fold((0, 0), |(wrong, missing), outcome| (wrong + outcome.wrong, missing + outcome.missing));
        if missing == 0 { wrong.to_string() } else { format!("{wrong}, {missing} missing") }
    }

    fn others(&self, peer: Peer) -> String {
        let share = |of: fn(&Outcome) -> u64| {
            Spread::of(self.outcomes(peer).map(|outcome| percent(of(outcome), outcome.window)))
                .map_or("-".to_owned(), |spread| format!("{:.0} %", spread.median))
        };
        let (loader, backend, proxy) =
            (share(|outcome| outcome.loader), share(|outcome| outcome.backend), share(|o| o.proxy));
        format!("{proxy} | {loader} + {backend}")
    }

    fn row(&self, peer: Peer, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} |", peer.name())?;
        if let Some(failure) = self.failure(peer) {
            write!(f, " failed: {failure} |")?;
            write!(f, "{}", " |".repeat(self.figures().len()))?;
        } else {
            for (place, figure) in self.figures().iter().enumerate() {
                let spread = self.spread(peer, *figure);
                write!(f, " {} |", spread.map_or("-".to_owned(), |spread| spread.to_string()))?;
                if place == 0 {
                    write!(f, " {} |", self.ratio(peer))?;
                }
            }
        }
        write!(f, " {} |", self.wrong(peer))?;
        if self.work.load == Load::Idle { writeln!(f) } else { writeln!(f, " {} |", self.others(peer)) }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| |")?;
        for (place, figure) in self.figures().iter().enumerate() {
            let handshakes = matches!(self.work.load, Load::Handshakes { .. });
            write!(f, " {} |", figure.title(handshakes))?;
            if place == 0 {
                write!(f, " ratio |")?;
            }
        }
        let idle = self.work.load == Load::Idle;
        writeln!(f, " wrong answers |{}", if idle { "" } else { " proxy busy | others |" })?;
        writeln!(f, "|---|{}", "---:|".repeat(self.figures().len() + if idle { 2 } else { 4 }))?;
        Peer::ALL.into_iter().try_for_each(|peer| self.row(peer, f))
    }
}

impl Figure {
    /// In a line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU µs",
            Self::Rate => "per second",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::Memory => "KiB a session",
        }
    }

    fn title(self, handshakes: bool) -> &'static str {
        match (self, handshakes) {
            (Self::Cpu, false) => "CPU µs/frame",
            (Self::Cpu, true) => "CPU µs/handshake",
            (Self::Rate, false) => "frames/s",
            (Self::Rate, true) => "handshakes/s",
            (figure, _) => figure.name(),
        }
    }

    /// Whether a larger figure is the better one.
    pub(super) fn more_is_better(self) -> bool {
        self == Self::Rate
    }

    #[expect(clippy::cast_precision_loss, reason = "figures of a few digits are wanted")]
    fn of(self, outcome: &Outcome) -> f64 {
        let done = outcome.done.max(1) as f64;
        match self {
            Self::Cpu => outcome.proxy as f64 / 1000.0 / done,
            Self::Rate => outcome.done as f64 * 1e9 / outcome.window.max(1) as f64,
            Self::P50 => outcome.p50 as f64 / 1000.0,
            Self::P99 => outcome.p99 as f64 / 1000.0,
            Self::P999 => outcome.p999 as f64 / 1000.0,
            Self::Memory => outcome.grown as f64 / done,
        }
    }
}

fn fault(outcome: &Outcome) -> Option<String> {
    let Outcome { wrong, missing, done, .. } = outcome;
    if *wrong > 0 || *missing > 0 {
        return Some(format!("{wrong} wrong, {missing} missing"));
    }
    if *done == 0 {
        return Some("nothing was answered".to_owned());
    }
    (outcome.proxy == 0 && outcome.grown == 0).then(|| "the proxy seems to have done nothing".to_owned())
}

fn others(outcome: &Outcome) -> String {
    let share = |part| percent(part, outcome.window);
    format!(
        "busy: proxy {:.0} %, loader {:.0} %, backend {:.0} %, strangers {:.0} %",
        share(outcome.proxy),
        share(outcome.loader),
        share(outcome.backend),
        share(outcome.strangers) / 2.0
    )
}

#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}
