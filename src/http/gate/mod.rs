//! Whether a request of a third party is let through, asked in this order: whose does it say it is, is that proven
//! (`prove`), and has that one places and tokens left (`count`). Nothing is counted for whom nothing is proven. What costs
//! least is looked at first.

mod count;
mod guests;
mod ledger;
mod pace;
mod prove;
mod scribe;
mod seen;
mod shown;
mod verdict;

use std::rc::Rc;
use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::answer::{self, Answer};
use super::line::Caller;
use super::thread::Thread;
use super::upload::{Upload, UploadError};
use crate::config::Partner;
use crate::net::{WebLane, World};
use crate::partners::{Claim, InFlight, Keys, Readings, Refusal, Standing};
use crate::telemetry;

pub(in crate::http) use guests::Guests;
pub use ledger::Ledger;
use pace::{Allowance, Paces};
use verdict::Refused;

/// What all threads share of those who ask beside the standing of partners.
#[derive(Debug)]
pub(in crate::http) struct Gatehouse {
    paces: Paces,
    ledger: Arc<Ledger>,
    conversions: Arc<Readings>,
}

/// A request was let through, and is in progress until this is dropped.
#[derive(Debug)]
pub(in crate::http) struct Pass {
    _in_flight: InFlight,
    allowance: Allowance,
}

/// A request that asks to be let through.
struct Asking<'a> {
    thread: &'a Rc<Thread>,
    world: &'a World,
    lane: &'a WebLane,
    caller: &'a Caller,
    head: &'a Parts,
}

/// A partner of the route that a request says it is of. Nothing is proven yet.
struct Known<'a> {
    partner: &'a Partner,
    keys: &'a Keys,
    standing: Arc<Standing>,
}

/// A request of a partner, which it has proven; it may still be too much.
struct Proven<'a> {
    known: Known<'a>,
    claim: Claim<'a>,
    body: Upload,
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
    /// It is of this partner, which has proven it, and too much.
    TooMuch(Arc<str>, Refused),
    Upload(UploadError),
}

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
        Err(Denied::Refused(refused)) => Err(refusal(refused, caller)),
        Err(Denied::TooMuch(partner, refused)) => {
            caller.partner = Some(partner);
            Err(refusal(refused, caller))
        }
    }
}

fn refusal(refused: Refused, caller: &Caller) -> Answer {
    let mut answer = answer::error(refused.status(), refused.words(), &caller.id);
    refused.mark(answer.headers_mut());
    answer
}

impl Gatehouse {
    pub(in crate::http) fn new(ledger: Ledger) -> Self {
        Self { paces: Paces::default(), ledger: Arc::new(ledger), conversions: Arc::default() }
    }

    pub(in crate::http) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The bodies that come to be converted, whoever sends them.
    pub(in crate::http) fn conversions(&self) -> &Arc<Readings> {
        &self.conversions
    }
}

impl Pass {
    /// What the answer says of the next requests.
    pub(in crate::http) fn mark(&self, headers: &mut HeaderMap) {
        self.allowance.mark(headers);
    }
}

impl<'a> Asking<'a> {
    async fn judge(&'a self, body: Upload) -> Result<Admitted, Denied> {
        let claim = self.claim().map_err(|why| self.deny(None, why.into()))?;
        let known = self.find(&claim).ok_or_else(|| self.deny(None, Refusal::Unknown.into()))?;
        let (thread, name) = (Rc::clone(self.thread), known.partner.name().to_owned());
        let body = body.while_so(move || is_enabled(&thread.world.load(), &name));
        let proven = self.prove(known, claim, body).await?;
        let counted = self.count(&proven).await;
        let pass = counted.map_err(|refused| self.deny_proven(&proven.known, refused))?;
        let Proven { known, claim, body } = proven;
        known.standing.pass();
        Ok(Admitted { partner: known.partner.name().into(), shows: self.secret_of(&claim), pass, body })
    }

    /// What the request shows of whoever sent it.
    fn claim(&'a self) -> Result<Claim<'a>, Refusal> {
        let line = &self.caller.line;
        let names = line.guests.names(line.certificate.as_ref());
        Claim::read(&shown::read(&self.head.headers, names))
    }

    /// The header with a key or a token, which a backend has no use for.
    fn secret_of(&self, claim: &Claim<'_>) -> Option<HeaderName> {
        match claim {
            Claim::ApiKey { .. } if self.head.headers.contains_key(shown::API_KEY) => Some(shown::API_KEY),
            Claim::ApiKey { .. } | Claim::Token { .. } => Some(AUTHORIZATION),
            Claim::Signed { .. } | Claim::Certificate { .. } => None,
        }
    }

    /// The partner of the route that a claim is of.
    fn find(&self, claim: &Claim<'_>) -> Option<Known<'a>> {
        let partners = self.world.plan().partners();
        self.lane.route().partners().iter().find_map(|place| {
            let (partner, keys) = (partners.get(*place)?, self.world.partner_keys(*place)?);
            let is_it = claim.partner().is_none_or(|name| name == partner.name()) && keys.fits(claim);
            let standing = || self.thread.commons.partners().partner(partner.name());
            is_it.then(|| Known { partner, keys, standing: standing() })
        })
    }

    fn deny(&self, known: Option<&Known<'_>>, refused: Refused) -> Denied {
        self.note(known, refused.why);
        Denied::Refused(refused)
    }

    /// The same of a request that was proven. Whoever repeats one has proven nothing.
    fn deny_proven(&self, known: &Known<'_>, refused: Refused) -> Denied {
        self.note(Some(known), refused.why);
        match refused.status() {
            StatusCode::TOO_MANY_REQUESTS => Denied::TooMuch(known.partner.name().into(), refused),
            _ => Denied::Refused(refused),
        }
    }

    /// Counts and logs a refusal.
    fn note(&self, known: Option<&Known<'_>>, why: Refusal) {
        let book = self.thread.commons.partners();
        known.map_or(&book.strangers, |known| &known.standing.refused).count(why);
        let name = known.map_or("", |known| known.partner.name());
        let (id, address) = (self.caller.id.to_string(), self.caller.line.address);
        telemetry::partner_refused(&id, name, self.lane.name(), address, why.as_str());
    }
}

/// Whether a partner may ask under this configuration.
fn is_enabled(world: &World, name: &str) -> bool {
    let partner = world.plan().partners().iter().find(|partner| partner.name() == name);
    partner.is_some_and(Partner::enabled)
}
