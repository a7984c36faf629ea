//! The cost curve: one rate, shared out among more and more connections.

use super::figure::Figure;
use super::table::Table;
use crate::lab::spread::round;
use crate::proxies::Peer;
use crate::works::CURVE_RATE;

const FIGURES: [Figure; 3] = [Figure::Cpu, Figure::P50, Figure::P99];

/// A section for each of plain and TLS, or nothing if the curve was not measured.
pub(super) fn sections(tables: &[Table]) -> String {
    [(false, "plain"), (true, "TLS 1.3")].map(|(tls, over)| section(tables, tls, over)).concat()
}

fn section(tables: &[Table], tls: bool, over: &str) -> String {
    let points: Vec<&Table> =
        tables.iter().filter(|table| table.work.is_of_curve() && table.work.tls == tls).collect();
    let Some(first) = points.first() else { return String::new() };
    let peers = first.work.peers;
    let rate = round(CURVE_RATE);
    let mut text = format!("\n## Cost curve: {rate} frames/s of 64 B in all, by connections; {over}\n");
    for figure in FIGURES {
        let cell = |table: &Table, peer| match table.spread(peer, figure) {
            Some(spread) => spread.to_string(),
            None => "-".to_owned(),
        };
        text += &block(figure.title(first.work.load), &points, peers, cell);
    }
    text += &block("loader + backend busy", &points, peers, Table::load);
    let of_point = |table: &&Table| {
        let connections = round_count(table.work.connections);
        let reasons = peers.iter().filter_map(|peer| Some((peer.name(), table.why_not(*peer)?)));
        let lines = reasons.map(|(name, reason)| format!("* {name}, {connections}: {reason}\n"));
        lines.collect::<String>()
    };
    let reasons: String = points.iter().map(of_point).collect();
    if reasons.is_empty() { text } else { text + "\n" + &reasons }
}

/// A row for each peer, a column for each number of connections.
fn block(name: &str, points: &[&Table], peers: &[Peer], cell: impl Fn(&Table, Peer) -> String) -> String {
    let heads: String =
        points.iter().map(|table| format!(" {} |", round_count(table.work.connections))).collect();
    let mut text = format!("\n| {name} |{heads}\n|---|{}\n", "---:|".repeat(points.len()));
    for peer in peers {
        let cells: String = points.iter().map(|table| format!(" {} |", cell(table, *peer))).collect();
        text += &format!("| {} |{cells}\n", peer.name());
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn round_count(count: usize) -> String {
    round(count as f64)
}
