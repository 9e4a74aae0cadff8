//! Results are written as JSON and read into the SDK's types, so a fixture shows what goes out rather than how rmcp
//! spells it.

use rmcp::ErrorData;
use serde_json::{Value, json};

/// Reads our own JSON into the SDK's type. A mistake here is a mistake in the fixture.
///
/// # Errors
/// JSON that is not of that type.
pub fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// Reads the result of a request.
///
/// The SDK takes `resultType` off again for a legacy client; only its own constructors would add it.
///
/// # Errors
/// As [`read`].
pub fn read_result<T: serde::de::DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = json!("complete");
    read(value)
}

/// A text block.
pub fn text(words: &str) -> Value {
    json!({ "type": "text", "text": words })
}

/// A tool result of one text block.
pub fn said(words: &str) -> Value {
    json!({ "content": [text(words)] })
}
