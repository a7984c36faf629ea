//! What the peers did at one work, turn by turn.

use super::spread::Spread;

/// The turns of all peers, in the order in which they were.
#[derive(Debug)]
pub(crate) struct Turns<P, T>(Vec<(P, Result<T, String>)>);

impl<P: Copy + PartialEq, T> Turns<P, T> {
    /// Lets every peer have its turn, round after round: whatever the machine does meanwhile falls on all of them.
    pub(crate) fn play(
        rounds: usize,
        peers: &[P],
        mut turn: impl FnMut(P) -> Result<T, String>,
        mut tell: impl FnMut(String, P, &Result<T, String>),
    ) -> Self {
        let mut turns = Vec::new();
        for round in 1..=rounds {
            for peer in peers {
                let outcome = turn(*peer);
                tell(format!("{round}/{rounds}"), *peer, &outcome);
                turns.push((*peer, outcome));
            }
        }
        Self(turns)
    }

    /// Whether this peer had a turn.
    pub(crate) fn has(&self, peer: P) -> bool {
        self.0.iter().any(|(other, _)| *other == peer)
    }

    /// Why a peer has no figures: one failed turn is enough.
    pub(crate) fn failure(&self, peer: P) -> Option<&str> {
        let own = self.0.iter().filter(|(other, _)| *other == peer);
        own.filter_map(|(_, turn)| turn.as_ref().err())
            .next()
            .map(|reason| reason.lines().next().unwrap_or(""))
    }

    /// A peer's figure of each round; empty if any of its turns failed.
    pub(crate) fn figures(&self, peer: P, figure: impl Fn(&T) -> f64) -> Vec<f64> {
        if self.failure(peer).is_some() {
            return Vec::new();
        }
        let own = self.0.iter().filter(|(other, _)| *other == peer);
        own.filter_map(|(_, turn)| turn.as_ref().ok()).map(figure).collect()
    }

    /// The same over all rounds.
    pub(crate) fn spread(&self, peer: P, figure: impl Fn(&T) -> f64) -> Option<Spread> {
        Spread::of(self.figures(peer, figure).into_iter())
    }

    /// Every turn that was played to its end.
    pub(crate) fn done(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|(_, turn)| turn.as_ref().ok())
    }
}

/// A share in percent.
#[expect(clippy::cast_precision_loss, reason = "a percentage")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// The end of a report: how much of the machine belonged to somebody else, in percent by turn, and how long it took.
pub(crate) fn last_words(strangers: impl Iterator<Item = f64>, took: std::time::Duration) -> String {
    let strangers = Spread::of(strangers).map_or(String::new(), |spread| {
        format!(
            "Other programs of the machine took {:.0} % of the run's cores during the measured windows (median; {:.0} \
             to {:.0} %).\n",
            spread.median, spread.low, spread.high
        )
    });
    format!("{strangers}The run took {:.0} minutes.\n", took.as_secs_f64() / 60.0)
}
