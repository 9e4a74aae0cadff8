//! A small MCP server over a pipe that is always at hand: for trying Trunkline out where npx or pip is missing.
//!
//! It speaks both eras, one message after the other, and has three tools: `echo`, `add` and `now`.

use std::io::{self, BufRead, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
const MODERN: &str = "2026-07-28";
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// Serves until the input ends.
pub fn run(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        if let Some(answer) = answer(&line) {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
    Ok(())
}

/// The answer to one message; notifications have none.
fn answer(line: &str) -> Option<Value> {
    let Ok(message) = serde_json::from_str::<Value>(line) else {
        return Some(
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "parse error"}}),
        );
    };
    let id = message.get("id")?.clone();
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    let params = message.get("params").cloned().unwrap_or_default();
    let modern = params.pointer("/_meta").and_then(|meta| meta.get(VERSION_KEY)).is_some();
    Some(match handle(method, &params) {
        Ok(mut result) => {
            if modern {
                result["resultType"] = "complete".into();
                if method.ends_with("/list") || method == "server/discover" {
                    result["ttlMs"] = 60_000.into();
                    result["cacheScope"] = "public".into();
                }
            }
            json!({"jsonrpc": "2.0", "id": id, "result": result})
        }
        Err((code, text)) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": text}}),
    })
}

type Handled = Result<Value, (i64, String)>;

fn handle(method: &str, params: &Value) -> Handled {
    let info = json!({"name": "trunkline-sample", "version": env!("CARGO_PKG_VERSION")});
    match method {
        "initialize" => {
            let asked = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
            let version = if LEGACY.contains(&asked) { asked } else { LEGACY[0] };
            Ok(json!({"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}))
        }
        "server/discover" => Ok(json!({
            "supportedVersions": [MODERN],
            "capabilities": {"tools": {}},
            "_meta": {"io.modelcontextprotocol/serverInfo": info},
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({"tools": tools()})),
        "tools/call" => call(params),
        _ => Err((-32601, format!("method not found: {method}"))),
    }
}

fn tools() -> Value {
    let numbers = json!({"type": "object", "required": ["a", "b"],
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}}});
    let message =
        json!({"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}});
    json!([
        {"name": "echo", "description": "Says what it was told", "inputSchema": message},
        {"name": "add", "description": "Adds two numbers", "inputSchema": numbers},
        {"name": "now", "description": "Seconds since 1970-01-01 UTC", "inputSchema": {"type": "object"}},
    ])
}

fn call(params: &Value) -> Handled {
    let argument = |name: &str| params.pointer("/arguments").and_then(|a| a.get(name));
    let number = |name: &str| argument(name).and_then(Value::as_f64);
    let (text, failed) = match params.get("name").and_then(Value::as_str) {
        Some("echo") => match argument("message").and_then(Value::as_str) {
            Some(text) => (text.to_owned(), false),
            None => ("the argument \"message\" is missing".to_owned(), true),
        },
        Some("add") => match (number("a"), number("b")) {
            (Some(a), Some(b)) => ((a + b).to_string(), false),
            _ => ("the arguments \"a\" and \"b\" must be numbers".to_owned(), true),
        },
        Some("now") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            (now.to_string(), false)
        }
        other => return Err((-32602, format!("unknown tool: {}", other.unwrap_or_default()))),
    };
    Ok(json!({"content": [{"type": "text", "text": text}], "isError": failed}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(lines: &str) -> Vec<Value> {
        let mut out = Vec::new();
        run(lines.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn it_speaks_both_eras_and_survives_nonsense() {
        let got = say(concat!(
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\"}}\n",
            "nonsense\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n",
            "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"add\",\"arguments\":{\"a\":1,\"b\":2},",
            "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}}}\n",
        ));
        assert_eq!(got[0]["result"]["protocolVersion"], "2025-06-18");
        assert_eq!(got[1]["error"]["code"], -32700);
        assert_eq!(got[2]["result"]["content"][0]["text"], "3");
        assert_eq!(got[2]["result"]["resultType"], "complete");
    }
}
