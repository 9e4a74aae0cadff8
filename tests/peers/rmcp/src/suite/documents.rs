//! Prompts, resources, templates and completions.

use rmcp::ErrorData;
use serde_json::{Value, json};
use trunkline_peer_rmcp::json::text;

use crate::{media, skills};

/// What `prompts/list` says.
pub fn prompts() -> Value {
    let argument = |name: &str| json!({ "name": name, "description": "An argument", "required": true });
    json!([
        { "name": "test_simple_prompt", "description": "One message, no arguments" },
        {
            "name": "test_prompt_with_arguments", "description": "Repeats its two arguments",
            "arguments": [argument("arg1"), argument("arg2")]
        },
        {
            "name": "test_prompt_with_embedded_resource", "description": "Embeds a resource",
            "arguments": [argument("resourceUri")]
        },
        { "name": "test_prompt_with_image", "description": "Shows an image" },
        { "name": "test_input_required_result_prompt", "description": "A prompt that asks for its context first" }
    ])
}

/// One prompt that asks nobody.
///
/// # Errors
/// No such prompt, or an argument is missing.
pub fn prompt(name: &str, arguments: &Value) -> Result<Value, ErrorData> {
    let argument = |name: &str| {
        let missing = || ErrorData::invalid_params(format!("Missing argument: {name}"), None);
        arguments[name].as_str().ok_or_else(missing)
    };
    let user = |content: Value| json!({ "role": "user", "content": content });
    let messages = match name {
        "test_simple_prompt" => vec![user(text("This is a simple prompt for testing."))],
        "test_prompt_with_arguments" => {
            let words =
                format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1")?, argument("arg2")?);
            vec![user(text(&words))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({ "uri": argument("resourceUri")?, "mimeType": "text/plain", "text": "An embedded text." });
            vec![
                user(json!({ "type": "resource", "resource": resource })),
                user(text("Please read the resource above.")),
            ]
        }
        "test_prompt_with_image" => vec![
            user(json!({ "type": "image", "data": media::PNG, "mimeType": "image/png" })),
            user(text("Please look at the image above.")),
        ],
        other => return Err(ErrorData::invalid_params(format!("Unknown prompt: {other}"), None)),
    };
    Ok(json!({ "messages": messages }))
}

/// What `resources/list` says.
pub fn resources() -> Value {
    let mut all = vec![
        json!({ "uri": "test://static-text", "name": "static-text", "description": "A text that never changes", "mimeType": "text/plain" }),
        json!({ "uri": "test://static-binary", "name": "static-binary", "description": "An image that never changes", "mimeType": "image/png" }),
        json!({ "uri": "test://watched-resource", "name": "watched-resource", "description": "A resource to subscribe to", "mimeType": "text/plain" }),
    ];
    all.extend(skills::manifests());
    Value::Array(all)
}

/// What `resources/templates/list` says.
pub fn templates() -> Value {
    json!([{
        "uriTemplate": "test://template/{id}/data", "name": "template-data",
        "description": "One record by its number", "mimeType": "application/json"
    }])
}

/// What is behind a URI.
///
/// # Errors
/// Nothing is.
pub fn resource(uri: &str) -> Result<Value, ErrorData> {
    let contents =
        |mime: &str, words: &str| json!({ "contents": [{ "uri": uri, "mimeType": mime, "text": words }] });
    let record = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
    if let Some(id) = record {
        let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
        return Ok(contents("application/json", &data.to_string()));
    }
    match uri {
        "test://static-text" => {
            Ok(contents("text/plain", "This is the content of the static text resource."))
        }
        "test://static-binary" => {
            Ok(json!({ "contents": [{ "uri": uri, "mimeType": "image/png", "blob": media::PNG }] }))
        }
        "test://watched-resource" => Ok(contents("text/plain", "This resource can be watched.")),
        _ => match skills::file(uri) {
            Some(file) => Ok(contents(file.mime, file.text)),
            None => Err(ErrorData::resource_not_found("Resource not found", Some(json!({ "uri": uri })))),
        },
    }
}

/// Completions of an argument, whatever it belongs to.
pub fn complete(argument: &str, begun: &str) -> Value {
    let known: &[&str] = match argument {
        "arg1" => &["paris", "park", "party"],
        "arg2" => &["left", "right"],
        "id" => &["1", "12", "123"],
        _ => &[],
    };
    let values: Vec<_> = known.iter().filter(|value| value.starts_with(begun)).collect();
    json!({ "completion": { "total": values.len(), "values": values, "hasMore": false } })
}
