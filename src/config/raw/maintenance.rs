//! `maintenance` of a route as written.

use std::time::{Duration, SystemTime};

use super::field::Field;
use super::fields::Fields;
use super::listener::WAITING;
use super::values::{Wrong, text_of};
use crate::config::moment;
use crate::config::problem::short;
use crate::config::tree::{Node, Value};

/// `maintenance = { ... }`.
pub(in crate::config) struct Maintenance {
    pub(in crate::config) message: Field<String>,
    pub(in crate::config) retry_after: Field<Duration>,
    pub(in crate::config) until: Field<SystemTime>,
}

impl Maintenance {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            message: fields.value("message", message_of),
            retry_after: fields.duration("retry_after", WAITING),
            until: fields.value("until", moment_of),
        }
    }
}

fn message_of(node: &Node) -> Result<String, Wrong> {
    let text = text_of(node, "\"the rank list is closed until 10:00\"")?;
    if text.len() > LONGEST {
        let title = format!("expected at most {LONGEST} bytes, found {}", text.len());
        let wrong = Wrong::value(title, "write a sentence or two".to_owned());
        return Err(wrong.because("players read it in a notice, and a notice is a frame of the game"));
    }
    Ok(text.to_owned())
}

fn moment_of(node: &Node) -> Result<SystemTime, Wrong> {
    let date = match &node.value {
        Value::Date(date) => Some(*date),
        Value::Text(text) => Some(text.parse().map_err(|_| {
            Wrong::value(format!("expected a date and a time, found \"{}\"", short(text)), write_moment())
        })?),
        Value::Integer(_) | Value::Float(_) | Value::Bool(_) | Value::List(_) | Value::Table(_) => None,
    };
    let date = date.ok_or_else(|| Wrong::kind("a date and a time", "").write(write_moment()))?;
    moment::instant(&date).ok_or_else(|| {
        let lacks = if date.date.is_none() {
            "has no date"
        } else if date.time.is_none() {
            "has no time"
        } else {
            "has no offset from UTC"
        };
        let title = format!("{date} {lacks}");
        let wrong = Wrong::value(
            title,
            moment::completed(&date).map_or_else(write_moment, |whole| {
                format!("write {whole} for UTC, or {} for another offset", whole.replace('Z', "+08:00"))
            }),
        );
        wrong.because("gateways in two time zones would have opened the route at two times")
    })
}

fn write_moment() -> String {
    "write something like 2026-11-21T10:00:00Z".to_owned()
}

/// With its envelope, a notice stays below the shortest frames that games allow.
const LONGEST: usize = 512;
