//! The program is replaced by files that cannot take over: the one that serves goes on.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::upgrade::{end_visits, upgrade};
use crate::Outcome;
use crate::http;
use crate::machine;
use crate::options::{Number, Options};
use crate::players::Manner;
use crate::stage::{Setting, Stage};
use crate::verdict::Verdict;

/// In a line.
pub(super) const ABOUT: &str = "upgrades to programs that do not work, and then to one that does";

/// What can be chosen.
pub(super) const NUMBERS: &[Number] = &[
    ("visits", 200, "new connections a second, every fourth with TLS, three frames each"),
    ("sessions", 100, "sessions that nobody may close until the last upgrade"),
    ("tls", 10, "of them with TLS"),
    ("rate", 20, "frames a second of each"),
    ("seconds", 300, "for all of it at most"),
];

/// Started by a symlink, so that the program can be exchanged.
pub(super) fn setting() -> Setting {
    Setting { by_symlink: true, ..super::upgrade::setting() }
}

/// How long a new process that does not come up may be there: 30 s by contract, and a little.
const GIVE_UP: Duration = Duration::from_secs(45);
/// How long an upgrade that fails at once is watched.
const WATCH: Duration = Duration::from_secs(2);

/// Plays it.
pub(super) fn play(stage: &mut Stage, options: &Options, verdict: &mut Verdict) -> Outcome<()> {
    let real = options.gate.clone();
    stage.arrive(options.count("sessions"), options.count("tls"), Manner::Returns)?;
    stage.players.visits(options.number("visits"))?;
    for (name, program) in programs(stage, &real)? {
        stage.point_at(&program)?;
        let failed = refuse(stage);
        let seen = failed.as_ref().map_or_else(Clone::clone, |took| format!("given up after {took:.1?}"));
        verdict.must(failed.is_ok(), &format!("serves on after {name}"), seen);
        if stage.gateway.answering_pid()? != Some(stage.gateway.pid) {
            return Err(format!("{name} is not survived; the rest was not tried"));
        }
    }
    let (told, _) = stage.players.tally.turns();
    verdict.must(told == 0, "sessions told to go by what failed", told.to_string());
    stage.point_at(&real)?;
    let (taken_over, left) = upgrade(stage)?;
    verdict.must(
        true,
        "then an upgrade works",
        format!("{taken_over:.1?}, the old one left after {left:.1?}"),
    );
    end_visits(stage, verdict)?;
    stage.settle(verdict)?;
    let turns = stage.players.tally.take_turns();
    stage.judge_frames(verdict, &turns, false)
}

/// What stands where the program should.
fn programs(stage: &Stage, real: &PathBuf) -> Outcome<Vec<(&'static str, PathBuf)>> {
    let put = |name: &str, bytes: &[u8], mode: u32| {
        let path = stage.folder.path().join(name);
        let done =
            fs::write(&path, bytes).and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)));
        done.map(|()| path).map_err(|error| format!("{name}: {error}"))
    };
    let whole = fs::read(real).map_err(|error| format!("{}: {error}", real.display()))?;
    Ok(vec![
        ("a script that exits", put("exits", b"#!/bin/sh\nexit 1\n", 0o755)?),
        ("a file that is not executable", put("text", b"#!/bin/sh\nexit 0\n", 0o644)?),
        ("a script that sleeps", put("sleeps", b"#!/bin/sh\nexec sleep 1000000\n", 0o755)?),
        ("/bin/true", PathBuf::from("/bin/true")),
        // So little that its code is cut: what tells a debugger of it stands at the end of the file.
        ("a tenth of the program", put("tenth", whole.get(..whole.len() / 10).unwrap_or_default(), 0o755)?),
        ("no file at all", stage.folder.path().join("absent")),
    ])
}

/// Asks for an upgrade that must fail: how long it took until nothing was left of it.
fn refuse(stage: &Stage) -> Outcome<Duration> {
    let began = Instant::now();
    let gateway = &stage.gateway;
    gateway.signal(Signal::USR2)?;
    let what = format!("process {} to give up its successor", gateway.pid);
    stage.patience.wait(&what, GIVE_UP, || {
        gateway.must_run()?;
        let alone = machine::children_of(gateway.pid).is_empty();
        Ok((began.elapsed() >= WATCH && alone).then_some(()))
    })?;
    let took = began.elapsed();
    let status = gateway.status()?;
    let pid = http::find(&status, "pid").and_then(Value::as_u64);
    let phase = http::find(&status, "phase").and_then(Value::as_str);
    if pid != Some(u64::from(gateway.pid)) || phase != Some("serving") {
        return Err(format!("process {} says pid {pid:?}, phase {phase:?}", gateway.pid));
    }
    Ok(took)
}
