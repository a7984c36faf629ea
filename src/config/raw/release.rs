//! `[release]` as written.

use std::path::PathBuf;
use std::time::Duration;

use super::field::Field;
use super::fields::Fields;
use super::values::{Wrong, text_of};
use crate::config::plan::{CanaryKey, Moving};
use crate::config::problem::short;
use crate::config::site::{Located, Site};
use crate::config::tree::{Node, Value};
use crate::policy::VersionRule;

/// `[release]`.
pub(in crate::config) struct Release {
    pub(in crate::config) active: Field<String>,
    pub(in crate::config) moving: Field<Moving>,
    pub(in crate::config) spread: Field<Duration>,
    pub(in crate::config) canary: Field<Vec<Located<Canary>>>,
}

/// One table of `canary`.
pub(in crate::config) struct Canary {
    pub(in crate::config) site: Site,
    pub(in crate::config) group: Field<String>,
    pub(in crate::config) percent: Field<u16>,
    pub(in crate::config) by: Field<CanaryKey>,
    pub(in crate::config) accounts: Field<PathBuf>,
    pub(in crate::config) version: Field<VersionRule>,
    pub(in crate::config) zone: Field<String>,
}

impl Release {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            active: fields.group("active"),
            moving: fields.word("move", &MOVING),
            spread: fields.duration("spread", Duration::ZERO..=Duration::from_hours(24)),
            canary: fields.tables("canary", CANARY, false, Canary::read),
        }
    }
}

impl Canary {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            group: fields.group("group"),
            percent: fields.value("percent", percent_of),
            by: fields.word("by", &KEYS),
            accounts: fields.path("accounts", "\"testers.txt\""),
            version: fields.value("version", version_of),
            zone: fields.name("zone"),
        }
    }
}

/// Hundredths of a percent.
fn percent_of(node: &Node) -> Result<u16, Wrong> {
    let written = match &node.value {
        Value::Integer(Some(number)) => number.to_string(),
        Value::Float(text) => text.clone(),
        Value::Integer(None) => "a longer one".to_owned(),
        Value::Text(_) | Value::Bool(_) | Value::Date(_) | Value::List(_) | Value::Table(_) => {
            return Err(Wrong::kind("a number of percent", "5 or 0.25"));
        }
    };
    let found = || format!("expected more than 0 and at most 100 percent, found {}", short(&written));
    let (whole, rest) = written.split_once('.').unwrap_or((&written, ""));
    let rest = rest.trim_end_matches('0');
    if rest.len() > 2 && rest.bytes().all(|byte| byte.is_ascii_digit()) {
        let title = format!("{} has more than two decimals", short(&written));
        return Err(Wrong::value(title, "write something like 0.25".to_owned())
            .because("the share is counted in ten-thousandths"));
    }
    let hundredths = format!("{whole}{rest:0<2}").parse().ok().filter(|share| (1..=10_000).contains(share));
    hundredths.ok_or_else(|| Wrong::value(found(), "write something like 5 or 0.25".to_owned()))
}

/// A rule for versions of clients.
pub(super) fn version_of(node: &Node) -> Result<VersionRule, Wrong> {
    let text = text_of(node, "\">=1.4.0\"")?;
    VersionRule::parse(text).ok_or_else(|| {
        let title = format!("\"{}\" is no rule for versions", short(text));
        Wrong::value(title, "write >= > <= < or = and a dotted number, such as \">=1.4.0, <2\"".to_owned())
    })
}

const CANARY: &str = "[{ group = \"b\", percent = 5 }]";
const MOVING: [super::Word<Moving>; 2] =
    [("natural", Some(Moving::Natural)), ("forced", Some(Moving::Forced))];
const KEYS: [super::Word<CanaryKey>; 2] =
    [("account", Some(CanaryKey::Account)), ("client_ip", Some(CanaryKey::ClientIp))];
