//! The states of a session and what each input does in them.

use std::time::{Duration, Instant};

use super::{Bindings, EndReason, Timer, Timers};
use crate::base::ProtocolId;
use crate::config::{ListenerLimits, UnknownId};
use crate::router::{RouteIndex, Router};
use crate::wire::{FrameError, FrameLayout, NoticeCode};

/// One player's connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    timers: Timers,
    limits: ListenerLimits,
    /// Which backends know the session.
    pub bindings: Bindings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// TLS is not through; no frame can come.
    Handshaking,
    /// Frames come and go.
    Playing,
    /// The player said that it will send nothing more; what its dedicated backends still send goes through.
    HalfClosed,
    /// The last words are on their way; what still comes is thrown away.
    Leaving(EndReason),
}

/// What a frame is judged by: the listener and the world it meets.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The frames of the listener.
    pub layout: &'a FrameLayout,
    /// What the listener does with IDs that no route has.
    pub unknown_id: UnknownId,
    /// The routes in force.
    pub router: &'a Router,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The gateway answers it with this ID.
    Answer(ProtocolId),
    /// It goes to the cluster of this route.
    Forward(RouteIndex),
    /// The player gets a notice; the session goes on.
    Refuse(NoticeCode),
    /// It is counted and forgotten.
    Drop,
    /// The session ends.
    Leave(EndReason),
    /// The session is over already; nothing happens.
    Ignore,
}

/// What a deadline that has passed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// The session ends.
    Leave(EndReason),
    /// A pause has lasted long enough: read on.
    Resume,
    /// The last words had their time: close.
    Close,
}

/// How long the last words may take to reach the player, and how long its own end of the connection may take to
/// follow.
const LINGER: Duration = Duration::from_secs(1);

impl Session {
    /// A session that has just been accepted.
    #[must_use]
    pub fn new(limits: ListenerLimits, tls: bool, now: Instant) -> Self {
        let mut timers = Timers::default();
        let state = if tls {
            timers.set(Timer::Handshake, now + limits.handshake_timeout());
            State::Handshaking
        } else {
            timers.set(Timer::Idle, now + limits.idle_timeout());
            State::Playing
        };
        Self { state, timers, limits, bindings: Bindings::default() }
    }

    /// TLS is through: frames may come.
    pub fn handshake_done(&mut self, now: Instant) {
        if self.state == State::Handshaking {
            self.state = State::Playing;
            self.timers.clear(Timer::Handshake);
            self.timers.set(Timer::Idle, now + self.limits.idle_timeout());
        }
    }

    /// A whole frame with this ID has come.
    pub fn frame(&mut self, id: ProtocolId, rules: &Rules<'_>, now: Instant) -> Verdict {
        match self.state {
            State::Playing => {}
            State::Handshaking | State::HalfClosed | State::Leaving(_) => return Verdict::Ignore,
        }
        self.timers.set(Timer::Idle, now + self.limits.idle_timeout());
        self.timers.clear(Timer::Frame);
        match rules.layout.heartbeat {
            Some(heartbeat) if heartbeat.id == id => return Verdict::Answer(heartbeat.reply),
            Some(_) | None => {}
        }
        match (rules.router.route(id), rules.unknown_id) {
            (Some(route), _) => Verdict::Forward(route),
            (None, UnknownId::Notice) => Verdict::Refuse(NoticeCode::UnknownId),
            (None, UnknownId::Drop) => Verdict::Drop,
            (None, UnknownId::Close) => Verdict::Leave(EndReason::UnknownId),
        }
    }

    /// Bytes of an opaque session have come or gone: they keep it alive as frames would.
    pub fn touched(&mut self, now: Instant) {
        if matches!(self.state, State::Playing | State::HalfClosed) {
            self.timers.set(Timer::Idle, now + self.limits.idle_timeout());
        }
    }

    /// After reading: whether the beginning of a frame is held.
    pub fn holds_part(&mut self, part: bool, now: Instant) {
        if !part {
            self.timers.clear(Timer::Frame);
        } else if self.state == State::Playing && !self.timers.runs(Timer::Frame) {
            self.timers.set(Timer::Frame, now + self.limits.frame_timeout());
        }
    }

    /// After writing: whether something waits for the player, and whether it took anything just now.
    pub fn waits(&mut self, waits: bool, took: bool, now: Instant) {
        if !waits {
            self.timers.clear(Timer::Write);
        } else if took || !self.timers.runs(Timer::Write) {
            self.timers.set(Timer::Write, now + self.limits.write_timeout());
        }
    }

    /// The gateway stops reading for at most this long. A frame that is half here, or not here yet, is not held
    /// against the player.
    pub fn pause(&mut self, longest: Duration, now: Instant) {
        self.timers.clear(Timer::Frame);
        self.touched(now);
        self.timers.set(Timer::Pause, now + longest);
    }

    /// The gateway reads on.
    pub fn resume(&mut self) {
        self.timers.clear(Timer::Pause);
    }

    /// Whether the gateway has stopped reading.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.timers.runs(Timer::Pause)
    }

    /// What bytes that are no frame mean.
    #[must_use]
    pub const fn bad_frame(error: &FrameError) -> EndReason {
        match error {
            FrameError::TooLong { .. } => EndReason::FrameTooLong,
            FrameError::TooShort { .. }
            | FrameError::BadLength
            | FrameError::BadId
            | FrameError::NotAStream => EndReason::Malformed,
        }
    }

    /// The player will send nothing more, but takes what still comes.
    pub fn half_close(&mut self) {
        if self.state == State::Playing {
            self.state = State::HalfClosed;
            self.timers.clear(Timer::Frame);
        }
    }

    /// Ends the session: nothing is forwarded from here on, and only the last words are still written. False if
    /// it was ending already; the first reason stays.
    pub fn leave(&mut self, end: EndReason, now: Instant) -> bool {
        if matches!(self.state, State::Leaving(_)) {
            return false;
        }
        self.state = State::Leaving(end);
        self.timers.clear_all();
        self.timers.set(Timer::Linger, now + LINGER);
        true
    }

    /// Why the session is ending, once it is.
    #[must_use]
    pub const fn leaving(&self) -> Option<EndReason> {
        match self.state {
            State::Leaving(end) => Some(end),
            State::Handshaking | State::Playing | State::HalfClosed => None,
        }
    }

    /// Whether frames of the player are taken.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.state == State::Playing
    }

    /// Whether TLS is still under way.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.state == State::Handshaking
    }

    /// The deadline to sleep for.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.earliest()
    }

    /// The first deadline that has passed by `now`, if any; call until `None`.
    pub fn expired(&mut self, now: Instant) -> Option<Expired> {
        let timer = self.timers.take_expired(now)?;
        Some(match timer {
            Timer::Handshake => Expired::Leave(EndReason::HandshakeTimeout),
            Timer::Frame => Expired::Leave(EndReason::FrameTimeout),
            Timer::Idle => Expired::Leave(EndReason::Idle),
            Timer::Write => Expired::Leave(EndReason::TooSlow),
            Timer::Pause => Expired::Resume,
            Timer::Linger => Expired::Close,
        })
    }
}
