//! The tool list, rendered once.

use std::fmt::Write as _;

/// `tools/list` results as finished bytes.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) modern: Vec<u8>,
    pub(crate) legacy: Vec<u8>,
}

/// The tools that do something, as JSON objects.
const WORKING: &str = r#"{"name":"echo","description":"Returns its text.","inputSchema":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}},{"name":"payload","description":"Returns a text of so many bytes.","inputSchema":{"type":"object","properties":{"bytes":{"type":"integer"}},"required":["bytes"]}},{"name":"slow","description":"Takes its time and tells how far it is.","inputSchema":{"type":"object","properties":{"steps":{"type":"integer"},"interval_ms":{"type":"integer"}},"required":["steps"]}}"#;

/// How long a list may be kept: longer than a measurement takes, so that none of them pays for a refresh.
const LIST_TTL_MS: u32 = 3_600_000;

impl Catalogue {
    pub(crate) fn new(fillers: usize) -> Self {
        let mut tools = WORKING.to_owned();
        for number in 0..fillers {
            filler(&mut tools, number);
        }
        Self {
            modern: format!(
                r#"{{"tools":[{tools}],"resultType":"complete","ttlMs":{LIST_TTL_MS},"cacheScope":"public"}}"#
            )
            .into_bytes(),
            legacy: format!(r#"{{"tools":[{tools}]}}"#).into_bytes(),
        }
    }
}

/// A tool of about 600 bytes, which is what tools of real servers come to.
fn filler(tools: &mut String, number: usize) {
    // Writing to a string cannot fail.
    let _ = write!(
        tools,
        r#",{{"name":"filler_{number:04}","title":"Filler {number}","description":"Finds the records that match the query and returns them in pages, newest first. Use it when the user asks for something that happened at a certain time or place; do not use it to change anything.","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","description":"Words to look for"}},"limit":{{"type":"integer","minimum":1,"maximum":100}},"since":{{"type":"string","format":"date-time"}},"fields":{{"type":"array","items":{{"type":"string"}}}}}},"required":["query"]}},"annotations":{{"readOnlyHint":true}}}}"#
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_json_with_every_tool() {
        let catalogue = Catalogue::new(97);
        for bytes in [&catalogue.modern, &catalogue.legacy] {
            let list: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            assert_eq!(list["tools"].as_array().unwrap().len(), 100);
        }
    }
}
