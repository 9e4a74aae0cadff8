//! Tools in lists for legacy clients: schemas that their parsers refuse, and with them the whole list.

use bytes::Bytes;

use crate::json::{Object, elements};

/// A tool as legacy clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The item.
    pub raw: Bytes,
    /// Its output schema is not shown, for it is not of the kind that legacy revisions know. Its results must not have
    /// structured content then; see [`super::unstructured`].
    pub unstructured: bool,
}

/// A listed tool in the words of the legacy era, in which the root of a schema is `type: object` and each property's
/// schema is an object. Properties that are just `true` or `false` are written out; an input schema that lacks its
/// type is given it; an output schema of another kind is left out.
pub fn tool_downward(raw: &Bytes) -> Listed {
    let as_it_came = Listed { raw: raw.clone(), unstructured: false };
    let Ok(mut tool) = Object::open(raw) else { return as_it_came };
    let mut unstructured = false;
    if let Some(schema) = tool.get("outputSchema") {
        match schema_downward(schema) {
            Schema::Fits => {}
            Schema::Becomes(new) => tool.set("outputSchema", new),
            Schema::Unfit => {
                tool.remove("outputSchema");
                unstructured = true;
            }
        }
    }
    match tool.get("inputSchema").map(|schema| (schema, schema_downward(schema))) {
        Some((_, Schema::Fits)) => {}
        Some((_, Schema::Becomes(new))) => tool.set("inputSchema", new),
        Some((schema, Schema::Unfit)) => tool.set("inputSchema", typed(schema)),
        None => tool.set("inputSchema", *b"{\"type\":\"object\"}"),
    }
    tool.finish().map_or(as_it_came, |raw| Listed { raw: Bytes::from(raw), unstructured })
}

enum Schema {
    Fits,
    Becomes(Vec<u8>),
    Unfit,
}

fn schema_downward(raw: &[u8]) -> Schema {
    let Ok(mut schema) = Object::open(raw) else { return Schema::Unfit };
    let names = |list: &[u8]| elements(list).is_some_and(|all| all.iter().all(|one| one.starts_with(b"\"")));
    if schema.get("type") != Some(b"\"object\"") || !schema.get("required").is_none_or(names) {
        return Schema::Unfit;
    }
    if let Some(properties) = schema.get("properties") {
        match properties_downward(properties) {
            Ok(None) => {}
            Ok(Some(new)) => schema.set("properties", new),
            Err(()) => return Schema::Unfit,
        }
    }
    schema.finish().map_or(Schema::Fits, Schema::Becomes)
}

fn properties_downward(raw: &[u8]) -> Result<Option<Vec<u8>>, ()> {
    let mut properties = Object::open(raw).map_err(drop)?;
    let mut odd = false;
    properties.replace(|_, schema| match schema {
        b"true" => Some(b"{}".to_vec()),
        b"false" => Some(b"{\"not\":{}}".to_vec()),
        _ => {
            odd |= !schema.starts_with(b"{");
            None
        }
    });
    if odd { Err(()) } else { Ok(properties.finish()) }
}

/// An input schema made acceptable: the parts that no client can read are left out rather than the tool.
fn typed(raw: &[u8]) -> Vec<u8> {
    let Ok(mut schema) = Object::open(raw) else { return b"{\"type\":\"object\"}".to_vec() };
    if schema.get("type") != Some(b"\"object\"") {
        schema.set_text("type", "object");
    }
    let names = |list: &[u8]| elements(list).is_some_and(|all| all.iter().all(|one| one.starts_with(b"\"")));
    if !schema.get("required").is_none_or(names) {
        schema.remove("required");
    }
    match schema.get("properties").map(properties_downward) {
        None | Some(Ok(None)) => {}
        Some(Ok(Some(new))) => schema.set("properties", new),
        Some(Err(())) => schema.remove("properties"),
    }
    schema.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &'static str) -> (String, bool) {
        let listed = tool_downward(&Bytes::from_static(raw.as_bytes()));
        (String::from_utf8(listed.raw.to_vec()).unwrap(), listed.unstructured)
    }

    #[test]
    fn output_schemas_that_are_no_objects_are_hidden() {
        for schema in [
            r#"{"type":"array"}"#,
            "{}",
            "true",
            r#"{"anyOf":[{"type":"object"}]}"#,
            r#"{"type":["object"]}"#,
            r#"{"type":"object","properties":{"a":7}}"#,
            r#"{"type":"object","required":"a"}"#,
        ] {
            let raw = format!(
                r#"{{"name":"a","outputSchema":{schema},"inputSchema":{{"type":"object"}},"x":1.0}}"#
            );
            let listed = tool_downward(&Bytes::from(raw));
            assert_eq!(listed.raw, r#"{"name":"a","inputSchema":{"type":"object"},"x":1.0}"#, "{schema}");
            assert!(listed.unstructured);
        }
    }

    #[test]
    fn what_fits_stays_as_it_came_and_short_forms_are_written_out() {
        let fits = r#"{"name":"a","inputSchema":{"type":"object","oneOf":[{}],"$defs":{}},"outputSchema":{ "type":"object","properties":{"a":{"type":"integer","maximum":1.0}},"required":["a"]}}"#;
        assert_eq!(of(fits), (fits.to_owned(), false));
        assert_eq!(
            of(r#"{"inputSchema":{"type":"object","properties":{"a":true,"b":{"c":1.0},"d":false}}}"#),
            (
                r#"{"inputSchema":{"type":"object","properties":{"a":{},"b":{"c":1.0},"d":{"not":{}}}}}"#
                    .to_owned(),
                false
            )
        );
        assert_eq!(
            of(r#"{"inputSchema":{"properties":null,"x":1.0}}"#).0,
            r#"{"inputSchema":{"x":1.0,"type":"object"}}"#
        );
        assert_eq!(of(r#"{"name":"a"}"#).0, r#"{"name":"a","inputSchema":{"type":"object"}}"#);
    }
}
