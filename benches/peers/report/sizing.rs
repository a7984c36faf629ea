//! What one worker can carry, in the terms of who sizes a machine.

use super::figure::Figure;
use super::table::Table;
use crate::lab::spread::{Spread, round};
use crate::proxies::Peer;

use Figure::{Cpu, Memory, Peaked, Rate};
use Peer::{Gathered, Shared};

/// One line: what it says, and the figure that it is computed from.
struct Line {
    what: &'static str,
    /// The work's key; of a pair without what comes after the dash.
    work: &'static str,
    peer: Peer,
    figure: Figure,
    /// From the figure to what the line says.
    times: f64,
}

const fn line(what: &'static str, (work, peer, figure): (&'static str, Peer, Figure), times: f64) -> Line {
    Line { what, work, peer, figure, times }
}

/// Percent of a core, of µs a frame, for 1,000 players with 10 frames/s each.
const CORE_OF_THOUSAND: f64 = 1000.0 * 10.0 / 1e6 * 100.0;
/// MiB for 1,000 sessions, of KiB for one.
const MIB_OF_THOUSAND: f64 = 1000.0 / 1024.0;
const LINES: [Line; 10] = [
    line("1,000 players with 10 frames/s each, % of a core", ("b", Shared, Cpu), CORE_OF_THOUSAND),
    line("the same with `gather`", ("b", Gathered, Cpu), CORE_OF_THOUSAND),
    line("most frames/s there and back, 64 B", ("a", Shared, Rate), 1.0),
    line("most frames/s there and back, 1 KiB", ("c", Shared, Rate), 1.0),
    line("most frames/s there and back, 64 KiB", ("d", Shared, Rate), 1.0),
    line("1,000 idle players, MiB", ("memory", Shared, Memory), MIB_OF_THOUSAND),
    line("1,000 players, all busy with 1 KiB frames, MiB", ("peak", Shared, Peaked), MIB_OF_THOUSAND),
    line("logins/s, connection and one frame, no ticket", ("handshakes-full", Shared, Rate), 1.0),
    line("the same with a ticket", ("handshakes-resumed", Shared, Rate), 1.0),
    line("the same while the file is read again", ("handshakes-reload", Peer::Reloaded, Rate), 1.0),
];

/// The section, or nothing where none of it was measured.
pub(super) fn section(tables: &[Table]) -> String {
    let rows: String = LINES.iter().filter_map(|line| line.row(tables)).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "\n## Sizing: what one worker carries on this machine\n\nShared links; the loader and the backend worked beside \
         it, which costs it caches and memory bandwidth.\n\n| | plain | TLS 1.3 |\n|---|---:|---:|\n{rows}"
    )
}

impl Line {
    fn row(&self, tables: &[Table]) -> Option<String> {
        let of_key = |key: &str| tables.iter().find(|table| table.work.key == key);
        let cells = match of_key(self.work) {
            Some(alone) => [None, Some(alone)],
            None => ["plain", "tls"].map(|over| of_key(&format!("{}-{over}", self.work))),
        };
        if cells.iter().all(Option::is_none) {
            return None;
        }
        let [plain, tls] = cells.map(|table| self.cell(table));
        Some(format!("| {} | {plain} | {tls} |\n", self.what))
    }

    fn cell(&self, table: Option<&Table>) -> String {
        let spread = table.and_then(|table| table.spread(self.peer, self.figure));
        spread.map_or("-".to_owned(), |Spread { median, .. }| round(median * self.times))
    }
}
