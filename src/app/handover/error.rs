//! Why a handover failed, told to the old process's operator and by the new process.

use std::fmt;
use std::io;
use std::process::ExitStatus;

use super::line::LineError;

/// A handover that failed, as the old process sees it: it goes on as before.
#[derive(Debug)]
pub struct HandoverError {
    /// How far it came.
    pub step: Step,
    /// What went wrong.
    pub cause: Cause,
    /// What became of the new process.
    pub fate: Fate,
}

/// How far a handover came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The program's file is started.
    Spawn,
    /// The package is handed over.
    Package,
    /// The new process reads its configuration, takes the sockets and tries its links.
    Ready,
    /// The new process is told to go.
    Go,
    /// The new process begins to accept.
    Serving,
}

/// What went wrong.
#[derive(Debug)]
pub enum Cause {
    /// The program's file cannot be started.
    Start(io::Error),
    /// The new process ended.
    Ended,
    /// The new process said that it cannot take over.
    Refused(String),
    /// Nothing came in time.
    Silence,
    /// The line failed, or what came over it makes no sense.
    Line(LineError),
}

/// What became of the new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It never was.
    NeverStarted,
    /// It ended by itself.
    Ended(ExitStatus),
    /// It was killed because the handover had failed.
    Killed,
}

/// Why the new process cannot take over.
#[derive(Debug)]
pub enum TakeOverError {
    /// Its stdin is no line to a predecessor.
    NoPredecessor,
    /// The old process speaks another version of the protocol.
    Version {
        /// The old process's.
        theirs: u64,
        /// This process's.
        ours: u64,
    },
    /// The old process does not go on with it.
    Silence,
    /// The line failed, or what came over it makes no sense.
    Line(LineError),
}

impl Step {
    /// What was being done.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spawn => "while starting the new process",
            Self::Package => "while handing over to the new process",
            Self::Ready => "before the new process was ready",
            Self::Go => "while telling the new process to go",
            Self::Serving => "after the new process was told to go, before it served",
        }
    }
}

impl fmt::Display for HandoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upgrade failed {}: {}", self.step.as_str(), self.cause)?;
        match self.fate {
            Fate::NeverStarted => Ok(()),
            Fate::Ended(status) => write!(f, " ({status})"),
            Fate::Killed => f.write_str("; it was killed"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the program's file cannot be started: {error}"),
            Self::Ended => f.write_str("it ended"),
            Self::Refused(why) => write!(f, "it says: {why}"),
            Self::Silence => f.write_str("nothing came from it in time"),
            Self::Line(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TakeOverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPredecessor => f.write_str(
                "--take-over is what a running gateway starts its successor with, and there is none at stdin; \
                 leave it away",
            ),
            Self::Version { theirs, ours } => write!(
                f,
                "the running gateway hands over by version {theirs} of the protocol and this program by {ours}; \
                 stop the running one and start this one instead"
            ),
            Self::Silence => f.write_str("the running gateway has not gone on with the handover in time"),
            Self::Line(error) => error.fmt(f),
        }
    }
}

impl From<LineError> for TakeOverError {
    fn from(error: LineError) -> Self {
        Self::Line(error)
    }
}

impl std::error::Error for HandoverError {}
impl std::error::Error for TakeOverError {}
