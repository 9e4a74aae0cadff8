//! From the text of `--arg` to the type that a schema wants.

use serde_json::Value;
use serde_json::value::RawValue;

/// The JSON text of an argument with this schema. Several values are the items of an array.
///
/// # Errors
/// What it should have been, to follow the argument's name.
pub(super) fn value(schema: &Value, given: &[&str]) -> Result<String, String> {
    let types = types(schema);
    let wants = |kind: &str| types.iter().any(|known| known == kind);
    match given {
        [text] if wants("array") && !wants("string") && !text.trim_start().starts_with('[') => {
            Ok(format!("[{}]", one(&schema["items"], text)?))
        }
        [text] => one(schema, text),
        several if wants("array") || types.is_empty() => {
            let items: Result<Vec<String>, String> =
                several.iter().map(|text| one(&schema["items"], text)).collect();
            Ok(format!("[{}]", items?.join(",")))
        }
        several => Err(format!("is given {} times, but is not a list", several.len())),
    }
}

fn one(schema: &Value, text: &str) -> Result<String, String> {
    let types = types(schema);
    let raw = serde_json::from_str::<&RawValue>(text.trim()).ok().map(RawValue::get);
    let textual = types.is_empty() || types.iter().any(|kind| kind == "string");
    if let Some(raw) = raw {
        let kind = kind_of(raw);
        let fits = types.iter().any(|wanted| match wanted.as_str() {
            "integer" => kind == "number" && !raw.contains(['.', 'e', 'E']),
            // A text "null" for something that may be text is text.
            "null" => kind == "null" && !textual,
            "string" => false,
            wanted => wanted == kind,
        });
        // Nothing said: only what cannot be meant as a text is taken as JSON.
        let structure = types.is_empty() && matches!(kind, "array" | "object");
        if fits || structure {
            return Ok(raw.to_owned());
        }
    }
    if textual {
        return Ok(Value::from(text).to_string());
    }
    let wanted: Vec<&str> = types.iter().map(|kind| with_article(kind)).collect();
    Err(format!("should be {}, not \"{}\"", wanted.join(" or "), crate::terminal::one_line(text)))
}

/// The JSON type that a valid text begins like.
fn kind_of(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

fn with_article(kind: &str) -> &str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a JSON list",
        "object" => "a JSON object",
        "null" => "null",
        other => other,
    }
}

/// Every type that a schema allows, as far as it says so plainly; empty is any.
fn types(schema: &Value) -> Vec<String> {
    let mut types = Vec::new();
    match &schema["type"] {
        Value::String(one) => types.push(one.clone()),
        Value::Array(several) => types.extend(several.iter().filter_map(Value::as_str).map(str::to_owned)),
        _ => {}
    }
    if types.is_empty() {
        for key in ["anyOf", "oneOf"] {
            let branches = schema[key].as_array().map(Vec::as_slice).unwrap_or_default();
            types.extend(branches.iter().flat_map(self::types));
        }
        let values = schema["enum"].as_array().map(Vec::as_slice).unwrap_or_default();
        types.extend(
            values.iter().chain(schema.get("const")).map(|value| kind_of(&value.to_string()).to_owned()),
        );
    }
    types
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::value;

    #[test]
    fn values_become_what_the_schema_wants() {
        let integer = json!({"type": "integer"});
        let optional = json!({"anyOf": [{"type": "integer"}, {"type": "null"}]});
        let list = json!({"type": "array", "items": {"type": "number"}});
        for (schema, given, wanted) in [
            (&integer, &["12345678901234567890"][..], "12345678901234567890"),
            (&json!({"type": "number"}), &["1.50"], "1.50"),
            (&json!({"type": "boolean"}), &["true"], "true"),
            (&json!({"type": "string"}), &["true"], "\"true\""),
            (&json!({"type": ["string", "null"]}), &["null"], "\"null\""),
            (&optional, &["null"], "null"),
            (&optional, &["4"], "4"),
            (&list, &["[1, 2]"], "[1, 2]"),
            (&list, &["1", "2"], "[1,2]"),
            (&list, &["1"], "[1]"),
            (&json!({"type": "object"}), &["{\"a\":1}"], "{\"a\":1}"),
            (&json!({"enum": [1, 2]}), &["2"], "2"),
            (&json!({}), &["7"], "\"7\""),
            (&json!(null), &["{\"a\":1}"], "{\"a\":1}"),
        ] {
            assert_eq!(value(schema, given).as_deref(), Ok(wanted), "{schema} {given:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_in_plain_words() {
        let why = value(&json!({"type": "integer"}), &["1.5"]).unwrap_err();
        assert_eq!(why, "should be a whole number, not \"1.5\"");
        assert!(value(&json!({"type": "string"}), &["a", "b"]).unwrap_err().contains("not a list"));
        assert!(value(&json!({"type": "boolean"}), &["yes"]).unwrap_err().contains("true or false"));
    }
}
