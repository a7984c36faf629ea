//! `[route.NAME]` as written.

use super::breaker::Breaker;
use super::field::Field;
use super::fields::Fields;
use super::limit::Limit;
use super::maintenance::Maintenance;
use super::values::{Wrong, number_of, text_of};
use crate::config::problem::short;
use crate::config::site::Located;
use crate::config::tree::{Node, Value};
use crate::policy::RouteClass;

/// `[route.NAME]`.
pub(in crate::config) struct Route {
    pub(in crate::config) ids: Field<Vec<Located<Ids>>>,
    pub(in crate::config) cluster: Field<String>,
    pub(in crate::config) class: Field<RouteClass>,
    pub(in crate::config) limit: Field<Limit>,
    pub(in crate::config) breaker: Field<Breaker>,
    pub(in crate::config) maintenance: Field<Maintenance>,
    /// Whether it wants a login first.
    pub(in crate::config) login: Field<bool>,
}

/// One item of `ids`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Ids {
    /// Both ends belong to it; not yet known to be in order.
    Range(u64, u64),
    /// `"*"`.
    All,
}

impl Route {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            ids: fields.list("ids", "[1000, \"1001-1999\"]", ids_of),
            cluster: fields.text("cluster", "\"battle\""),
            class: fields.word("class", &CLASSES),
            limit: fields.nested("limit", "[route.battle.limit]", Limit::read),
            breaker: fields.nested("breaker", "[route.battle.breaker]", Breaker::read),
            maintenance: fields.nested("maintenance", "{ retry_after = \"20m\" }", Maintenance::read),
            login: fields.word("login", &[("none", Some(false)), ("required", Some(true))]),
        }
    }
}

fn ids_of(node: &Node) -> Result<Ids, Wrong> {
    if let Value::Text(_) = node.value {
        let text = text_of(node, "\"1001-1999\"")?;
        return range_of(text).ok_or_else(|| {
            let title = format!("expected a range of IDs, found \"{}\"", short(text));
            Wrong::value(title, "write a number, \"1001-1999\" or \"*\"".to_owned())
        });
    }
    number_of(node, &(0..=u64::MAX)).map(|id| Ids::Range(id, id))
}

fn range_of(text: &str) -> Option<Ids> {
    if text == "*" {
        return Some(Ids::All);
    }
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some(Ids::Range(id_of(from)?, id_of(to)?))
}

fn id_of(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

const CLASSES: [super::Word<RouteClass>; 3] = [
    ("critical", Some(RouteClass::Critical)),
    ("normal", Some(RouteClass::Normal)),
    ("optional", Some(RouteClass::Optional)),
];
