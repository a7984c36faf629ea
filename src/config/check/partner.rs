//! `[partner.NAME]`: third parties.

use std::time::Duration;

use super::{Context, required};
use crate::base::Rate;
use crate::config::plan::{Partner, PartnerAuth, TokenTrust};
use crate::config::problem::Problem;
use crate::config::raw::{self, AuthKind, Field, Named};
use crate::config::site::Site;
use crate::policy::RateLimit;

const DEFAULT_RATE: Rate = Rate { count: 100, seconds: 1 };
const DEFAULT_IN_FLIGHT: u32 = 64;
const DEFAULT_CONNECTIONS: u32 = 256;
const DEFAULT_SKEW: Duration = Duration::from_secs(60);

/// Every partner; `None` for one with a mistake.
pub(super) fn check(context: &Context<'_>) -> Vec<Option<Partner>> {
    context.raw.partners.iter().map(|raw| one(context, raw)).collect()
}

fn one(context: &Context<'_>, raw: &Named<raw::Partner>) -> Option<Partner> {
    let body = &raw.body;
    let auth = auth(context, raw);
    let rate = body.rate.or(DEFAULT_RATE);
    let burst = body.burst.or(rate.count.saturating_mul(2));
    Some(Partner {
        name: raw.name.get().clone(),
        enabled: body.enabled.or(true),
        auth: auth?,
        allow: super::door::networks(&body.allow),
        rate: RateLimit { per_second: rate.per_second(), burst },
        daily: body.daily.value().copied(),
        in_flight: body.in_flight.or(DEFAULT_IN_FLIGHT),
        connections: body.connections.or(DEFAULT_CONNECTIONS),
    })
}

fn auth(context: &Context<'_>, raw: &Named<raw::Partner>) -> Option<PartnerAuth> {
    let missing = |site: &Site, key: &str| {
        Problem::at(site, format!("[partner.{}] has no `{key}`", raw.name.get()))
            .because("it could never have proved who it is")
            .write("add auth = { kind = \"hmac\", secret_file = \"keys/adnet\" }")
    };
    let auth =
        required(&raw.body.auth, "auth", raw.name.site(), context.mistakes, |site| missing(site, "auth"))?;
    let auth = auth.get();
    let of = |field, key: &'static str| {
        let given = required(field, key, &auth.site, context.mistakes, |site| missing(site, key))?;
        Some(context.resolve(given))
    };
    match required(&auth.kind, "kind", &auth.site, context.mistakes, |site| missing(site, "kind"))?.get() {
        AuthKind::ApiKey => Some(PartnerAuth::ApiKey { keys: of(&auth.keys_file, "keys_file")? }),
        AuthKind::Hmac => Some(PartnerAuth::Hmac { secret: of(&auth.secret_file, "secret_file")? }),
        AuthKind::Jwt => {
            let algorithm = required(&auth.algorithm, "algorithm", &auth.site, context.mistakes, |site| {
                missing(site, "algorithm")
            });
            Some(PartnerAuth::Jwt(TokenTrust {
                key: of(&auth.key, "key")?,
                algorithm: *algorithm?.get(),
                audience: auth.audience.value().cloned(),
                skew: auth.skew.or(DEFAULT_SKEW),
            }))
        }
        AuthKind::Mtls => match &auth.names {
            Field::Given(names) => {
                let names = names.get().iter().map(|name| name.get().clone()).collect();
                Some(PartnerAuth::Mtls { names })
            }
            Field::Absent => {
                context.add(missing(&auth.site, "names"));
                None
            }
            Field::Bad => None,
        },
    }
}
