//! The program is replaced again and again while players come and go.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Outcome;
use crate::machine;
use crate::options::{Number, Options};
use crate::players::Manner;
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str = "binary upgrades by SIGUSR2 under new connections";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("upgrades", 50, "one after the other"),
    ("visits", 200, "new connections a second, every fourth with TLS, three frames each"),
    ("sessions", 200, "long sessions that come again when they are told"),
    ("tls", 20, "of them with TLS"),
    ("rate", 20, "frames a second of each"),
    ("seconds", 900, "for all of it at most"),
];

/// A short drain.
pub(super) fn setting() -> Setting {
    Setting { drain: "lame_duck = \"0s\"\nspread = \"1s\"\ndeadline = \"5s\"", ..Setting::plain() }
}

/// How long a new process may take to answer; it has 30 s by contract.
const TAKE_OVER: Duration = Duration::from_secs(40);
/// How long the old one may take to leave: its deadline and a little.
const LEAVE: Duration = Duration::from_secs(15);
/// How long the last visitors may take; each has its own limit, which is shorter.
const LAST_VISITS: Duration = Duration::from_secs(20);

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    stage.arrive(options.count("sessions"), options.count("tls"), Manner::Returns)?;
    stage.players.visits(options.number("visits"))?;
    let (mut slowest, mut longest) = (Duration::ZERO, Duration::ZERO);
    let mut done = 0;
    let mut all = Ok(());
    for _ in 0..options.number("upgrades") {
        match upgrade(stage) {
            Ok((taken_over, left)) => (slowest, longest) = (slowest.max(taken_over), longest.max(left)),
            Err(reason) => {
                all = Err(reason);
                break;
            }
        }
        done += 1;
    }
    let wanted = options.number("upgrades");
    verdict.must(
        done == wanted,
        "upgrades, each old process with exit code 0",
        format!("{done} of {wanted}"),
    );
    verdict.figure("slowest to take over", format!("{slowest:.1?}"));
    verdict.figure("longest until the old process had left", format!("{longest:.1?}"));
    end_visits(stage, verdict)?;
    let (tally, came) = (&stage.players.tally, stage.arrived());
    // Those who are on their way back arrive, or are missed below.
    let back = stage
        .patience
        .wait("the long sessions to be back", LAST_VISITS, || Ok((tally.open.get() == came).then_some(())));
    let turns = tally.take_turns();
    let told = turns.iter().filter(|turn| turn.told == "shutting_down").count();
    verdict.must(
        told == turns.len(),
        "told shutting_down, of all told",
        format!("{told} of {}", turns.len()),
    );
    let there = tally.open.get();
    verdict.must(there == came, "long sessions that are there at the end", format!("{there} of {came}"));
    let open: u32 = turns.iter().map(|turn| turn.sent - turn.answered).sum();
    verdict.figure("long sessions' frames in flight at the close", open.to_string());
    stage.settle(verdict)?;
    stage.judge_frames(verdict, &turns, false)?;
    all.and(back)
}

/// One of them; how long it took until the new process answered, and until the old one had left.
pub(super) fn upgrade(stage: &mut Stage) -> Outcome<(Duration, Duration)> {
    let old = stage.gateway.pid;
    let began = Instant::now();
    stage.gateway.signal(Signal::USR2)?;
    let gateway = &stage.gateway;
    let new = stage.patience.wait(&format!("another process than {old} to answer"), TAKE_OVER, || {
        Ok(gateway.answering_pid()?.filter(|pid| *pid != old))
    })?;
    let taken_over = began.elapsed();
    let (fine, how) = stage.gateway.wait_for_end(LEAVE, &stage.patience)?;
    stage.gateway.pid = new;
    if !fine {
        return Err(format!("the old process {old} ended with {how}"));
    }
    // It is this process's child since its parent has ended.
    if !machine::children_of(std::process::id()).contains(&new) {
        return Err(format!("process {new} answers the API and is not what process {old} left behind"));
    }
    Ok((taken_over, began.elapsed()))
}

/// No more visitors; what became of them all.
pub(super) fn end_visits(stage: &Stage, verdict: &mut Verdict) -> Outcome<()> {
    stage.players.visits(0)?;
    let tally = &stage.players.tally;
    let failed = || -> u64 {
        let faults = tally.faults();
        faults.iter().filter(|(kind, _)| kind.starts_with("visit")).map(|(_, count)| count).sum()
    };
    let settled = stage.patience.wait("the last visitors to leave", LAST_VISITS, || {
        Ok((tally.served.get() + failed() >= tally.visits.get()).then_some(()))
    });
    let (visits, served) = (tally.visits.get(), tally.served.get());
    verdict.figure("connections with TLS", tally.tls.get().to_string());
    verdict.figure("visits told to come again, and that did", tally.again.get().to_string());
    verdict.must(served == visits, "visits with every answer", format!("{served} of {visits}"));
    settled
}
