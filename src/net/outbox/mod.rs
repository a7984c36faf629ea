//! What waits for a player's socket: whole plain frames in their order. Small ones are copied one behind the other, so
//! that one write takes them all; a large one, and a longer one that is for many, is only referred to, however many wait
//! for it. A player that speaks WebSocket has its frames in messages, each with its header.

mod form;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use self::form::Form;
use super::pool::Pool;
use crate::wire::websocket::{FrameKind, MessageKind, append_close, append_frame};
use crate::wire::{FrameLayout, Kept, Lent};

/// Whole plain frames that wait for the player's socket, or WebSocket frames. Every run of bytes begins with one, so that
/// the one that was cut with its connection can be found.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What waits before `bytes`: not empty only while a frame waits that is referred to, or what was put in before one.
    front: VecDeque<Segment>,
    /// What waits last.
    bytes: Vec<u8>,
    /// How much of the first segment, or of `bytes` where there is none, is out.
    taken: usize,
    waiting: usize,
    limit: usize,
    frames: u64,
    /// Of them, those that the player counts too: frames of the game.
    game: u64,
    /// How many of those came before the player began to count.
    before: u64,
    /// How the frames stand in it.
    form: Form,
    line: Line,
    /// What of the bytes that were kept without a connection is not out yet: it takes no room from what comes now.
    kept: usize,
}

/// Whether a socket takes what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// The connection's first words, which are the first run, are out whole once no more than `behind` is left of what was
    /// kept. They told that so many frames were lost.
    Connected { behind: usize, told: u32 },
    /// What comes waits for another connection. From the first frame on that had no room all are lost, so that what was
    /// kept has no gap. Others were lost before, and the words that told it did not go out.
    Cut { lost: u32, untold: u32 },
}

/// A run of bytes that waits.
#[derive(Debug)]
enum Segment {
    /// Of this session alone.
    Own(Vec<u8>),
    /// One frame that others get too, in its form.
    Shared(Arc<[u8]>),
    /// One large frame where it was read.
    Large(Kept),
}

/// The outbox cannot take a frame: the player does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A frame of this length or more is referred to where others get it too: below, a copy costs less than a write of its
/// own.
pub(super) const SHARED_FROM: usize = 4096;
/// How many runs of bytes one write takes at most.
pub(super) const SLICES: usize = 8;
/// An outbox moves its bytes to the front when so many in front of them are out.
const MOVE_AT: usize = 64 * 1024;

impl Outbox {
    /// One that takes so many bytes, whose frames nobody tells apart.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// One that knows where its frames end; with WebSocket, each is in a message.
    pub(super) fn of(layout: &Arc<FrameLayout>, websocket: bool, limit: usize) -> Self {
        Self { form: Form::new(layout, websocket), ..Self::new(limit) }
    }

    /// A whole frame that is for many, in the form of WebSocket players.
    pub(super) fn shared_message(frame: &[u8]) -> Arc<[u8]> {
        let mut message = Vec::new();
        append_frame(FrameKind::Binary, frame, None, &mut message);
        message.into()
    }

    /// Adds a whole frame unless that would pass the limit.
    ///
    /// # Errors
    /// It would.
    pub fn put(&mut self, frame: &[u8], pool: &Pool) -> Result<(), Full> {
        self.has_room(self.form.length(frame.len()))?;
        self.append(frame, pool);
        self.count_frame(true);
        Ok(())
    }

    /// Adds a whole frame that others get too, unless that would pass the limit. It is referred to, and so it is in the
    /// form of this outbox already; a short one is copied, and is a plain frame.
    ///
    /// # Errors
    /// It would.
    pub fn put_shared(&mut self, frame: &Arc<[u8]>, pool: &Pool) -> Result<(), Full> {
        if frame.len() < SHARED_FROM {
            return self.put(frame, pool);
        }
        self.has_room(frame.len())?;
        self.push(Segment::Shared(Arc::clone(frame)));
        self.count_frame(true);
        Ok(())
    }

    /// Adds a whole frame unless that would pass the limit; a large one is not copied, but held where it lies.
    ///
    /// # Errors
    /// It would.
    pub(super) fn put_lent(&mut self, frame: &Lent<'_>, pool: &Pool) -> Result<(), Full> {
        self.has_room(self.form.length(frame.bytes.len()))?;
        self.append_lent(frame, pool);
        self.count_frame(true);
        Ok(())
    }

    /// Adds a whole frame whatever waits already; a large one is not copied, but held where it lies.
    pub(super) fn append_lent(&mut self, frame: &Lent<'_>, pool: &Pool) {
        match frame.keep().filter(|_| !self.form.is_messages()) {
            None => self.append(frame.bytes, pool),
            Some(part) => self.push(Segment::Large(part)),
        }
    }

    /// Adds a run of its own.
    fn push(&mut self, run: Segment) {
        match self.bytes.len() {
            0 => {}
            // A few bytes do not keep a whole buffer from the others.
            1..SHARED_FROM => {
                self.front.push_back(Segment::Own(self.bytes.as_slice().to_vec()));
                self.bytes.clear();
            }
            _ => self.front.push_back(Segment::Own(std::mem::take(&mut self.bytes))),
        }
        self.waiting += run.bytes().len();
        self.front.push_back(run);
    }

    fn has_room(&self, length: usize) -> Result<(), Full> {
        if self.has_gap() || self.waiting + length > self.limit + self.kept { Err(Full) } else { Ok(()) }
    }

    /// Whether a frame had no room since there is no connection: what is kept would have a gap before the next one.
    pub(super) fn has_gap(&self) -> bool {
        matches!(self.line, Line::Cut { lost: 1.., .. })
    }

    /// Adds bytes whatever waits already: for what is only read while little waits. In messages they are one.
    pub(super) fn append(&mut self, bytes: &[u8], pool: &Pool) {
        self.append_message(MessageKind::Binary, bytes, pool);
    }

    /// Adds one message whatever waits already; where there are none, its bytes.
    pub(super) fn append_message(&mut self, kind: MessageKind, bytes: &[u8], pool: &Pool) {
        self.with_tail(pool, |form, out| form.append(kind, bytes, out));
    }

    /// Adds a control frame of WebSocket whatever waits already.
    pub(super) fn append_control(&mut self, kind: FrameKind, payload: &[u8], pool: &Pool) {
        self.with_tail(pool, |_, out| append_frame(kind, payload, None, out));
    }

    /// Adds the last frame of a WebSocket.
    pub(super) fn append_close(&mut self, code: Option<u16>, reason: &str, pool: &Pool) {
        self.with_tail(pool, |_, out| append_close(code, reason, None, out));
    }

    /// Adds what `write` appends, whatever waits already; for the few frames the gateway itself writes.
    pub(super) fn append_with(&mut self, pool: &Pool, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let wrote = self.with_tail(pool, |form, out| {
            let start = out.len();
            let wrote = write(out);
            form.wrap(start, out);
            wrote
        });
        self.frames += u64::from(wrote);
        wrote
    }

    fn with_tail<T>(&mut self, pool: &Pool, write: impl FnOnce(&Form, &mut Vec<u8>) -> T) -> T {
        if self.bytes.capacity() == 0 {
            self.bytes = pool.take();
        }
        let before = self.bytes.len();
        let done = write(&self.form, &mut self.bytes);
        self.waiting += self.bytes.len().saturating_sub(before);
        done
    }

    /// Counts a frame that [`Outbox::append`] brought, and whether the player counts it too.
    pub(super) fn count_frame(&mut self, is_game: bool) {
        self.frames += 1;
        self.game += u64::from(is_game);
    }

    /// A backend's frame that went in looks like one of the gateway's own: the player does not count it either.
    pub(super) fn uncount(&mut self) {
        self.game = self.game.saturating_sub(1);
    }

    /// A frame of the game could not go in while there is no connection.
    pub(super) fn lose(&mut self) {
        if let Line::Cut { lost, .. } = &mut self.line {
            *lost = lost.saturating_add(1);
        }
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether enough waits that reading more for this player should stop: half of the limit.
    pub(super) fn is_high(&self) -> bool {
        self.waiting > self.limit / 2
    }

    /// Whether so little waits that what was stopped for it may go on: a quarter of the limit.
    pub(super) fn is_low(&self) -> bool {
        self.waiting <= self.limit / 4
    }

    /// The first run of the bytes that wait.
    pub(super) fn pending(&self) -> &[u8] {
        self.front.front().map_or(&*self.bytes, Segment::bytes).get(self.taken..).unwrap_or_default()
    }

    /// The frame for many that the first run is.
    pub(super) fn shared(&self) -> Option<&Arc<[u8]>> {
        match self.front.front() {
            Some(Segment::Shared(frame)) if self.taken == 0 => Some(frame),
            Some(Segment::Shared(_) | Segment::Large(_) | Segment::Own(_)) | None => None,
        }
    }

    /// Whether all that waits is one run.
    pub(super) fn is_one_run(&self) -> bool {
        self.front.is_empty()
    }

    /// The runs that wait, first come first, as far as they fit; how many there are.
    pub(super) fn runs<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let later = self.front.iter().skip(1).map(Segment::bytes);
        let last = (!self.front.is_empty()).then_some(&*self.bytes);
        let runs = std::iter::once(self.pending()).chain(later).chain(last).filter(|run| !run.is_empty());
        let mut count = 0;
        for (slice, run) in slices.iter_mut().zip(runs) {
            *slice = IoSlice::new(run);
            count += 1;
        }
        count
    }

    /// The socket took this many; an emptied buffer goes back to the pool.
    pub fn took(&mut self, count: usize, pool: &Pool) {
        self.waiting = self.waiting.saturating_sub(count);
        self.kept = self.kept.saturating_sub(count);
        self.taken += count;
        while let Some(length) = self.front.front().map(|segment| segment.bytes().len()) {
            if self.taken < length {
                return;
            }
            self.taken -= length;
            match self.front.pop_front() {
                Some(Segment::Own(buffer)) => pool.give(buffer),
                Some(Segment::Large(part)) => pool.release(part),
                Some(Segment::Shared(_)) | None => {}
            }
        }
        if self.taken >= self.bytes.len() {
            self.taken = 0;
            pool.give(std::mem::take(&mut self.bytes));
        } else if self.taken >= MOVE_AT {
            let whole = self.form.ends_within(&self.bytes, self.taken);
            self.bytes.drain(..whole);
            self.taken -= whole;
        }
    }

    /// The connection is gone: what is not out whole waits for another one, from the start of the frame that was cut. Only
    /// the connection's own first words do not: the next one has others.
    pub(super) fn cut(&mut self) {
        let Line::Connected { behind, told } = self.line else { return };
        let untold = if self.kept > behind { told } else { 0 };
        if self.kept > behind
            && let Some(first) = self.front.pop_front()
        {
            self.waiting -= first.bytes().len() - std::mem::take(&mut self.taken);
            self.frames -= 1;
            self.game -= u64::from(untold);
        }
        self.line = Line::Cut { lost: 0, untold };
        self.kept = 0;
        let whole = match self.front.front() {
            Some(Segment::Shared(_) | Segment::Large(_)) => 0,
            Some(Segment::Own(run)) => self.form.ends_within(run, self.taken),
            None => self.form.ends_within(&self.bytes, self.taken),
        };
        self.waiting += self.taken - whole;
        self.taken = whole;
    }

    /// Whether there is no connection.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self.line, Line::Cut { .. })
    }

    /// The player counts what comes from here on.
    pub(super) fn start_count(&mut self) {
        self.before = self.game;
    }

    /// Frames of the game that went out whole since the player counts, on whichever connection; what was lost without one
    /// never went.
    pub(super) fn handed(&self) -> u64 {
        let runs = self.front.iter().map(Segment::bytes).chain([&*self.bytes]);
        let mut skip = self.taken;
        let waiting: u64 = runs
            .filter_map(|run| self.form.game_frames(run.get(std::mem::take(&mut skip)..).unwrap_or_default()))
            .sum();
        self.game.saturating_sub(waiting + self.before)
    }

    /// Frames of the game that had no room without a connection, as far as no connection has told it.
    pub(super) fn lost(&self) -> u64 {
        match self.line {
            Line::Connected { .. } => 0,
            Line::Cut { lost, untold } => lost.saturating_add(untold).into(),
        }
    }

    /// Another connection takes what waits, and the frame `first` before it.
    pub(super) fn connect(&mut self, mut first: Vec<u8>) {
        self.form.wrap(0, &mut first);
        let told = u32::try_from(self.lost()).unwrap_or(u32::MAX);
        self.game += u64::from(told);
        self.drop_out();
        self.waiting += first.len();
        self.kept = self.waiting.min(self.limit); // whoever comes back again and again keeps no more
        self.line = Line::Connected { behind: self.kept.saturating_sub(first.len()), told };
        self.frames += u64::from(!first.is_empty());
        if !first.is_empty() {
            self.front.push_front(Segment::Own(first));
        }
    }

    /// Forgets the bytes of the first run that are out.
    fn drop_out(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        match self.front.front_mut() {
            Some(Segment::Own(run)) => drop(run.drain(..taken.min(run.len()))),
            Some(Segment::Shared(_) | Segment::Large(_)) => {} // it begins with its frame
            None => drop(self.bytes.drain(..taken.min(self.bytes.len()))),
        }
    }

    /// Frames put in over the session's life.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::Connected { behind: 0, told: 0 }
    }
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Large(part) => part.bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
