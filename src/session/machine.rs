//! The states of a session and what each input does in them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Bindings, EndReason, Paces, Timer, Timers};
use crate::base::ProtocolId;
use crate::config::{ListenerLimits, UnknownId};
use crate::router::{RouteIndex, Router};
use crate::wire::{FrameError, FrameLayout, NoticeCode};

/// One player's connection.
#[derive(Debug)]
pub struct Session {
    state: State,
    membership: Membership,
    /// Nothing is read, and a frame is half here: its time runs again when the gateway reads on.
    is_torn: bool,
    /// It ends, and what the player takes does not put that off.
    hurries: bool,
    timers: Timers,
    limits: Arc<ListenerLimits>,
    /// Which backends know the session.
    pub bindings: Bindings,
    /// How fast its frames come.
    pub paces: Paces,
}

/// How far a player has come with its login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Membership {
    /// It has not logged in.
    #[default]
    Guest,
    /// It has logged in and waits to be let in.
    Queued,
    /// It plays.
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// PROXY header, TLS or upgrade not through; no frame can come.
    Handshaking,
    /// Frames come and go.
    Playing,
    /// The player said that it will send nothing more; what its dedicated backends still send goes through.
    HalfClosed,
    /// The player's connection is gone, and another one may still come for the session.
    Parked,
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
    /// Only players who are in may send frames of this route: the player gets a notice.
    NotYet(RouteIndex, NoticeCode),
    /// There are more frames than the listener takes. The player gets a notice with this wait, unless it has had one
    /// within the last second.
    TooMany(Option<Duration>),
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
    /// A player who waits may hear of its place again.
    TellPlace,
}

/// How long the player's own end of the connection may take to follow the last words.
const LINGER: Duration = Duration::from_secs(1);
/// How long a player has in all that goes on taking what was said before.
const LONGEST_END: Duration = Duration::from_secs(60);

impl Session {
    /// A session that has just been accepted.
    #[must_use]
    pub fn new(limits: Arc<ListenerLimits>, shakes_hands: bool, now: Instant) -> Self {
        let mut timers = Timers::new(now);
        let state = if shakes_hands {
            timers.set(Timer::Handshake, now + limits.handshake_timeout());
            State::Handshaking
        } else {
            timers.set(Timer::Idle, now + limits.idle_timeout());
            State::Playing
        };
        Self {
            state,
            membership: Membership::Guest,
            is_torn: false,
            hurries: false,
            timers,
            limits,
            bindings: Bindings::default(),
            paces: Paces::new(now),
        }
    }

    /// Something has to come before the handshake, or before the first frame, within this time.
    pub fn header_within(&mut self, limit: Duration, now: Instant) {
        if self.state == State::Handshaking {
            self.timers.set(Timer::Handshake, now + limit);
        }
    }

    /// It has come: what follows is a handshake, or the game.
    pub fn header_read(&mut self, shakes_hands: bool, now: Instant) {
        if shakes_hands { self.handshake_begins(now) } else { self.handshake_done(now) }
    }

    /// The handshake has its whole time from now on.
    pub fn handshake_begins(&mut self, now: Instant) {
        if self.state == State::Handshaking {
            self.timers.set(Timer::Handshake, now + self.limits.handshake_timeout());
        }
    }

    /// Whatever comes before frames is through: they may come.
    pub fn handshake_done(&mut self, now: Instant) {
        if self.state == State::Handshaking {
            self.state = State::Playing;
            self.timers.clear(Timer::Handshake);
            self.timers.set(Timer::Idle, now + self.limits.idle_timeout());
        }
    }

    /// A whole frame with this ID has come. That the session lives is said once for all of a moment: [`Session::touched`].
    pub fn frame(&mut self, id: ProtocolId, rules: &Rules<'_>, now: Instant) -> Verdict {
        if let Some(verdict) = self.comes(now) {
            return verdict;
        }
        match rules.layout.heartbeat {
            Some(heartbeat) if heartbeat.id == id => return Verdict::Answer(heartbeat.reply),
            Some(_) | None => {}
        }
        match (rules.router.route(id), rules.unknown_id) {
            (Some(route), _) => self.admit(route, rules.router),
            (None, UnknownId::Close) => Verdict::Leave(EndReason::UnknownId),
            (None, _) if self.paces.makes_no_sense(now) => Verdict::Leave(EndReason::Malformed),
            (None, UnknownId::Notice) => Verdict::Refuse(NoticeCode::UnknownId),
            (None, UnknownId::Drop) => Verdict::Drop,
        }
    }

    /// As [`Session::frame`], whatever is in it; a verdict if it is not even looked at.
    pub fn comes(&mut self, now: Instant) -> Option<Verdict> {
        match self.state {
            State::Playing => {}
            State::Handshaking | State::HalfClosed | State::Parked | State::Leaving(_) => {
                return Some(Verdict::Ignore);
            }
        }
        self.timers.clear(Timer::Frame);
        let limit = self.limits.frames_per_session()?;
        let wait = self.paces.frame(&limit, now).err()?;
        Some(self.too_many(wait, now))
    }

    /// A sign of life that is no frame, but costs an answer: it counts among the frames. A verdict if it gets none. Half a
    /// frame that is held does not become whole by it.
    pub fn gives_sign(&mut self, now: Instant) -> Option<Verdict> {
        match self.state {
            State::Playing => {}
            State::Handshaking | State::HalfClosed | State::Parked | State::Leaving(_) => {
                return Some(Verdict::Ignore);
            }
        }
        self.touched(now);
        let limit = self.limits.frames_per_session()?;
        let wait = self.paces.frame(&limit, now).err()?;
        Some(self.too_many(wait, now))
    }

    /// A frame for the gateway itself that means nothing; whether the session has sent too many of such.
    pub fn makes_no_sense(&mut self, now: Instant) -> bool {
        self.paces.makes_no_sense(now)
    }

    /// A frame beyond what the listener takes of one session. Who goes on and on with it is no player.
    fn too_many(&mut self, wait: Duration, now: Instant) -> Verdict {
        if self.paces.makes_no_sense(now) {
            return Verdict::Leave(EndReason::RateLimited);
        }
        Verdict::TooMany(self.paces.tells(now).then_some(wait))
    }

    fn admit(&self, route: RouteIndex, router: &Router) -> Verdict {
        match (router.needs_login(route), self.membership) {
            (false, _) | (true, Membership::In) => Verdict::Forward(route),
            (true, Membership::Guest) => Verdict::NotYet(route, NoticeCode::LoginRequired),
            (true, Membership::Queued) => Verdict::NotYet(route, NoticeCode::Queued),
        }
    }

    /// How far the player has come with its login.
    #[must_use]
    pub const fn membership(&self) -> Membership {
        self.membership
    }

    /// The player has come so far with its login; the deadline for it is over.
    pub fn becomes(&mut self, membership: Membership, now: Instant) {
        let waited = std::mem::replace(&mut self.membership, membership) == Membership::Queued;
        self.timers.clear(Timer::Login);
        if membership != Membership::Queued {
            self.timers.clear(Timer::Place);
        }
        if waited {
            self.touched(now); // who waited had nothing to say
        }
    }

    /// The player has to log in within this time, unless it has.
    pub fn login_within(&mut self, limit: Duration, now: Instant) {
        if self.membership == Membership::Guest && self.leaving().is_none() {
            self.timers.set(Timer::Login, now + limit);
        }
    }

    /// A player who waits may hear of its place after this time.
    pub fn tell_place_in(&mut self, wait: Duration, now: Instant) {
        if self.membership == Membership::Queued && self.leaving().is_none() {
            self.timers.set(Timer::Place, now + wait);
        }
    }

    /// Frames have come, or bytes of an opaque session have come or gone: they keep it alive.
    pub fn touched(&mut self, now: Instant) {
        if matches!(self.state, State::Playing | State::HalfClosed) {
            self.timers.set(Timer::Idle, now + self.limits.idle_timeout());
        }
    }

    /// After reading: whether the beginning of a frame is held.
    pub fn holds_part(&mut self, part: bool, now: Instant) {
        self.is_torn = false;
        if !part {
            self.timers.clear(Timer::Frame);
        } else if self.state == State::Playing && !self.timers.runs(Timer::Frame) {
            self.timers.set(Timer::Frame, now + self.limits.frame_timeout());
        }
    }

    /// After writing: whether something waits for the player, and whether it took anything just now.
    pub fn waits(&mut self, waits: bool, took: bool, now: Instant) {
        let waited = self.is_behind();
        if !waits {
            self.timers.clear(Timer::Write);
        } else if took || !waited {
            self.timers.set(Timer::Write, now + self.limits.write_timeout());
        }
        if self.leaving().is_some() && !self.hurries && (waits || waited) {
            self.linger(waits, took || !waited, now);
        }
    }

    /// Whoever takes what was said before has the time for it that a session has; then the end has its own.
    fn linger(&mut self, waits: bool, moves: bool, now: Instant) {
        match (waits, moves) {
            (true, true) => self.timers.set(Timer::Linger, now + self.limits.write_timeout()),
            (true, false) => {}
            (false, _) => self.timers.set(Timer::Linger, now + LINGER),
        }
    }

    /// Whether something has waited for the player since an earlier turn.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.timers.runs(Timer::Write)
    }

    /// The gateway stops reading for at most this long. A frame that is half here, or not here yet, is not held
    /// against the player; what is half here has its whole time again behind that.
    pub fn pause(&mut self, longest: Duration, now: Instant) {
        self.touched(now);
        self.stop_reading(longest, now);
    }

    /// The same where nothing moves: the session is idle meanwhile.
    pub fn stop_reading(&mut self, longest: Duration, now: Instant) {
        self.is_torn |= self.timers.runs(Timer::Frame);
        self.timers.clear(Timer::Frame);
        self.timers.set(Timer::Pause, now + longest);
    }

    /// The gateway reads on.
    pub fn resume(&mut self, now: Instant) {
        self.timers.clear(Timer::Pause);
        if self.is_torn {
            self.holds_part(true, now);
        }
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

    /// The connection of a player who is in is gone: another one may come for the session within this time. False, and
    /// nothing changed, where the session cannot wait for one.
    pub fn park(&mut self, within: Duration, now: Instant) -> bool {
        let parks = self.state == State::Playing && self.membership == Membership::In;
        if parks {
            self.state = State::Parked;
            self.timers.clear_all();
            self.timers.set(Timer::Parked, now + within);
        }
        parks
    }

    /// Another connection came for the session, with the limits of its listener.
    pub fn comes_back(&mut self, limits: Arc<ListenerLimits>, now: Instant) {
        if self.may_come_back() {
            self.state = State::Playing;
            self.limits = limits;
            self.is_torn = false;
            self.timers.clear_all();
            self.timers.set(Timer::Idle, now + self.limits.idle_timeout());
        }
    }

    /// Whether another connection may take the place of the one that it has or had.
    #[must_use]
    pub fn may_come_back(&self) -> bool {
        matches!(self.state, State::Playing | State::Parked)
    }

    /// Whether the player's connection is gone and the session waits for another one.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.state == State::Parked
    }

    /// Whether the player has said that it will send nothing more.
    #[must_use]
    pub fn is_half_closed(&self) -> bool {
        self.state == State::HalfClosed
    }

    /// Ends the session: nothing is forwarded from here on, and only the last words are still written. False if
    /// it was ending already; the first reason stays.
    pub fn leave(&mut self, end: EndReason, now: Instant) -> bool {
        if matches!(self.state, State::Leaving(_)) {
            return false;
        }
        self.hurries = self.is_handshaking() || matches!(end, EndReason::TooSlow | EndReason::Cut);
        self.state = State::Leaving(end);
        self.timers.clear_all();
        self.timers.set(Timer::Linger, now + LINGER);
        self.timers.set(Timer::Idle, now + LONGEST_END);
        true
    }

    /// The last words of a session that is ending begin only then, and have all their time from there: something else
    /// comes before them, whatever the player takes meanwhile. Where they begin now, it goes on taking what waits.
    pub fn lingers_from(&mut self, moment: Instant, now: Instant) {
        if self.leaving().is_some() {
            self.hurries = moment > now;
            self.timers.set(Timer::Linger, moment + LINGER);
            self.timers.set(Timer::Idle, moment + LONGEST_END);
            if !self.hurries && self.is_behind() {
                self.linger(true, true, now);
            }
        }
    }

    /// When it was accepted.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.paces.began()
    }

    /// How long it has lasted.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began())
    }

    /// Why the session is ending, once it is.
    #[must_use]
    pub const fn leaving(&self) -> Option<EndReason> {
        match self.state {
            State::Leaving(end) => Some(end),
            State::Handshaking | State::Playing | State::HalfClosed | State::Parked => None,
        }
    }

    /// Whether frames of the player are taken.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.state == State::Playing
    }

    /// Whether PROXY header, TLS or upgrade are still under way.
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
        let mut timer = self.timers.take_expired(now)?;
        if timer == Timer::Idle && self.membership == Membership::Queued && self.is_playing() {
            self.touched(now); // who waits has nothing to say; who has said its last does not come in any more
            timer = self.timers.take_expired(now)?;
        }
        Some(match timer {
            Timer::Handshake => Expired::Leave(EndReason::HandshakeTimeout),
            Timer::Frame => Expired::Leave(EndReason::FrameTimeout),
            Timer::Idle if self.leaving().is_some() => Expired::Close,
            Timer::Idle => Expired::Leave(EndReason::Idle),
            Timer::Write => Expired::Leave(EndReason::TooSlow),
            Timer::Pause => {
                self.resume(now);
                Expired::Resume
            }
            Timer::Linger => Expired::Close,
            Timer::Login => Expired::Leave(EndReason::LoginTimeout),
            Timer::Place => Expired::TellPlace,
            Timer::Parked => Expired::Leave(EndReason::NotResumed),
        })
    }
}
