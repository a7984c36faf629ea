//! What happens at a login: who it is, whether it may, which elder session has to go, and whether there is room.

use std::sync::Arc;
use std::time::Instant;

use super::conduct::Conduct;
use super::waiting::Waiting;
use crate::base::{BackendKey, Reason, SessionId};
use crate::net::hub;
use crate::net::lobby::Entry;
use crate::net::login::{Gatekeeper, LoginKind};
use crate::net::seat::Bind;
use crate::net::worker::Command;
use crate::net::world::World;
use crate::players::{Claim, Epoch, Seating, TokenFault};
use crate::policy::Newcomer;
use crate::session::{EndReason, Membership};
use crate::telemetry::LoginResult;
use crate::wire::link::Message;
use crate::wire::{Frame, Notice, NoticeCode};

/// How a session came in.
#[derive(Debug, Default)]
pub(super) struct Entrance {
    /// The account whose seat it has.
    account: Option<Arc<str>>,
    /// What it has in its hands while it waits to be let in.
    pub(super) waiting: Option<Box<Waiting>>,
    /// How players logged in in the world it was in last; `None` before the first.
    way: Option<LoginKind>,
    /// Whether it counts among those who are in, or who wait.
    is_counted: bool,
    /// What the player was told when it was sent away, where the end of its session does not say it.
    pub(super) told: Option<NoticeCode>,
}

/// Who logs in.
struct Login<'a> {
    account: &'a str,
    epoch: u64,
    version: Option<&'a str>,
    /// The gateway itself has verified it.
    by_token: bool,
}

impl Conduct {
    /// Frames may come: a player has so long to log in.
    pub(super) fn expect_login(&mut self, world: &World, now: Instant) {
        if world.gatekeeper.is_some() && !self.is_opaque() {
            self.session.login_within(self.door.listener.limits().login_timeout(), now);
        }
    }

    /// The world is another one. Who played where no login was wanted goes on playing where one is.
    pub(super) fn settle_entrance(&mut self, world: &World, now: Instant) {
        let way = world.login_kind();
        let before = self.entrance.way.replace(way);
        if before == Some(way) {
            return;
        }
        self.seat.forget_epoch(); // each way counts in its own way
        let is_guest = self.session.membership() == Membership::Guest && self.session.is_playing();
        if before == Some(LoginKind::None) && is_guest {
            self.session.becomes(Membership::In, now);
            self.hub.commons.lobby.count_in(self.seat.id);
            self.entrance.is_counted = true;
            self.entrance.account = self.seat.account();
            if !self.sit_down_first(world, now) {
                self.leave(EndReason::Replaced, now);
            }
        }
    }

    /// The player comes by another connection: its seat is as new as that one. False if it has the seat no more, or has
    /// come by a younger connection already.
    pub(super) fn comes_by(&self, arrival: u64) -> bool {
        if arrival < self.seat.arrival.get() {
            return false;
        }
        self.seat.arrival.set(arrival);
        let (directory, session) = (&self.hub.commons.directory, self.seat.id);
        self.entrance.account.as_ref().is_none_or(|account| directory.renew(account, session, arrival))
    }

    /// Who plays already takes the seat of its account, where one is known. False if it cannot.
    fn sit_down_first(&self, world: &World, now: Instant) -> bool {
        let (Some(gate), Some(account)) = (&world.gatekeeper, &self.entrance.account) else { return true };
        let login = Login { account, epoch: 0, version: None, by_token: false };
        let elders = self.sit_down(gate, &login, now);
        elders.map(|elders| elders.into_iter().for_each(|elder| self.tell_elder(elder))).is_ok()
    }

    /// The player shows a token. A good one goes on to its route, if it has one.
    pub(super) fn take_token(&mut self, world: &World, gate: &Gatekeeper, frame: &Frame<'_>, now: Instant) {
        let read = gate.read(frame.bytes, hub::clock());
        let result = read.map_err(result_of).and_then(|claims| {
            let (account, version) = (&*claims.account, claims.version.as_deref());
            let epoch = claims.issued.unwrap_or(0);
            self.log_in(world, gate, &Login { account, epoch, version, by_token: true }, now)
        });
        match result {
            Ok(result) => self.count_login(result),
            Err(why) => return self.turn_out(world, why, now),
        }
        self.settle(world, now); // the account may be of another release group
        let route = world
            .router
            .route(frame.id)
            .filter(|route| self.session.membership() == Membership::In || !world.router.needs_login(*route));
        if let Some(route) = route {
            self.forward(world, route, frame, now);
        }
    }

    /// A backend says whose session this is.
    pub(super) fn bind(&mut self, world: &World, bind: &Bind, now: Instant) {
        self.settle_entrance(world, now); // the turn settles behind its orders, and this one counts as its world does
        let Some(gate) = world.gatekeeper.as_ref().filter(|_| self.session.leaving().is_none()) else {
            return;
        };
        if bind.epoch < self.seat.epoch_of(&bind.account) {
            return self.object(
                bind.backend,
                Reason::Malformed,
                "BIND with a lower epoch than the one known",
            );
        }
        let login = Login { account: &bind.account, epoch: bind.epoch, version: None, by_token: false };
        match self.log_in(world, gate, &login, now) {
            Ok(result) => self.count_login(result),
            Err(why) => {
                if why == LoginResult::Older {
                    let text = "BIND of an account of which a newer login is known";
                    self.object(bind.backend, Reason::Replaced, text);
                } else if why == LoginResult::Taken {
                    self.object(bind.backend, Reason::Unauthorized, "BIND of an account that plays already");
                }
                self.turn_out(world, why, now);
            }
        }
    }

    /// The client's version has become known after the login, or before it.
    pub(super) fn check_version(&mut self, world: &World, now: Instant) {
        let rule = world.gatekeeper.as_ref().and_then(|gate| gate.versions.as_ref());
        let (Some(rule), Some(version)) = (rule, self.seat.version()) else { return };
        if !rule.matches(&version) && self.session.leaving().is_none() {
            self.turn_out(world, LoginResult::UpdateRequired, now);
        }
    }

    /// A newer login has the seat; unless this session has logged in once more since.
    pub(super) fn replaced(&mut self, now: Instant) {
        let directory = &self.hub.commons.directory;
        let seated = |account: &Arc<str>| directory.sessions(account).contains(&self.seat.id);
        if self.entrance.account.as_ref().is_some_and(|account| !seated(account)) {
            self.leave(EndReason::Replaced, now);
        }
    }

    /// The session is over, for whatever reason: its seat is free.
    pub(super) fn leave_entrance(&mut self) {
        let since_start = self.hub.since_start(hub::now());
        if let Some(account) = self.entrance.account.take() {
            self.hub.commons.directory.release(&account, self.seat.id, since_start);
        }
        if std::mem::take(&mut self.entrance.is_counted) {
            self.hub.commons.lobby.leave(self.seat.id, self.may_return(), since_start);
        }
    }

    /// The player is away, or is back.
    pub(super) fn set_away(&self, away: bool) {
        if let Some(account) = &self.entrance.account {
            self.hub.commons.directory.set_away(account, self.seat.id, away);
        }
    }

    fn log_in(
        &mut self,
        world: &World,
        gate: &Gatekeeper,
        login: &Login<'_>,
        now: Instant,
    ) -> Result<LoginResult, LoginResult> {
        let known = self.entrance.account.clone();
        let is_same = known.as_deref() == Some(login.account);
        if self.hub.has_banned(world, login.account, self.hub.since_start(now)) {
            return Err(LoginResult::Banned);
        }
        if login.by_token && known.is_some() && !is_same {
            return Err(LoginResult::OtherAccount);
        }
        self.judge_version(gate, login)?;
        let elders = self.sit_down(gate, login, now)?;
        if let Some(before) = known.as_ref().filter(|_| !is_same) {
            self.hub.commons.directory.release(before, self.seat.id, self.hub.since_start(now));
        }
        let account: Arc<str> = login.account.into();
        self.entrance.account = Some(Arc::clone(&account));
        if self.session.is_parked() {
            self.set_away(true); // a backend has said it, and not the player
        }
        self.seat.log_in(world, login.account, self.epoch_of(login));
        if let Some(version) = login.version {
            self.seat.runs(world, version);
        }
        // Who is in stays in; but an elder's place may have gone to a newer login and come back with this one.
        let entered = self.enter(world, &account, &elders, now);
        let result = entered.map(|first| if known.is_some() { LoginResult::Again } else { first });
        // Behind that: who has left already has no place that could be taken over.
        elders.into_iter().for_each(|elder| self.tell_elder(elder));
        result
    }

    /// Who verifies tokens must see a version where one is wanted; a backend may tell it later.
    fn judge_version(&self, gate: &Gatekeeper, login: &Login<'_>) -> Result<(), LoginResult> {
        let Some(rule) = &gate.versions else { return Ok(()) };
        let known = self.seat.version();
        match login.version.or(known.as_deref()) {
            Some(version) if rule.matches(version) => Ok(()),
            None if !login.by_token => Ok(()),
            Some(_) | None => Err(LoginResult::UpdateRequired),
        }
    }

    /// Takes the account's seat; who had it has to go.
    fn sit_down(
        &self,
        gate: &Gatekeeper,
        login: &Login<'_>,
        now: Instant,
    ) -> Result<Vec<SessionId>, LoginResult> {
        let epoch = Epoch { login: self.epoch_of(login), arrival: self.seat.arrival.get() };
        let claim = self.hub.commons.directory.claim(&Seating {
            account: login.account,
            session: self.seat.id,
            epoch,
            duplicate: gate.duplicate,
            now: self.hub.since_start(now),
        });
        match claim {
            Claim::Seated(elders) => Ok(elders),
            Claim::Older => Err(LoginResult::Older),
            Claim::Taken => Err(LoginResult::Taken),
        }
    }

    /// Who logs in once more to its account is not older for that.
    fn epoch_of(&self, login: &Login<'_>) -> u64 {
        login.epoch.max(self.seat.epoch_of(login.account))
    }

    fn tell_elder(&self, elder: SessionId) {
        let switchboard = &self.hub.commons.switchboard;
        match switchboard.worker_of(elder) {
            own if own == self.hub.worker => self.hub.replaced(elder),
            other => switchboard.tell(other, Command::Replaced(elder)),
        }
    }

    /// Lets the player in, or has it wait. Where one of its elders stood, it goes on.
    fn enter(
        &mut self,
        world: &World,
        account: &Arc<str>,
        elders: &[SessionId],
        now: Instant,
    ) -> Result<LoginResult, LoginResult> {
        let newcomer = Newcomer { session: self.seat.id, account, instead_of: elders };
        let entry = self.hub.commons.lobby.enter(&newcomer, self.hub.since_start(now));
        self.entrance.is_counted = true;
        match entry {
            Entry::In if self.session.membership() == Membership::In => {}
            Entry::In => self.admit(world, now),
            Entry::Wait(ticket) if self.holds(&ticket) => {}
            Entry::Wait(ticket) => self.line_up(ticket, now),
            Entry::Full => return Err(LoginResult::Full),
        }
        Ok(LoginResult::Ok)
    }

    /// The player is in from now on.
    pub(super) fn admit(&mut self, world: &World, now: Instant) {
        self.entrance.waiting = None;
        self.session.becomes(Membership::In, now);
        self.tell_admitted(world);
    }

    /// The login is refused: the session ends, and the player hears why.
    fn turn_out(&mut self, world: &World, why: LoginResult, now: Instant) {
        self.count_login(why);
        if why == LoginResult::Full {
            return self.send_away(world, now);
        }
        let (end, message) = ending(why);
        if self.session.leave(end, now) {
            if let Some(code) = end.notice() {
                self.notice(&Notice { message, ..Notice::new(code) });
            }
            self.part_all(end.reason());
        }
    }

    fn count_login(&self, result: LoginResult) {
        if let Some(counter) = self.hub.meter.login(result) {
            counter.add(1);
        }
    }

    /// Tells a backend that its BIND is not taken.
    fn object(&self, backend: BackendKey, reason: Reason, text: &'static str) {
        let Some(link) = self.hub.link(backend) else { return };
        if !link.answer(self.seat.id, Message::Error { reason: reason.code(), text: Some(text) }) {
            self.hub.meter.unsaid.add(1);
        }
    }
}

/// How a refused login ends, and what the player reads besides the code.
const fn ending(why: LoginResult) -> (EndReason, Option<&'static str>) {
    match why {
        LoginResult::Older => (EndReason::Replaced, None),
        LoginResult::Banned => (EndReason::Banned, Some("this account is banned")),
        LoginResult::UpdateRequired => (EndReason::UpdateRequired, None),
        LoginResult::Full => (EndReason::QueueFull, None),
        LoginResult::Taken => (EndReason::Unauthorized, Some("this account plays already")),
        LoginResult::OtherAccount => (EndReason::Unauthorized, Some("this session has another account")),
        LoginResult::TokenExpired => (EndReason::Unauthorized, Some("the token is over")),
        LoginResult::TokenNotYet => (EndReason::Unauthorized, Some("the token is not valid yet")),
        LoginResult::TokenAudience => (EndReason::Unauthorized, Some("the token is not for this game")),
        LoginResult::TokenMalformed
        | LoginResult::TokenAlgorithm
        | LoginResult::TokenKey
        | LoginResult::TokenSignature
        | LoginResult::TokenAccount => (EndReason::Unauthorized, Some("the token is not valid")),
        LoginResult::Ok | LoginResult::Again | LoginResult::Stranger => (EndReason::Unauthorized, None),
    }
}

const fn result_of(fault: TokenFault) -> LoginResult {
    match fault {
        TokenFault::Malformed => LoginResult::TokenMalformed,
        TokenFault::Algorithm => LoginResult::TokenAlgorithm,
        TokenFault::UnknownKey => LoginResult::TokenKey,
        TokenFault::Signature => LoginResult::TokenSignature,
        TokenFault::Expired => LoginResult::TokenExpired,
        TokenFault::NotYet => LoginResult::TokenNotYet,
        TokenFault::Audience => LoginResult::TokenAudience,
        TokenFault::Account => LoginResult::TokenAccount,
    }
}
