//! The server: fixed answers, into which only the id of the request is put.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use trunkline_model::Era;
use trunkline_protocol::{Revision, method};

use super::exchange::{Message, read_more, write};
use crate::samples::{self, TOOL};

/// Starts a server of one era.
pub(crate) async fn start(era: Era) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("the socket is open");
            tokio::spawn(serve(stream, era));
        }
    });
    address
}

async fn serve(stream: TcpStream, era: Era) {
    let call_result = match era {
        Era::Legacy => samples::legacy_result(107),
        Era::Modern => samples::modern_result(107),
    };
    let (mut read, mut answer) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    while read_more(&stream, &mut read).await {
        let Some(message) = Message::find(&read).filter(|message| read.len() >= message.end) else {
            continue;
        };
        answer.clear();
        let request = Request::find(&read[message.body..message.end]);
        if let Some(Request { id, method }) = request
            && method == method::CALL_TOOL.as_bytes()
        {
            succeed(&mut answer, id, &call_result, STAY);
            read.drain(..message.end);
            write(&stream, &answer);
            continue;
        }
        match request {
            // The gateway wants to hear of changes; there are none.
            Some(Request { method, .. }) if method == method::LISTEN.as_bytes() => {
                read.drain(..message.end);
                continue;
            }
            Some(Request { id, method }) => match introduction(method, era) {
                Some(result) => succeed(&mut answer, id, &result, CLOSE),
                None => refuse(&mut answer, id),
            },
            None if read.starts_with(b"POST") => empty(&mut answer, "202 Accepted"),
            // The stream of a legacy session.
            None => empty(&mut answer, "405 Method Not Allowed"),
        }
        return write(&stream, &answer);
    }
}

/// What the head of an answer says of its connection.
const STAY: &str = "";
/// For all but calls. How many connections the start leaves behind depends on how slow it was, and what a call costs depends
/// on how many are idle.
const CLOSE: &str = "connection: close\r\n";

/// What is read of a request. The gateway and this harness's client alike begin with version, id and method.
#[derive(Clone, Copy)]
struct Request<'a> {
    id: &'a [u8],
    method: &'a [u8],
}

impl<'a> Request<'a> {
    fn find(body: &'a [u8]) -> Option<Self> {
        let rest = body.strip_prefix(br#"{"jsonrpc":"2.0","id":"#)?;
        let (id, rest) = rest.split_at(rest.iter().position(|byte| *byte == b',')?);
        let rest = rest.strip_prefix(br#","method":""#)?;
        Some(Self { id, method: &rest[..rest.iter().position(|byte| *byte == b'"')?] })
    }
}

fn introduction(asked: &[u8], era: Era) -> Option<String> {
    let asked = std::str::from_utf8(asked).ok()?;
    let about = r#""capabilities":{"tools":{}},"serverInfo":{"name":"tracker","version":"2.0"}"#;
    match (asked, era) {
        (method::DISCOVER, Era::Modern) => {
            let version = Revision::MODERN_LATEST.as_str();
            Some(format!(r#"{{"resultType":"complete","supportedVersions":["{version}"],{about}}}"#))
        }
        (method::INITIALIZE, Era::Legacy) => {
            let version = Revision::LEGACY_LATEST.as_str();
            Some(format!(r#"{{"protocolVersion":"{version}",{about}}}"#))
        }
        (method::LIST_TOOLS, _) => {
            let kind = if era == Era::Modern { r#""resultType":"complete","# } else { "" };
            Some(format!(r#"{{{kind}"tools":[{}]}}"#, samples::listed_tool(TOOL)))
        }
        _ => None,
    }
}

fn succeed(answer: &mut Vec<u8>, id: &[u8], result: &str, connection: &str) {
    let parts = [br#"{"jsonrpc":"2.0","id":"#.as_slice(), id, br#","result":"#, result.as_bytes(), b"}"];
    json(answer, "200 OK", connection, &parts);
}

fn refuse(answer: &mut Vec<u8>, id: &[u8]) {
    let error = br#","error":{"code":-32601,"message":"no such method"}}"#;
    json(answer, "404 Not Found", CLOSE, &[br#"{"jsonrpc":"2.0","id":"#, id, error]);
}

fn json(answer: &mut Vec<u8>, status: &str, connection: &str, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    for text in ["HTTP/1.1 ", status, "\r\n", connection] {
        answer.extend_from_slice(text.as_bytes());
    }
    answer.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
    answer.extend_from_slice(length.to_string().as_bytes());
    answer.extend_from_slice(b"\r\n\r\n");
    for part in parts {
        answer.extend_from_slice(part);
    }
}

fn empty(answer: &mut Vec<u8>, status: &str) {
    answer.extend(format!("HTTP/1.1 {status}\r\n{CLOSE}content-length: 0\r\n\r\n").as_bytes());
}
