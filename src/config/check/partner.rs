//! `[partner.NAME]`: third parties.

use std::time::Duration;

use super::{Context, required};
use crate::base::{Rate, format_size};
use crate::config::plan::{HttpRoute, Listener, Partner, PartnerAuth, TokenTrust};
use crate::config::problem::{Problem, short};
use crate::config::raw::{self, AuthKind, Field, Named};
use crate::config::site::{Located, Site};
use crate::policy::RateLimit;

const DEFAULT_RATE: Rate = Rate { count: 100, seconds: 1 };
const DEFAULT_IN_FLIGHT: u32 = 64;
const DEFAULT_CONNECTIONS: u32 = 256;
const DEFAULT_SKEW: Duration = Duration::from_secs(60);
/// A signed body is held whole until it is known to be the partner's.
const LONGEST_SIGNED: u64 = 64 << 20;
/// Nonces are held for as long as a request with one may come: twice what clocks may differ.
const NONCES_HELD: f64 = 600.0;

/// Every partner; `None` for one with a mistake.
pub(super) fn check(context: &Context<'_>) -> Vec<Option<Partner>> {
    context.raw.partners.iter().map(|raw| one(context, raw)).collect()
}

fn one(context: &Context<'_>, raw: &Named<raw::Partner>) -> Option<Partner> {
    let body = &raw.body;
    let auth = auth(context, raw);
    rememberable(context, raw);
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

/// More signed requests than nonces can be remembered for would be refused whatever `rate` says.
fn rememberable(context: &Context<'_>, raw: &Named<raw::Partner>) {
    let kind = raw.body.auth.value().and_then(|auth| auth.kind.value());
    let most = f64::from(Partner::NONCES) / NONCES_HELD;
    let Some(rate) = raw.body.rate.given().filter(|rate| rate.get().per_second() > most) else { return };
    if kind == Some(&AuthKind::Hmac) {
        context.add(
            Problem::at(rate.site(), "so many signed requests cannot be told from replayed ones")
                .because(format!(
                    "the nonces of ten minutes are remembered, and {} at most: more would have been refused",
                    Partner::NONCES
                ))
                .write(format!("write at most \"{}/s\", or another `kind` of `auth`", most.floor())),
        );
    }
}

fn auth(context: &Context<'_>, raw: &Named<raw::Partner>) -> Option<PartnerAuth> {
    let name = raw.name.get();
    let auth = required(&raw.body.auth, "auth", raw.name.site(), context.mistakes, |site| {
        Problem::at(site, format!("[partner.{name}] has no `auth`"))
            .because(NEVER)
            .write("add auth = { kind = \"hmac\", secret_file = \"keys/adnet\" }")
    })?;
    let auth = auth.get();
    let kind = *required(&auth.kind, "kind", &auth.site, context.mistakes, |site| {
        Problem::at(site, "`auth` has no `kind`")
            .because(NEVER)
            .write("add kind = \"api_key\" or \"hmac\" or \"jwt\" or \"mtls\"")
    })?
    .get();
    foreign_keys(context, auth, kind);
    match kind {
        AuthKind::ApiKey => {
            let keys = part(context, auth, &auth.keys_file, "keys_file", "\"keys/adnet.sha256\"")?;
            Some(PartnerAuth::ApiKey { keys: context.resolve(keys) })
        }
        AuthKind::Hmac => {
            let secret = part(context, auth, &auth.secret_file, "secret_file", "\"keys/adnet\"")?;
            Some(PartnerAuth::Hmac { secret: context.resolve(secret) })
        }
        AuthKind::Jwt => {
            let algorithm = part(context, auth, &auth.algorithm, "algorithm", "\"EdDSA\"");
            let key = part(context, auth, &auth.key, "key", "\"keys/adnet.pem\"")?;
            Some(PartnerAuth::Jwt(TokenTrust {
                key: context.resolve(key),
                algorithm: *algorithm?.get(),
                audience: auth.audience.value().cloned(),
                skew: auth.skew.or(DEFAULT_SKEW),
            }))
        }
        AuthKind::Mtls => names(context, auth).map(|names| PartnerAuth::Mtls { names }),
    }
}

const NEVER: &str = "it could never have proved who it is";

/// A key of `auth` that its kind needs.
fn part<'f, T>(
    context: &Context<'_>,
    auth: &raw::Auth,
    field: &'f Field<T>,
    key: &'static str,
    like: &str,
) -> Option<&'f Located<T>> {
    required(field, key, &auth.site, context.mistakes, |site| {
        Problem::at(site, format!("`auth` has no `{key}`"))
            .because(NEVER)
            .write(format!("add {key} = {like}; docs/partners.md says what is in it"))
    })
}

fn names(context: &Context<'_>, auth: &raw::Auth) -> Option<Vec<String>> {
    let names = part(context, auth, &auth.names, "names", "[\"adnet.example.com\"]")?;
    if names.get().is_empty() {
        context.add(
            Problem::at(names.site(), "`names` is empty")
                .because(NEVER)
                .write("write the names in its certificate: [\"adnet.example.com\"]"),
        );
        return None;
    }
    Some(names.get().iter().map(|name| name.get().clone()).collect())
}

/// Keys of `auth` that another kind has.
fn foreign_keys(context: &Context<'_>, auth: &raw::Auth, kind: AuthKind) {
    let site = |given: Option<&Site>| given.cloned();
    let all = [
        ("keys_file", AuthKind::ApiKey, site(auth.keys_file.given().map(Located::site))),
        ("secret_file", AuthKind::Hmac, site(auth.secret_file.given().map(Located::site))),
        ("key", AuthKind::Jwt, site(auth.key.given().map(Located::site))),
        ("algorithm", AuthKind::Jwt, site(auth.algorithm.given().map(Located::site))),
        ("audience", AuthKind::Jwt, site(auth.audience.given().map(Located::site))),
        ("skew", AuthKind::Jwt, site(auth.skew.given().map(Located::site))),
        ("names", AuthKind::Mtls, site(auth.names.given().map(Located::site))),
    ];
    for (key, owner, site) in all {
        if let Some(site) = site.filter(|_| owner != kind) {
            context.add(
                Problem::at(&site, format!("`{key}` means nothing to kind = \"{}\"", kind.as_str()))
                    .because("it would have had no effect")
                    .write(format!("remove `{key}`, or write kind = \"{}\"", owner.as_str())),
            );
        }
    }
}

/// What partners, HTTP routes and listeners must agree on.
pub(super) fn across(
    context: &Context<'_>,
    partners: &[Option<Partner>],
    http: &[Option<HttpRoute>],
    listeners: &[Option<Listener>],
) {
    shared_names(context, partners);
    if http.iter().all(Option::is_some) {
        of_no_route(context, http);
    }
    for (raw, route) in context.raw.http.iter().zip(http) {
        let Some(route) = route else { continue };
        let listener = listeners.get(route.listener).and_then(Option::as_ref);
        for place in &route.partners {
            let Some(partner) = partners.get(*place).and_then(Option::as_ref) else { continue };
            no_certificates(context, raw, partner, listener);
            too_long_to_sign(context, raw, partner, route.max_body);
        }
    }
}

/// Two partners of whom nobody could say which one it is.
fn shared_names(context: &Context<'_>, partners: &[Option<Partner>]) {
    let mut known: Vec<(String, &Site, &str)> = Vec::new();
    for (raw, _) in context.raw.partners.iter().zip(partners) {
        let names = raw.body.auth.value().and_then(|auth| auth.names.value());
        for name in names.into_iter().flatten() {
            let small = name.get().to_ascii_lowercase();
            match known.iter().find(|(known, _, _)| *known == small) {
                Some((_, _, owner)) if *owner == raw.name.get() => {}
                Some((_, first, owner)) => context.add(
                    Problem::at(name.site(), format!("\"{}\" is a name of two partners", short(name.get())))
                        .see(first, format!("here it is one of [partner.{owner}]"))
                        .because("nobody could have said whose certificate it is")
                        .write("give each partner names of its own"),
                ),
                None => known.push((small, name.site(), raw.name.get())),
            }
        }
    }
}

fn of_no_route(context: &Context<'_>, http: &[Option<HttpRoute>]) {
    for (place, raw) in context.raw.partners.iter().enumerate() {
        if http.iter().flatten().any(|route| route.partners.contains(&place)) {
            continue;
        }
        let name = raw.name.get();
        context.add(
            Problem::at(raw.name.site(), format!("no [http.NAME] names the partner {}", short(name)))
                .because("whatever it asks for would have been refused")
                .write(format!("add partners = [\"{name}\"] to its routes, or remove the partner")),
        );
    }
}

/// Certificates are only asked for where there is somebody who vouches for them.
fn no_certificates(
    context: &Context<'_>,
    raw: &Named<raw::Http>,
    partner: &Partner,
    listener: Option<&Listener>,
) {
    let asks = listener.is_none_or(|listener| listener.client_ca.is_some());
    let given = raw.body.partners.value().into_iter().flatten().find(|name| *name.get() == partner.name);
    if let (PartnerAuth::Mtls { .. }, false, Some(given), Some(listener)) =
        (&partner.auth, asks, given, listener)
    {
        let title = format!("[listener.{}] asks nobody for a certificate", listener.name);
        context.add(
            Problem::at(given.site(), title)
                .because(format!("the partner {} could never have proved who it is there", partner.name))
                .write("add client_ca = to its `tls`, or another kind of `auth`"),
        );
    }
}

fn too_long_to_sign(context: &Context<'_>, raw: &Named<raw::Http>, partner: &Partner, most: u64) {
    if let (PartnerAuth::Hmac { .. }, true) = (&partner.auth, most > LONGEST_SIGNED) {
        let site = raw.body.max_body.given().map_or(raw.name.site(), Located::site);
        context.add(
            Problem::at(
                site,
                format!("the partner {} signs its requests, and these may be too long", partner.name),
            )
            .because("each body would have been held in memory whole before anything was known of it")
            .write(format!("write at most \"{}\", or another kind of `auth`", format_size(LONGEST_SIGNED))),
        );
    }
}
