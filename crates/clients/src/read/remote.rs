//! Address, headers, and the clients' ways to name a token's variable.

use super::fields::Fields;
use super::server::inner_headers;
use crate::error::ReadError;
use crate::imported::{ImportedServer, TransportHint};
use crate::kind::ClientKind;

pub(super) fn read(
    kind: &ClientKind,
    fields: &mut Fields,
    out: &mut ImportedServer,
) -> Result<(), ReadError> {
    if fields.has("httpUrl") {
        out.url = fields.text("httpUrl")?;
        out.transport = TransportHint::Http;
    } else if let Some(key) = kind.sse_url_key.filter(|key| fields.has(key)) {
        out.url = fields.text(key)?;
        out.transport = TransportHint::Sse;
    } else {
        out.url = fields.first_text(&[kind.url_key, "url", "serverUrl", "uri"])?;
    }
    headers(fields, out)?;
    token(fields, out)
}

fn headers(fields: &mut Fields, out: &mut ImportedServer) -> Result<(), ReadError> {
    for key in ["headers", "http_headers"] {
        out.headers.extend(fields.pairs(key)?);
    }
    for (header, variable) in fields.pairs("env_http_headers")? {
        out.headers.push((header, format!("${{{variable}}}")));
    }
    for key in ["requestOptions", "requestInit"] {
        let Some(value) = fields.take(key) else { continue };
        out.headers.extend(inner_headers(&value, &fields.at(key))?);
        fields.put_back(key, without_headers(value));
    }
    Ok(())
}

fn without_headers(mut value: serde_json::Value) -> serde_json::Value {
    if let Some(map) = value.as_object_mut() {
        map.shift_remove("headers");
    }
    value
}

/// Codex: `bearer_token_env_var`. Vibe: `api_key_env` with `api_key_header` and `api_key_format`.
fn token(fields: &mut Fields, out: &mut ImportedServer) -> Result<(), ReadError> {
    if let Some(variable) = fields.text("bearer_token_env_var")? {
        out.headers.push(("Authorization".to_owned(), format!("Bearer ${{{variable}}}")));
    }
    if let Some(variable) = fields.text("api_key_env")?.filter(|variable| !variable.is_empty()) {
        let header = fields.text("api_key_header")?.unwrap_or_else(|| "Authorization".to_owned());
        let format = fields.text("api_key_format")?.unwrap_or_else(|| "Bearer {token}".to_owned());
        out.headers.push((header, format.replace("{token}", &format!("${{{variable}}}"))));
    }
    Ok(())
}
