//! A player that speaks WebSocket: its messages become frames, pings are answered, and the last thing it reads is a close
//! with a code and a word.

use std::fmt::Display;
use std::rc::Rc;
use std::time::Instant;

use super::conduct::Conduct;
use crate::net::world::World;
use crate::session::{EndReason, Session, Verdict};
use crate::wire::websocket::{
    Close, FrameKind, Incoming, MessageDecoder, MessageKind, Peer, Reading, WebSocketFault,
};
use crate::wire::{Frame, FrameError, FrameLayout, Framing, Measured};

/// The state of a WebSocket beside its session.
#[derive(Debug)]
pub(super) struct WebSocket {
    decoder: MessageDecoder,
    /// Frames of a message that belong to the session to which the connection goes over.
    behind: Vec<u8>,
    /// When anything whole last came.
    heard: Instant,
    /// Whether the player was asked for a sign of life since then.
    asked: bool,
    /// The answer to the latest ping of those that came while much waited for the player.
    pong: Option<Box<[u8]>>,
    /// Nothing more is written.
    said_close: bool,
    /// The player has closed while nothing waited for it: what it is answered, if its session goes on without it.
    answer: Option<Option<u16>>,
}

/// What a WebSocket player reads last, where that is not told by the end of its session alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Farewell {
    /// The close code; `None`: none is said.
    pub(super) code: Option<u16>,
    /// The words behind it.
    pub(super) reason: String,
}

impl WebSocket {
    pub(super) fn new(layout: &FrameLayout, deflate: bool, now: Instant) -> Self {
        let text = layout.framing == Framing::Opaque;
        // With lengths, a message may hold several frames; each has its own limit, and all of them this one.
        let max = layout.max_length;
        Self {
            decoder: MessageDecoder::new(Reading { peer: Peer::Client, max, text, deflate }),
            behind: Vec::new(),
            heard: now,
            asked: false,
            pong: None,
            said_close: false,
            answer: None,
        }
    }

    /// Carries what the player sent through the rules.
    pub(super) fn take(
        &mut self,
        conduct: &mut Conduct,
        (layout, world): (&FrameLayout, &World),
        bytes: &mut [u8],
        now: Instant,
    ) {
        let mut messages = self.decoder.messages(bytes);
        while let Some(incoming) = messages.next() {
            (self.heard, self.asked) = (now, false);
            match incoming {
                Ok(Incoming::Message(kind, bytes)) => {
                    self.behind = conduct.message((layout, world), kind, bytes, now);
                    conduct.message_over();
                }
                Ok(Incoming::Deflated(kind, bytes)) => {
                    let hub = Rc::clone(&conduct.hub);
                    match hub.inflater.borrow_mut().inflate(kind, bytes, layout.max_length) {
                        Ok(bytes) => {
                            self.behind = conduct.message((layout, world), kind, bytes, now);
                            conduct.message_over();
                        }
                        Err(fault) => {
                            messages.end();
                            conduct.bad_message(&fault, now);
                        }
                    }
                }
                Ok(Incoming::Ping(payload)) => self.pong = conduct.answer_ping(payload, now),
                Ok(Incoming::Pong(_)) => conduct.session.touched(now),
                Ok(Incoming::Close(close)) => self.answer = conduct.player_closed(world, &close, now),
                Err(fault) => conduct.bad_message(&fault, now),
            }
            if conduct.comeback.claim.is_some() {
                break; // what comes behind is the other session's
            }
            if messages.is_between_messages() {
                conduct.session.holds_part(false, now);
            }
        }
        drop(messages);
        conduct.session.holds_part(!self.decoder.is_idle(), now);
    }

    /// Carries on with what came behind the token, in the session that it led to.
    pub(super) fn take_behind(
        &mut self,
        conduct: &mut Conduct,
        (layout, world): (&FrameLayout, &World),
        now: Instant,
    ) {
        let behind = std::mem::take(&mut self.behind);
        if !behind.is_empty() {
            self.behind = conduct.message((layout, world), MessageKind::Binary, &behind, now);
            conduct.message_over();
        }
        if conduct.comeback.claim.is_some() {
            return; // there was another token behind the first one
        }
        let mut rest = self.decoder.take_rest();
        self.take(conduct, (layout, world), &mut rest, now);
    }

    /// When the player is asked for a sign of life.
    pub(super) fn asks_at(&self, conduct: &Conduct) -> Option<Instant> {
        let silent = !self.asked && conduct.session.is_playing();
        silent.then(|| self.heard + conduct.door.listener().limits().idle_timeout() / 2)
    }

    /// Says what WebSocket itself has to say: behind everything else, before what waits is written.
    pub(super) fn tend(&mut self, conduct: &Conduct, now: Instant) {
        let mut outbox = conduct.seat.outbox.borrow_mut();
        let pool = &conduct.hub.pool;
        if self.said_close || conduct.closed {
            return; // nothing is written behind a close, nor where the end is abrupt
        }
        if let Some(end) = conduct.session.leaving() {
            if !conduct.may_be_answered(now) {
                self.said_close = true;
                match &conduct.farewell {
                    Some(farewell) => outbox.append_close(farewell.code, &farewell.reason, pool),
                    None => {
                        let word = end.notice().map_or("", |notice| notice.as_str());
                        outbox.append_close(Some(end.close_code()), word, pool);
                    }
                }
            }
            return;
        }
        if !outbox.is_high()
            && let Some(payload) = self.pong.take()
        {
            outbox.append_control(FrameKind::Pong, &payload, pool);
        }
        if self.asks_at(conduct).is_some_and(|at| at <= now) {
            self.asked = true;
            outbox.append_control(FrameKind::Ping, &[], pool);
        }
    }

    /// The close that a player is answered whose session waits for it to come back.
    pub(super) fn parting_answer(&mut self) -> Option<Vec<u8>> {
        let code = self.answer.take()?;
        let mut close = Vec::new();
        crate::wire::websocket::append_close(code, "", None, &mut close);
        Some(close)
    }
}

impl Conduct {
    /// One message of the player. What is behind a frame that shows a token is given back.
    fn message(
        &mut self,
        (layout, world): (&FrameLayout, &World),
        kind: MessageKind,
        bytes: &[u8],
        now: Instant,
    ) -> Vec<u8> {
        match layout.framing {
            Framing::Opaque => self.opaque_message(kind, bytes, now),
            Framing::Message => match layout.measure_message(bytes) {
                Ok(id) => self.frame(world, &Frame::new(bytes, id), now),
                Err(error) => self.bad_frame(&error, now),
            },
            Framing::Fixed { .. } | Framing::Varint { .. } => {
                return self.frames_of((layout, world), bytes, now);
            }
        }
        Vec::new()
    }

    /// The frames of one message: whole ones, and nothing behind the last.
    fn frames_of(
        &mut self,
        (layout, world): (&FrameLayout, &World),
        mut rest: &[u8],
        now: Instant,
    ) -> Vec<u8> {
        loop {
            let whole = match layout.measure(rest) {
                Ok(Measured::Frame { length, id }) => rest.split_at_checked(length).zip(Some(id)).ok_or(()),
                Ok(Measured::Incomplete) => Err(()),
                Err(error) => {
                    self.bad_frame(&error, now);
                    return Vec::new();
                }
            };
            let Ok(((bytes, behind), id)) = whole else {
                let end = EndReason::Malformed;
                self.leave_saying(end, end.close_code(), &TORN, now);
                return Vec::new();
            };
            self.frame(world, &Frame::new(bytes, id), now);
            if behind.is_empty() || self.comeback.claim.is_some() {
                return behind.to_vec();
            }
            rest = behind;
        }
    }

    fn opaque_message(&mut self, kind: MessageKind, bytes: &[u8], now: Instant) {
        if self.seat.is_to_move(now) {
            return self.move_away(None, now); // nobody can be told in a protocol that is not read
        }
        self.tally.frames_in += 1;
        self.session.touched(now);
        self.forward_message(kind, bytes);
    }

    /// Answers a ping; the answer is given back where much waits for the player already.
    fn answer_ping(&mut self, payload: &[u8], now: Instant) -> Option<Box<[u8]>> {
        let verdict = match self.is_opaque() {
            true => {
                self.session.touched(now);
                None
            }
            false => self.session.gives_sign(now),
        };
        match verdict {
            None => {}
            Some(Verdict::Leave(end)) => {
                self.hub.meter.over_rate.add(1);
                self.leave(end, now);
                return None;
            }
            Some(Verdict::TooMany(_)) => {
                self.hub.meter.over_rate.add(1);
                return None;
            }
            Some(_) => return None,
        }
        let mut outbox = self.seat.outbox.borrow_mut();
        if outbox.is_high() {
            return Some(payload.into());
        }
        outbox.append_control(FrameKind::Pong, payload, &self.hub.pool);
        None
    }

    /// The player has closed. Code 1000 says that it has left for good; after every other end it may come back. What it is
    /// to be answered if its session goes on without it.
    fn player_closed(&mut self, world: &World, close: &Close<'_>, now: Instant) -> Option<Option<u16>> {
        let nothing_waits = self.seat.outbox.borrow().waiting() == 0;
        if self.session.leaving().is_some() {
            return None;
        }
        self.farewell = Some(Box::new(Farewell { code: close.code, reason: String::new() }));
        self.parting = self.is_opaque().then(|| Box::new(Farewell::of(close)));
        if close.code == Some(NORMAL) {
            self.forget_tokens();
        }
        self.gone(world, now);
        (self.session.is_parked() && nothing_waits).then_some(close.code)
    }

    /// The player is gone in order: what it sent last goes out, and dedicated backends may still answer for a moment.
    pub(super) fn gone(&mut self, world: &World, now: Instant) {
        if self.parks(world, now) {
            self.farewell = None;
            return;
        }
        self.leave_with_answers(world, EndReason::PlayerLeft, now);
    }

    /// What came is no WebSocket, or none for here: the close code says more than the end of the session.
    fn bad_message(&mut self, fault: &WebSocketFault, now: Instant) {
        let end = match fault {
            WebSocketFault::TooLong { .. } | WebSocketFault::Swells { .. } => EndReason::FrameTooLong,
            WebSocketFault::ReservedBits
            | WebSocketFault::ReservedOpcode
            | WebSocketFault::Masking
            | WebSocketFault::PaddedLength
            | WebSocketFault::LongControl
            | WebSocketFault::FragmentedControl
            | WebSocketFault::NothingToContinue
            | WebSocketFault::Interrupted
            | WebSocketFault::BadClose
            | WebSocketFault::NotUtf8
            | WebSocketFault::NotDeflate
            | WebSocketFault::Text => EndReason::Malformed,
        };
        self.leave_saying(end, fault.code(), fault, now);
    }

    /// A message holds what is no frame.
    fn bad_frame(&mut self, error: &FrameError, now: Instant) {
        let end = Session::bad_frame(error);
        self.leave_saying(end, end.close_code(), error, now);
    }

    /// Leaves, and says behind the word of the end what was wrong.
    fn leave_saying(&mut self, end: EndReason, code: u16, wrong: &dyn Display, now: Instant) {
        if self.session.leaving().is_none() {
            let reason = format!("{}: {wrong}", end.as_str());
            self.farewell = Some(Box::new(Farewell { code: Some(code), reason }));
        }
        self.leave(end, now);
    }
}

/// What is wrong with a message that holds half a frame.
const TORN: &str = "the message does not end with a frame";
/// The close code of an end that was meant.
const NORMAL: u16 = 1000;
