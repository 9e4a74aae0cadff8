//! Headers that mirror arguments, when a tool's schema changes. What a client may get wrong in such headers is in the
//! hostile suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use trunkline_e2e::client::Era;
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{Scripted, introduce, list};

/// A tool whose schema came to want a mirrored argument after its list was read, and that says so (-32020).
#[test]
fn a_tool_that_wants_other_headers_than_before_is_called_again_with_them() {
    let changed = Arc::new(AtomicBool::new(false));
    let server = Scripted::start({
        let changed = Arc::clone(&changed);
        move |seen, to| {
            let mark = if changed.load(Ordering::SeqCst) { r#","x-mcp-header":"Region""# } else { "" };
            let tools = format!(
                r#"[{{"name":"where","inputSchema":{{"type":"object","properties":{{"region":{{"type":"string"{mark}}}}}}}}}]"#
            );
            if introduce(true, seen, to) || list(true, &tools, seen, to) {
                return;
            }
            match seen.field("mcp-param-region") {
                Some(region) => {
                    let result = format!(
                        r#"{{"resultType":"complete","content":[{{"type":"text","text":"{region}"}}]}}"#
                    );
                    to.result(&seen.id(), &result);
                }
                None => {
                    to.error(400, &seen.id(), r#"{"code":-32020,"message":"Mcp-Param-Region is missing"}"#);
                }
            }
        }
    });
    let gateway = Gateway::transparent(server.entry());
    let mut client = gateway.client(Era::Legacy);
    changed.store(true, Ordering::SeqCst);
    let answer = client.call("where", r#"{"region":"eu"}"#).value();
    assert_eq!(answer["content"][0]["text"], "eu", "{answer}");
    assert_eq!(server.seen_of("tools/call").len(), 2, "once without and once with the header");
    let answer = client.call("where", r#"{"region":"us"}"#).value();
    assert_eq!(answer["content"][0]["text"], "us", "{answer}");
}
