//! Whether a request is of the partner that it says it is of. Nothing of that partner's is used up here but places for
//! bodies, which are for whoever says its name.

use hyper::body::Body;

use super::{Asking, Denied, Known, Proven, is_enabled};
use crate::http::upload::{Upload, UploadError};
use crate::net::since_1970;
use crate::partners::{self, Claim, Refusal, Room};

impl<'a> Asking<'a> {
    /// Looks at the head, and where the signature is over all of it at the rest.
    pub(super) async fn prove(
        &self,
        known: Known<'a>,
        claim: Claim<'a>,
        body: Upload,
    ) -> Result<Proven<'a>, Denied> {
        self.check_head(&known, &claim).map_err(|why| self.deny(Some(&known), why.into()))?;
        let body = if claim.needs_body() { self.read(&known, &claim, body).await? } else { body };
        Ok(Proven { known, claim, body })
    }

    /// What can be told of the head, and what costs least of it first.
    fn check_head(&self, known: &Known<'_>, claim: &Claim<'_>) -> Result<(), Refusal> {
        if !known.partner.enabled() {
            return Err(Refusal::Disabled);
        }
        if !known.partner.allows(self.caller.line.address.ip()) {
            return Err(Refusal::Address);
        }
        known.keys.check_head(claim, since_1970())
    }

    /// Reads a body that a signature is over, and looks at both.
    async fn read(&self, known: &Known<'_>, claim: &Claim<'_>, body: Upload) -> Result<Upload, Denied> {
        let begin = || {
            let from = self.caller.line.address.ip();
            let bytes = body.size_hint().upper().unwrap_or(self.lane.route().max_body());
            let reading =
                known.standing.readings.begin(from, Room::for_partner(known.partner.in_flight()), bytes);
            reading.ok_or_else(|| self.deny(Some(known), known.too_many()))
        };
        let _reading = if body.is_end_stream() { None } else { Some(begin()?) };
        let body = body.read().await.map_err(|error| match error {
            UploadError::Forbidden => self.deny(Some(known), Refusal::Disabled.into()),
            UploadError::Stalled | UploadError::TooLong | UploadError::Broken(_) | UploadError::TakenBack => {
                Denied::Upload(error)
            }
        })?;
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
}
