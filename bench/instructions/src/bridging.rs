//! Between the eras: metadata on the way there, results, errors and listed tools on the way back.

use bytes::Bytes;
use trunkline_model::{Era, ListKind, Operation, Params, PeerError, Reply};
use trunkline_protocol::list::{self, Respelling};
use trunkline_protocol::meta::{self, Facts};
use trunkline_protocol::{Revision, bridge, request};

use crate::benchmark::{Benchmark, Repeat, over_and_over};
use crate::samples::{self, PREFIXED, TOOL};

const TIMES: u32 = 2000;

pub(crate) fn benchmarks() -> Vec<Benchmark> {
    use Era::{Legacy, Modern};
    vec![
        Benchmark::new("bridge/meta-modern-to-legacy", TIMES, meta_downward),
        Benchmark::new("bridge/meta-legacy-to-modern", TIMES, meta_upward),
        Benchmark::new("bridge/result-legacy-to-legacy", TIMES, || result(Legacy, Legacy)),
        Benchmark::new("bridge/result-legacy-to-modern", TIMES, || result(Legacy, Modern)),
        Benchmark::new("bridge/result-modern-to-legacy", TIMES, || result(Modern, Legacy)),
        Benchmark::new("bridge/result-modern-to-modern", TIMES, || result(Modern, Modern)),
        Benchmark::new("bridge/error-of-a-tool", TIMES, || {
            error(r#"{"code":-32602,"message":"limit must be a number"}"#, None, -32602)
        }),
        Benchmark::new("bridge/error-resource-missing", TIMES, || {
            let raw = r#"{"code":-32002,"message":"no such file","data":{"uri":"file:///a"}}"#;
            error(raw, Some("mcp+files:file:///a"), -32602)
        }),
        Benchmark::new("list/read-tool", TIMES / 20, read_page).of_pieces(20),
        Benchmark::new("list/respell-tool", TIMES, respell_tool),
        Benchmark::new("list/tool-for-legacy-clients", TIMES, || {
            let raw = Bytes::from(samples::listed_tool(TOOL));
            assert!(!bridge::tool_downward(&raw).unstructured);
            over_and_over(move || bridge::tool_downward(&raw))
        }),
    ]
}

fn params(text: String, era: Era) -> Params {
    request::decode(&samples::scanned(text), era).expect("the samples are requests").1
}

fn meta_downward() -> Repeat {
    let params = params(samples::modern_call(PREFIXED), Era::Modern);
    let rewrite = move || meta::respell(&params, Some(TOOL), Some(meta::for_legacy(&params, Some(7))));
    let said = rewrite();
    let said = std::str::from_utf8(&said).expect("JSON is text");
    assert!(said.contains("\"progressToken\":7") && !said.contains(meta::VERSION), "{said}");
    assert!(said.contains(&format!("\"name\":\"{TOOL}\"")), "{said}");
    over_and_over(rewrite)
}

fn meta_upward() -> Repeat {
    let params = params(samples::legacy_call(PREFIXED), Era::Legacy);
    let rewrite = move || {
        let facts = Facts {
            revision: Revision::MODERN_LATEST,
            client_info: Some(samples::CLIENT_INFO.as_bytes()),
            capabilities: b"{}",
            log_level: None,
        };
        meta::respell(&params, Some(TOOL), Some(Some(meta::for_modern(&params, &facts, Some(7)))))
    };
    let said = rewrite();
    let said = std::str::from_utf8(&said).expect("JSON is text");
    assert!(said.contains("\"progressToken\":7") && said.contains(meta::VERSION), "{said}");
    over_and_over(rewrite)
}

fn result(server: Era, client: Era) -> Repeat {
    let raw = match server {
        Era::Legacy => samples::legacy_result(107),
        Era::Modern => samples::modern_result(107),
    };
    let caller = match client {
        Era::Legacy => Revision::LEGACY_LATEST,
        Era::Modern => Revision::MODERN_LATEST,
    };
    let reply = Reply { raw: Bytes::from(raw), era: server };
    let operation = Operation::CallTool(TOOL.into());
    let said = bridge::result(&reply, caller, &operation).expect("it can be bridged");
    assert_eq!(said.starts_with(b"{\"resultType\":"), client == Era::Modern);
    over_and_over(move || bridge::result(&reply, caller, &operation))
}

fn error(raw: &str, uri: Option<&'static str>, code: i64) -> Repeat {
    let raw = Bytes::copy_from_slice(raw.as_bytes());
    let error = PeerError { code: bridge::code_of(&raw), raw, era: Era::Legacy };
    assert_eq!(bridge::error(&error, Era::Modern, uri).0, code);
    over_and_over(move || bridge::error(&error, Era::Modern, uri))
}

fn read_page() -> Repeat {
    let tools: Vec<String> = (0..20).map(|n| samples::listed_tool(&format!("{TOOL}_{n:02}"))).collect();
    let raw = Bytes::from(format!("{{\"tools\":[{}]}}", tools.join(",")));
    assert_eq!(list::page(ListKind::Tools, &raw).expect("it is a page").items.len(), 20);
    over_and_over(move || list::page(ListKind::Tools, &raw))
}

fn respell_tool() -> Repeat {
    let raw = Bytes::from(format!("{{\"tools\":[{}]}}", samples::listed_tool(TOOL)));
    let item = list::page(ListKind::Tools, &raw).expect("it is a page").items.remove(0);
    let change = Respelling { key: Some(PREFIXED), origin: Some(("tracker", TOOL)), ..Respelling::default() };
    assert_ne!(item.respell(change), item.raw);
    over_and_over(move || item.respell(change))
}
