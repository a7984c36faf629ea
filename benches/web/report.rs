//! What is written down: a table for each work, where realmgate is not the best, and a word at the end.

use std::fmt::Write as _;
use std::time::Duration;

use crate::lab::facts::Facts;
use crate::lab::spread::{Spread, round};
use crate::lab::turns::{Turns, last_words, percent};
use crate::proxies::Peer;
use crate::run::{CORES, Turn};
use crate::works::Work;

/// One work with everything the peers did at it.
#[derive(Debug)]
pub(crate) struct Table {
    /// What was asked.
    pub(crate) work: Work,
    /// Who did what at it.
    pub(crate) turns: Turns<Peer, Turn>,
}

const READING: &str = "\
One server (an nginx that gives two files from the page cache) is behind each proxy in turn; connections are kept on
both sides. All three proxies choose among three paths, set `X-Forwarded-For`, `-Proto`, `-Host` and `X-Request-Id`
(realmgate `Forwarded`, too), and write no access log. **Requests per CPU second** are answers by the user and system
time of all threads of the proxy, from the loader's start to its end; TLS handshakes of the connections are in it.
The ratio is to HAProxy in the same run, above 1 is more. `others` is how busy the core of loader and server was, first
the loader, then the server: near 100 % together, requests/s say more about them than about the proxy. Figures are
medians over the rounds, with the lowest and the highest behind them. Before each turn one answer is compared byte by
byte; in it every status is counted, and all bytes. A turn with anything wrong is told as failed. Figures of two runs
are not comparable.
";

impl Table {
    fn row(&self, peer: Peer) -> String {
        let name = peer.name();
        if let Some(failure) = self.turns.failure(peer) {
            return format!("| {name} | failed: {failure} | | | | | |\n");
        }
        let told = |figure: fn(&Turn) -> f64, tell: fn(Spread) -> String| {
            self.turns.spread(peer, figure).map_or("-".to_owned(), tell)
        };
        let cell = |figure| told(figure, |spread| spread.to_string());
        let share = |figure| told(figure, |spread| format!("{:.0} %", spread.median));
        let both =
            self.turns.spread(peer, per_cpu_second).zip(self.turns.spread(Peer::Haproxy, per_cpu_second));
        let ratio = both.map_or("-".to_owned(), |(own, base)| format!("{:.2}", own.median / base.median));
        format!(
            "| {name} | {} | {ratio} | {} | {} | {} | {} + {} |\n",
            cell(per_cpu_second),
            cell(micros),
            cell(per_second),
            share(|turn| percent(turn.proxy, turn.window)),
            share(|turn| percent(turn.loader, turn.window)),
            share(|turn| percent(turn.origin, turn.window)),
        )
    }

    /// How realmgate does where another one does better.
    fn loss(&self) -> Option<String> {
        let title = &self.work.title;
        if let Some(failure) = self.turns.failure(Peer::Realmgate) {
            return Some(format!("* {title}: failed ({failure})\n"));
        }
        let own = self.turns.spread(Peer::Realmgate, per_cpu_second)?;
        let others = Peer::ALL.into_iter().filter(|peer| *peer != Peer::Realmgate);
        let spreads = others.filter_map(|peer| Some((self.turns.spread(peer, per_cpu_second)?, peer)));
        let (best, rival) = spreads.max_by(|(one, _), (two, _)| one.median.total_cmp(&two.median))?;
        let chance = if own.overlaps(&best) { "~" } else { "" };
        let ratio = best.median / own.median;
        let (own, best, rival) = (round(own.median), round(best.median), rival.name());
        (ratio > 1.0).then(|| format!("* {title}: {own} against {best} ({rival}), {chance}{ratio:.2}x\n"))
    }
}

/// The whole part of the report.
pub(crate) fn text(facts: &Facts, tables: &[Table], took: Duration) -> String {
    let mut text = format!("# HTTP: requests per CPU second\n\n{facts}\n{READING}");
    for table in tables {
        let rows: String = Peer::ALL.into_iter().map(|peer| table.row(peer)).collect();
        let written = write!(
            text,
            "\n## {}\n\n| | requests per CPU second | ratio | CPU µs/request | requests/s | proxy busy | others |\n\
             |---|---:|---:|---:|---:|---:|---:|\n{rows}",
            table.work.title
        );
        written.expect("text takes text");
    }
    let losses: String = tables.iter().filter_map(Table::loss).collect();
    let losses = if losses.is_empty() { "* nowhere in this run\n".to_owned() } else { losses };
    let turns = tables.iter().flat_map(|table| table.turns.done());
    let last = last_words(turns.map(strangers), took);
    text + &format!(
        "\n## Where a CPU second of HAProxy or nginx is good for more\n\n`~`: the rounds of the two overlap, so that it \
         may be chance.\n\n{losses}\n{last}"
    )
}

/// Prints what is asked of the run; whether it holds.
pub(crate) fn judge(tables: &[Table]) -> bool {
    let mut holds = true;
    for table in tables {
        for peer in Peer::ALL {
            if let Some(failure) = table.turns.failure(peer) {
                holds = false;
                println!("FAIL  {}, {}: {failure}", table.work.key, peer.name());
            }
        }
    }
    println!("{}  every answer through every proxy was whole and right", if holds { "PASS" } else { "FAIL" });
    holds
}

/// A turn in a line, for who watches.
pub(crate) fn line(turn: &Result<Turn, String>) -> String {
    match turn {
        Err(reason) => format!("failed: {reason}"),
        Ok(turn) => format!(
            "{} requests per CPU second, {} requests/s; busy: proxy {:.0} %, loader {:.0} %, server {:.0} %, strangers \
             {:.0} %",
            round(per_cpu_second(turn)),
            round(per_second(turn)),
            percent(turn.proxy, turn.window),
            percent(turn.loader, turn.window),
            percent(turn.origin, turn.window),
            strangers(turn),
        ),
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures of a few digits are wanted")]
fn per_cpu_second(turn: &Turn) -> f64 {
    turn.got.answers as f64 * 1e9 / turn.proxy.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures of a few digits are wanted")]
fn micros(turn: &Turn) -> f64 {
    turn.proxy as f64 / 1000.0 / turn.got.answers.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures of a few digits are wanted")]
fn per_second(turn: &Turn) -> f64 {
    turn.got.answers as f64 * 1e9 / turn.window.max(1) as f64
}

/// What others took of the run's cores, in percent.
fn strangers(turn: &Turn) -> f64 {
    percent(turn.strangers, CORES as u64 * turn.window)
}
