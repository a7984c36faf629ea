//! `[http.NAME]` as written.

use std::path::PathBuf;
use std::time::Duration;

use super::breaker::Breaker;
use super::field::Field;
use super::fields::Fields;
use super::listener::WAITING;
use super::values::{Wrong, text_of};
use crate::config::site::{Located, Site};
use crate::config::tree::Node;

/// `[http.NAME]`.
pub(in crate::config) struct Http {
    pub(in crate::config) listener: Field<String>,
    pub(in crate::config) host: Field<String>,
    pub(in crate::config) path: Field<String>,
    pub(in crate::config) strip: Field<String>,
    pub(in crate::config) methods: Field<Vec<Located<String>>>,
    pub(in crate::config) partners: Field<Vec<Located<String>>>,
    pub(in crate::config) cluster: Field<String>,
    pub(in crate::config) convert: Field<Convert>,
    pub(in crate::config) file: Field<PathBuf>,
    pub(in crate::config) cache: Field<Duration>,
    pub(in crate::config) timeout: Field<Duration>,
    pub(in crate::config) retries: Field<u8>,
    pub(in crate::config) max_body: Field<Option<u64>>,
    pub(in crate::config) breaker: Field<Breaker>,
}

/// `convert`.
pub(in crate::config) struct Convert {
    pub(in crate::config) site: Site,
    pub(in crate::config) id: Field<u64>,
    pub(in crate::config) reply: Field<u64>,
}

impl Http {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            listener: fields.text("listener", "\"open\""),
            host: fields.text("host", "\"open.example.com\""),
            path: fields.text("path", "\"/pay/*\""),
            strip: fields.text("strip", "\"/pay\""),
            methods: fields.list("methods", "[\"POST\"]", text),
            partners: fields.list("partners", "[\"adnet\"]", text),
            cluster: fields.text("cluster", "\"pay\""),
            convert: fields.nested("convert", "{ id = 5001, reply = 5002 }", Convert::read),
            file: fields.path("file", "\"static/season.json\""),
            cache: fields.duration("cache", Duration::ZERO..=Duration::from_hours(24 * 365)),
            timeout: fields.duration("timeout", WAITING),
            retries: fields.number("retries", 0..=10),
            max_body: fields.size_or_off("max_body"),
            breaker: fields.nested("breaker", "[http.pay_callback.breaker]", Breaker::read),
        }
    }
}

impl Convert {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            id: fields.number("id", 0..=u64::MAX),
            reply: fields.number("reply", 0..=u64::MAX),
        }
    }
}

fn text(node: &Node) -> Result<String, Wrong> {
    text_of(node, "\"POST\"").map(str::to_owned)
}
