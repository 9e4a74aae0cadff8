//! JSON as text: members are compared by their bytes, so that a changed number or key order is seen.

use serde_json::Value;
use serde_json::value::RawValue;

/// The members of an object in their order, each with its raw text.
///
/// # Panics
/// When the text is no JSON object.
pub fn members(object: &str) -> Vec<(String, String)> {
    struct Members(Vec<(String, String)>);
    impl<'de> serde::de::Visitor<'de> for Members {
        type Value = Self;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                self.0.push((key, value.get().to_owned()));
            }
            Ok(self)
        }
    }
    let mut text = serde_json::Deserializer::from_str(object);
    let read = serde::Deserializer::deserialize_map(&mut text, Members(Vec::new()));
    read.unwrap_or_else(|error| panic!("not an object ({error}): {object:.300}")).0
}

/// The raw text of one member.
pub fn member(object: &str, key: &str) -> Option<String> {
    members(object).into_iter().find_map(|(name, value)| (name == key).then_some(value))
}

/// The raw text at a path of member names.
pub fn at(object: &str, path: &[&str]) -> Option<String> {
    path.iter().try_fold(object.to_owned(), |inner, key| member(&inner, key))
}

/// The raw texts of an array's items.
///
/// # Panics
/// When the text is no JSON array.
pub fn items(array: &str) -> Vec<String> {
    let items: Vec<&RawValue> =
        serde_json::from_str(array).unwrap_or_else(|e| panic!("not an array ({e}): {array:.300}"));
    items.into_iter().map(|item| item.get().to_owned()).collect()
}

/// Members that the protocol's modern era, or the gateway, adds to a result without changing what it says.
const ADDED: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// A result without what may differ between eras: the members, `_meta` without information about the server.
pub fn essence(result: &str) -> Vec<(String, String)> {
    let mut essence = Vec::new();
    for (key, value) in members(result) {
        if ADDED.contains(&key.as_str()) {
            continue;
        }
        if key != "_meta" {
            essence.push((key, value));
            continue;
        }
        let ours =
            |name: &str| name == "io.modelcontextprotocol/serverInfo" || name.starts_with("io.trunkline/");
        let kept: Vec<String> = members(&value)
            .into_iter()
            .filter(|(name, _)| !ours(name))
            .map(|(name, raw)| format!("{}:{raw}", Value::from(name)))
            .collect();
        if !kept.is_empty() {
            essence.push((key, format!("{{{}}}", kept.join(","))));
        }
    }
    essence
}

/// The text parsed.
///
/// # Panics
/// When it is no JSON.
pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text:.300}"))
}
