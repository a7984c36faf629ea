//! The JSON body of a change: every key is known, and a wrong one is answered with the nearest.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Map, Value};

use super::answer::{self, Answer};
use crate::base::parse_duration;
use crate::config::nearest;

/// A body of which each key is taken once.
#[derive(Debug)]
pub(super) struct Body {
    keys: Map<String, Value>,
}

impl Body {
    /// Reads an object that has no other keys than `known`.
    pub(super) fn read(bytes: &[u8], known: &[&str]) -> Result<Self, Answer> {
        let value: Value = if bytes.is_empty() {
            Value::Object(Map::new())
        } else {
            serde_json::from_slice(bytes)
                .map_err(|error| bad(&format!("the body is no JSON: {error}"), &list(known)))?
        };
        let Value::Object(keys) = value else { return Err(bad("the body is no JSON object", &list(known))) };
        match keys.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(unknown(key, known)),
            None => Ok(Self { keys }),
        }
    }

    /// A text of at most 1,000 bytes, if it is given. It may be shown to players, and is kept in a file and in logs.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, Answer> {
        match self.keys.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= LONGEST && !text.contains(char::is_control) => {
                Ok(Some(text))
            }
            Some(_) => Err(wrong(key, "a text of at most 1000 bytes without control characters")),
        }
    }

    /// A duration as the configuration writes it, if it is given.
    pub(super) fn duration(&mut self, key: &str) -> Result<Option<Duration>, Answer> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        parse_duration(&text).map(Some).ok_or_else(|| wrong(key, "a duration such as \"20m\" or \"1h\""))
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<u32>, Answer> {
        match self.keys.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                number.map(Some).ok_or_else(|| wrong(key, "a whole number"))
            }
        }
    }

    pub(super) fn boolean(&mut self, key: &str) -> Result<Option<bool>, Answer> {
        match self.keys.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(wrong(key, "true or false")),
        }
    }
}

const LONGEST: usize = 1000;
/// As much of a request as a line of the log holds.
const SHOWN: usize = 200;

/// A key that is missing or says what it cannot.
pub(super) fn wrong(key: &str, expected: &str) -> Answer {
    bad(&format!("`{key}` is missing or wrong"), &format!("write {expected}"))
}

/// A key that nobody knows.
pub(super) fn unknown(key: &str, known: &[&str]) -> Answer {
    let hint = match nearest(key, known.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"? {}", list(known)),
        None => list(known),
    };
    bad(&format!("there is no key \"{}\" here", shown(key)), &hint)
}

fn list(known: &[&str]) -> String {
    match known {
        [] => "send no body, or {}".to_owned(),
        known => format!("the keys are: {}", known.join(", ")),
    }
}

fn bad(error: &str, hint: &str) -> Answer {
    answer::error(StatusCode::BAD_REQUEST, error, hint)
}

/// What came from outside, short and on one line.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect()
}
