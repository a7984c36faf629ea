//! Attackers in front of a gateway on which people play: what the players feel of it, what memory it takes, and whether
//! every connection that was turned away or thrown out is counted with a reason.

mod attackers;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::legitimate::{Legitimate, Window};
use crate::Outcome;
use crate::machine;
use crate::options::{Number, Options};
use crate::page;
use crate::stage::{LOGIN, Setting, Stage};
use crate::verdict::Verdict;
use attackers::{Attack, Report};

/// In a line.
pub(super) const ABOUT: &str = "slow, senseless, many and deaf: what it does to those who play";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("players", 200, "that play with TLS"),
    ("rate", 20, "frames a second of each"),
    ("quiet", 8, "seconds without an attack, before each of them"),
    ("attack", 12, "seconds of each attack"),
    ("only", 0, "the number of one attack, from 1; 0 for all of them"),
    ("seconds", 600, "for all of it at most"),
];

/// The limits that a file without them has, and shorter times so that attackers meet them.
pub(super) fn setting(_: &Options) -> Setting {
    let limits =
        "connections = 20000, handshake_timeout = \"5s\", frame_timeout = \"5s\", login_timeout = \"8s\"";
    Setting { limits, more: LOGIN.to_owned(), files: Vec::new() }
}

/// Newcomers a second: fewer than one address may bring.
const ARRIVALS: f64 = 45.0;
/// How often the p99 of the quiet times an attack may make of it.
const MOST: f64 = 2.0;
/// How long the gateway may take to count what an attack left behind: lingering closes and timeouts.
const SETTLE: Duration = Duration::from_secs(15);
/// What an attack may cost in memory besides what each of its connections may.
const SLACK: u64 = 32 << 20;
/// Ends that are not the gateway's doing.
const OWN_ENDS: [&str; 2] = ["player_left", "player_reset"];

/// Refused after they were taken in: such a connection has an end, too.
const TAKEN_IN: [&str; 2] = ["handshakes", "proxy_header"];

/// What was seen of one attack from both sides.
struct Seen {
    attack: &'static Attack,
    quiet: Window,
    during: Window,
    report: Report,
    refused: page::Counts,
    ended: page::Counts,
    accepted: u64,
}

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    machine::hurry(-5);
    let mut legitimate = Legitimate::arrive(stage, options, ARRIVALS)?;
    let (quiet, length) =
        (Duration::from_secs(options.number("quiet")), Duration::from_secs(options.number("attack")));
    // The first seconds are everybody's slowest.
    legitimate.measure(stage, quiet)?;
    let mut all = Vec::new();
    for (number, attack) in attackers::ALL.iter().enumerate() {
        if options.count("only") == 0 || options.count("only") == number + 1 {
            println!("       {}", attack.name);
            all.push(one(stage, &mut legitimate, attack, quiet, length)?);
        }
    }
    let mut quiets: Vec<u64> = all.iter().map(|seen| seen.quiet.p99).collect();
    quiets.sort_unstable();
    let usual = quiets.get(quiets.len() / 2).copied().unwrap_or(0);
    verdict.figure("players' p99 in quiet times", format!("{} (of {quiets:?} µs)", millis(usual)));
    for seen in &all {
        judge(seen, usual, verdict);
    }
    let latest = legitimate.latest();
    verdict.must(
        latest < Duration::from_millis(500),
        "the players kept to their schedule",
        format!("{latest:.1?} behind"),
    );
    verdict.none("questions without an answer", legitimate.unanswered());
    verdict.figure("UNDELIVERED to deaf players", stage.backend.counts.undelivered.load(Relaxed).to_string());
    legitimate.faults.judge(verdict);
    Ok(())
}

/// A quiet time, and then the attack.
fn one(
    stage: &Stage,
    legitimate: &mut Legitimate,
    attack: &'static Attack,
    quiet: Duration,
    length: Duration,
) -> Outcome<Seen> {
    let quiet = legitimate.measure(stage, quiet)?;
    let before = stage.page()?;
    let (during, report) = std::thread::scope(|scope| {
        let attackers = scope.spawn(|| {
            // On a network they have machines of their own.
            machine::hurry(19);
            attackers::run(attack, stage, length)
        });
        let during = legitimate.measure(stage, length);
        let report = attackers.join().map_err(|_| "the attackers' thread has ended".to_owned());
        Ok::<_, String>((during?, report??))
    })?;
    let mut seen = Seen {
        attack,
        quiet,
        during,
        report,
        refused: page::Counts::new(),
        ended: page::Counts::new(),
        accepted: 0,
    };
    let until = Instant::now() + SETTLE;
    loop {
        let after = stage.page()?;
        seen.refused = after.growth(&before, "listener_refused_total", "reason");
        seen.ended = after.growth(&before, "session_ended_total", "reason");
        seen.accepted = page::sum(&after.growth(&before, "listener_accepted_total", "listener"));
        if (seen.all_are_counted() && seen.accepted == page::sum(&seen.ended)) || Instant::now() > until {
            return Ok(seen);
        }
        // People go on playing while the last attackers are counted.
        legitimate.measure(stage, Duration::from_millis(500))?;
    }
}

impl Seen {
    /// Every connection that was made was taken in or refused.
    fn all_are_counted(&self) -> bool {
        self.report.connected == self.accepted + self.refused_at_the_door()
    }

    /// Connections that were refused before they were taken in.
    fn refused_at_the_door(&self) -> u64 {
        let refused = self.refused.iter().filter(|(word, _)| !TAKEN_IN.contains(&word.as_str()));
        refused.map(|(_, count)| count).sum()
    }

    /// Connections that the gateway ended, and what it says of the reasons.
    fn thrown_out(&self) -> u64 {
        let ended = self.ended.iter().filter(|(word, _)| !OWN_ENDS.contains(&word.as_str()));
        self.refused_at_the_door() + ended.map(|(_, count)| count).sum::<u64>()
    }

    /// Reasons that this attack does not give.
    fn strange(&self) -> Vec<&str> {
        let words = self.refused.keys().chain(self.ended.keys()).map(String::as_str);
        words.filter(|word| !self.attack.reasons.contains(word) && !OWN_ENDS.contains(word)).collect()
    }

    /// What memory may be at most.
    fn bound(&self) -> u64 {
        let connections = u64::try_from(self.attack.crowd).unwrap_or(u64::MAX);
        self.quiet.resident + connections * self.attack.each + SLACK
    }
}

fn judge(seen: &Seen, usual: u64, verdict: &mut Verdict) {
    let Seen { attack, during, report, .. } = seen;
    let name = attack.name;
    let times = during.p99 as f64 / usual.max(1) as f64;
    verdict.must(
        times <= MOST,
        &format!("{name}: players' p50, p99"),
        format!("{}, {}: {times:.1} times the quiet p99", millis(during.p50), millis(during.p99)),
    );
    let mib = |bytes: u64| bytes >> 20;
    verdict.must(
        during.resident <= seen.bound(),
        &format!("{name}: memory"),
        format!(
            "{} MiB, before {}, bound {}",
            mib(during.resident),
            mib(seen.quiet.resident),
            mib(seen.bound())
        ),
    );
    verdict.must(
        seen.all_are_counted() && report.refused == 0,
        &format!("{name}: connections made, all counted"),
        format!("{} = {} + {} refused", report.connected, seen.accepted, seen.refused_at_the_door()),
    );
    // What the attackers left at the end may have been ended at the same moment.
    let thrown_out = seen.thrown_out();
    verdict.must(
        (report.ended..=report.ended + report.left).contains(&thrown_out) && thrown_out > 0,
        &format!("{name}: thrown out, as they saw it and as counted"),
        format!("{}, {thrown_out}; {} left by themselves", report.ended, report.left),
    );
    let strange = seen.strange();
    let reasons = format!("refused: {}; ended: {}", page::words(&seen.refused), page::words(&seen.ended));
    verdict.must(strange.is_empty(), &format!("{name}: reasons"), reasons);
    verdict.figure(&format!("{name}: attackers' own greatest delay"), format!("{:.1?}", report.latest));
}

fn millis(micros: u64) -> String {
    format!("{:.2} ms", micros as f64 / 1000.0)
}
