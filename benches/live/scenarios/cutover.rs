//! Sessions move from one release group to the other and back: first as they end, then told to.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Outcome;
use crate::backends::Wanted;
use crate::file::Moving;
use crate::frame::Cluster;
use crate::options::{Number, Options};
use crate::players::{Manner, Turn};
use crate::spread::kolmogorov_smirnov;
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str = "group a to b and back under load, natural and forced";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("sessions", 2000, "sessions that are there at first"),
    ("tls", 200, "of them with TLS"),
    ("rate", 20, "frames a second of each"),
    ("newcomers", 200, "sessions that come after each natural cut"),
    ("hold", 5, "seconds under load after each natural cut"),
    ("spread", 20, "seconds of a forced cut"),
    ("seconds", 300, "for all of it at most"),
];

/// Everything twice, once for each group; a is active.
pub(super) fn setting() -> Setting {
    let clusters = [Cluster::Battle, Cluster::Battle, Cluster::Chat, Cluster::Pay];
    let of = |group| clusters.into_iter().map(move |cluster| Wanted { cluster, group });
    Setting {
        wanted: of(A).chain(of(B)).collect(),
        edit: |file| file.release = Some(("a", Moving::Natural)),
        ..Setting::plain()
    }
}

const A: u8 = 1;
const B: u8 = 2;
/// How long a reload may take.
const CONFIRM: Duration = Duration::from_secs(10);
/// After the spread a session may still have to send its next frame, connect and be answered.
const GRACE: Duration = Duration::from_secs(1);
/// Departures that are less likely than this among even ones are uneven.
const LEAST_P: f64 = 0.01;

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    let (sessions, newcomers) = (options.count("sessions"), options.count("newcomers"));
    let hold = Duration::from_secs(options.number("hold"));
    stage.arrive(sessions, options.count("tls"), Manner::Returns)?;
    // Who is where, in the order of arrival.
    let mut expected = vec![A; sessions];
    expect_groups(stage, &expected)?;
    for (name, group) in [("b", B), ("a", A)] {
        cut(stage, name, Moving::Natural)?;
        stage.arrive(newcomers, newcomers / 10, Manner::Returns)?;
        expected.extend(std::iter::repeat_n(group, newcomers));
        expect_groups(stage, &expected)?;
        stage.patience.pass("the load to go on", hold, || stage.gateway.must_run())?;
        expect_groups(stage, &expected)?;
    }
    let (told, _) = stage.players.tally.turns();
    verdict.must(told == 0, "sessions that a natural cut told to go", told.to_string());
    let mut turns = Vec::new();
    let spread = options.number("spread");
    for (name, from, to) in [("b", A, B), ("a", B, A)] {
        let moving = expected.iter().filter(|group| **group == from).count();
        let began = cut(stage, name, Moving::Forced(spread))?;
        let spread = Duration::from_secs(spread);
        let outcome = await_return(stage, moving, spread, began);
        let these = stage.players.tally.take_turns();
        judge(verdict, name, &these, (moving, to), (began, spread));
        turns.extend(these);
        outcome?;
        expected.fill(to);
        expect_groups(stage, &expected)?;
    }
    stage.settle(verdict)?;
    stage.judge_frames(verdict, &turns, true)
}

/// Changes the active group; when the order was given.
fn cut(stage: &mut Stage, active: &'static str, moving: Moving) -> Outcome<Instant> {
    let before = stage.gateway.generation()?;
    stage.file.release = Some((active, moving));
    stage.write_file()?;
    let began = Instant::now();
    stage.gateway.signal(Signal::HUP)?;
    let gateway = &stage.gateway;
    stage.patience.wait(&format!("the reload that makes {active} active"), CONFIRM, || {
        gateway.must_run()?;
        Ok((gateway.generation()? > before).then_some(()))
    })?;
    Ok(began)
}

/// Waits until every session has been answered by some group; all must be where they are expected.
fn expect_groups(stage: &Stage, expected: &[u8]) -> Outcome<()> {
    let seats = stage.patience.wait("every session's first answer", CONFIRM, || {
        let seats = stage.players.census()?;
        Ok(seats.iter().all(|seat| seat.is_open && seat.group != 0).then_some(seats))
    })?;
    let wrong = seats.iter().filter(|seat| expected.get(seat.seat) != Some(&seat.group)).count();
    match seats.iter().find(|seat| expected.get(seat.seat) != Some(&seat.group)) {
        None => Ok(()),
        Some(first) => Err(format!(
            "{wrong} of {} sessions are in the wrong group, the first is session {} in group {}",
            seats.len(),
            first.seat,
            first.group
        )),
    }
}

/// Waits until all who move are back, and until the spread is over: nobody else may be told.
fn await_return(stage: &Stage, moving: usize, spread: Duration, began: Instant) -> Outcome<()> {
    let end = began + spread + GRACE;
    stage.patience.wait(&format!("{moving} sessions to move and come back"), spread + CONFIRM, || {
        stage.gateway.must_run()?;
        let (_, back) = stage.players.tally.turns();
        Ok((back >= moving && Instant::now() >= end).then_some(()))
    })
}

fn judge(
    verdict: &mut Verdict,
    name: &str,
    turns: &[Turn],
    (moving, to): (usize, u8),
    (began, spread): (Instant, Duration),
) {
    let to_name = |what: &str| format!("forced to {name}: {what}");
    let moved = turns.iter().filter(|turn| turn.told == "moved").count();
    verdict.must(
        moved == moving && turns.len() == moving,
        &to_name("told moved and closed"),
        format!("{moved} of {moving}"),
    );
    let late = turns
        .iter()
        .filter(|turn| turn.back.is_none_or(|(at, _)| at.saturating_duration_since(began) > spread + GRACE));
    let slowest = turns.iter().filter_map(|turn| Some(turn.back?.0.saturating_duration_since(began))).max();
    let late = late.count();
    verdict.must(
        late == 0,
        &to_name("back too late"),
        format!("{late}, the last after {:.1?}", slowest.unwrap_or_default()),
    );
    let elsewhere = turns.iter().filter(|turn| turn.back.is_none_or(|(_, group)| group != to)).count();
    verdict.must(elsewhere == 0, &to_name("not answered by the other group"), elsewhere.to_string());
    let settled = turns.iter().filter(|turn| turn.group == to).count();
    verdict.must(settled == 0, &to_name("told though they were there"), settled.to_string());
    let longest =
        turns.iter().filter_map(|turn| Some(turn.back?.0.saturating_duration_since(turn.closed))).max();
    verdict.figure(&to_name("longest from close to answer"), format!("{:.1?}", longest.unwrap_or_default()));
    let unasked = turns.iter().filter(|turn| turn.sent == turn.answered).count();
    verdict.must(unasked == 0, &to_name("told without having asked"), unasked.to_string());
    // Asked before `moved` was heard, and after the question that it answers.
    let behind: u32 = turns.iter().map(|turn| (turn.sent - turn.answered).saturating_sub(1)).sum();
    verdict.figure(&to_name("frames in flight at the close"), behind.to_string());
    let share = |turn: &Turn| {
        turn.closed.saturating_duration_since(began).as_secs_f64() / spread.as_secs_f64().max(f64::EPSILON)
    };
    let (distance, p) = kolmogorov_smirnov(&turns.iter().map(share).collect::<Vec<_>>());
    verdict.must(p > LEAST_P, &to_name("even departures"), format!("D = {distance:.4}, p = {p:.4}"));
}
