//! A text as a tree, whatever its syntax.

mod surface;

use jsonc_parser::ParseOptions;
use serde_json::Value;

use crate::error::ReadError;
use crate::kind::Format;

pub(crate) use surface::Surface;

/// Parses `text`. A blank text is an empty document.
pub(crate) fn parse(format: Format, text: &str) -> Result<Value, ReadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let value = match format {
        Format::Json => json(text)?,
        Format::Toml => toml(text)?,
        Format::Yaml => yaml(text)?,
    };
    // A YAML or JSON file of comments only.
    Ok(if value.is_null() { Value::Object(serde_json::Map::new()) } else { value })
}

/// Comments and trailing commas, and nothing else beyond JSON: what editors accept in their settings.
pub(crate) fn json_options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: true,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn json(text: &str) -> Result<Value, ReadError> {
    jsonc_parser::parse_to_serde_value(text, &json_options()).map_err(|error| ReadError::Syntax {
        format: Format::Json,
        line: Some(error.line_display()),
        message: error.kind().to_string(),
    })
}

fn toml(text: &str) -> Result<Value, ReadError> {
    toml::from_str(text).map_err(|error| ReadError::Syntax {
        format: Format::Toml,
        line: error.span().map(|span| line_of(text, span.start)),
        message: error.message().to_owned(),
    })
}

fn yaml(text: &str) -> Result<Value, ReadError> {
    serde_saphyr::from_str(text).map_err(|error| ReadError::Syntax {
        format: Format::Yaml,
        line: error.location().map(|at| usize::try_from(at.line()).unwrap_or(usize::MAX)),
        message: error.without_snippet().to_string(),
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// A value's type, with its article, for messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
