//! Many connections in one loop. Whoever owns them says who comes and goes, and sees what happens to each.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::Outcome;
use crate::connection::{Connection, End, Heard, Scratch};
use crate::dial::Door;

/// Who sees what happens.
pub(crate) trait Watch {
    /// Something has happened at a place; what is appended to `say` is sent there.
    fn see(&mut self, place: usize, seen: Seen<'_>, say: &mut Vec<u8>);
}

/// What happens at a place.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    /// Frames can be sent.
    Open,
    /// A whole frame of a backend.
    Game(&'a [u8]),
    /// A notice's body.
    Notice(&'a [u8]),
    /// It is over, and not because it was told to leave.
    Ended(&'a End),
}

/// How a connection is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// As players do.
    Orderly,
    /// The side is closed, with nothing said before.
    Finished,
    /// Cut.
    Reset,
    /// Nobody is there any more, but the socket stays open.
    HalfOpen,
}

/// All connections.
pub(crate) struct Players {
    poll: Poll,
    events: Events,
    scratch: Scratch,
    lines: Vec<Option<Line>>,
    /// Sockets that nobody looks at any more.
    attic: Vec<Connection>,
    say: Vec<u8>,
    there: usize,
}

struct Line {
    connection: Connection,
    was_open: bool,
    is_deaf: bool,
}

const EVENTS: usize = 1024;

impl Players {
    /// Nobody.
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self {
            poll: Poll::new().map_err(|error| format!("players: {error}"))?,
            events: Events::with_capacity(EVENTS),
            scratch: Scratch::new(),
            lines: Vec::new(),
            attic: Vec::new(),
            say: Vec::new(),
            there: 0,
        })
    }

    /// Somebody comes to a place, which must be free.
    pub(crate) fn come(&mut self, place: usize, door: &Door) -> Result<(), End> {
        let stream = door.dial()?;
        let connection = Connection::open(stream, door.tls.as_ref(), Token(place), self.poll.registry())?;
        if self.lines.len() <= place {
            self.lines.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.lines.get_mut(place) {
            self.there += usize::from(slot.is_none());
            *slot = Some(Line { connection, was_open: false, is_deaf: false });
        }
        Ok(())
    }

    /// Sends bytes as they are, whole frames or not; what is wrong is seen when the socket is read.
    pub(crate) fn send(&mut self, place: usize, bytes: &[u8]) {
        if let Some(Some(line)) = self.lines.get_mut(place) {
            drop(line.connection.send(bytes));
        }
    }

    /// From now on nothing is read there.
    pub(crate) fn deafen(&mut self, place: usize) {
        if let Some(Some(line)) = self.lines.get_mut(place) {
            line.is_deaf = true;
        }
    }

    /// It is read again, to its end if that has come.
    pub(crate) fn listen(&mut self, place: usize, watch: &mut impl Watch) {
        if let Some(Some(line)) = self.lines.get_mut(place) {
            line.is_deaf = false;
            self.look(place, true, watch);
        }
    }

    /// Whether somebody is there and can send.
    pub(crate) fn is_open(&self, place: usize) -> bool {
        self.lines.get(place).and_then(Option::as_ref).is_some_and(|line| line.was_open)
    }

    /// How many are there or on their way.
    pub(crate) fn there(&self) -> usize {
        self.there
    }

    /// Somebody goes.
    pub(crate) fn leave(&mut self, place: usize, leaving: Leaving) {
        let Some(line) = self.lines.get_mut(place).and_then(Option::take) else { return };
        self.there -= 1;
        match leaving {
            Leaving::Orderly => line.connection.close(),
            Leaving::Finished => line.connection.finish(),
            Leaving::Reset => line.connection.reset(),
            Leaving::HalfOpen => self.attic.push(line.connection),
        }
    }

    /// Waits until something happens or the time has come, and handles what has happened.
    pub(crate) fn turn(&mut self, until: Instant, watch: &mut impl Watch) -> Outcome<()> {
        let mut wait = until.saturating_duration_since(Instant::now());
        loop {
            if let Err(error) = self.poll.poll(&mut self.events, Some(wait))
                && error.kind() != ErrorKind::Interrupted
            {
                return Err(format!("players: {error}"));
            }
            let seen: Vec<_> =
                self.events.iter().map(|event| (event.token().0, event.is_read_closed())).collect();
            for (place, ends) in &seen {
                self.look(*place, *ends, watch);
            }
            if seen.len() < EVENTS {
                return Ok(());
            }
            wait = Duration::ZERO;
        }
    }

    fn look(&mut self, place: usize, ends: bool, watch: &mut impl Watch) {
        let Some(Some(line)) = self.lines.get_mut(place) else { return };
        if line.is_deaf {
            return;
        }
        let say = &mut self.say;
        let mut done = line.connection.turn(&mut self.scratch, ends, &mut |heard| match heard {
            Heard::Game(frame) => watch.see(place, Seen::Game(frame), say),
            Heard::Notice(body) => watch.see(place, Seen::Notice(body), say),
        });
        if line.connection.is_open() && !line.was_open {
            line.was_open = true;
            watch.see(place, Seen::Open, say);
        }
        if !say.is_empty() {
            let said = line.connection.send(say);
            say.clear();
            done = done.and(said);
        }
        if let Err(end) = done
            && let Some(slot) = self.lines.get_mut(place)
        {
            *slot = None;
            self.there -= 1;
            watch.see(place, Seen::Ended(&end), say);
            say.clear();
        }
    }
}
