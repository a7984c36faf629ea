//! What must hold of the windows.

use std::time::Duration;

use super::calls::Report;
use super::{Kind, LOUD, QUIET, Seen};
use crate::options::Options;
use crate::page;
use crate::scenarios::legitimate::{Legitimate, Window};
use crate::verdict::Verdict;
use crate::web::{GARBLED, NOBODY};

/// What the flood may make of the players' p99.
const MOST: f64 = 1.10;

/// The players in the three kinds of windows.
pub(super) fn players(all: &[Seen], players: &Legitimate, verdict: &mut Verdict) {
    let of = |kind: Kind, figure: fn(&Window) -> u64| {
        let windows = all.iter().filter(|seen| seen.kind == kind);
        let mut values: Vec<u64> = windows.map(|seen| figure(&seen.players)).collect();
        values.sort_unstable();
        values
    };
    for kind in [Kind::Without, Kind::AtRate, Kind::Flood] {
        let (halves, tails) = (of(kind, |window| window.p50), of(kind, |window| window.p99));
        let words = format!(
            "p50 {}, p99 {} ({} to {})",
            millis(median(&halves)),
            millis(median(&tails)),
            millis(tails.first().copied().unwrap_or(0)),
            millis(tails.last().copied().unwrap_or(0)),
        );
        let windows = all.iter().filter(|seen| seen.kind == kind);
        let spent: u64 = windows.map(|seen| seen.gateway).sum();
        let each = spent as f64 / 1e9 / tails.len().max(1) as f64;
        verdict.figure(&format!("players, {}", kind.name()), format!("{words}; gateway {each:.2} s of CPU"));
    }
    let without = median(&of(Kind::Without, |window| window.p99));
    for kind in [Kind::AtRate, Kind::Flood] {
        let times = median(&of(kind, |window| window.p99)) as f64 / without.max(1) as f64;
        let paired = paired(all, kind);
        let name = format!("players' p99, {} to without", kind.name());
        let words = format!("{times:.3} of the medians, {paired:.3} round by round");
        if kind == Kind::Flood {
            // One bad window without the flood must not excuse the flood.
            verdict.must(times.max(paired) <= MOST, &name, format!("{words}; at most {MOST}"));
        } else {
            verdict.figure(&name, words);
        }
    }
    let latest = players.latest();
    verdict.must(
        latest < Duration::from_millis(500),
        "the players kept to their schedule",
        format!("{latest:.1?} behind"),
    );
    verdict.none("questions without an answer", players.unanswered());
}

/// The median over the rounds of the p99 in a window of this kind to that in the same round's window without.
fn paired(all: &[Seen], kind: Kind) -> f64 {
    let of = |kind: Kind| all.iter().filter(move |seen| seen.kind == kind).map(|seen| seen.players.p99);
    let both = of(kind).zip(of(Kind::Without));
    let mut times: Vec<f64> = both.map(|(with, without)| with as f64 / without.max(1) as f64).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY)
}

/// Both partners, and the gateway's and the server's counts of them.
pub(super) fn partners(all: &[Seen], options: &Options, verdict: &mut Verdict) {
    let length = options.number("window") as f64;
    let may = options.number("requests") as f64;
    for seen in all {
        let Some(loud) = &seen.loud else { continue };
        let ordered = seen.kind.rate(options) * length;
        let name = seen.kind.name();
        let sent = loud.sent as f64;
        verdict.must(sent > 0.95 * ordered, &format!("{name}: sent"), format!("{sent} of {ordered}"));
        let (passed, refused) = (count(loud, 200), count(loud, 429));
        let most = if seen.kind == Kind::Flood { may * (length + 4.0) } else { ordered + 1.0 };
        let within = passed as f64 <= most && passed as f64 >= 0.9 * may * length.min(ordered / may);
        let at_rate = seen.kind == Kind::Flood || refused == 0;
        verdict.must(
            within && at_rate && passed + refused == loud.sent,
            &format!("{name}: answered 200, 429"),
            format!("{passed} + {refused} = {}; latest {:.1?}", loud.sent, loud.latest),
        );
        let told = seen.by_partner.get(LOUD).copied().unwrap_or(0);
        let only = seen.by_reason.keys().all(|reason| reason == "rate");
        verdict.must(
            told == refused && page::sum(&seen.by_reason) == refused && only,
            &format!("{name}: refused, as counted"),
            format!("{told}: {}", page::words(&seen.by_reason)),
        );
        let arrived = seen.arrived.get(LOUD).copied().unwrap_or(0);
        verdict.must(arrived == passed, &format!("{name}: reached the server"), arrived.to_string());
    }
    let quiets = all.iter().map(|seen| (&seen.quiet, seen.arrived.get(QUIET).copied().unwrap_or(0)));
    let (mut sent, mut passed, mut arrived) = (0, 0, 0);
    for (quiet, reached) in quiets {
        (sent, passed, arrived) = (sent + quiet.sent, passed + count(quiet, 200), arrived + reached);
    }
    verdict.must(
        sent == passed && passed == arrived,
        "the other partner: sent, answered 200, reached the server",
        format!("{sent}, {passed}, {arrived}"),
    );
    for kind in [Kind::Without, Kind::Flood] {
        let windows = all.iter().filter(|seen| seen.kind == kind);
        let mut tails: Vec<u64> = windows.map(|seen| seen.quiet.p99).collect();
        tails.sort_unstable();
        verdict.figure(&format!("the other partner's p99, {}", kind.name()), millis(median(&tails)));
    }
    let strangers = [NOBODY, GARBLED].map(|whose| all.iter().filter_map(move |seen| seen.arrived.get(whose)));
    verdict.none("requests at the server without a partner", strangers.into_iter().flatten().sum());
    let reports = all.iter().flat_map(|seen| seen.loud.iter().chain([&seen.quiet]));
    let wrong: Vec<&String> = reports.flat_map(|report| &report.wrong).collect();
    let first = wrong.first().map_or("none".to_owned(), |first| format!("{}: {first}", wrong.len()));
    verdict.must(wrong.is_empty(), "answers with a fault", first);
}

fn count(report: &Report, status: u16) -> u64 {
    report.answers.get(&status).copied().unwrap_or(0)
}

/// Of sorted values.
fn median(values: &[u64]) -> u64 {
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// For a person.
pub(super) fn millis(micros: u64) -> String {
    format!("{:.2} ms", micros as f64 / 1000.0)
}
