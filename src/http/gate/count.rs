//! Whether a partner has enough left for a request that it has proven: a place for its connection and one in progress, a
//! token, one more of its day, and a nonce that was not seen before.

use std::sync::Arc;
use std::time::Duration;

use super::pace::Allowance;
use super::seen::Nonce;
use super::verdict::Refused;
use super::{Asking, Known, Pass, Proven};
use crate::config::Partner;
use crate::net::since_1970;
use crate::partners::{self, Claim, InFlight, Refusal, Signed, Spent, Standing, Taken, day_of};

/// One of a partner's day; dropped, it is given back to that day.
struct Unit<'a> {
    standing: Option<&'a Standing>,
    day: u64,
}

/// A nonce is held for so long that waiting for one to be over is hardly worth the wait.
const NONCES_FULL: Duration = Duration::from_secs(60);
/// Somebody's request will be over by then.
const SOON: Duration = Duration::from_secs(1);

impl Asking<'_> {
    /// Counts the request against everything that is limited. What it cannot have in the end it has not had.
    pub(super) async fn count(&self, proven: &Proven<'_>) -> Result<Pass, Refused> {
        let known = &proven.known;
        let signed =
            if let Claim::Signed { signed: Ok(signed), .. } = &proven.claim { Some(signed) } else { None };
        if let Some(signed) = signed {
            let now = since_1970().as_secs();
            known.standing.nonces().check(signed.nonce(), signed.last(), now).map_err(of_nonce)?;
        }
        known.seat(self)?;
        let in_flight = known.enter()?;
        // A token of the rate cannot be given back, so it is asked for behind the day.
        let unit = self.take_day(known).await?;
        let allowance = self.take_token(known)?;
        if let Some(signed) = signed {
            self.spend(known, signed).await?;
        }
        unit.keep();
        Ok(Pass { _in_flight: in_flight, allowance })
    }

    fn take_token(&self, known: &Known<'_>) -> Result<Allowance, Refused> {
        let rate = known.partner.rate();
        let allowance = self.thread.gate.paces.take(known.partner.name(), &rate, self.world.generation());
        allowance.map_err(|again| Refused::over(Refusal::Rate, again, u64::from(rate.burst)))
    }

    /// One more of the day; where the disk has to hear of it first, that is waited for.
    async fn take_day<'k>(&self, known: &'k Known<'_>) -> Result<Unit<'k>, Refused> {
        let most = known.partner.daily();
        let over = |again| Refused::over(Refusal::Quota, again, most.unwrap_or_default());
        loop {
            let now = since_1970();
            let day = day_of(now);
            let (taken, counted) = {
                let mut daily = known.standing.daily();
                (daily.take(most, day), daily.day())
            };
            match taken {
                Taken::Yes => return Ok(Unit { standing: Some(&known.standing), day: counted }),
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
}

impl Known<'_> {
    /// A place for the connection, until it ends.
    fn seat(&self, asking: &Asking<'_>) -> Result<(), Refused> {
        let most = self.partner.connections();
        let seated = asking.caller.line.guests.seat(&self.standing, most);
        seated.map_err(|why| Refused::over(why, SOON, u64::from(most)))
    }

    fn enter(&self) -> Result<InFlight, Refused> {
        self.standing.enter(Some(self.partner.in_flight())).ok_or_else(|| self.too_many())
    }

    pub(super) fn too_many(&self) -> Refused {
        Refused::over(Refusal::InFlight, SOON, u64::from(self.partner.in_flight()))
    }
}

impl Unit<'_> {
    /// The request is let through.
    fn keep(mut self) {
        self.standing = None;
    }
}

impl Drop for Unit<'_> {
    fn drop(&mut self) {
        if let Some(standing) = self.standing {
            standing.daily().give_back(self.day);
        }
    }
}

fn of_nonce(spent: Spent) -> Refused {
    match spent {
        Spent::Already => Refusal::Replayed.into(),
        Spent::Over => Refusal::Late.into(),
        Spent::Full => Refused::over(Refusal::Rate, NONCES_FULL, u64::from(Partner::NONCES)),
    }
}
