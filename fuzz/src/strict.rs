//! JSON as a parser that we did not write reads it, for comparison.

use serde_json::Value;

/// What serde_json makes of a text.
pub(crate) enum Read {
    /// A value. Of a doubled key it has the last.
    Value(Value),
    /// A number beyond what it can hold, which is no fault of the text.
    TooLarge,
    /// No JSON, or JSON deeper than 128 levels.
    Refused,
}

pub(crate) fn read(text: &[u8]) -> Read {
    match serde_json::from_slice(text) {
        Ok(value) => Read::Value(value),
        Err(error) if error.to_string().starts_with("number out of range") => Read::TooLarge,
        Err(_) => Read::Refused,
    }
}

/// The value of a text that is known to be JSON.
pub(crate) fn value(text: &[u8]) -> Value {
    match read(text) {
        Read::Value(value) => value,
        Read::TooLarge => Value::Null,
        Read::Refused => panic!("no JSON: {}", text.escape_ascii()),
    }
}

/// The keys of an object as they come, doubled ones included; `None` when it is none.
pub(crate) fn keys(object: &[u8]) -> Option<Vec<String>> {
    struct Keys(Vec<String>);
    impl<'de> serde::de::Visitor<'de> for Keys {
        type Value = Self;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
            while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                self.0.push(key);
            }
            Ok(self)
        }
    }
    let mut text = serde_json::Deserializer::from_slice(object);
    serde::Deserializer::deserialize_map(&mut text, Keys(Vec::new())).ok().map(|keys| keys.0)
}

/// Panics when an object has a key twice.
pub(crate) fn assert_no_key_twice(object: &[u8]) {
    let mut all = keys(object).unwrap_or_default();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a key is doubled: {}", object.escape_ascii());
}
