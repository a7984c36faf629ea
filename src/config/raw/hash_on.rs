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
    /// A form of HTTP, which was reported when it was read.
    Later,
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
            fields.word("hash_on", &WORDS).map(Self::Word)
        }
    }

    fn table(fields: &mut Fields<'_>) -> Self {
        fields.later(&HTTP);
        let field = HashField::read(fields);
        if fields.holds_any(&HTTP) { Self::Later } else { Self::Field(field) }
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

const WORDS: [super::Word<plan::HashOn>; 3] = [
    ("session", Some(plan::HashOn::Session)),
    ("account", Some(plan::HashOn::Account)),
    ("client_ip", Some(plan::HashOn::ClientIp)),
];
const HTTP: [&str; 4] = ["header", "cookie", "query", "insert"];
