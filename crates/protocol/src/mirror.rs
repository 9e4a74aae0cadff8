//! Tool arguments that are mirrored in HTTP headers (`x-mcp-header`; 2026-07-28, Streamable HTTP; SEP-2243).

use crate::headers;
use crate::json::{JsonError, Problem, Reader};

/// Most mirrored arguments of one tool; each is looked up in every call, and no server has room for more headers.
const MIRRORED_MAX: usize = 32;
/// Deepest nesting of mirrored properties.
const PATH_MAX: usize = 16;

/// One mirrored argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The whole header name, in lower case.
    pub header: String,
    /// The way to the value through nested objects.
    pub path: Vec<String>,
}

/// The annotation breaks the rules; the tool must not be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAnnotation;

/// Reads the annotations of an input schema.
///
/// # Errors
/// An empty or illegal header name, one used twice (case does not matter), or one on a property that is not a string,
/// integer or boolean.
pub fn read(schema: &[u8]) -> Result<Vec<Mirrored>, BadAnnotation> {
    if memchr::memmem::find(schema, b"x-mcp-header").is_none() {
        return Ok(Vec::new());
    }
    let value: serde_json::Value = serde_json::from_slice(schema).map_err(|_| BadAnnotation)?;
    let mut found: Vec<Mirrored> = Vec::new();
    walk(&value, &mut Vec::new(), &mut found)?;
    if count(&value) != found.len() {
        // Annotations in places that `properties` chains do not reach.
        return Err(BadAnnotation);
    }
    Ok(found)
}

fn walk(
    schema: &serde_json::Value,
    path: &mut Vec<String>,
    found: &mut Vec<Mirrored>,
) -> Result<(), BadAnnotation> {
    let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else { return Ok(()) };
    if path.len() >= PATH_MAX {
        return Err(BadAnnotation);
    }
    for (name, property) in properties {
        path.push(name.clone());
        if let Some(annotation) = property.get("x-mcp-header") {
            let header = annotation.as_str().filter(|h| is_token(h)).ok_or(BadAnnotation)?;
            let kind = property.get("type").and_then(|t| t.as_str()).unwrap_or_default();
            if !matches!(kind, "string" | "integer" | "boolean") {
                return Err(BadAnnotation);
            }
            let header = format!("{}{}", headers::PARAM_PREFIX, header.to_ascii_lowercase());
            if found.iter().any(|other| other.header == header) {
                return Err(BadAnnotation);
            }
            if found.len() >= MIRRORED_MAX {
                return Err(BadAnnotation);
            }
            found.push(Mirrored { header, path: path.clone() });
        }
        walk(property, path, found)?;
        path.pop();
    }
    Ok(())
}

fn count(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Object(map) => {
            // A property that merely has this name is an object, not an annotation.
            let here = map.get("x-mcp-header").is_some_and(|v| !v.is_object());
            usize::from(here) + map.values().map(count).sum::<usize>()
        }
        serde_json::Value::Array(list) => list.iter().map(count).sum(),
        _ => 0,
    }
}

/// An HTTP token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// The text that a header carries for an argument; `None` when the argument is absent or null.
pub fn value_of(arguments: &[u8], path: &[String]) -> Result<Option<String>, JsonError> {
    let mut reader = Reader::new(arguments)?;
    let Some((first, rest)) = path.split_first() else { return Ok(None) };
    if reader.peek()? != b'{' {
        return Ok(None);
    }
    let mut inner = None;
    reader.object(|key, reader| {
        let span = reader.value()?;
        if key == first.as_str() {
            inner = Some(span);
        }
        Ok(())
    })?;
    let Some(text) = inner.and_then(|span| arguments.get(span)) else { return Ok(None) };
    if !rest.is_empty() {
        return value_of(text, rest);
    }
    match text.first() {
        Some(b'"') => {
            let text =
                serde_json::from_slice(text).map_err(|_| JsonError { problem: Problem::String, at: 0 })?;
            Ok(Some(text))
        }
        Some(b'n') | None => Ok(None),
        Some(_) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
    }
}

/// Whether a header says the same as an argument. Integers are compared as numbers.
pub fn agrees(header: &str, argument: &str) -> bool {
    if header == argument {
        return true;
    }
    match (header.parse::<i128>(), argument.parse::<i128>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => match (header.parse::<f64>(), argument.parse::<f64>()) {
            // "42.0" and 42 are the same integer; beyond 2^53 only equal spellings count.
            (Ok(a), Ok(b)) => {
                a.fract() == 0.0 && b.fract() == 0.0 && a.abs() < 9e15 && (a - b).abs() < f64::EPSILON
            }
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_found_through_properties_only() {
        let schema = br#"{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"Region"},"b":{"type":"object","properties":{"c":{"type":"integer","x-mcp-header":"Zone"}}}}}"#;
        let got = read(schema).unwrap();
        assert_eq!(got[0], Mirrored { header: "mcp-param-region".into(), path: vec!["a".into()] });
        assert_eq!(got[1].path, ["b", "c"]);
        for bad in [
            r#"{"properties":{"a":{"type":"number","x-mcp-header":"R"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"R"},"b":{"type":"string","x-mcp-header":"r"}}}"#,
            r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"R"}}}}"#,
        ] {
            assert_eq!(read(bad.as_bytes()), Err(BadAnnotation), "{bad}");
        }
    }

    #[test]
    fn values_are_read_and_compared() {
        let args = br#"{"a":"x\u0079","b":{"c":42},"d":null}"#;
        let path = |p: &[&str]| p.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(value_of(args, &path(&["a"])).unwrap().unwrap(), "xy");
        assert_eq!(value_of(args, &path(&["b", "c"])).unwrap().unwrap(), "42");
        assert_eq!(value_of(args, &path(&["d"])).unwrap(), None);
        assert!(
            agrees("42.0", "42") && agrees("042", "42") && !agrees("43", "42") && !agrees("true", "false")
        );
    }
}
