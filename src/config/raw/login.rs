//! `[login]` as written.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::release::version_of;
use super::values::{Wrong, text_of};
use crate::base::Rate;
use crate::config::plan::{Duplicate, TokenAlgorithm};
use crate::config::problem::short;
use crate::config::site::{Located, Site};
use crate::config::tree::Node;
use crate::policy::VersionRule;

/// `[login]`.
pub(in crate::config) struct Login {
    pub(in crate::config) site: Site,
    pub(in crate::config) route: Field<String>,
    pub(in crate::config) token: Field<Token>,
    pub(in crate::config) duplicate: Field<Duplicate>,
    pub(in crate::config) resume: Field<Duration>,
    pub(in crate::config) versions: Field<VersionRule>,
    pub(in crate::config) queue: Field<Queue>,
}

/// `token`.
pub(in crate::config) struct Token {
    pub(in crate::config) site: Site,
    pub(in crate::config) id: Field<u64>,
    pub(in crate::config) offset: Field<u16>,
    pub(in crate::config) algorithm: Field<TokenAlgorithm>,
    pub(in crate::config) key: Field<PathBuf>,
    pub(in crate::config) audience: Field<String>,
    pub(in crate::config) skew: Field<Duration>,
}

/// `queue`.
pub(in crate::config) struct Queue {
    pub(in crate::config) site: Site,
    pub(in crate::config) above: Field<u32>,
    pub(in crate::config) admit: Field<Rate>,
    pub(in crate::config) length: Field<u32>,
    pub(in crate::config) redirect: Field<Vec<Located<String>>>,
}

impl Login {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let login = Self {
            site: fields.site().clone(),
            route: fields.text("route", "\"login\""),
            token: fields.nested("token", TOKEN, Token::read),
            duplicate: fields.word("duplicate", &DUPLICATES),
            resume: fields.duration("resume", RESUME),
            versions: fields.value("versions", version_of),
            queue: fields.nested("queue", QUEUE, Queue::read),
        };
        // The place is checked and then says nothing: there is only one yet.
        fields.value("directory", directory_of);
        login
    }
}

impl Token {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            id: fields.number("id", 0..=u64::MAX),
            offset: fields.number("offset", 0..=u16::MAX),
            algorithm: fields.word("algorithm", &ALGORITHMS),
            key: fields.path("key", "\"keys/login.pem\""),
            audience: fields.text("audience", "\"battle-royale\""),
            skew: fields.duration("skew", Duration::ZERO..=Duration::from_mins(10)),
        }
    }
}

impl Queue {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            above: fields.number("above", 1..=10_000_000),
            admit: fields.rate("admit"),
            length: fields.number("length", 0..=10_000_000),
            redirect: fields.list("redirect", "[\"gw2.example.com:7000\"]", place_of),
        }
    }
}

fn directory_of(node: &Node) -> Result<(), Wrong> {
    let text = text_of(node, "\"memory\"")?;
    let write = || "write \"memory\"".to_owned();
    match text {
        "memory" => Ok(()),
        redis if redis.starts_with("redis://") => {
            let wrong = Wrong::value(format!("\"{}\" is not supported yet", short(redis)), write());
            Err(wrong.because("every gateway would have kept its own seats anyway"))
        }
        other => Err(Wrong::value(format!("there is no directory \"{}\"", short(other)), write())),
    }
}

/// Another gateway, as clients dial it.
fn place_of(node: &Node) -> Result<String, Wrong> {
    let text = text_of(node, "\"gw2.example.com:7000\"")?;
    let port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let good = text.rsplit_once(':').is_some_and(|(host, rest)| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic()) && port(rest)
    });
    let title = || format!("\"{}\" is no address to send players to", short(text));
    let write = || "write a host and a port, such as \"gw2.example.com:7000\"".to_owned();
    if good && text.len() <= LONGEST_PLACE {
        Ok(text.to_owned())
    } else {
        Err(Wrong::value(title(), write()))
    }
}

/// A DNS name and a port.
const LONGEST_PLACE: usize = 253 + 6;
const RESUME: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const TOKEN: &str = "{ id = 1, offset = 6, algorithm = \"EdDSA\", key = \"keys/login.pem\" }";
const QUEUE: &str = "{ above = 18000, admit = \"200/s\", length = 50000 }";
const DUPLICATES: [super::Word<Duplicate>; 3] = [
    ("replace", Some(Duplicate::Replace)),
    ("refuse", Some(Duplicate::Refuse)),
    ("allow", Some(Duplicate::Allow)),
];
pub(super) const ALGORITHMS: [super::Word<TokenAlgorithm>; 4] = [
    ("EdDSA", Some(TokenAlgorithm::EdDsa)),
    ("ES256", Some(TokenAlgorithm::Es256)),
    ("RS256", Some(TokenAlgorithm::Rs256)),
    ("HS256", Some(TokenAlgorithm::Hs256)),
];
