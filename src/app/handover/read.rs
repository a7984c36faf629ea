//! Reading JSON that another version of the program wrote: what is missing or of another kind is an error that
//! names it; what is more than this version knows is passed over.

use std::time::Duration;

use serde_json::{Map, Value};

use super::line::LineError;

/// A JSON object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a>(&'a Map<String, Value>);

impl<'a> Table<'a> {
    pub(super) fn parse(message: &[u8]) -> Result<Value, LineError> {
        serde_json::from_slice(message).map_err(|error| LineError::Nonsense(format!("no JSON: {error}")))
    }

    pub(super) fn of(value: &'a Value) -> Result<Self, LineError> {
        value.as_object().map(Self).ok_or_else(|| LineError::Nonsense("JSON that is no object".to_owned()))
    }

    pub(super) fn text(self, key: &str) -> Result<&'a str, LineError> {
        self.get(key).and_then(Value::as_str).ok_or_else(|| missing(key, "text"))
    }

    pub(super) fn number(self, key: &str) -> Result<u64, LineError> {
        self.get(key).and_then(Value::as_u64).ok_or_else(|| missing(key, "number"))
    }

    pub(super) fn small(self, key: &str) -> Result<u32, LineError> {
        u32::try_from(self.number(key)?).map_err(|_| missing(key, "number of 32 bits"))
    }

    pub(super) fn truth(self, key: &str) -> Result<bool, LineError> {
        self.get(key).and_then(Value::as_bool).ok_or_else(|| missing(key, "true or false"))
    }

    /// A duration in milliseconds.
    pub(super) fn time(self, key: &str) -> Result<Duration, LineError> {
        self.number(key).map(Duration::from_millis)
    }

    pub(super) fn table(self, key: &str) -> Result<Self, LineError> {
        self.get(key).and_then(Value::as_object).map(Self).ok_or_else(|| missing(key, "object"))
    }

    /// Each object of a list, read.
    pub(super) fn list<T>(
        self,
        key: &str,
        read: impl Fn(Self) -> Result<T, LineError>,
    ) -> Result<Vec<T>, LineError> {
        let list = self.get(key).and_then(Value::as_array).ok_or_else(|| missing(key, "list"))?;
        list.iter().map(|value| read(Table::of(value)?)).collect()
    }

    /// What may be left out.
    pub(super) fn maybe<T>(
        self,
        key: &str,
        read: impl Fn(Self, &str) -> Result<T, LineError>,
    ) -> Result<Option<T>, LineError> {
        match self.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => read(self, key).map(Some),
        }
    }

    fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key)
    }
}

/// An error about a key that is not there, or is something else.
pub(super) fn missing(key: &str, kind: &str) -> LineError {
    LineError::Nonsense(format!("`{key}` is missing or no {kind}"))
}
