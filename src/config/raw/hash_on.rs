//! `hash_on` of a cluster as written: a word, or a table that says where in a frame the key is.

use super::field::Field;
use super::fields::Fields;
use super::frame::{ORDERS, width_of};
use super::values::text_of;
use crate::config::plan;
use crate::config::site::Site;
use crate::wire::{ByteOrder, Width};

/// `hash_on` of a cluster.
pub(in crate::config) enum HashOn {
    /// A key that is no place in a frame.
    Word(plan::HashOn),
    /// No key; what should stand there depends on what the cluster gets.
    Other(String),
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
            fields.value("hash_on", |node| text_of(node, "\"client_ip\"").map(Self::word))
        }
    }

    fn word(text: &str) -> Self {
        match text {
            "session" => Self::Word(plan::HashOn::Session),
            "account" => Self::Word(plan::HashOn::Account),
            "client_ip" => Self::Word(plan::HashOn::ClientIp),
            other => Self::Other(other.to_owned()),
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

const HTTP: [&str; 4] = ["header", "cookie", "query", "insert"];
