//! The tools that need nobody but the server.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;
use trunkline_peer_rmcp::json::{said, text};

use crate::{call::Call, handler::Shared, media};

/// A tool without arguments.
pub fn plain(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description, "inputSchema": { "type": "object", "properties": {} } })
}

/// A tool with these properties, all required.
pub fn with(name: &str, description: &str, properties: Value) -> Value {
    let required: Vec<_> =
        properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({
        "name": name, "description": description,
        "inputSchema": { "type": "object", "properties": properties, "required": required }
    })
}

/// The tool whose argument clients repeat in a header; the SDK asks for its schema to check that.
pub fn mirrored() -> Value {
    let region = json!({ "type": "string", "x-mcp-header": "Region" });
    with(
        "test_mirrored_header",
        "Has an argument that clients repeat in an HTTP header",
        json!({ "region": region }),
    )
}

/// What `tools/list` says of these.
pub fn listed(shared: &Shared) -> Vec<Value> {
    let revision = shared.revision.load(Ordering::Relaxed);
    let changes = format!("Changes the tool list: this description, now at revision {revision}");
    vec![
        plain("test_simple_text", "Answers one text block"),
        plain("test_image_content", "Answers one image block"),
        plain("test_audio_content", "Answers one audio block"),
        plain("test_embedded_resource", "Answers one embedded resource"),
        plain("test_multiple_content_types", "Answers text, an image and an embedded resource"),
        plain("test_error_handling", "Fails, always"),
        plain("test_tool_with_progress", "Reports progress 0, 50 and 100 of 100"),
        plain("test_tool_with_logging", "Writes three log messages while it runs"),
        plain("test_logging_tool", "Writes one log message if the request asked for that level"),
        plain("test_reconnection", "Takes a moment"),
        plain("test_trigger_tool_change", &changes),
        plain("test_trigger_prompt_change", "Announces a change of the prompt list"),
        with("greet", "Says hello, always at once", json!({ "name": { "type": "string" } })),
        mirrored(),
        schema_tool(),
    ]
}

/// Runs one of them; `None` if there is none of that name.
pub async fn run(name: &str, call: &Call<'_>, shared: &Shared) -> Option<Value> {
    let image = json!({ "type": "image", "data": media::PNG, "mimeType": "image/png" });
    Some(match name {
        "test_simple_text" => said("This is a simple text response for testing."),
        "test_image_content" => json!({ "content": [image] }),
        "test_audio_content" => {
            json!({ "content": [{ "type": "audio", "data": media::WAV, "mimeType": "audio/wav" }] })
        }
        "test_embedded_resource" => {
            json!({ "content": [embedded("test://embedded-resource", "text/plain", "An embedded text.")] })
        }
        "test_multiple_content_types" => {
            let data = embedded(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            );
            json!({ "content": [text("Three blocks:"), image, data] })
        }
        "test_error_handling" => failed("This tool fails, as it is meant to"),
        "test_tool_with_progress" => {
            for done in [0.0, 50.0, 100.0] {
                call.progress(done, 100.0).await;
                sleep(Duration::from_millis(50)).await;
            }
            said("Progress reported.")
        }
        "test_tool_with_logging" => {
            for line in ["Begun", "Half done", "Done"] {
                call.log(line).await;
                sleep(Duration::from_millis(50)).await;
            }
            said("Messages logged.")
        }
        "test_logging_tool" => {
            call.log("One message, for whoever asked to hear it").await;
            said("Logged.")
        }
        "test_reconnection" => {
            sleep(Duration::from_millis(100)).await;
            said("Answered.")
        }
        "test_trigger_tool_change" => {
            let revision = shared.revision.fetch_add(1, Ordering::Relaxed) + 1;
            shared.tools_changed(&call.context.peer).await;
            said(&format!("Tool list at revision {revision}."))
        }
        "test_trigger_prompt_change" => {
            shared.prompts_changed(&call.context.peer).await;
            said("Prompt list change announced.")
        }
        "greet" => said(&format!("Hello, {}!", call.argument("name"))),
        "test_mirrored_header" => said(&format!("region: {}", call.argument("region"))),
        "json_schema_2020_12_tool" => said(&call.arguments.to_string()),
        _ => return None,
    })
}

/// An error of the tool, not of the protocol.
pub fn failed(words: &str) -> Value {
    json!({ "isError": true, "content": [text(words)] })
}

fn embedded(uri: &str, mime: &str, words: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": mime, "text": words } })
}

/// The suite compares this schema keyword by keyword: a server in the middle must not tidy it up.
fn schema_tool() -> Value {
    json!({
        "name": "json_schema_2020_12_tool",
        "description": "Carries a schema with keywords that careless parsers lose",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": { "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
            } },
            "properties": {
                "name": { "type": "string" },
                "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" },
                "email": { "type": "string" }
            },
            "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
            "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
            "then": { "required": ["phone"] },
            "else": { "required": ["email"] },
            "additionalProperties": false
        }
    })
}
