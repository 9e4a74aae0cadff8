//! The result of a call, as text.

use serde_json::Value;

use crate::stop::{Code, Stop};
use crate::terminal::{Terminal, one_line, printable};

/// The exit code of a result: a tool that reports an error has failed.
pub(crate) fn verdict(raw: &[u8]) -> Code {
    let result: Value = serde_json::from_slice(raw).unwrap_or_default();
    if result["isError"] == true || unfinished(&result).is_some() { Code::FAILURE } else { Code::OK }
}

/// What a modern result is, when it is not the end of the call.
fn unfinished(result: &Value) -> Option<&str> {
    result["resultType"].as_str().filter(|kind| *kind != "complete")
}

/// Prints the texts of a result on stdout, and says on stderr what cannot be shown.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) fn show(raw: &[u8], terminal: &Terminal) -> Result<Code, Stop> {
    let result: Value = serde_json::from_slice(raw)
        .map_err(|error| Stop::new(Code::FAILURE, format!("the result is malformed: {error}")))?;
    let (texts, rest) = parts(&result);
    for text in texts {
        // A terminal obeys what it is sent; a file or program gets the bytes as they are.
        terminal.print(&if terminal.out_terminal { printable(&text) } else { text })?;
    }
    for note in rest {
        terminal.say(&note);
    }
    if let Some(kind) = unfinished(&result) {
        terminal.warn(&format!(
            "the tool has not finished ({}); `trunkline call` cannot go on from here",
            one_line(kind)
        ));
    } else if result["isError"] == true {
        terminal.warn("the tool reports an error");
    }
    Ok(verdict(raw))
}

/// The texts in a result, and a line for everything else.
fn parts(result: &Value) -> (Vec<String>, Vec<String>) {
    let (mut texts, mut rest) = (Vec::new(), Vec::new());
    for item in result["content"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let word = |key: &str| one_line(item[key].as_str().unwrap_or("?"));
        match item["type"].as_str() {
            Some("text") => texts.push(item["text"].as_str().unwrap_or_default().to_owned()),
            Some("resource") => match item["resource"]["text"].as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => rest.push(format!(
                    "[resource {}]",
                    one_line(item["resource"]["uri"].as_str().unwrap_or("?"))
                )),
            },
            Some("resource_link") => texts.push(word("uri")),
            Some(kind) => {
                let size = item["data"].as_str().map_or(0, str::len) / 4 * 3;
                rest.push(format!(
                    "[{} {}, about {size} bytes; --output json shows it]",
                    one_line(kind),
                    word("mimeType")
                ));
            }
            None => {}
        }
    }
    if texts.is_empty() && !result["structuredContent"].is_null() {
        texts.push(serde_json::to_string_pretty(&result["structuredContent"]).unwrap_or_default());
    }
    (texts, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_shown_and_the_rest_is_named() {
        let result = json!({"content": [
            {"type": "text", "text": "hello"}, {"type": "image", "mimeType": "image/png", "data": "AAAA"},
            {"type": "resource", "resource": {"uri": "a:b", "text": "inside"}},
        ]});
        let (texts, rest) = parts(&result);
        assert_eq!(texts, ["hello", "inside"]);
        assert!(rest[0].starts_with("[image image/png"), "{rest:?}");
    }

    #[test]
    fn structure_is_shown_where_there_is_no_text() {
        assert_eq!(parts(&json!({"structuredContent": {"a": 1}})).0, ["{\n  \"a\": 1\n}"]);
    }

    #[test]
    fn an_error_of_the_tool_is_a_failure() {
        assert_eq!(verdict(b"{\"isError\":true}"), Code::FAILURE);
        assert_eq!(verdict(b"{\"content\":[],\"resultType\":\"complete\"}"), Code::OK);
        assert_eq!(verdict(b"{\"resultType\":\"input_required\"}"), Code::FAILURE);
    }
}
