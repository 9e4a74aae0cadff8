//! Nothing is lost, reordered or reformatted: every object of every message carries keys and numbers that no parser
//! keeps by accident.

use serde_json::Value;
use trunkline_e2e::client::{Client, ERAS, Era, modern_meta};
use trunkline_e2e::gateway::Gateway;
use trunkline_e2e::json::{at, essence, items, member, members};
use trunkline_e2e::scripted::{self, Responder, Scripted, Seen};

/// Members that go into every object. No parser that keeps numbers as numbers brings them through.
const ODD: &str = r#""zz-unknown":{"deep":[1.10,{"k" : null}],"k2":"\u00e9\/"},"huge":123456789012345678901234567890123456,"long":0.1000000000000000055511151231257827021181583404541015625,"exp":1E+400,"neg":-0,"aa":[ ]"#;

/// An object with members and the odd ones.
fn odd(members: &str) -> String {
    if members.is_empty() { format!("{{{ODD}}}") } else { format!("{{{members},{ODD}}}") }
}

/// A result of the scripted upstream: with what its era demands.
fn result(modern: bool, members: &str) -> String {
    let era = if modern { r#""resultType":"complete","ttlMs":60000,"cacheScope":"private","# } else { "" };
    format!("{{{era}{members},{ODD}}}")
}

fn content() -> String {
    let annotations = odd(r#""priority":0.50"#);
    odd(&format!(
        r#""type":"text","text":"a\u0041\ud83d\ude00","annotations":{annotations},"_meta":{}"#,
        odd("")
    ))
}

fn tool() -> String {
    let schema = odd(
        r#""type":"object","properties":{"n":{"type":"integer","maximum":999999999999999999999999999999}}"#,
    );
    odd(&format!(
        r#""name":"odd","inputSchema":{schema},"annotations":{},"icons":[{}]"#,
        odd(r#""title":"T""#),
        odd(r#""src":"data:,""#)
    ))
}

fn prompt() -> String {
    odd(&format!(r#""name":"ask","arguments":[{}]"#, odd(r#""name":"who""#)))
}

fn resource() -> String {
    odd(r#""uri":"odd://one","name":"one","size":18446744073709551616"#)
}

fn template() -> String {
    odd(r#""uriTemplate":"odd://many/{id}","name":"many""#)
}

/// What it answers to everything that is not the introduction.
fn answer(modern: bool, seen: &Seen, to: &mut Responder) {
    if scripted::introduce(modern, seen, to) {
        return;
    }
    let id = seen.id();
    match seen.method().as_str() {
        "tools/list" => to.result(&id, &result(modern, &format!(r#""tools":[{}]"#, tool()))),
        "prompts/list" => to.result(&id, &result(modern, &format!(r#""prompts":[{}]"#, prompt()))),
        "resources/list" => to.result(&id, &result(modern, &format!(r#""resources":[{}]"#, resource()))),
        "resources/templates/list" => {
            to.result(&id, &result(modern, &format!(r#""resourceTemplates":[{}]"#, template())));
        }
        "tools/call" => call(modern, seen, to),
        "prompts/get" => {
            let message = odd(&format!(r#""role":"user","content":{}"#, content()));
            to.result(&id, &result(modern, &format!(r#""messages":[{message}]"#)));
        }
        "resources/read" => {
            let contents = odd(r#""uri":"odd://one","text":"x""#);
            to.result(&id, &result(modern, &format!(r#""contents":[{contents}]"#)));
        }
        "completion/complete" => {
            to.result(&id, &result(modern, &format!(r#""completion":{}"#, odd(r#""values":["v"]"#))));
        }
        _ => to.error(404, &id, r#"{"code":-32601,"message":"no"}"#),
    }
}

fn call(modern: bool, seen: &Seen, to: &mut Responder) {
    let (id, params) = (seen.id(), seen.params());
    let arguments = member(&params, "arguments").unwrap_or_default();
    if arguments.contains("\"fail\"") {
        return to.error(
            200,
            &id,
            &odd(&format!(r#""code":-31999,"message":"odd failure","data":{}"#, odd(""))),
        );
    }
    // The call's own token, which is not the client's.
    let token = at(&params, &["_meta", "progressToken"]);
    let mut messages = Vec::new();
    if let Some(token) = token {
        let progress = odd(&format!(r#""progressToken":{token},"progress":0.10,"total":1.000"#));
        messages
            .push(format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{progress}}}"#));
    }
    let structured = odd(&format!(r#""echo":{arguments}"#));
    let result = result(
        modern,
        &format!(r#""content":[{}],"structuredContent":{structured},"_meta":{}"#, content(), odd("")),
    );
    messages.push(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    to.events(&messages);
}

/// The params of the last request of a method that the upstream saw.
fn last(upstream: &Scripted, method: &str) -> String {
    upstream.seen_of(method).pop().unwrap_or_else(|| panic!("{method} did not arrive")).params()
}

fn without<'a>(members: &'a [(String, String)], left_out: &[&str]) -> Vec<&'a (String, String)> {
    members.iter().filter(|(key, _)| !left_out.contains(&key.as_str())).collect()
}

/// Calls `check` for each of the four cells.
fn in_all_cells(check: impl Fn(&Scripted, &mut Client, bool)) {
    for modern in [false, true] {
        let upstream = Scripted::start(move |seen, to| answer(modern, seen, to));
        let gateway = Gateway::transparent(upstream.entry());
        for era in ERAS {
            check(&upstream, &mut gateway.client(era), modern);
        }
    }
}

/// The odd `_meta` of a request and what else goes into it.
fn request_meta(client: &mut Client, more: &str) -> String {
    let mine = format!(r#"{more}"example.org/mine":{}"#, odd(""));
    if client.era == Era::Modern {
        client.meta = mine;
        return String::new();
    }
    format!(r#""_meta":{{{mine}}},"#)
}

#[test]
fn what_a_client_sends_reaches_the_server_as_it_was_written() {
    in_all_cells(|upstream, client, back| {
        let cell = format!("{:?} -> modern={back}", client.era);
        let meta = request_meta(client, "");
        let arguments =
            odd(r#""nested":{"n":9007199254740993,"s":"\ud83d\ude00 / \/ \t"},"list":[1.0,1e1,[]]"#);
        for (method, params) in [
            ("tools/call", format!(r#"{{{meta}"name":"odd","arguments":{arguments},{ODD}}}"#)),
            ("prompts/get", format!(r#"{{{meta}"name":"ask","arguments":{{"who":"\u00e9\/"}},{ODD}}}"#)),
            ("resources/read", format!(r#"{{{meta}"uri":"odd://one",{ODD}}}"#)),
            (
                "completion/complete",
                format!(
                    r#"{{{meta}"ref":{},"argument":{},{ODD}}}"#,
                    odd(r#""type":"ref/prompt","name":"ask""#),
                    odd(r#""name":"who","value":"v""#)
                ),
            ),
        ] {
            client.request(method, &params).result();
            let arrived = members(&last(upstream, method));
            let sent = members(&params);
            assert_eq!(without(&sent, &["_meta"]), without(&arrived, &["_meta"]), "{cell} {method}");
            let meta = arrived.iter().find(|(key, _)| key == "_meta").map(|(_, raw)| raw.clone());
            let mine = meta.and_then(|meta| member(&meta, "example.org/mine"));
            assert_eq!(mine.as_deref(), Some(odd("").as_str()), "{cell} {method}: our own _meta");
        }
    });
}

#[test]
fn what_a_server_answers_reaches_the_client_as_it_was_written() {
    in_all_cells(|_, client, back| {
        let cell = format!("{:?} -> modern={back}", client.era);
        let echo = odd(r#""n":1.0"#);
        let structured = odd(&format!(r#""echo":{echo}"#));
        for (method, params, expected) in [
            (
                "tools/call",
                format!(r#"{{"name":"odd","arguments":{echo}}}"#),
                format!(
                    r#"{{"content":[{}],"structuredContent":{structured},"_meta":{},{ODD}}}"#,
                    content(),
                    odd("")
                ),
            ),
            (
                "prompts/get",
                r#"{"name":"ask"}"#.to_owned(),
                format!(
                    r#"{{"messages":[{}],{ODD}}}"#,
                    odd(&format!(r#""role":"user","content":{}"#, content()))
                ),
            ),
            (
                "resources/read",
                r#"{"uri":"odd://one"}"#.to_owned(),
                format!(r#"{{"contents":[{}],{ODD}}}"#, odd(r#""uri":"odd://one","text":"x""#)),
            ),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"ask"},"argument":{"name":"who","value":""}}"#
                    .to_owned(),
                format!(r#"{{"completion":{},{ODD}}}"#, odd(r#""values":["v"]"#)),
            ),
        ] {
            let reply = client.request(method, &params);
            assert_eq!(essence(&expected), essence(&reply.result()), "{cell} {method}");
            // What an era demands is there, whatever the server's own era.
            if client.era == Era::Modern {
                assert_eq!(
                    member(&reply.result(), "resultType").as_deref(),
                    Some("\"complete\""),
                    "{cell} {method}"
                );
            }
        }
    });
}

#[test]
fn list_items_reach_the_client_as_they_were_written() {
    in_all_cells(|_, client, back| {
        let cell = format!("{:?} -> modern={back}", client.era);
        for (method, key, expected) in [
            ("tools/list", "tools", tool()),
            ("prompts/list", "prompts", prompt()),
            ("resources/list", "resources", resource()),
            ("resources/templates/list", "resourceTemplates", template()),
        ] {
            let found = items(&at(&client.request(method, "{}").raw, &["result", key]).expect("a list"));
            let mine: Vec<&String> =
                found.iter().filter(|item| !item.contains("trunkline://status")).collect();
            assert_eq!(mine, [&expected], "{cell} {method}");
        }
    });
}

#[test]
fn a_name_is_changed_and_nothing_else_when_servers_are_joined() {
    let upstream = Scripted::start(|seen, to| answer(true, seen, to));
    let gateway = Gateway::start(&serde_json::json!({ "one": upstream.entry() }));
    for era in ERAS {
        let mut client = gateway.client(era);
        let found = client.list("tools/list", "tools");
        let (shown, own) = (members(&found[0]), members(&tool()));
        assert_eq!(without(&shown, &["name", "_meta"]), without(&own, &["name", "_meta"]));
        let arguments = odd("");
        client
            .request("tools/call", &format!(r#"{{{ODD},"name":"one__odd","arguments":{arguments}}}"#))
            .result();
        let arrived = last(&upstream, "tools/call");
        assert_eq!(member(&arrived, "name").as_deref(), Some("\"odd\""));
        assert_eq!(member(&arrived, "arguments"), Some(arguments));
        assert_eq!(member(&arrived, "huge").as_deref(), Some("123456789012345678901234567890123456"));
    }
}

#[test]
fn errors_and_progress_keep_what_the_server_put_into_them() {
    in_all_cells(|_, client, back| {
        let cell = format!("{:?} -> modern={back}", client.era);
        let meta = request_meta(client, r#""progressToken":9007199254740991,"#);
        let reply = client.request("tools/call", &format!(r#"{{{meta}"name":"odd","arguments":{{}}}}"#));
        let note = reply.notes.iter().find(|note| note.contains("notifications/progress"));
        let note = note.unwrap_or_else(|| panic!("{cell}: no progress: {reply:?}"));
        let params = members(&member(note, "params").expect("it has some"));
        let expected = members(&odd(r#""progressToken":9007199254740991,"progress":0.10,"total":1.000"#));
        assert_eq!(without(&expected, &[]), without(&params, &[]), "{cell}");

        let reply = client.call("odd", r#"{"fail":true}"#);
        let error = member(&reply.raw, "error").unwrap_or_else(|| panic!("{cell}: no error: {}", reply.raw));
        assert_eq!(member(&error, "code").as_deref(), Some("-31999"), "{cell}");
        assert_eq!(member(&error, "data"), Some(odd("")), "{cell}");
        assert_eq!(member(&error, "huge").as_deref(), Some("123456789012345678901234567890123456"), "{cell}");
    });
}

#[test]
fn ids_come_back_with_their_value_and_type() {
    let upstream = Scripted::start(|seen, to| answer(true, seen, to));
    let gateway = Gateway::transparent(upstream.entry());
    for era in ERAS {
        let mut client = gateway.client(era);
        for id in [
            "0",
            "-1",
            "9007199254740991",
            "18446744073709551616",
            "\"1\"",
            "\"\"",
            "\"äöü \\u0041\"",
            "\"a\\/b\"",
        ] {
            let meta =
                if era == Era::Modern { format!(r#""_meta":{},"#, modern_meta("")) } else { String::new() };
            let params = format!(r#"{{{meta}"name":"odd","arguments":{{}}}}"#);
            let body = format!(r#"{{"params":{params},"id":{id},"method":"tools/call","jsonrpc":"2.0"}}"#);
            client.post(&body, "tools/call", &params).expect("it reads");
            let reply = client.finish().expect("it answers");
            let came: Value = trunkline_e2e::json::parse(&member(&reply.raw, "id").unwrap_or_default());
            assert_eq!(came, trunkline_e2e::json::parse(id), "{era:?}: {}", reply.raw);
        }
    }
}
