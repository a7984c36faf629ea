//! `hash_on` of a cluster as written: a word, or a table that says where in a frame the key is.

use super::field::Field;
use super::fields::Fields;
use super::frame::{ORDERS, width_of};
use crate::config::plan;
use crate::config::site::Site;
use crate::wire::{ByteOrder, Width};

/// `hash_on` of a cluster.
pub(in crate::config) enum HashOn {
    /// A key that is no place in a frame.
    Word(plan::HashOn),
    Field(HashField),
    Http(HttpKey),
}

/// `hash_on = { header }`, `{ cookie, insert }` or `{ query }`.
pub(in crate::config) struct HttpKey {
    pub(in crate::config) site: Site,
    pub(in crate::config) header: Field<String>,
    pub(in crate::config) cookie: Field<String>,
    pub(in crate::config) insert: Field<bool>,
    pub(in crate::config) query: Field<String>,
}

/// A key that is no place in a frame or in a request.
#[derive(Clone, Copy)]
enum Who {
    Session,
    Account,
    ClientIp,
}

impl From<Who> for plan::HashOn {
    fn from(who: Who) -> Self {
        match who {
            Who::Session => Self::Session,
            Who::Account => Self::Account,
            Who::ClientIp => Self::ClientIp,
        }
    }
}

/// `hash_on = { offset, width, order }`.
pub(in crate::config) struct HashField {
    pub(in crate::config) site: Site,
    pub(in crate::config) offset: Field<u16>,
    pub(in crate::config) width: Field<Width>,
    pub(in crate::config) order: Field<ByteOrder>,
}

impl HashOn {
    pub(super) fn read(fields: &mut Fields<'_>) -> Field<Self> {
        if fields.holds_table("hash_on") {
            fields.nested("hash_on", "{ offset = 6, width = 4 }", Self::table)
        } else {
            fields.word("hash_on", &WORDS).map(|word| Self::Word(word.into()))
        }
    }

    fn table(fields: &mut Fields<'_>) -> Self {
        if fields.holds_any(&HTTP) {
            Self::Http(HttpKey::read(fields))
        } else {
            Self::Field(HashField::read(fields))
        }
    }
}

impl HttpKey {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            header: fields.text("header", "\"x-player\""),
            cookie: fields.text("cookie", "\"sid\""),
            insert: fields.flag("insert"),
            query: fields.text("query", "\"sid\""),
        }
    }
}

impl HashField {
    fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            site: fields.site().clone(),
            offset: fields.number("offset", 0..=u16::MAX),
            width: fields.value("width", width_of),
            order: fields.word("order", &ORDERS),
        }
    }
}

const WORDS: [super::Word<Who>; 3] =
    [("session", Some(Who::Session)), ("account", Some(Who::Account)), ("client_ip", Some(Who::ClientIp))];
const HTTP: [&str; 4] = ["header", "cookie", "query", "insert"];
