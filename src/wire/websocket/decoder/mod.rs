//! A peer's bytes cut into messages. Messages that lie whole in the input are unmasked there and lent; only what is
//! torn or in fragments is gathered, and given back once it was lent.

mod part;

use self::part::{Part, Payload};
use super::close::Close;
use super::fault::WebSocketFault;
use super::header::{LONGEST_HEAD, read_head};
use super::mask::apply_mask;

/// Whose frames are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Its frames are masked.
    Client,
    /// Its frames are not.
    Server,
}

/// What is taken from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose frames they are.
    pub peer: Peer,
    /// The longest message in bytes, all its fragments together.
    pub max: u32,
    /// Whether texts are taken.
    pub text: bool,
    /// Whether messages may be deflated: both have agreed on that.
    pub deflate: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8; that was checked.
    Text,
    /// Any bytes.
    Binary,
}

/// What has come whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A message, all its fragments in one.
    Message(MessageKind, &'a [u8]),
    /// A message that is to be inflated, all its fragments in one; a text is not checked.
    Deflated(MessageKind, &'a [u8]),
    /// To be answered by a pong with the same bytes.
    Ping(&'a [u8]),
    /// The answer to a ping.
    Pong(&'a [u8]),
    /// The last that comes.
    Close(Close<'a>),
}

/// Holds what has arrived of an unfinished message. Idle, it owns no memory.
#[derive(Debug)]
pub struct MessageDecoder {
    reading: Reading,
    /// The first bytes of a header that is not whole, and how many there are.
    head: ([u8; LONGEST_HEAD], usize),
    /// The frame whose payload is not whole.
    frame: Option<Payload>,
    /// The message whose last frame has not come.
    open: Option<MessageKind>,
    /// Whether that one is deflated.
    deflated: bool,
    message: Vec<u8>,
    /// How much of a text is known to be UTF-8.
    checked: usize,
    control: Vec<u8>,
    /// What came behind the last one that was taken.
    rest: Vec<u8>,
    /// What of the gathered bytes was lent, and goes at the next step.
    lent: Option<Part>,
    /// Nothing is read any more: the peer has closed, or erred.
    over: bool,
}

/// What is whole now, one after the other. Dropped, it keeps every byte that it did not come to: see
/// [`MessageDecoder::take_rest`].
#[derive(Debug)]
pub struct Messages<'a> {
    decoder: &'a mut MessageDecoder,
    input: &'a mut [u8],
}

/// Where the bytes of what was found are.
enum Found<'a> {
    InInput(Part, &'a [u8]),
    Gathered(Part),
}

impl MessageDecoder {
    /// A decoder between two messages.
    #[must_use]
    pub const fn new(reading: Reading) -> Self {
        Self {
            reading,
            head: ([0; LONGEST_HEAD], 0),
            frame: None,
            open: None,
            deflated: false,
            message: Vec::new(),
            checked: 0,
            control: Vec::new(),
            rest: Vec::new(),
            lent: None,
            over: false,
        }
    }

    /// Goes through what `input` completes. Payloads are unmasked in it. A cursor is to be used up; what one left is to be
    /// taken by [`MessageDecoder::take_rest`] before more is put in.
    pub fn messages<'a>(&'a mut self, input: &'a mut [u8]) -> Messages<'a> {
        if self.rest.is_empty() {
            return Messages { decoder: self, input };
        }
        self.rest.extend_from_slice(input); // the order is kept, whoever forgot
        Messages { decoder: self, input: &mut [] }
    }

    /// What a cursor left that was dropped early, as it came: to be put in again before anything else.
    #[must_use]
    pub fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    /// Whether it stands between two messages and two frames, and nothing is left.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_between() && self.open.is_none() && self.rest.is_empty()
    }

    /// The bytes of memory that it owns beside itself: 0 while it is idle.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.message.capacity() + self.control.capacity() + self.rest.capacity()
    }

    fn is_between(&self) -> bool {
        self.head.1 == 0 && self.frame.is_none()
    }

    /// What was lent goes.
    fn release(&mut self) {
        match self.lent.take() {
            Some(Part::Message { .. }) => (self.message, self.checked) = (Vec::new(), 0),
            Some(Part::Ping | Part::Pong | Part::Close) => self.control = Vec::new(),
            None => {}
        }
    }

    fn end(&mut self) {
        *self = Self { over: true, ..Self::new(self.reading) };
    }

    fn gathered(&self, part: Part) -> &[u8] {
        match part {
            Part::Message { .. } => &self.message,
            Part::Ping | Part::Pong | Part::Close => &self.control,
        }
    }

    /// What a text has so far must be the beginning of UTF-8, and all of it once it is whole.
    fn check_text(&mut self, is_whole: bool) -> Result<(), WebSocketFault> {
        if self.open != Some(MessageKind::Text) || self.deflated {
            return Ok(());
        }
        let news = self.message.get(self.checked..).unwrap_or_default();
        match std::str::from_utf8(news) {
            Ok(_) => self.checked = self.message.len(),
            Err(error) if error.error_len().is_none() && !is_whole => self.checked += error.valid_up_to(),
            Err(_) => return Err(WebSocketFault::NotUtf8),
        }
        Ok(())
    }
}

impl<'a> Messages<'a> {
    /// The next one that is whole; `None` when the rest is unfinished. Nothing comes behind a close or a fault.
    #[expect(
        clippy::should_implement_trait,
        reason = "what is found borrows the cursor, which no Iterator can lend"
    )]
    pub fn next(&mut self) -> Option<Result<Incoming<'_>, WebSocketFault>> {
        match self.advance() {
            Ok(None) => None,
            Ok(Some(Found::InInput(part, bytes))) => Some(Ok(part.with(bytes))),
            Ok(Some(Found::Gathered(part))) => {
                self.decoder.lent = Some(part);
                Some(Ok(part.with(self.decoder.gathered(part))))
            }
            Err(fault) => {
                self.decoder.end();
                Some(Err(fault))
            }
        }
    }

    /// Whether what came last was no part of a message that is still under way.
    #[must_use]
    pub fn is_between_messages(&self) -> bool {
        self.decoder.open.is_none()
    }

    /// What came last was none after all: nothing is read any more.
    pub fn end(&mut self) {
        self.decoder.end();
        self.input = &mut [];
    }

    fn advance(&mut self) -> Result<Option<Found<'a>>, WebSocketFault> {
        self.decoder.release();
        while !self.decoder.over {
            let payload = match self.decoder.frame.take() {
                Some(payload) => payload,
                None => match self.begin()? {
                    Some(payload) => payload,
                    None => return Ok(None),
                },
            };
            let found = if payload.is_alone() && payload.left <= self.input.len() {
                Some(self.lend(payload)?)
            } else {
                self.gather(payload)?
            };
            if found.is_some() || self.decoder.frame.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Reads the next frame's header.
    fn begin(&mut self) -> Result<Option<Payload>, WebSocketFault> {
        if self.decoder.head.1 == 0
            && let Some((header, claimed, length)) = read_head(self.input)?
        {
            self.skip(length);
            return self.decoder.admit(&header, claimed).map(Some);
        }
        let (head, length) = &mut self.decoder.head;
        while let Some(slot) = head.get_mut(*length) {
            let Some((byte, rest)) = std::mem::take(&mut self.input).split_first_mut() else {
                return Ok(None);
            };
            (*slot, self.input) = (*byte, rest);
            *length += 1;
            if let Some((header, claimed, _)) = read_head(head.get(..*length).unwrap_or_default())? {
                *length = 0;
                return self.decoder.admit(&header, claimed).map(Some);
            }
        }
        Err(WebSocketFault::PaddedLength) // no header is longer than the longest
    }

    fn skip(&mut self, count: usize) -> &'a mut [u8] {
        let input = std::mem::take(&mut self.input);
        let (front, rest) = input.split_at_mut(count.min(input.len()));
        self.input = rest;
        front
    }

    /// A message or control frame that lies whole in the input.
    fn lend(&mut self, payload: Payload) -> Result<Found<'a>, WebSocketFault> {
        let bytes = self.skip(payload.left);
        payload.unmask(bytes);
        match payload.part {
            Part::Message { kind, deflated, .. } => {
                self.decoder.open = None;
                if kind == MessageKind::Text && !deflated && std::str::from_utf8(bytes).is_err() {
                    return Err(WebSocketFault::NotUtf8);
                }
            }
            Part::Close => self.close(bytes)?,
            Part::Ping | Part::Pong => {}
        }
        Ok(Found::InInput(payload.part, bytes))
    }

    /// Puts what there is of a frame behind what was gathered.
    fn gather(&mut self, mut payload: Payload) -> Result<Option<Found<'a>>, WebSocketFault> {
        let bytes = self.skip(payload.left);
        payload.unmask(bytes);
        payload.left -= bytes.len();
        payload.at += bytes.len();
        let decoder = &mut *self.decoder;
        let is_whole = payload.left == 0;
        let found = match payload.part {
            Part::Message { is_final, .. } => {
                decoder.message.extend_from_slice(bytes);
                decoder.check_text(is_whole && is_final)?;
                is_whole && is_final
            }
            Part::Ping | Part::Pong | Part::Close => {
                decoder.control.extend_from_slice(bytes);
                is_whole
            }
        };
        if !is_whole {
            decoder.frame = Some(payload);
        }
        if !found {
            return Ok(None);
        }
        match payload.part {
            Part::Message { .. } => decoder.open = None,
            Part::Ping | Part::Pong => {}
            Part::Close => {
                let bytes = std::mem::take(&mut decoder.control);
                self.close(&bytes)?;
                self.decoder.control = bytes;
            }
        }
        Ok(Some(Found::Gathered(payload.part)))
    }

    /// Nothing is read behind a close.
    fn close(&mut self, payload: &[u8]) -> Result<(), WebSocketFault> {
        Close::read(payload)?;
        self.decoder.end();
        self.input = &mut [];
        Ok(())
    }
}

impl Payload {
    fn unmask(&self, bytes: &mut [u8]) {
        if let Some(mask) = self.mask {
            apply_mask(bytes, mask, self.at);
        }
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        self.decoder.release();
        if !self.input.is_empty() && !self.decoder.over {
            self.decoder.rest = self.input.to_vec();
        }
    }
}

#[cfg(test)]
mod tests;
