//! Where realmgate is not the best, computed from the figures, so that nobody has to look for it.

use super::figure::Figure;
use super::table::Table;
use crate::lab::spread::{Spread, round};
use crate::proxies::Peer;

/// The rows that are compared with those of others.
const OURS: [Peer; 3] = [Peer::Shared, Peer::Gathered, Peer::Dedicated];

/// A list, or a sentence if there is none.
pub(super) fn paragraph(tables: &[Table]) -> String {
    let text: String = OURS.into_iter().map(|peer| of_peer(peer, tables)).collect();
    format!(
        "Every cell where another proxy is better than a row of realmgate, as a multiple of the better one; `~`: the \
         rounds of the two overlap, so that it may be chance. Rates that were given are not compared.\n\n{text}"
    )
}

fn of_peer(peer: Peer, tables: &[Table]) -> String {
    let compared = tables.iter().filter(|table| table.work.peers.contains(&Peer::Haproxy));
    let lines: String =
        compared.filter(|table| table.turns.has(peer)).filter_map(|table| line(peer, table)).collect();
    let lines = if lines.is_empty() { "* nowhere in this run\n".to_owned() } else { lines };
    format!("{}:\n\n{lines}\n", peer.name())
}

fn line(peer: Peer, table: &Table) -> Option<String> {
    let title = &table.work.title;
    if let Some(failure) = table.turns.failure(peer) {
        return Some(format!("* {title}: failed ({failure})\n"));
    }
    let figures = Figure::all(table.work.load).iter().filter(|figure| table.ranks(**figure));
    let lost: Vec<String> = figures.filter_map(|figure| cell(peer, table, *figure)).collect();
    (!lost.is_empty()).then(|| format!("* {title}: {}\n", lost.join("; ")))
}

fn cell(peer: Peer, table: &Table, figure: Figure) -> Option<String> {
    let own = table.spread(peer, figure)?;
    let (best, rival) = best_of_others(table, figure)?;
    let ratio = gain(figure, &best, &own);
    let chance = if own.overlaps(&best) { "~" } else { "" };
    (ratio > 1.0).then(|| {
        let (own, best) = (round(own.median), round(best.median));
        format!("{} {own} against {best} ({}), {chance}{ratio:.2}x", figure.name(), rival.name())
    })
}

/// Who is best among the others, and how good.
pub(super) fn best_of_others(table: &Table, figure: Figure) -> Option<(Spread, Peer)> {
    let others = Peer::OTHERS.into_iter().filter_map(|other| Some((table.spread(other, figure)?, other)));
    others.reduce(|best, next| if gain(figure, &next.0, &best.0) > 1.0 { next } else { best })
}

/// How many times better the first is than the second.
fn gain(figure: Figure, one: &Spread, two: &Spread) -> f64 {
    if figure.more_is_better() { one.median / two.median } else { two.median / one.median }
}
