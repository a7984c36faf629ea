//! What was to be shown, line by line: the figure of this run, its bound, and whether it holds.

use super::figure::Figure;
use super::losses::best_of_others;
use super::table::Table;
use crate::companions::Played;
use crate::lab::spread::Spread;
use crate::proxies::Peer;
use crate::seats::{are_cores_free, cores};

use Against::{Above, Best, Itself, Of, Since, Work};
use Bound::{AtLeast, AtMost};
use Figure::{Cpu, Kept, Memory, P50, P99, Rate};
use Peer::{Dedicated, Envoy, Gathered, Haproxy, Reloaded, Shared, TwoWorkers};

/// What a figure is compared with.
#[derive(Clone, Copy, Debug)]
enum Against {
    /// The same of another row, as a ratio.
    Of(Peer),
    /// The same of the best row that is not ours, as a ratio.
    Best,
    /// The same of the same row at another work, as a ratio.
    Work(&'static str),
    /// Another figure of the same row, as a ratio.
    Since(Figure),
    /// The same of another row, as a difference.
    Above(Peer),
    /// Nothing.
    Itself,
}

/// Where it holds.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// One line.
#[derive(Clone, Copy, Debug)]
struct Claim {
    what: &'static str,
    /// The work's key; of a pair without what comes after the dash.
    work: &'static str,
    peer: Peer,
    figure: Figure,
    against: Against,
}

const fn claim(
    what: &'static str,
    (work, peer, figure): (&'static str, Peer, Figure),
    against: Against,
) -> Claim {
    Claim { what, work, peer, figure, against }
}

/// Without TLS and with it.
const PAIRS: [(Claim, [Bound; 2]); 18] = [
    (
        claim("A saturated: CPU per frame ÷ HAProxy's", ("a", Shared, Cpu), Of(Haproxy)),
        [AtMost(0.62), AtMost(0.45)],
    ),
    (
        claim("A saturated: frames/s ÷ HAProxy's", ("a", Shared, Rate), Of(Haproxy)),
        [AtLeast(1.6), AtLeast(2.1)],
    ),
    (claim("B: CPU per frame ÷ HAProxy's", ("b", Shared, Cpu), Of(Haproxy)), [AtMost(0.85), AtMost(0.72)]),
    (
        claim("B with gather: CPU per frame ÷ HAProxy's", ("b", Gathered, Cpu), Of(Haproxy)),
        [AtMost(0.45), AtMost(0.50)],
    ),
    (claim("B with gather: p99 - HAProxy's, µs", ("b", Gathered, P99), Above(Haproxy)), [AtMost(1500.0); 2]),
    (claim("C: CPU per frame ÷ the best peer's", ("c", Shared, Cpu), Best), [AtMost(1.0); 2]),
    (claim("D: CPU per frame ÷ the best peer's", ("d", Shared, Cpu), Best), [AtMost(1.0); 2]),
    (
        claim("A saturated, dedicated links: CPU per frame ÷ HAProxy's", ("a", Dedicated, Cpu), Of(Haproxy)),
        DEDICATED,
    ),
    (claim("B, dedicated links: CPU per frame ÷ HAProxy's", ("b", Dedicated, Cpu), Of(Haproxy)), DEDICATED),
    (claim("C, dedicated links: CPU per frame ÷ HAProxy's", ("c", Dedicated, Cpu), Of(Haproxy)), DEDICATED),
    (claim("D, dedicated links: CPU per frame ÷ HAProxy's", ("d", Dedicated, Cpu), Of(Haproxy)), DEDICATED),
    (claim("idle session: KiB", ("memory", Shared, Memory), Itself), [AtMost(2.0), AtMost(9.0)]),
    (
        claim("memory a minute after the peak ÷ before it", ("peak", Shared, Kept), Since(Memory)),
        [AtMost(1.5); 2],
    ),
    (claim("A at 60 %: p50 ÷ HAProxy's", ("a60", Shared, P50), Of(Haproxy)), [AtMost(1.0); 2]),
    (claim("A at 60 %: p99 ÷ HAProxy's", ("a60", Shared, P99), Of(Haproxy)), [AtMost(1.0); 2]),
    (claim("B at 60 %: p50 ÷ HAProxy's", ("b60", Shared, P50), Of(Haproxy)), [AtMost(1.0); 2]),
    (claim("B at 60 %: p99 ÷ HAProxy's", ("b60", Shared, P99), Of(Haproxy)), [AtMost(1.0); 2]),
    (
        claim("A with two workers: frames/s ÷ one worker's", ("workers", TwoWorkers, Rate), Of(Shared)),
        [AtLeast(1.8); 2],
    ),
];
const DEDICATED: [Bound; 2] = [AtMost(1.0), AtMost(0.75)];

/// With TLS only.
const SINGLE: [(Claim, Bound); 3] = [
    (claim("full handshakes/s ÷ HAProxy's", ("handshakes-full", Shared, Rate), Of(Haproxy)), AtLeast(3.0)),
    (claim("full handshakes/s ÷ Envoy's", ("handshakes-full", Shared, Rate), Of(Envoy)), AtLeast(1.6)),
    (
        claim(
            "resumed handshakes/s ÷ full ones",
            ("handshakes-resumed", Shared, Rate),
            Work("handshakes-full"),
        ),
        AtLeast(1.1),
    ),
];

/// What WebSocket adds to an idle session, in KiB: how the line of the other bench begins that says so.
const WEBSOCKET: [(&str, &str); 2] = [("ws takes ", "over TCP"), ("wss takes ", "over TLS")];

/// The table. What was not asked of this run is left out.
pub(super) fn paragraph(tables: &[Table], others: &[Played]) -> String {
    let mut rows = Vec::new();
    for (claim, bounds) in PAIRS {
        for (bound, over) in bounds.into_iter().zip(["plain", "tls"]) {
            let what = format!("{}; {}", claim.what, if over == "tls" { "TLS" } else { over });
            let table = find(tables, &format!("{}-{over}", claim.work));
            rows.extend(table.map(|table| row(&what, bound, claim.judged(table, tables))));
        }
    }
    for (claim, bound) in SINGLE {
        let table = find(tables, claim.work);
        rows.extend(table.map(|table| row(claim.what, bound, claim.judged(table, tables))));
    }
    rows.extend(find(tables, "handshakes-reload").map(tickets));
    if let Some(played) = others.iter().find(|other| other.key == "websocket") {
        let beside =
            |(line, over)| row(&format!("WebSocket {over}: KiB more"), AtMost(1.0), websocket(played, line));
        rows.extend(WEBSOCKET.map(beside));
    }
    if rows.is_empty() {
        return "Nothing of it was asked of this run.\n".to_owned();
    }
    format!(
        "Ratios are of the medians; in brackets the lowest and the highest of the rounds, each with that of the same \
         round. Links are shared where no others are named.\n\n| | this run | bound | |\n|---|---:|---:|---|\n{}",
        rows.concat()
    )
}

impl Claim {
    /// The figure, or why there is none.
    fn judged(&self, table: &Table, tables: &[Table]) -> Result<Spread, String> {
        if table.work.wants_cores() && !are_cores_free() {
            return Err(format!("not to be seen on {} cores", cores()));
        }
        let own = rounds(table, self.peer, self.figure)?;
        match self.against {
            Itself => combined(&own, &own, |own, _| own),
            Of(peer) => combined(&own, &rounds(table, peer, self.figure)?, ratio),
            Above(peer) => combined(&own, &rounds(table, peer, self.figure)?, |own, other| own - other),
            Since(figure) => combined(&own, &rounds(table, self.peer, figure)?, ratio),
            Work(other) => {
                let other = find(tables, other).ok_or("the other work is not in this run")?;
                combined(&own, &rounds(other, self.peer, self.figure)?, ratio)
            }
            Best => {
                let (_, best) = best_of_others(table, self.figure).ok_or("no other proxy has a figure")?;
                combined(&own, &rounds(table, best, self.figure)?, ratio)
            }
        }
    }
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        }
    }

    fn words(self) -> String {
        match self {
            AtMost(most) => format!("at most {most}"),
            AtLeast(least) => format!("at least {least}"),
        }
    }
}

fn ratio(own: f64, other: f64) -> f64 {
    own / other
}

fn find<'a>(tables: &'a [Table], key: &str) -> Option<&'a Table> {
    tables.iter().find(|table| table.work.key == key)
}

/// A figure of every round.
fn rounds(table: &Table, peer: Peer, figure: Figure) -> Result<Vec<f64>, String> {
    match table.why_not(peer) {
        Some(reason) => Err(format!("{}: {reason}", peer.name())),
        None => Ok(table.rounds(peer, figure)),
    }
}

/// Of the medians; round by round for the ends.
fn combined(own: &[f64], other: &[f64], combine: fn(f64, f64) -> f64) -> Result<Spread, String> {
    let of_rounds = own.iter().zip(other).map(|(own, other)| combine(*own, *other));
    let median = |values: &[f64]| Spread::of(values.iter().copied()).map(|spread| spread.median);
    let both = median(own).zip(median(other)).zip(Spread::of(of_rounds));
    let ((own, other), ends) = both.ok_or("no figures")?;
    let median = combine(own, other);
    Ok(Spread { median, low: ends.low.min(median), high: ends.high.max(median) })
}

fn row(what: &str, bound: Bound, seen: Result<Spread, String>) -> String {
    let bounds = bound.words();
    match seen {
        Ok(spread) => {
            let word = if bound.holds(spread.median) { "holds" } else { "**does not hold**" };
            format!("| {what} | {spread} | {bounds} | {word} |\n")
        }
        Err(reason) => format!("| {what} | - | {bounds} | {reason} |\n"),
    }
}

/// The loader takes a handshake that was not resumed for a wrong answer.
fn tickets(table: &Table) -> String {
    let what = "tickets in use after a reload";
    if let Some(reason) = table.why_not(Reloaded) {
        return format!("| {what} | {reason} | all | **does not hold** |\n");
    }
    let handshakes = table.turns.done().map(|outcome| outcome.done * u64::from(outcome.reloads > 0));
    let reloads: u64 = table.turns.done().map(|outcome| outcome.reloads).sum();
    format!("| {what} | {} of {0} after {reloads} reloads | all | holds |\n", handshakes.sum::<u64>())
}

/// `ws takes +0.31 KiB beside tcp`
fn websocket(played: &Played, beginning: &str) -> Result<Spread, String> {
    let line = played.text.lines().find_map(|line| line.strip_prefix(beginning));
    let kib = line.and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    let kib = kib.filter(|_| played.holds).ok_or("the other bench failed")?;
    Ok(Spread { median: kib, low: kib, high: kib })
}
