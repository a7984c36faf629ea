//! `[partner.NAME]` as written.

use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::login::ALGORITHMS;
use super::values::{Wrong, text_of};
use crate::base::Rate;
use crate::config::plan::{Network, TokenAlgorithm};
use crate::config::site::{Located, Site};
use crate::config::tree::Node;

/// `[partner.NAME]`.
pub(in crate::config) struct Partner {
    pub(in crate::config) enabled: Field<bool>,
    pub(in crate::config) auth: Field<Auth>,
    pub(in crate::config) allow: Field<Vec<Located<Network>>>,
    pub(in crate::config) rate: Field<Rate>,
    pub(in crate::config) burst: Field<u32>,
    pub(in crate::config) daily: Field<u64>,
    pub(in crate::config) in_flight: Field<u32>,
    pub(in crate::config) connections: Field<u32>,
}

/// `auth`: the keys of all kinds.
pub(in crate::config) struct Auth {
    pub(in crate::config) site: Site,
    pub(in crate::config) kind: Field<AuthKind>,
    /// `api_key`: SHA-256 of the keys, in hex, one a line.
    pub(in crate::config) keys_file: Field<PathBuf>,
    /// `hmac`: the secrets, one a line.
    pub(in crate::config) secret_file: Field<PathBuf>,
    /// `jwt`: what tokens are verified with.
    pub(in crate::config) key: Field<PathBuf>,
    pub(in crate::config) algorithm: Field<TokenAlgorithm>,
    pub(in crate::config) audience: Field<String>,
    pub(in crate::config) skew: Field<Duration>,
    /// `mtls`: names in certificates.
    pub(in crate::config) names: Field<Vec<Located<String>>>,
}

/// `kind` of `auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum AuthKind {
    ApiKey,
    Hmac,
    Jwt,
    Mtls,
}

impl AuthKind {
    /// The word of the file.
    pub(in crate::config) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Hmac => "hmac",
            Self::Jwt => "jwt",
            Self::Mtls => "mtls",
        }
    }
}

impl Partner {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            enabled: fields.flag("enabled"),
            auth: fields.nested("auth", "{ kind = \"hmac\", secret_file = \"keys/adnet\" }", Auth::read),
            allow: fields.networks("allow"),
            rate: fields.rate("rate"),
            burst: fields.number("burst", 1..=10_000_000),
            daily: fields.number("daily", 1..=1_000_000_000_000),
            in_flight: fields.number("in_flight", 1..=1_000_000),
            connections: fields.number("connections", 1..=1_000_000),
        }
    }
}

impl Auth {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            kind: fields.word("kind", &KINDS),
            keys_file: fields.path("keys_file", "\"keys/adnet.sha256\""),
            secret_file: fields.path("secret_file", "\"keys/adnet\""),
            key: fields.path("key", "\"keys/adnet.pem\""),
            algorithm: fields.word("algorithm", &ALGORITHMS),
            audience: fields.text("audience", "\"realm\""),
            skew: fields.duration("skew", Duration::ZERO..=Duration::from_mins(10)),
            names: fields.list("names", "[\"adnet.example.com\"]", text),
        }
    }
}

fn text(node: &Node) -> Result<String, Wrong> {
    text_of(node, "\"adnet.example.com\"").map(str::to_owned)
}

const KINDS: [super::Word<AuthKind>; 4] = [
    ("api_key", Some(AuthKind::ApiKey)),
    ("hmac", Some(AuthKind::Hmac)),
    ("jwt", Some(AuthKind::Jwt)),
    ("mtls", Some(AuthKind::Mtls)),
];
