//! Why a probe failed, in words.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::format_duration;
use crate::wire::link::{EnvelopeError, VERSION};

/// What went wrong.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection came about, TLS included.
    Connect(io::Error),
    /// The connection broke.
    Broken(io::Error),
    /// The backend closed before it had answered.
    Closed(Step),
    /// The backend did not get so far in time.
    Late(Step, Duration),
    /// An answer that begins with these bytes and not with those of the configuration.
    Unlike(Vec<u8>),
    /// A status that is not of success.
    Status(u16),
    /// What was written is no HTTP, or the connection broke.
    Http(hyper::Error),
    /// The path or the address cannot stand in a request.
    Request(hyper::http::Error),
    /// What was written is no envelope.
    Envelope(EnvelopeError),
    /// The first envelope was no HELLO_ACK.
    NotGreeted,
    /// The backend speaks another version of the link.
    Version(u16),
}

/// How far a probe is: what is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connection,
    HelloAck,
    Pong,
    Answer,
}

/// The step of a probe, for whoever gives it up.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicUsize);

impl Failure {
    /// Whether the machine has no more sockets, ports or memory for this process: that says nothing of the backend.
    pub(super) fn is_ours(&self) -> bool {
        match self {
            Self::Connect(error) => error.raw_os_error().is_some_and(|code| OUR_ERRORS.contains(&code)),
            Self::Broken(_)
            | Self::Closed(_)
            | Self::Late(..)
            | Self::Unlike(_)
            | Self::Status(_)
            | Self::Http(_)
            | Self::Request(_)
            | Self::Envelope(_)
            | Self::NotGreeted
            | Self::Version(_) => false,
        }
    }
}

/// ENOMEM, ENFILE, EMFILE, EADDRNOTAVAIL (no free port) and ENOBUFS of connect(2) and socket(2) on Linux.
const OUR_ERRORS: [i32; 5] = [12, 23, 24, 99, 105];

impl Step {
    const ALL: [Self; 4] = [Self::Connection, Self::HelloAck, Self::Pong, Self::Answer];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::HelloAck => "HELLO_ACK",
            Self::Pong => "PONG",
            Self::Answer => "answer",
        }
    }
}

impl Progress {
    pub(super) fn enter(&self, step: Step) {
        let place = Step::ALL.iter().position(|known| *known == step);
        self.0.store(place.unwrap_or(0), Ordering::Relaxed);
    }

    pub(super) fn step(&self) -> Step {
        Step::ALL.get(self.0.load(Ordering::Relaxed)).copied().unwrap_or(Step::Connection)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Closed(step) => write!(f, "the backend closed the connection without {}", step.as_str()),
            Self::Late(step, limit) => write!(f, "no {} within {}", step.as_str(), format_duration(*limit)),
            Self::Unlike(bytes) => write!(f, "the answer begins with {}", Hex(bytes)),
            Self::Status(status) => write!(f, "the answer's status is {status}"),
            Self::Http(error) => match error.source() {
                Some(source) => write!(f, "{error}: {source}"),
                None => error.fmt(f),
            },
            Self::Request(error) => write!(f, "the request cannot be written: {error}"),
            Self::Envelope(error) => error.fmt(f),
            Self::NotGreeted => f.write_str("the backend's first envelope was no HELLO_ACK"),
            Self::Version(version) => {
                write!(f, "the backend speaks version {version} of the link, not {VERSION}")
            }
        }
    }
}

/// The first bytes of what a backend wrote.
struct Hex<'a>(&'a [u8]);

/// More bytes than these say no more to a person.
const SHOWN: usize = 16;

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(SHOWN).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(if self.0.len() > SHOWN { "..." } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_is_said_in_words() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let said = [
            (Failure::Connect(refused), "cannot connect: connection refused"),
            (Failure::Closed(Step::HelloAck), "the backend closed the connection without HELLO_ACK"),
            (Failure::Late(Step::Pong, Duration::from_millis(1500)), "no PONG within 1500ms"),
            (Failure::Unlike(vec![0, 0xAB]), "the answer begins with 00ab"),
            (Failure::Unlike(vec![1; 17]), "the answer begins with 01010101010101010101010101010101..."),
            (Failure::Status(503), "the answer's status is 503"),
            (Failure::Version(2), "the backend speaks version 2 of the link, not 1"),
        ];
        for (failure, words) in said {
            assert_eq!(failure.to_string(), words);
        }
    }

    #[test]
    fn a_machine_without_sockets_says_nothing_of_the_backend() {
        let of = |code| Failure::Connect(io::Error::from_raw_os_error(code)).is_ours();
        assert!(of(24) && of(99));
        assert!(!of(111) && !Failure::NotGreeted.is_ours());
    }

    #[test]
    fn progress_is_what_was_entered_last() {
        let progress = Progress::default();
        assert_eq!(progress.step(), Step::Connection);
        for step in Step::ALL {
            progress.enter(step);
            assert_eq!(progress.step(), step);
        }
    }
}
