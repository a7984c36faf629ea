//! What one player receives of the frames 0, 1, 2, ... that a backend sends it, and whether the gateway told the truth
//! about those that it did not receive.

/// The account of one player.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    /// The lowest number that may come now.
    next: u64,
    received: u64,
    /// What it shows when it comes back: the number that the last `admitted` named, and one for each frame since.
    count: u64,
    /// What the gateway has said is lost, over all connections of the session.
    announced: u64,
}

/// What is wrong with what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This number was here before, or a later one was.
    Again,
    /// Numbers were left out that nobody has said are lost.
    Unannounced,
    /// The gateway says that it handed over less than was received.
    Invented,
    /// In the end something else is missing than was said.
    Miscounted {
        /// What is missing.
        missing: u64,
        /// What the gateway said.
        announced: u64,
    },
}

impl Numbers {
    /// A frame has come.
    pub(crate) fn take(&mut self, number: u64) -> Result<(), Fault> {
        if number < self.next {
            return Err(Fault::Again);
        }
        self.next = number + 1;
        self.received += 1;
        self.count += 1;
        if self.missing() > self.announced { Err(Fault::Unannounced) } else { Ok(()) }
    }

    /// The gateway has said, on a new connection, from which number on the player counts, and how many frames are lost
    /// since the last time that it said so.
    pub(crate) fn announce(&mut self, frames: u64, lost: u64) -> Result<(), Fault> {
        self.announced += lost;
        let before = std::mem::replace(&mut self.count, frames);
        if frames < before { Err(Fault::Invented) } else { Ok(()) }
    }

    /// The backend has sent so many and nothing is under way any more.
    pub(crate) fn settle(&self, sent: u64) -> Result<(), Fault> {
        let missing = sent.saturating_sub(self.received);
        if missing == self.announced && self.next <= sent {
            return Ok(());
        }
        Err(Fault::Miscounted { missing, announced: self.announced })
    }

    /// Frames received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// What it shows when it comes back.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// What the gateway has said is lost.
    pub(crate) fn announced(&self) -> u64 {
        self.announced
    }

    /// Numbers below the highest that came, and that did not come.
    fn missing(&self) -> u64 {
        self.next - self.received
    }
}

impl Fault {
    /// In words.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Again => "a frame again or out of order",
            Self::Unannounced => "a frame lost in silence",
            Self::Invented => "frames received that were never handed over",
            Self::Miscounted { .. } => "another loss than announced",
        }
    }
}
