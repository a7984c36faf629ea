//! The figures of one work.

use std::fmt;

use super::figure::Figure;
use crate::lab::spread::{Spread, round};
use crate::lab::turns::{Turns, percent};
use crate::orders::{Load, Outcome};
use crate::proxies::Peer;
use crate::seats::Seats;
use crate::works::Work;

/// One work with everything the peers did at it.
#[derive(Debug)]
pub(crate) struct Table {
    /// What was done.
    pub(crate) work: Work,
    /// Who did what at it.
    pub(crate) turns: Turns<Peer, Outcome>,
}

impl Table {
    /// A turn in a line, for who watches.
    pub(crate) fn line(work: &Work, outcome: &Result<Outcome, String>) -> String {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(reason) => return format!("failed: {reason}"),
        };
        let figures = Figure::all(work.load).iter();
        let told = figures.map(|figure| format!("{} {}", figure.name(), round(figure.of(work, outcome))));
        let others = is_timed(work.load).then(|| others(work, outcome));
        told.chain(others).collect::<Vec<_>>().join(", ")
    }

    /// Whether no turn failed.
    pub(crate) fn is_whole(&self) -> bool {
        self.work.peers.iter().all(|peer| self.turns.failure(*peer).is_none())
    }

    /// Whether being better at a figure means something here: a given rate is no merit.
    pub(super) fn ranks(&self, figure: Figure) -> bool {
        figure != Figure::Rate || !matches!(self.work.load, Load::Open { .. })
    }

    /// A peer's figure over the rounds; `None` if any of its turns failed, or if it had none.
    pub(super) fn spread(&self, peer: Peer, figure: Figure) -> Option<Spread> {
        self.turns.spread(peer, |outcome| figure.of(&self.work, outcome))
    }

    /// A peer's figure of each round.
    pub(super) fn rounds(&self, peer: Peer, figure: Figure) -> Vec<f64> {
        self.turns.figures(peer, |outcome| figure.of(&self.work, outcome))
    }

    /// What others took of the cores in each turn, in percent.
    pub(super) fn strangers(&self) -> impl Iterator<Item = f64> {
        let timed = self.turns.done().filter(|_| is_timed(self.work.load));
        timed.map(|outcome| strangers(&self.work, outcome))
    }

    /// How busy loader and backend were.
    pub(super) fn load(&self, peer: Peer) -> String {
        format!(
            "{} + {}",
            self.share(peer, |outcome| outcome.loader),
            self.share(peer, |outcome| outcome.backend)
        )
    }

    fn share(&self, peer: Peer, of: fn(&Outcome) -> u64) -> String {
        let share = self.turns.spread(peer, |outcome| percent(of(outcome), outcome.window));
        share.map_or("-".to_owned(), |spread| format!("{:.0} %", spread.median))
    }

    /// To the first row.
    fn ratio(&self, peer: Peer, figure: Figure) -> Option<f64> {
        let first = *self.work.peers.first()?;
        Some(self.spread(peer, figure)?.median / self.spread(first, figure)?.median)
    }

    fn row(&self, peer: Peer, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = Figure::all(self.work.load);
        write!(f, "| {} |", peer.name())?;
        if let Some(reason) = self.why_not(peer) {
            write!(f, " {reason} |")?;
            return writeln!(f, "{}", " |".repeat(self.columns() - 1));
        }
        for (place, figure) in figures.iter().enumerate() {
            let spread = self.spread(peer, *figure);
            write!(f, " {} |", spread.map_or("-".to_owned(), |spread| spread.to_string()))?;
            if place == 0 {
                let ratio = self.ratio(peer, *figure);
                write!(f, " {} |", ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")))?;
            }
        }
        write!(f, " 0 |")?;
        if is_timed(self.work.load) {
            write!(f, " {} | {} |", self.share(peer, |outcome| outcome.proxy), self.load(peer))?;
        }
        writeln!(f)
    }

    /// Why a row has no figures.
    pub(super) fn why_not(&self, peer: Peer) -> Option<String> {
        let failed = self.turns.failure(peer).map(|failure| format!("failed: {failure}"));
        failed.or_else(|| {
            let reason = (!self.turns.has(peer)).then(|| peer.hindrance(&self.work).unwrap_or_default());
            reason.map(|reason| format!("not measured: {reason}"))
        })
    }

    /// Beside the name: the figures, the ratio, the wrong answers; who was how busy.
    fn columns(&self) -> usize {
        Figure::all(self.work.load).len() + if is_timed(self.work.load) { 4 } else { 2 }
    }

    /// How often the file was read again in each turn.
    fn reloads(&self) -> Option<String> {
        let turns = self.turns.done().map(|outcome| outcome.reloads).filter(|reloads| *reloads > 0);
        let counts: Vec<String> = turns.map(|reloads| reloads.to_string()).collect();
        (!counts.is_empty()).then(|| counts.join(", "))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| |")?;
        for (place, figure) in Figure::all(self.work.load).iter().enumerate() {
            write!(f, " {} |", figure.title(self.work.load))?;
            if place == 0 {
                write!(f, " ratio |")?;
            }
        }
        let busy = if is_timed(self.work.load) { " proxy busy | others |" } else { "" };
        writeln!(f, " wrong answers |{busy}\n|---|{}", "---:|".repeat(self.columns()))?;
        self.work.peers.iter().try_for_each(|peer| self.row(*peer, f))?;
        match self.reloads() {
            Some(counts) => writeln!(f, "\nReloads in force, turn by turn: {counts}."),
            None => Ok(()),
        }
    }
}

/// Whether CPU time is taken.
fn is_timed(load: Load) -> bool {
    !matches!(load, Load::Idle | Load::Peak)
}

fn strangers(work: &Work, outcome: &Outcome) -> f64 {
    let cores = work.peers.first().map_or(1, |peer| Seats::of(work, *peer).count);
    percent(outcome.strangers, cores as u64 * outcome.window)
}

fn others(work: &Work, outcome: &Outcome) -> String {
    let share = |part| percent(part, outcome.window);
    format!(
        "busy: proxy {:.0} %, loader {:.0} %, backend {:.0} %, strangers {:.0} %",
        share(outcome.proxy),
        share(outcome.loader),
        share(outcome.backend),
        strangers(work, outcome)
    )
}
