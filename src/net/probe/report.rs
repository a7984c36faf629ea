//! What a backend says of its load in the body of an answer.

use serde_json::{Map, Value};

use crate::cluster::{Report, ServingState};

/// What stood there.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) report: Report,
    pub(super) state: Option<ServingState>,
}

/// Reads a body. One that is no JSON object says nothing.
///
/// # Errors
/// The key whose value is not what it should be; nothing of such a report counts.
pub(super) fn read(body: &[u8]) -> Result<Said, &'static str> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return Ok(Said::default()) };
    let report = Report {
        load: field(&object, "load", load)?,
        sessions: field(&object, "sessions", count)?,
        capacity: field(&object, "capacity", count)?,
    };
    Ok(Said { report, state: field(&object, "state", state)? })
}

fn field<T>(
    object: &Map<String, Value>,
    key: &'static str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, &'static str> {
    object.get(key).map(|value| read(value).ok_or(key)).transpose()
}

/// More than 1 is 1: some count what waits too.
fn load(value: &Value) -> Option<f64> {
    value.as_f64().filter(|load| *load >= 0.0).map(|load| load.min(1.0))
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn state(value: &Value) -> Option<ServingState> {
    match value.as_str()? {
        "ok" => Some(ServingState::Ok),
        "degraded" => Some(ServingState::Degraded),
        "refusing" => Some(ServingState::Refusing),
        "draining" | "stopping" => Some(ServingState::Leaving),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_may_be_there_or_not() {
        let all = br#"{ "load": 0.8, "capacity": 2000, "sessions": 100, "state": "ok", "more": [] }"#;
        let report = Report { load: Some(0.8), sessions: Some(100), capacity: Some(2000) };
        assert_eq!(read(all), Ok(Said { report, state: Some(ServingState::Ok) }));
        assert_eq!(read(b"{}"), Ok(Said::default()));
        let full = Report { load: Some(1.0), ..Report::default() };
        assert_eq!(read(br#"{"load": 7}"#), Ok(Said { report: full, state: None }));
    }

    #[test]
    fn states_are_words() {
        let words = ["ok", "degraded", "refusing", "draining", "stopping"];
        let states =
            words.map(|word| read(format!(r#"{{"state":"{word}"}}"#).as_bytes()).expect("good").state);
        let leaving = Some(ServingState::Leaving);
        let first = [ServingState::Ok, ServingState::Degraded, ServingState::Refusing].map(Some);
        assert_eq!(states, [first[0], first[1], first[2], leaving, leaving]);
    }

    #[test]
    fn what_is_no_object_says_nothing() {
        let deep = "[".repeat(60_000);
        for body in ["", "OK", "[1]", "null", "\"ok\"", "{\"load\":", "\u{fffd}", deep.as_str()] {
            assert_eq!(read(body.as_bytes()), Ok(Said::default()), "{body:.20}");
        }
    }

    #[test]
    fn a_wrong_value_spoils_the_report_and_is_named() {
        let wrong = [
            (r#"{"load": "high", "capacity": 5}"#, "load"),
            (r#"{"load": -0.1}"#, "load"),
            (r#"{"sessions": 1.5}"#, "sessions"),
            (r#"{"capacity": 4294967296}"#, "capacity"),
            (r#"{"capacity": null}"#, "capacity"),
            (r#"{"state": "fine"}"#, "state"),
            (r#"{"state": 2}"#, "state"),
        ];
        for (body, key) in wrong {
            assert_eq!(read(body.as_bytes()), Err(key), "{body}");
        }
    }
}
