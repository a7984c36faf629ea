//! The old process's side: starts the new process, hands over, and ends it when that fails.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::time::{timeout, timeout_at};

use super::error::{Cause, Fate, HandoverError, Step};
use super::line::{Line, LineError, Word};
use super::package::Package;
use super::predecessor::unexpected;
use crate::app::systemd;

/// The new process, until it serves. When a step fails, it has been ended and reaped before the error is there;
/// dropped before it serves, it is killed.
#[derive(Debug)]
pub struct Heir {
    // Before the line: the process must have been killed before it could see the line's end and think that it is
    // alone.
    child: Offspring,
    line: Line,
    package: Package,
}

/// A child that is killed when it is dropped, unless it was let go.
#[derive(Debug)]
struct Offspring(Option<Child>);

/// How long a process that has closed the line may take to end by itself, so that its exit status can be told; and how
/// long its last word is waited for when it has ended.
const LAST_MOMENTS: Duration = Duration::from_secs(1);
/// How long the end of a killed process is waited for.
const BURIAL: Duration = Duration::from_secs(5);
/// What tells a process about sockets or a watchdog that were meant for its parent.
const OURS: [&str; 4] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID"];

impl Heir {
    /// Starts the program with one end of the line as its stdin.
    ///
    /// # Errors
    /// When the file cannot be started.
    pub fn spawn(program: &Path, arguments: &[OsString], package: Package) -> Result<Self, HandoverError> {
        let failed =
            |error| HandoverError { step: Step::Spawn, cause: Cause::Start(error), fate: Fate::NeverStarted };
        let (line, end) = line().map_err(failed)?;
        let child = start(program, arguments, end).map_err(failed)?;
        Ok(Self { child: Offspring(Some(child)), line, package })
    }

    /// The new process's number.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.0.as_ref().and_then(Child::id)
    }

    /// Hands the package over and waits until the new process could accept.
    ///
    /// # Errors
    /// When it ends, refuses, speaks no sense, or is not ready by the deadline.
    pub async fn ready(&mut self, deadline: Instant) -> Result<(), HandoverError> {
        let sent = timeout_at(deadline.into(), self.send()).await.unwrap_or(Err(Cause::Silence));
        match sent {
            // Who refuses or ends without reading closes the line too: what it said then is the better reason.
            Ok(()) | Err(Cause::Line(LineError::Closed)) => {}
            Err(cause) => return Err(self.end(Step::Package, cause).await),
        }
        self.expect(&Word::Ready, Step::Ready, deadline).await
    }

    async fn send(&mut self) -> Result<(), Cause> {
        let sent = tokio::select! {
            biased;
            sent = self.package.send(&mut self.line) => sent,
            _ = self.child.ended() => Err(LineError::Closed),
        };
        sent.map_err(Cause::Line)
    }

    /// Tells it to accept; this process must not accept any more.
    ///
    /// # Errors
    /// When it has ended meanwhile.
    pub async fn go(&mut self) -> Result<(), HandoverError> {
        match timeout(LAST_MOMENTS, self.line.say(&Word::Go)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.end(Step::Go, Cause::Line(error)).await),
            Err(_) => Err(self.end(Step::Go, Cause::Silence).await),
        }
    }

    /// Waits until it accepts, tells systemd that it is the main process now, and lets it go its own way. Its number.
    ///
    /// # Errors
    /// When it ends, speaks no sense, or does not accept by the deadline: this process may accept again.
    pub async fn serving(mut self, deadline: Instant) -> Result<u32, HandoverError> {
        self.expect(&Word::Serving, Step::Serving, deadline).await?;
        let id = self.id().unwrap_or_default();
        // Before the line closes: with its end the new process may speak to systemd itself.
        systemd::main_process(id, &format!("process {id} serves"));
        if let Some(mut child) = self.child.0.take() {
            // Should it end before this process does, it is reaped.
            tokio::spawn(async move { child.wait().await });
        }
        Ok(id)
    }

    async fn expect(&mut self, word: &Word, step: Step, deadline: Instant) -> Result<(), HandoverError> {
        let heard = match timeout_at(deadline.into(), self.hear()).await {
            Ok(heard) => heard,
            Err(_) => Err(Cause::Silence),
        };
        let cause = match heard {
            Ok(heard) if heard == *word => return Ok(()),
            Ok(Word::Refused(why)) => Cause::Refused(why),
            Ok(other) => Cause::Line(unexpected(&other)),
            Err(cause) => cause,
        };
        Err(self.end(step, cause).await)
    }

    /// The next word; or that there will be none, since the process has ended. Its own children could hold the line
    /// open, so the line's end is not all that is waited for.
    async fn hear(&mut self) -> Result<Word, Cause> {
        let heard = tokio::select! {
            biased;
            heard = self.line.hear() => heard,
            _ = self.child.ended() => {
                // A message that was half read is lost here, and with it no more than the reason.
                timeout(LAST_MOMENTS, self.line.hear()).await.unwrap_or(Err(LineError::Closed))
            }
        };
        heard.map_err(Cause::Line)
    }

    /// Ends the process if it lives, and makes the error of it.
    async fn end(&mut self, step: Step, cause: Cause) -> HandoverError {
        let is_ending = matches!(cause, Cause::Line(LineError::Closed) | Cause::Refused(_));
        let patience = if is_ending { LAST_MOMENTS } else { Duration::ZERO };
        let fate = match timeout(patience, self.child.ended()).await {
            Ok(Ok(status)) => Fate::Ended(status),
            Ok(Err(_)) | Err(_) => self.child.kill().await,
        };
        let cause = match (cause, fate) {
            (Cause::Line(LineError::Closed), Fate::Ended(_)) => Cause::Ended,
            (cause, _) => cause,
        };
        HandoverError { step, cause, fate }
    }
}

impl Offspring {
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.0 {
            Some(child) => child.wait().await,
            None => Err(io::Error::other("it was let go")),
        }
    }

    async fn kill(&mut self) -> Fate {
        if let Some(child) = &mut self.0 {
            // Fails only for a process that has ended already.
            drop(child.start_kill());
            drop(timeout(BURIAL, child.wait()).await);
        }
        Fate::Killed
    }
}

impl Drop for Offspring {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Reaped by the runtime.
            drop(child.start_kill());
        }
    }
}

/// This process's end, and the other one's.
fn line() -> io::Result<(Line, UnixStream)> {
    let (own, other) = UnixStream::pair()?;
    Ok((Line::new(own)?, other))
}

/// The command is gone afterwards, and with it this process's copy of the other end.
fn start(program: &Path, arguments: &[OsString], end: UnixStream) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::from(OwnedFd::from(end)));
    for variable in OURS {
        command.env_remove(variable);
    }
    command.spawn()
}
