//! The fixed input: what clients and servers say.

use bytes::Bytes;
use trunkline_protocol::{Revision, Scanned, scan};

/// The tool that is called.
pub(crate) const TOOL: &str = "search_issues";
/// The same behind a prefix of the gateway's.
pub(crate) const PREFIXED: &str = "tracker__search_issues";

/// What clients say of themselves.
pub(crate) const CLIENT_INFO: &str = r#"{"name":"example-agent","version":"1.4.2"}"#;
/// A position in a trace (W3C Trace Context).
pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// So many rows are 64 KiB.
const DENSE_ROWS: u32 = 1253;

const ARGUMENTS: &str = r#"{"query":"label:bug state:open","limit":20,"offset":0}"#;

/// A call of the modern era with all that its `_meta` may hold; about 450 bytes.
pub(crate) fn modern_call(tool: &str) -> String {
    let version = Revision::MODERN_LATEST.as_str();
    format!(
        r#"{{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{{"name":"{tool}","arguments":{ARGUMENTS},"_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}","io.modelcontextprotocol/clientInfo":{CLIENT_INFO},"io.modelcontextprotocol/clientCapabilities":{{}},"progressToken":42,"traceparent":"{TRACEPARENT}"}}}}}}"#
    )
}

/// The same call of the legacy era.
pub(crate) fn legacy_call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{{"name":"{tool}","arguments":{ARGUMENTS},"_meta":{{"progressToken":42}}}}}}"#
    )
}

/// The result of a legacy server's tool with so much text.
pub(crate) fn legacy_result(text_bytes: usize) -> String {
    format!(r#"{{"content":[{{"type":"text","text":"{}"}}],"isError":false}}"#, prose(text_bytes))
}

/// The result of a modern server's tool with so much text.
pub(crate) fn modern_result(text_bytes: usize) -> String {
    format!(
        r#"{{"resultType":"complete","content":[{{"type":"text","text":"{}"}}],"isError":false}}"#,
        prose(text_bytes)
    )
}

/// An answer with this result.
pub(crate) fn answer(result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#)
}

/// A result of 64 KiB of numbers and small objects.
pub(crate) fn dense_result() -> String {
    let row = |number: u32| {
        let (far, half, odd) = (number * 7919, f64::from(number) / 2.0, number % 2 == 1);
        format!(r#"{{"id":{number},"at":[{far},{half}],"odd":{odd},"of":null}}"#)
    };
    let rows: Vec<String> = (0..DENSE_ROWS).map(row).collect();
    format!(r#"{{"content":[],"structuredContent":{{"rows":[{}]}}}}"#, rows.join(","))
}

/// Text with spaces, some line ends and nothing else that JSON escapes.
fn prose(bytes: usize) -> String {
    "The quick brown fox jumps over the lazy dog, and the gateway looks on.\\n"
        .chars()
        .cycle()
        .take(bytes / 72 * 72)
        .chain("x".chars().cycle().take(bytes % 72))
        .collect()
}

/// A tool as servers list it.
pub(crate) fn listed_tool(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","title":"Search","description":"Finds what matches the query, newest first, and says where each is to be found.","inputSchema":{{"type":"object","properties":{{"query":{{"type":"string","description":"What to look for"}},"limit":{{"type":"integer","minimum":1,"maximum":100,"default":20}},"offset":{{"type":"integer","minimum":0}}}},"required":["query"]}},"outputSchema":{{"type":"object","properties":{{"hits":{{"type":"array","items":{{"type":"object"}}}}}}}}}}"#
    )
}

/// The text as a message.
pub(crate) fn scanned(text: String) -> Scanned {
    scan(Bytes::from(text)).expect("the samples are messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_have_the_sizes_they_are_said_to_have() {
        assert!((430..=470).contains(&modern_call(TOOL).len()), "{}", modern_call(TOOL).len());
        assert!((195..=205).contains(&answer(&legacy_result(107)).len()));
        for long in [legacy_result(64 << 10), dense_result()] {
            assert!((65_536..66_000).contains(&long.len()), "{}", long.len());
        }
        scanned(answer(&legacy_result(1000)));
    }
}
