//! The new process's side: takes over from the one that started it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use tokio::time::timeout;

use super::LONGEST;
use super::error::TakeOverError;
use super::line::{Line, LineError, Word};
use super::package::Package;

/// The process that hands over.
#[derive(Debug)]
pub struct Predecessor(Line);

/// Why the new process may accept now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The old process said so.
    Go,
    /// The old process is dead. The sockets live, and players arrive at them.
    Alone,
}

impl Predecessor {
    /// The predecessor at stdin, which is `/dev/null` from then on. Needs a runtime.
    ///
    /// # Errors
    /// When nobody hands over there.
    pub fn from_stdin() -> Result<Self, TakeOverError> {
        let end = io::stdin().as_fd().try_clone_to_owned().map_err(LineError::Io)?;
        let predecessor = Self::at(end)?;
        let nothing = File::open("/dev/null").map_err(LineError::Io)?;
        rustix::stdio::dup2_stdin(&nothing).map_err(|error| LineError::Io(error.into()))?;
        Ok(predecessor)
    }

    /// The predecessor at the other end of this.
    fn at(end: OwnedFd) -> Result<Self, TakeOverError> {
        if socket_domain(&end) != Ok(AddressFamily::UNIX) {
            return Err(TakeOverError::NoPredecessor);
        }
        Ok(Self(Line::new(UnixStream::from(end)).map_err(LineError::Io)?))
    }

    /// What it hands over.
    ///
    /// # Errors
    /// When it speaks another version or no sense, dies, or says nothing for half a minute.
    pub async fn receive(&mut self) -> Result<Package, TakeOverError> {
        timeout(LONGEST, Package::receive(&mut self.0)).await.unwrap_or(Err(TakeOverError::Silence))
    }

    /// Says that this process could accept now, and waits for its turn.
    ///
    /// # Errors
    /// When the old process speaks no sense, or lives and says nothing for half a minute.
    pub async fn ready(&mut self) -> Result<Turn, TakeOverError> {
        timeout(LONGEST, self.wait_for_turn()).await.unwrap_or(Err(TakeOverError::Silence))
    }

    async fn wait_for_turn(&mut self) -> Result<Turn, TakeOverError> {
        let word = match self.0.say(&Word::Ready).await {
            Ok(()) => self.0.hear().await,
            Err(error) => Err(error),
        };
        match word {
            Ok(Word::Go) => Ok(Turn::Go),
            Err(LineError::Closed) => Ok(Turn::Alone),
            Ok(word) => Err(unexpected(&word).into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Says that this process accepts now, and waits until the old one has closed the line: by then it has told systemd
    /// who is the main process, which before hears nobody else. Whether the old one still lives does not matter.
    pub async fn serving(mut self) {
        if self.0.say(&Word::Serving).await.is_ok() {
            drop(timeout(FAREWELL, self.0.hear()).await);
        }
    }

    /// Says why this process cannot take over; it must end then. Whether the old one still hears it does not matter.
    pub async fn refuse(mut self, why: &str) {
        let why = why.chars().take(MOST_WHY).collect();
        drop(timeout(LONGEST, self.0.say(&Word::Refused(why))).await);
    }
}

/// How long the old process may take to say its last word to systemd.
const FAREWELL: Duration = Duration::from_secs(5);
/// The longest reason of a refusal, in characters.
const MOST_WHY: usize = 4096;

pub(super) fn unexpected(word: &Word) -> LineError {
    LineError::Nonsense(format!("`{}`, when it was not its turn to say that", word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Line, Predecessor) {
        let (old, new) = UnixStream::pair().expect("a pair");
        (Line::new(old).expect("a runtime"), Predecessor::at(new.into()).expect("a socket"))
    }

    #[tokio::test]
    async fn it_waits_for_its_turn() {
        let (mut old, mut new) = pair();
        let wait = tokio::spawn(async move { new.ready().await.map(|turn| (turn, new)) });
        assert_eq!(old.hear().await.expect("a word"), Word::Ready);
        assert!(!wait.is_finished());
        old.say(&Word::Go).await.expect("said");
        let (turn, new) = wait.await.expect("no panic").expect("its turn");
        assert_eq!(turn, Turn::Go);
        let serving = tokio::spawn(new.serving());
        assert_eq!(old.hear().await.expect("a word"), Word::Serving);
        assert!(!serving.is_finished(), "systemd does not know of it yet");
        drop(old);
        serving.await.expect("no panic");
    }

    #[tokio::test]
    async fn it_goes_on_alone_when_the_old_one_is_dead() {
        let (old, mut new) = pair();
        drop(old);
        assert_eq!(new.ready().await.expect("its turn"), Turn::Alone);
        new.serving().await;
    }

    #[tokio::test]
    async fn without_a_package_it_cannot_go_on() {
        let (old, mut new) = pair();
        drop(old);
        assert!(matches!(new.receive().await, Err(TakeOverError::Line(LineError::Closed))));
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_an_error() {
        for message in ["", "{", "[]", "{}", "{\"say\":7}", "{\"say\":\"serving\"}", "{\"say\":\"dance\"}"] {
            let (mut old, mut new) = pair();
            old.send(message.as_bytes()).await.expect("sent");
            let error = new.ready().await.expect_err(message);
            assert!(matches!(error, TakeOverError::Line(LineError::Nonsense(_))), "{message}: {error}");
        }
    }

    #[tokio::test]
    async fn a_long_reason_is_cut_so_that_it_can_be_heard() {
        let (mut old, new) = pair();
        new.refuse(&"ä".repeat(100_000)).await;
        assert!(matches!(old.hear().await, Ok(Word::Refused(why)) if why.chars().count() == MOST_WHY));
    }

    #[tokio::test]
    async fn what_is_no_unix_socket_is_no_predecessor() {
        let nothing = File::open("/dev/null").expect("there is one");
        assert!(matches!(Predecessor::at(nothing.into()), Err(TakeOverError::NoPredecessor)));
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        assert!(matches!(Predecessor::at(tcp.into()), Err(TakeOverError::NoPredecessor)));
    }
}
