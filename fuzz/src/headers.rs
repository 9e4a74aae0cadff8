//! Headers: who is let in, and whether they say what the body says.

use std::borrow::Cow;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use trunkline_protocol::{Shape, headers, scan};
use trunkline_transport::front::http::fuzzing::{Door, is_json};

/// Lines of `name: value` or a target, then a blank line, then a body.
pub fn check(data: &[u8]) {
    let split = data.windows(2).position(|window| window == b"\n\n");
    let (head, body) = split.map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    every_text_survives(head);
    let (mut map, mut target) = (HeaderMap::new(), Uri::from_static("/mcp"));
    for line in head.split(|byte| *byte == b'\n').take(50) {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        match (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            (Ok(name), Ok(value)) if at < line.len() => drop(map.append(name, value)),
            _ => target = Uri::try_from(line).unwrap_or(target),
        }
    }
    the_door_is_shut(&target, &map);
    json_is_json(&map);
    headers_say_what_the_body_says(&map, body);
}

/// A text that becomes a header is the same text again, and a value that decodes is told in one way only.
fn every_text_survives(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let value = headers::encode(text);
        assert!(value.bytes().all(|byte| matches!(byte, 0x20..=0x7e)), "{value}");
        assert_eq!(headers::decode(value.as_bytes()), Some(Cow::Borrowed(text)));
    }
    if let Some(text) = headers::decode(bytes) {
        let again = headers::encode(&text);
        assert_eq!(headers::decode(again.as_bytes()), Some(text));
    }
}

/// A host or origin that is let in is one of those on a list, spelled out.
fn the_door_is_shut(target: &Uri, map: &HeaderMap) {
    let address = SocketAddr::from(([127, 0, 0, 1], 8808));
    let door = Door::new(address, &["gw.example".to_owned()], &["https://app.example".to_owned()]);
    if !door.admits(target, map) {
        return;
    }
    let only = |name: &str| {
        let mut all = map.get_all(name).iter();
        let one = all.next().map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
        assert!(all.next().is_none(), "{name} is given twice");
        one
    };
    let loopback = ["localhost", "127.0.0.1", "[::1]"];
    let host = only("host").expect("a host");
    let mut names = loopback.iter().chain(&["gw.example"]);
    assert!(names.any(|name| is_name_and_port(&host, name)) || is_loopback_v6(&host), "host {host}");
    if let Some(authority) = target.authority() {
        assert!(authority.as_str().eq_ignore_ascii_case(&host), "{authority} but {host}");
    }
    if let Some(origin) = only("origin") {
        let rest =
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).expect("a scheme");
        let own = loopback.iter().any(|name| is_name_and_port(rest, name)) || is_loopback_v6(rest);
        assert!(own || origin == "https://app.example", "origin {origin}");
    }
}

fn is_name_and_port(text: &str, name: &str) -> bool {
    let Some(rest) = text.strip_prefix(name) else { return false };
    rest.strip_prefix(':').map_or(rest.is_empty(), |port| port.parse::<u16>().is_ok())
}

/// Other spellings of ::1.
fn is_loopback_v6(text: &str) -> bool {
    let inside = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inside.is_some_and(|(address, rest)| {
        address.parse() == Ok(std::net::Ipv6Addr::LOCALHOST)
            && rest.strip_prefix(':').map_or(rest.is_empty(), |port| port.parse::<u16>().is_ok())
    })
}

fn json_is_json(map: &HeaderMap) {
    if !is_json(map) {
        return;
    }
    let all: Vec<&HeaderValue> = map.get_all("content-type").iter().collect();
    let [one] = all.as_slice() else { panic!("{} content types", all.len()) };
    let value = String::from_utf8_lossy(one.as_bytes()).to_ascii_lowercase();
    let (essence, parameters) = value.split_once(';').unwrap_or((&value, ""));
    assert_eq!(essence.trim(), "application/json");
    for parameter in parameters.split(';') {
        if let Some((name, charset)) = parameter.split_once('=')
            && name.trim() == "charset"
        {
            assert!(charset.contains("utf-8") || charset.contains("utf8"), "{value}");
        }
    }
}

/// What is accepted has each header once, and its text is the body's.
fn headers_say_what_the_body_says(map: &HeaderMap, body: &[u8]) {
    let Ok(message) = scan(Bytes::copy_from_slice(body)) else { return };
    let all = |name| map.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    let (version, method, name) = (all(headers::PROTOCOL_VERSION), all(headers::METHOD), all(headers::NAME));
    if message.shape != Shape::Request || headers::check(&message, &version, &method, &name).is_err() {
        return;
    }
    let whole: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let says = |values: &[&[u8]], expected: &str| {
        let [one] = values else { panic!("{} values", values.len()) };
        assert_eq!(headers::decode(one).as_deref(), Some(expected));
    };
    if whole.is_null() {
        return;
    }
    says(&method, whole["method"].as_str().expect("a method"));
    let params = &whole["params"];
    if let Some(expected) = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str() {
        says(&version, expected);
    }
    let key = match whole["method"].as_str().unwrap_or_default() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return,
    };
    if let Some(expected) = params[key].as_str() {
        says(&name, expected);
    }
}
