//! What backends say of a session to each other: a small JSON object.

use std::sync::Arc;

use serde_json::{Map, Value};

/// The attributes of one session, as all changes so far have left them.
#[derive(Debug, Default)]
pub struct Attributes {
    values: Map<String, Value>,
    /// The same as text; `None` while there are none.
    text: Option<Arc<str>>,
}

/// Why a change is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is no JSON object.
    NoObject,
    /// With it the attributes would be too long.
    TooLong,
}

impl Attributes {
    /// Takes a change in, key by key; null takes a key out. `most` is how long all of them together may be, in bytes of
    /// JSON.
    ///
    /// # Errors
    /// Nothing is changed then.
    pub fn merge(&mut self, change: &str, most: usize) -> Result<(), Unfit> {
        let Ok(Value::Object(change)) = serde_json::from_str(change) else { return Err(Unfit::NoObject) };
        let mut values = self.values.clone();
        for (key, value) in change {
            if value.is_null() {
                values.remove(&key);
            } else {
                values.insert(key, value);
            }
        }
        let text = serde_json::to_string(&values).map_err(|_| Unfit::NoObject)?;
        if text.len() > most {
            return Err(Unfit::TooLong);
        }
        self.text = (!values.is_empty()).then(|| text.into());
        self.values = values;
        Ok(())
    }

    /// All of them as a JSON object; `None` while there are none.
    #[must_use]
    pub fn text(&self) -> Option<Arc<str>> {
        self.text.clone()
    }

    /// One that is a text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_taken_in_key_by_key_and_null_takes_out() {
        let mut attributes = Attributes::default();
        assert_eq!(attributes.text(), None);
        for change in [r#"{"level":7,"guild":{"id":1}}"#, r#"{"guild":{"name":"x"},"version":"1.2"}"#] {
            assert_eq!(attributes.merge(change, 4096), Ok(()));
        }
        let text = attributes.text();
        assert_eq!(text.as_deref(), Some(r#"{"guild":{"name":"x"},"level":7,"version":"1.2"}"#));
        assert_eq!((attributes.get("version"), attributes.get("level")), (Some("1.2"), None));
        assert_eq!(attributes.merge(r#"{"guild":null,"level":null,"version":null,"no":null}"#, 4096), Ok(()));
        assert_eq!((attributes.text(), attributes.get("version")), (None, None));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut attributes = Attributes::default();
        attributes.merge(r#"{"a":"1"}"#, 20).expect("it fits");
        assert_eq!(attributes.merge(r#"{"b":"2345678901"}"#, 20), Err(Unfit::TooLong));
        for bad in ["", "{", "[1]", "7", "{a:1}", r#"{"a":1}}"#, "{\"a\":\"\u{1}\"}"] {
            assert_eq!(attributes.merge(bad, 20), Err(Unfit::NoObject), "{bad}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(2000), "]".repeat(2000));
        assert_eq!(attributes.merge(&deep, 10_000), Err(Unfit::NoObject));
        assert_eq!(attributes.text().as_deref(), Some(r#"{"a":"1"}"#));
    }

    #[test]
    fn the_limit_is_of_what_is_left_and_not_of_the_change() {
        let mut attributes = Attributes::default();
        attributes.merge(r#"{"a":"1234567890"}"#, 20).expect("it fits");
        assert_eq!(attributes.merge(r#"{ "a" : null , "b" : "2345678901" }"#, 20), Ok(()));
    }
}
