//! Which backend a frame goes to: the one its session keeps, one that stands in while the route's breaker is open
//! there, or the one that the balance gives.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Duration;

use super::conduct::Conduct;
use crate::base::{BackendKey, ProtocolId, SessionId};
use crate::cluster::{Ask, Backend, Fit, Miss};
use crate::config::HashOn;
use crate::net::guard::Promise;
use crate::net::world::{ClusterView, Lane};
use crate::policy::{RouteClass, stable_hash};
use crate::telemetry::Refusal;
use crate::wire::{Lent, read_field};

/// A frame that wants a backend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) cluster: &'a ClusterView,
    pub(super) lane: &'a Lane,
    pub(super) id: ProtocolId,
    pub(super) lent: Lent<'a>,
    /// The place of the member that the session keeps, if it does and that serves.
    pub(super) kept: Option<usize>,
    /// Whether it will be known what becomes of the frame: a reply is awaited, or a connection is yet to be made.
    pub(super) guarded: bool,
    /// Since the gateway's start.
    pub(super) now: Duration,
}

/// Who gets it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) place: usize,
    /// How the session stood there before: what was taken for it is given back if the frame does not go.
    pub(super) fit: Fit,
    /// Whether the backend only stands in for the one that the session keeps.
    pub(super) stands_in: bool,
}

/// What has to come of the frame at the member that was chosen; `None` where nobody will know.
pub(super) type Promised = Option<Promise>;

/// Why nobody does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turned {
    pub(super) refusal: Refusal,
    pub(super) retry_after: Option<Duration>,
    /// The only backend that could have served the session.
    pub(super) only: Option<BackendKey>,
    /// Whether the session keeps no backend.
    pub(super) is_new: bool,
}

/// What a keyed balance may go by.
#[derive(Clone, Copy, Debug)]
pub(in crate::net) struct Keyed<'a> {
    pub(in crate::net) session: SessionId,
    pub(in crate::net) account: Option<&'a str>,
    pub(in crate::net) ip: IpAddr,
    /// The whole frame.
    pub(in crate::net) bytes: &'a [u8],
}

/// How many members are tried for one frame when the first ones turn it away at the last moment.
const TRIES: usize = 4;

impl Conduct {
    /// Chooses a member. `fit` says what the session is to it, where it can be reached and has not refused. What is promised
    /// of the frame goes into `promised`, which is left `None` where nobody is chosen: of most frames nothing is, and their
    /// choice is handed on in two words.
    pub(super) fn choose(
        &self,
        wanted: &Wanted<'_>,
        promised: &mut Promised,
        fit: impl Fn(&Backend) -> Fit,
    ) -> Result<Choice, Turned> {
        if let Some(kept) = wanted.kept {
            let taken = match may_be_ill(wanted) {
                true => Err(Refusal::Unavailable),
                false => self.take(wanted, kept, promised, &fit),
            };
            match taken {
                Ok(choice) => return Ok(choice),
                // One that it was assigned to and has not come to yet is none that it would lose.
                Err(refusal) if wanted.cluster.closes_on_loss() && !self.is_new_to(wanted, kept, &fit) => {
                    return Err(self.turned(wanted, refusal));
                }
                Err(_) => {}
            }
        }
        // Whoever stands in at a dedicated cluster may have to be connected to.
        let other = Wanted { guarded: wanted.guarded || !wanted.cluster.is_shared(), ..*wanted };
        let mut choice = self.choose_other(&other, promised, fit)?;
        choice.stands_in = wanted.kept.is_some();
        Ok(choice)
    }

    fn is_new_to(&self, wanted: &Wanted<'_>, place: usize, fit: &impl Fn(&Backend) -> Fit) -> bool {
        wanted.cluster.entry.at(place).is_some_and(|backend| fit(backend) == Fit::New)
    }

    /// The two of a hot standby that hear a frame, by their places: the first two that live. Who has no room for a session
    /// that somebody has is passed over.
    pub(super) fn pair(&self, wanted: &Wanted<'_>, fit: impl Fn(&Backend) -> Fit) -> [Option<usize>; 2] {
        let entry = &wanted.cluster.entry;
        let live = || entry.live(wanted.now, |backend| fit(backend) != Fit::No);
        let fit = |place: usize| entry.at(place).map_or(Fit::No, |backend| fit(backend));
        let is_had = live().any(|place| fit(place) == Fit::Known);
        let mut hearing = live().filter(|place| !is_had || entry.may_let_in(*place, fit(*place), wanted.now));
        [hearing.next(), hearing.next()]
    }

    /// The first of a hot standby's two.
    pub(super) fn choose_first(
        &self,
        wanted: &Wanted<'_>,
        first: Option<usize>,
        promised: &mut Promised,
        fit: impl Fn(&Backend) -> Fit,
    ) -> Result<Choice, Turned> {
        let Some(first) = first.filter(|_| !may_be_ill(wanted)) else {
            return Err(self.turned(wanted, Refusal::Unavailable));
        };
        let by_it = Wanted { kept: Some(first), ..*wanted };
        self.take(wanted, first, promised, fit).map_err(|refusal| self.turned(&by_it, refusal))
    }

    fn choose_other(
        &self,
        wanted: &Wanted<'_>,
        promised: &mut Promised,
        fit: impl Fn(&Backend) -> Fit,
    ) -> Result<Choice, Turned> {
        let ask = self.ask(wanted);
        let tried: RefCell<Vec<usize>> = RefCell::default();
        let is_out = |place| wanted.kept == Some(place) || tried.borrow().contains(&place);
        let fit = |place: usize| match wanted.cluster.entry.at(place) {
            Some(backend) if !is_out(place) && passes(wanted, place) => fit(backend),
            Some(_) | None => Fit::No,
        };
        let serves = |place| wanted.cluster.entry.keeps(place, wanted.now) && !may_be_ill(wanted);
        let knows = |place: &usize| fit(*place) == Fit::Known && serves(*place);
        // One that stands in already goes on doing so.
        let sticky = wanted.cluster.plan.sticky();
        let mut refusal = Refusal::Unavailable;
        for _ in 0..TRIES {
            let standing_in = sticky.then(|| places(wanted).find(knows)).flatten();
            let picked = standing_in.map_or_else(|| self.hub.pick(wanted.cluster, &ask, fit), Ok);
            let place = picked.map_err(|miss| self.turned(wanted, refusal_of(miss)))?;
            match self.take(wanted, place, promised, |_| fit(place)) {
                Ok(choice) => return Ok(choice),
                Err(why) => refusal = why,
            }
            tried.borrow_mut().push(place);
        }
        Err(self.turned(wanted, refusal))
    }

    /// Takes a place at a member and passes the route's breaker there.
    fn take(
        &self,
        wanted: &Wanted<'_>,
        place: usize,
        promised: &mut Promised,
        fit: impl Fn(&Backend) -> Fit,
    ) -> Result<Choice, Refusal> {
        let cluster = &wanted.cluster.entry;
        let (Some(backend), Some(guard)) = (cluster.at(place), wanted.lane.guards.get(place)) else {
            return Err(Refusal::Unavailable);
        };
        if backend.excepts(wanted.id, wanted.now).is_some() {
            return Err(Refusal::Unavailable);
        }
        let fit = fit(backend); // before it enters: what has entered stands in its own way
        if fit == Fit::No || is_opened(fit) && !cluster.takes_sessions(place) {
            return Err(Refusal::Unavailable);
        }
        if wanted.guarded {
            let entered = guard.enter(wanted.now, &mut *self.hub.dice.borrow_mut());
            *promised = Some(entered.map_err(|_| Refusal::Unavailable)?);
        }
        if !cluster.let_in(place, fit, wanted.now) {
            *promised = None;
            return Err(Refusal::Full);
        }
        Ok(Choice { place, fit, stands_in: false })
    }

    pub(super) fn ask(&self, wanted: &Wanted<'_>) -> Ask {
        let keyed = wanted.cluster.entry.balance().needs_key();
        Ask {
            key: if keyed { self.key(wanted) } else { 0 },
            critical: wanted.lane.class == RouteClass::Critical,
            now: wanted.now,
        }
    }

    fn key(&self, wanted: &Wanted<'_>) -> u64 {
        let account = self.seat.account();
        let (session, ip) = (self.seat.id, self.seat.peer().ip());
        let keyed = Keyed { session, account: account.as_deref(), ip, bytes: wanted.lent.bytes };
        balance_key(wanted.cluster.plan.hash_on(), &keyed)
    }

    /// What the player is told: how long until a backend may be tried again, as far as that is known.
    fn turned(&self, wanted: &Wanted<'_>, refusal: Refusal) -> Turned {
        let closes = wanted.cluster.closes_on_loss();
        let kept = wanted.kept.filter(|_| closes || wanted.cluster.is_hot_standby());
        let mine = |place: &usize| refusal == Refusal::Unavailable && kept.is_none_or(|kept| kept == *place);
        let retry_after = places(wanted).filter(mine).filter_map(|place| opens_in(wanted, place)).min();
        let only = kept.filter(|_| closes).and_then(|place| Some(wanted.cluster.entry.at(place)?.key()));
        Turned { refusal, retry_after, only, is_new: wanted.kept.is_none() }
    }
}

/// What a keyed balance goes by: numbers as they are, so that an operator can count them out. A frame without
/// the field, and a session without an account, go by the session.
pub(in crate::net) fn balance_key(on: &HashOn, keyed: &Keyed<'_>) -> u64 {
    let session = keyed.session.raw();
    match on {
        HashOn::Session | HashOn::Header(_) | HashOn::Cookie { .. } | HashOn::Query(_) => session,
        HashOn::Account => keyed.account.map_or(session, |account| stable_hash(account.as_bytes())),
        HashOn::ClientIp => match keyed.ip.to_canonical() {
            IpAddr::V4(ip) => stable_hash(&ip.octets()),
            IpAddr::V6(ip) => stable_hash(&ip.octets()),
        },
        &HashOn::Field { offset, width, order } => {
            read_field(keyed.bytes, offset, width, order).unwrap_or(session)
        }
    }
}

/// Whether a backend is told of the session before the frame.
const fn is_opened(fit: Fit) -> bool {
    matches!(fit, Fit::New | Fit::Again)
}

fn refusal_of(miss: Miss) -> Refusal {
    match miss {
        Miss::Nobody => Refusal::Unavailable,
        Miss::Full => Refusal::Full,
    }
}

/// Whether a frame must go nowhere because health is ignored now, and the route is critical.
fn may_be_ill(wanted: &Wanted<'_>) -> bool {
    wanted.lane.class == RouteClass::Critical && wanted.cluster.entry.is_in_panic(wanted.now)
}

fn places(wanted: &Wanted<'_>) -> std::ops::Range<usize> {
    0..wanted.lane.guards.len()
}

/// Whether a member takes frames of this route and with this ID.
fn passes(wanted: &Wanted<'_>, place: usize) -> bool {
    let guard = wanted.lane.guards.get(place);
    guard.is_some_and(|guard| {
        guard.may_enter(wanted.now) && guard.backend().excepts(wanted.id, wanted.now).is_none()
    })
}

/// When a member takes frames of this route and with this ID again, if that is why it does not.
fn opens_in(wanted: &Wanted<'_>, place: usize) -> Option<Duration> {
    let guard = wanted.lane.guards.get(place)?;
    guard.remaining(wanted.now).max(guard.backend().excepts(wanted.id, wanted.now))
}
