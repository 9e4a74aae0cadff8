//! The client: the same bytes over and over, on one connection.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use trunkline_model::Era;
use trunkline_protocol::{Revision, headers, method};

use super::exchange::{Message, read_more, write};
use crate::samples::{self, CLIENT_INFO, PREFIXED, TOOL};

pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    /// The first answer, and where its body begins: all further ones are like it but for the date.
    answer: (Vec<u8>, usize),
    read: Vec<u8>,
}

impl Client {
    /// Connects, opens a session in the legacy era, and makes the first call.
    pub(crate) async fn open(address: SocketAddr, era: Era, prefixed: bool) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("the socket is open");
        let tool = if prefixed { PREFIXED } else { TOOL };
        let mut client = Self { stream, request: Vec::new(), answer: (Vec::new(), 0), read: Vec::new() };
        client.request = match era {
            Era::Modern => {
                let said = [
                    (headers::PROTOCOL_VERSION, Revision::MODERN_LATEST.as_str()),
                    (headers::METHOD, method::CALL_TOOL),
                    (headers::NAME, tool),
                ];
                request(address, &said, &samples::modern_call(tool))
            }
            Era::Legacy => {
                let version = Revision::LEGACY_LATEST.as_str();
                let session = client.begin_session(address, version).await;
                let said = [(headers::PROTOCOL_VERSION, version), (headers::SESSION, session.as_str())];
                request(address, &said, &samples::legacy_call(tool))
            }
        };
        let first = client.request.clone();
        let body = client.exchange(&first).await;
        let text = String::from_utf8_lossy(&client.read);
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("\"content\":[{"), "{text}");
        assert_eq!(text.contains("\"resultType\""), era == Era::Modern, "{text}");
        client.answer = (client.read.clone(), body);
        client
    }

    async fn begin_session(&mut self, address: SocketAddr, version: &str) -> String {
        let hello = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{CLIENT_INFO}}}}}"#
        );
        self.exchange(&request(address, &[], &hello)).await;
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let session = text.lines().find_map(|line| line.strip_prefix(headers::SESSION));
        let session = session.unwrap_or_else(|| panic!("no session: {text}"));
        let session = session.trim_start_matches(':').trim().to_owned();
        let said = [(headers::PROTOCOL_VERSION, version), (headers::SESSION, session.as_str())];
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.exchange(&request(address, &said, ready)).await;
        assert!(self.read.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&self.read));
        session
    }

    /// Sends a request and reads its answer; returns where the answer's body begins.
    async fn exchange(&mut self, request: &[u8]) -> usize {
        self.read.clear();
        write(&self.stream, request);
        loop {
            assert!(read_more(&self.stream, &mut self.read).await, "the connection was closed");
            if let Some(message) = Message::find(&self.read)
                && self.read.len() >= message.end
            {
                return message.body;
            }
        }
    }

    /// One call. The answer must be as long as the first, and have the same body.
    pub(crate) async fn call(&mut self) {
        self.read.clear();
        write(&self.stream, &self.request);
        let (answer, body) = &self.answer;
        while self.read.len() < answer.len() {
            assert!(read_more(&self.stream, &mut self.read).await, "the connection was closed");
        }
        assert!(
            self.read.len() == answer.len() && self.read[*body..] == answer[*body..],
            "the answer differs from the first one: {}",
            String::from_utf8_lossy(&self.read)
        );
    }
}

fn request(address: SocketAddr, said: &[(&str, &str)], body: &str) -> Vec<u8> {
    let said: Vec<String> = said.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let said = said.concat();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\naccept: application/json, text/event-stream\r\ncontent-type: application/json\r\nuser-agent: example-agent/1.4.2\r\n{said}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
