//! Programs under callgrind: started, awaited, and how many instructions they took.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Outcome;
use crate::machine;

/// A program that runs under callgrind. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Counted {
    child: Child,
    counts: PathBuf,
    log: PathBuf,
}

/// How long a program may take to its end.
const LONGEST: Duration = Duration::from_secs(60);

impl Counted {
    /// Starts it; what it and callgrind leave is named after `name`.
    pub(crate) fn start<S: AsRef<OsStr>>(
        program: &Path,
        words: &[S],
        (folder, name): (&Path, &str),
    ) -> Outcome<Self> {
        let fail = |error: std::io::Error| format!("cannot start valgrind: {error}");
        let (counts, log) = (folder.join(format!("{name}.callgrind")), folder.join(format!("{name}.log")));
        let output = fs::File::create(&log).map_err(fail)?;
        // setpriv replaces itself by valgrind, so the number stays; the kernel ends it if this process dies first.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "valgrind", "--tool=callgrind"])
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .arg("--")
            .arg(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(fail)?)
            .stderr(output)
            .spawn()
            .map_err(fail)?;
        Ok(Self { child, counts, log })
    }

    /// An error if it has ended.
    pub(crate) fn must_run(&mut self) -> Outcome<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failed(&format!("ended too early with {status}"))),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Stands still, whatever comes, until [`Counted::go_on`].
    pub(crate) fn stand_still(&mut self) -> Outcome<()> {
        machine::signal(machine::pid(self.child.id())?, Signal::STOP)?;
        let end = Instant::now() + LONGEST;
        while Instant::now() < end {
            self.must_run()?;
            if machine::is_stopped(self.child.id()) {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(self.failed("does not stand still"))
    }

    pub(crate) fn go_on(&self) -> Outcome<()> {
        machine::signal(machine::pid(self.child.id())?, Signal::CONT)
    }

    /// Asks it to end in order.
    pub(crate) fn ask_to_end(&self) -> Outcome<()> {
        machine::signal(machine::pid(self.child.id())?, Signal::TERM)
    }

    /// Waits for its end: the instructions of all its threads.
    pub(crate) fn finish(mut self) -> Outcome<u64> {
        let end = Instant::now() + LONGEST;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(self.failed(&format!("does not end within {LONGEST:?}"))),
                Err(error) => return Err(error.to_string()),
            }
        };
        if !status.success() {
            return Err(self.failed(&format!("ended with {status}")));
        }
        let text = fs::read_to_string(&self.counts).unwrap_or_default();
        total(&text).ok_or_else(|| self.failed("left no count"))
    }

    fn failed(&self, what: &str) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(12).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        format!("the program under callgrind {what}; its last words:\n{}", last.join("\n"))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// The sum that callgrind writes behind everything else.
fn total(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}

/// The version, or how to get one.
pub(crate) fn version() -> Outcome<String> {
    let asked = Command::new("valgrind").arg("--version").output();
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok().filter(|said| said.starts_with("valgrind")).ok_or_else(|| {
        "there is no valgrind here; nothing was counted. Debian has it: apt-get install --no-install-recommends valgrind"
            .to_owned()
    })
}
