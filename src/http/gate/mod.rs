//! Whether a request of a third party is let through: who it is from, whether that is proven, and whether it is not too
//! much. What costs least is looked at first, and a body is only read for whom its head speaks.

mod guests;
mod ledger;
mod pace;
mod seen;
mod shown;
mod verdict;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Body;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName};
use hyper::http::request::Parts;

use super::answer::{self, Answer};
use super::line::Caller;
use super::thread::Thread;
use super::upload::{Upload, UploadError};
use crate::config::Partner;
use crate::net::{WebLane, World, since_1970};
use crate::partners::{self, Claim, InFlight, Keys, Refusal, Signed, Spent, Standing, Taken, day_of};
use crate::telemetry;

pub(in crate::http) use guests::Guests;
pub use ledger::{Ledger, LedgerFault};
use pace::{Allowance, Paces};
use seen::Nonce;
use verdict::Refused;

/// What all threads share of partners beside their standing.
#[derive(Debug)]
pub(in crate::http) struct Gatehouse {
    paces: Paces,
    ledger: Arc<Ledger>,
}

/// A request was let through, and is in progress until this is dropped.
#[derive(Debug)]
pub(in crate::http) struct Pass {
    _in_flight: InFlight,
    allowance: Allowance,
}

/// A request that asks to be let through.
struct Asking<'a> {
    thread: &'a Thread,
    world: &'a World,
    lane: &'a WebLane,
    caller: &'a Caller,
    head: &'a Parts,
}

/// A partner of the route that a request says it is of.
struct Known<'a> {
    partner: &'a Partner,
    keys: &'a Keys,
    standing: Arc<Standing>,
}

/// A request that is let through.
struct Admitted {
    partner: Arc<str>,
    /// The header that whoever reads it could use again.
    shows: Option<HeaderName>,
    pass: Pass,
    body: Upload,
}

/// Why there is no pass.
enum Denied {
    Refused(Refused),
    Upload(UploadError),
}

/// A nonce is held for so long that waiting for one to be over is hardly worth the wait.
const NONCES_FULL: Duration = Duration::from_secs(60);
/// Somebody's request will be over by then.
const SOON: Duration = Duration::from_secs(1);

/// Lets a request through to a route that has partners, or says why not. Its body may have been read whole then.
///
/// # Errors
/// The answer.
pub(in crate::http) async fn admit(
    thread: &Rc<Thread>,
    world: &World,
    lane: &WebLane,
    request: Request<Upload>,
    caller: &mut Caller,
) -> Result<(Request<Upload>, Pass), Answer> {
    let (mut head, body) = request.into_parts();
    let asking = Asking { thread, world, lane, caller, head: &head };
    let judged = asking.judge(body).await;
    match judged {
        Ok(Admitted { partner, shows, pass, body }) => {
            let (thread, name) = (Rc::clone(thread), Arc::clone(&partner));
            let body = body.while_so(move || is_enabled(&thread.world.load(), &name));
            caller.partner = Some(partner);
            if let Some(name) = shows {
                head.headers.remove(name);
            }
            Ok((Request::from_parts(head, body), pass))
        }
        Err(Denied::Upload(error)) => {
            let (status, told) = error.told();
            Err(answer::error(status, told, &caller.id))
        }
        Err(Denied::Refused(refused)) => {
            let mut answer = answer::error(refused.status(), refused.words(), &caller.id);
            refused.mark(answer.headers_mut());
            Err(answer)
        }
    }
}

impl Gatehouse {
    pub(in crate::http) fn new(ledger: Ledger) -> Self {
        Self { paces: Paces::default(), ledger: Arc::new(ledger) }
    }

    pub(in crate::http) fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Pass {
    /// What the answer says of the next requests.
    pub(in crate::http) fn mark(&self, headers: &mut HeaderMap) {
        self.allowance.mark(headers);
    }
}

impl<'a> Asking<'a> {
    async fn judge(&self, body: Upload) -> Result<Admitted, Denied> {
        let line = &self.caller.line;
        let names = line.guests.names(line.certificate.as_ref());
        let claim = Claim::read(&shown::read(&self.head.headers, names));
        let claim = claim.map_err(|why| self.deny(None, why.into()))?;
        let known = self.find(&claim).ok_or_else(|| self.deny(None, Refusal::Unknown.into()))?;
        let deny = |refused: Refused| self.deny(Some(&known), refused);
        known.check_head(&claim, self).map_err(|why| deny(why.into()))?;
        let body = if claim.needs_body() { self.read(&known, &claim, body).await? } else { body };
        line.guests
            .seat(&known.standing, known.partner.connections())
            .map_err(|why| deny(Refused::over(why, SOON, u64::from(known.partner.connections()))))?;
        let pass = self.take(&known, &claim).await.map_err(deny)?;
        known.standing.pass();
        Ok(Admitted { partner: known.partner.name().into(), shows: self.secret_of(&claim), pass, body })
    }

    /// The header with a key or a token, which a backend has no use for.
    fn secret_of(&self, claim: &Claim<'_>) -> Option<HeaderName> {
        match claim {
            Claim::ApiKey { .. } if self.head.headers.contains_key(shown::API_KEY) => Some(shown::API_KEY),
            Claim::ApiKey { .. } | Claim::Token { .. } => Some(AUTHORIZATION),
            Claim::Signed { .. } | Claim::Certificate { .. } => None,
        }
    }

    /// The partner of the route that a claim is of. Nothing is proven yet.
    fn find(&self, claim: &Claim<'_>) -> Option<Known<'a>> {
        let partners = self.world.plan().partners();
        self.lane.route().partners().iter().find_map(|place| {
            let (partner, keys) = (partners.get(*place)?, self.world.partner_keys(*place)?);
            let is_it = claim.partner().is_none_or(|name| name == partner.name()) && keys.fits(claim);
            let standing = || self.thread.commons.partners().partner(partner.name());
            is_it.then(|| Known { partner, keys, standing: standing() })
        })
    }

    /// Reads a body that a signature is over, and looks at both.
    async fn read(&self, known: &Known<'_>, claim: &Claim<'_>, body: Upload) -> Result<Upload, Denied> {
        let begin = || {
            let from = self.caller.line.address.ip();
            let bytes = body.size_hint().upper().unwrap_or(self.lane.route().max_body());
            let reading = known.standing.readings.begin(from, known.partner.in_flight(), bytes);
            reading.ok_or_else(|| self.deny(Some(known), known.too_many()))
        };
        let _reading = if body.is_end_stream() { None } else { Some(begin()?) };
        let body = body.read().await.map_err(Denied::Upload)?;
        self.check_whole(known, claim, &body).map_err(|why| self.deny(Some(known), why.into()))?;
        Ok(Upload::whole(body))
    }

    /// What can only be told of all of the request; and while it came, its time may have gone by, and the partner may
    /// have been switched off.
    fn check_whole(&self, known: &Known<'_>, claim: &Claim<'_>, body: &[u8]) -> Result<(), Refusal> {
        let target = self.head.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = partners::Request { method: self.head.method.as_str(), target, body };
        known.keys.check_head(claim, since_1970())?;
        known.keys.check_all(claim, &request)?;
        let is_enabled = is_enabled(&self.thread.world.load(), known.partner.name());
        if is_enabled { Ok(()) } else { Err(Refusal::Disabled) }
    }

    /// Counts the request against everything that is limited. What it cannot have in the end it has not had.
    async fn take(&self, known: &Known<'_>, claim: &Claim<'_>) -> Result<Pass, Refused> {
        let signed = if let Claim::Signed { signed: Ok(signed), .. } = claim { Some(signed) } else { None };
        if let Some(signed) = signed {
            let now = since_1970().as_secs();
            known.standing.nonces().check(signed.nonce(), signed.last(), now).map_err(of_nonce)?;
        }
        let in_flight = known.enter()?;
        let rate = known.partner.rate();
        let allowance = self.thread.gate.paces.take(known.partner.name(), &rate);
        let over = |again| Refused::over(Refusal::Rate, again, u64::from(rate.burst));
        let allowance = allowance.map_err(over)?;
        self.take_day(known).await?;
        if let Some(signed) = signed {
            self.spend(known, signed).await.inspect_err(|_| known.standing.daily().give_back())?;
        }
        Ok(Pass { _in_flight: in_flight, allowance })
    }

    /// One more of the day; where the disk has to hear of it first, that is waited for.
    async fn take_day(&self, known: &Known<'_>) -> Result<(), Refused> {
        let most = known.partner.daily();
        let over = |again| Refused::over(Refusal::Quota, again, most.unwrap_or_default());
        loop {
            let now = since_1970();
            let day = day_of(now);
            let taken = known.standing.daily().take(most, day);
            match taken {
                Taken::Yes => return Ok(()),
                Taken::Over => return Err(over(partners::until_midnight(now))),
                Taken::Reserve if self.reserve(known, day).await => {}
                Taken::Reserve => return Err(over(SOON)),
            }
        }
    }

    async fn reserve(&self, known: &Known<'_>, day: u64) -> bool {
        let (ledger, commons) = (Arc::clone(&self.thread.gate.ledger), Arc::clone(&self.thread.commons));
        let (name, most) = (known.partner.name().to_owned(), known.partner.daily().unwrap_or(u64::MAX));
        let written =
            tokio::task::spawn_blocking(move || ledger.reserve(commons.partners(), &name, most, day));
        written.await.unwrap_or(false)
    }

    /// The nonce is on disk before the request goes on; that is waited for.
    async fn spend(&self, known: &Known<'_>, signed: &Signed<'_>) -> Result<(), Refused> {
        let (partner, text) = (known.partner.name().to_owned(), signed.nonce().to_owned());
        let nonce = Nonce { partner, text, last: signed.last() };
        let spent = self.thread.gate.ledger.spend(self.thread.commons.partners(), nonce);
        spent.await.map_err(of_nonce)
    }

    /// Counts and logs a refusal.
    fn deny(&self, known: Option<&Known<'_>>, refused: Refused) -> Denied {
        let (book, why) = (self.thread.commons.partners(), refused.why);
        known.map_or(&book.strangers, |known| &known.standing.refused).count(why);
        let name = known.map_or("", |known| known.partner.name());
        let (id, address) = (self.caller.id.to_string(), self.caller.line.address);
        telemetry::partner_refused(&id, name, self.lane.name(), address, why.as_str());
        Denied::Refused(refused)
    }
}

impl Known<'_> {
    /// What can be told of the head, and what costs least of it first.
    fn check_head(&self, claim: &Claim<'_>, asking: &Asking<'_>) -> Result<(), Refusal> {
        if !self.partner.enabled() {
            return Err(Refusal::Disabled);
        }
        if !self.partner.allows(asking.caller.line.address.ip()) {
            return Err(Refusal::Address);
        }
        self.keys.check_head(claim, since_1970())
    }

    fn enter(&self) -> Result<InFlight, Refused> {
        self.standing.enter(Some(self.partner.in_flight())).ok_or_else(|| self.too_many())
    }

    fn too_many(&self) -> Refused {
        Refused::over(Refusal::InFlight, SOON, u64::from(self.partner.in_flight()))
    }
}

/// Whether a partner may ask under this configuration.
fn is_enabled(world: &World, name: &str) -> bool {
    let partner = world.plan().partners().iter().find(|partner| partner.name() == name);
    partner.is_some_and(Partner::enabled)
}

fn of_nonce(spent: Spent) -> Refused {
    match spent {
        Spent::Already => Refusal::Replayed.into(),
        Spent::Over => Refusal::Late.into(),
        Spent::Full => Refused::over(Refusal::Rate, NONCES_FULL, u64::from(Partner::NONCES)),
    }
}
