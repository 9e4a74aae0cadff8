//! Large results that are kept: a preview, a link, and reading by range, for whoever made the call.

use serde_json::{Value, json};
use trunkline_e2e::client::{Client, ERAS, Era};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::scripted::{self, Scripted};

const TOOLS: &str = r#"[{"name":"big","inputSchema":{"type":"object"}},{"name":"typed","inputSchema":{"type":"object"},"outputSchema":{"type":"object"}}]"#;

/// Text with characters of every length.
fn text(bytes: usize) -> String {
    let mut out = String::new();
    while out.len() < bytes {
        let line = format!("{} aé漢😀\n", out.len());
        out.push_str(&line);
    }
    out
}

/// A server whose tools give 300 KB of text, a picture, and structured content.
fn server(modern: bool) -> Scripted {
    Scripted::start(move |seen, to| {
        if scripted::introduce(modern, seen, to) || scripted::list(modern, TOOLS, seen, to) {
            return;
        }
        if seen.method() != "tools/call" {
            return to.error(200, &seen.id(), r#"{"code":-32002,"message":"no"}"#);
        }
        let mut result = json!({
            "content": [
                { "type": "text", "text": text(300_000) },
                { "type": "image", "data": "eA==", "mimeType": "image/png" },
            ],
            "structuredContent": { "lines": [1, 2, 3] },
        });
        if modern {
            result["resultType"] = json!("complete");
        }
        to.result(&seen.id(), &result.to_string());
    })
}

fn gateway(modern: bool, results: &Value) -> (Gateway, Scripted) {
    let server = server(modern);
    let document = json!({ "mcpServers": { "s": server.entry() }, "results": results });
    (Gateway::with(document), server)
}

fn read(client: &mut Client, uri: &str) -> Result<Value, i64> {
    let reply = client.request("resources/read", &json!({ "uri": uri }).to_string());
    reply.code().map_or_else(|| Ok(reply.value()), Err)
}

fn link(value: &Value) -> Option<&str> {
    let blocks = value["content"].as_array().expect("content");
    blocks.iter().find(|block| block["type"] == "resource_link").and_then(|block| block["uri"].as_str())
}

#[test]
fn a_large_result_is_shortened_and_can_be_read_by_range() {
    for back in [false, true] {
        let (gateway, _server) = gateway(back, &json!({ "keepAbove": "64KiB", "previewBytes": "1KiB" }));
        for era in ERAS {
            let mut client = gateway.client(era);
            let value = client.call("s__big", "{}").value();
            let shown = value["content"][0]["text"].as_str().expect("text");
            let all = text(300_000);
            assert!(all.starts_with(shown) && shown.len() <= 1024 && shown.len() > 1020, "{}", shown.len());
            let said = value["content"][1]["text"].as_str().expect("words");
            let uri = link(&value).expect("a link").to_owned();
            assert!(said.contains(&uri) && said.contains("resources/read"), "{said}");
            assert!(value["content"].as_array().unwrap().iter().any(|block| block["type"] == "image"));
            assert!(value.get("structuredContent").is_none(), "{value:.300}");

            let whole = read(&mut client, &uri).expect("it is kept");
            assert_eq!(whole["contents"][0]["text"].as_str(), Some(all.as_str()));
            assert_eq!(whole["contents"][0]["uri"], json!(uri));
            // Parts by counting, and by what each says comes next.
            let (mut counted, mut at) = (String::new(), 0);
            while at < all.len() {
                let part = read(&mut client, &format!("{uri}?offset={at}&length=65536")).expect("a part");
                assert_eq!(part["_meta"]["io.trunkline/part"]["total"], json!(all.len()));
                counted.push_str(part["contents"][0]["text"].as_str().expect("text"));
                at += 65536;
            }
            assert!(counted == all);
            let structured = read(&mut client, &format!("{uri}/structured")).expect("it is kept");
            assert_eq!(structured["contents"][0]["text"], r#"{"lines":[1,2,3]}"#);
            assert_eq!(read(&mut client, &format!("{uri}?offset=999999999")), Err(-32602));
            assert_eq!(read(&mut client, &format!("{uri}?page=2")), Err(-32602));
        }
    }
}

#[test]
fn nobody_else_reads_it_and_unknown_ones_are_like_any_unknown_resource() {
    let (gateway, _server) = gateway(false, &json!({ "keepAbove": "64KiB", "keepFor": "2s" }));
    let mut client = gateway.client(Era::Legacy);
    let uri = link(&client.call("s__big", "{}").value()).expect("a link").to_owned();
    assert!(read(&mut client, &uri).is_ok());
    for era in ERAS {
        let mut other = gateway.client(era);
        let foreign = other.request("resources/read", &json!({ "uri": uri }).to_string());
        let unknown = "trunkline://results/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let unknown_reply = other.request("resources/read", &json!({ "uri": unknown }).to_string());
        let told = |raw: &Value, uri: &str| raw.to_string().replace(uri, "");
        assert_eq!(told(&foreign.error(), &uri), told(&unknown_reply.error(), unknown));
    }
    trunkline_e2e::wait::until(trunkline_e2e::wait::LONG, "the end of its time", || {
        (read(&mut client, &uri) == Err(-32002)).then_some(())
    });
}

#[test]
fn results_of_tools_with_an_output_schema_stay_whole() {
    for era in ERAS {
        let (gateway, _server) = gateway(era == Era::Modern, &json!({ "keepAbove": "64KiB" }));
        let value = gateway.client(era).call("s__typed", "{}").value();
        assert_eq!(value["content"][0]["text"].as_str().map(str::len), Some(text(300_000).len()));
        assert_eq!(value["structuredContent"]["lines"], json!([1, 2, 3]));
    }
}

#[test]
fn a_client_without_links_gets_the_link_as_text() {
    let (gateway, _server) = gateway(true, &json!({ "keepAbove": "64KiB" }));
    let mut client = gateway.client(Era::Legacy);
    client.initialize("2025-03-26");
    let value = client.call("s__big", "{}").value();
    assert_eq!(link(&value), None);
    let said = value["content"][2]["text"].as_str().expect("text");
    let uri = said.split(": ").last().expect("a URI");
    assert!(read(&mut client, uri).is_ok(), "{said}");
}

#[test]
fn keeping_is_off_unless_it_is_wanted_and_can_be_off_for_one_server() {
    let server = server(false);
    let mut entry = server.entry();
    entry["results"] = json!({ "keepAbove": "off" });
    for document in [
        json!({ "mcpServers": { "s": server.entry() } }),
        json!({ "mcpServers": { "s": entry }, "results": { "keepAbove": "64KiB" } }),
    ] {
        let gateway = Gateway::with(document);
        let value = gateway.client(Era::Legacy).call("s__big", "{}").value();
        assert_eq!(value["content"][0]["text"].as_str().map(str::len), Some(text(300_000).len()));
    }
}
