//! An upstream that answers whatever a test wants, byte by byte, over HTTP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{LEGACY, MODERN};
use crate::json;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `POST`, `GET`, ...
    pub verb: String,
    /// The path.
    pub path: String,
    /// The fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The body, raw.
    pub body: String,
}

impl Seen {
    /// The method of the message in the body.
    pub fn method(&self) -> String {
        let text = |raw: String| serde_json::from_str::<String>(&raw).ok();
        self.parsed().and_then(|()| json::member(&self.body, "method")).and_then(text).unwrap_or_default()
    }

    /// The raw id of the message.
    pub fn id(&self) -> String {
        self.parsed().and_then(|()| json::member(&self.body, "id")).unwrap_or_else(|| "null".to_owned())
    }

    /// The raw params of the message.
    pub fn params(&self) -> String {
        self.parsed().and_then(|()| json::member(&self.body, "params")).unwrap_or_else(|| "{}".to_owned())
    }

    /// The first field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn parsed(&self) -> Option<()> {
        self.body.starts_with('{').then_some(())
    }
}

/// Where the answer is written.
#[derive(Debug)]
pub struct Responder {
    stream: TcpStream,
    stopped: Arc<AtomicBool>,
}

impl Responder {
    /// A whole answer.
    pub fn send(&mut self, status: u16, fields: &[(&str, &str)], body: &str) {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        self.raw(format!("{head}\r\n{body}").as_bytes());
    }

    /// A JSON answer.
    pub fn json(&mut self, status: u16, body: &str) {
        self.send(status, &[("Content-Type", "application/json")], body);
    }

    /// An answer to the request with this id.
    pub fn result(&mut self, id: &str, result: &str) {
        self.json(200, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
    }

    /// An error in answer to the request with this id.
    pub fn error(&mut self, status: u16, id: &str, error: &str) {
        self.json(status, &format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#));
    }

    /// An event stream with these messages, then its end.
    pub fn events(&mut self, messages: &[String]) {
        let body: String =
            messages.iter().flat_map(|message| ["event: message\ndata: ", message, "\n\n"]).collect();
        self.send(200, &[("Content-Type", "text/event-stream")], &body);
    }

    /// Bytes as they are. A peer that has gone is no concern of ours.
    pub fn raw(&mut self, bytes: &[u8]) {
        let _ = self.try_raw(bytes);
    }

    /// Bytes as they are; `false` when the peer has gone.
    pub fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Says nothing until the peer closes or the test ends.
    pub fn hang(&mut self) {
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(100)));
        let mut scratch = [0; 512];
        while !self.stopped.load(Ordering::Relaxed) {
            match self.stream.read(&mut scratch) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(_) => break,
            }
        }
        self.close();
    }

    /// Closes the connection.
    pub fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A listening upstream.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stopped: Arc<AtomicBool>,
}

impl Scripted {
    /// Listens, and lets `answer` answer each request.
    ///
    /// # Panics
    /// When there is no port left.
    pub fn start(answer: impl Fn(&Seen, &mut Responder) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (seen, stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let upstream = Self { address, seen: Arc::clone(&seen), stopped: Arc::clone(&stopped) };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (answer, seen, stopped) = (Arc::clone(&answer), Arc::clone(&seen), Arc::clone(&stopped));
                std::thread::spawn(move || {
                    let _ = converse(stream, &*answer, &seen, &stopped);
                });
            }
        });
        upstream
    }

    /// As an entry of `mcpServers`.
    pub fn entry(&self) -> Value {
        json!({ "url": self.url() })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests of one method, so far.
    pub fn seen_of(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method() == method).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, so that its thread ends and the port is closed.
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(
    mut stream: TcpStream,
    answer: &dyn Fn(&Seen, &mut Responder),
    log: &Mutex<Vec<Seen>>,
    stopped: &Arc<AtomicBool>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            fill(&mut stream, &mut buffer)?;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (verb, path) =
            (first.next().unwrap_or_default().to_owned(), first.next().unwrap_or_default().to_owned());
        let fields: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let field =
            |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        let mut body = Vec::new();
        if field("transfer-encoding").is_some() {
            loop {
                let size = chunk_size(&mut stream, &mut buffer)?;
                take(&mut stream, &mut buffer, size, &mut body)?;
                take(&mut stream, &mut buffer, 2, &mut Vec::new())?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = field("content-length").and_then(|length| length.parse().ok()) {
            take(&mut stream, &mut buffer, length, &mut body)?;
        }
        let seen = Seen { verb, path, fields, body: String::from_utf8_lossy(&body).into_owned() };
        log.lock().unwrap_or_else(PoisonError::into_inner).push(seen.clone());
        let mut responder = Responder { stream: stream.try_clone()?, stopped: Arc::clone(stopped) };
        answer(&seen, &mut responder);
    }
}

fn chunk_size(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        if let Some(at) = buffer.windows(2).position(|window| window == b"\r\n") {
            let line: Vec<u8> = buffer.drain(..at + 2).collect();
            let text = String::from_utf8_lossy(&line).into_owned();
            return usize::from_str_radix(text.trim(), 16).map_err(|_| io::ErrorKind::InvalidData.into());
        }
        fill(stream, buffer)?;
    }
}

fn take(stream: &mut TcpStream, buffer: &mut Vec<u8>, length: usize, into: &mut Vec<u8>) -> io::Result<()> {
    while buffer.len() < length {
        fill(stream, buffer)?;
    }
    into.extend(buffer.drain(..length));
    Ok(())
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut scratch = [0; 16 * 1024];
    match stream.read(&mut scratch)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            buffer.extend_from_slice(&scratch[..length]);
            Ok(())
        }
    }
}

/// Capabilities with everything that the gateway asks for.
pub const CAPABILITIES: &str =
    r#"{"tools":{"listChanged":true},"prompts":{},"resources":{},"completions":{},"logging":{}}"#;

/// Answers the introduction and what belongs to it in one era; `false` when the request is something else.
pub fn introduce(modern: bool, seen: &Seen, to: &mut Responder) -> bool {
    let id = seen.id();
    let info = r#"{"name":"scripted","version":"1"}"#;
    match (seen.verb.as_str(), seen.method().as_str()) {
        ("GET" | "DELETE", _) => to.send(405, &[], ""),
        ("POST", "server/discover") if modern => to.result(
            &id,
            &format!(
                r#"{{"resultType":"complete","supportedVersions":["{MODERN}"],"capabilities":{CAPABILITIES},"ttlMs":60000,"cacheScope":"private","_meta":{{"io.modelcontextprotocol/serverInfo":{info}}}}}"#
            ),
        ),
        ("POST", "subscriptions/listen") if modern => {
            // Acknowledged, then silent.
            let filter = json::member(&seen.params(), "notifications").unwrap_or_else(|| "{}".to_owned());
            let note = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{filter}}}}}"#
            );
            let event = format!("event: message\ndata: {note}\n\n");
            to.raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
            to.raw(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
            to.hang();
        }
        ("POST", "initialize") if modern => to.error(
            400,
            &id,
            &format!(r#"{{"code":-32022,"message":"modern only","data":{{"supported":["{MODERN}"],"requested":"{LEGACY}"}}}}"#),
        ),
        ("POST", "initialize") => to.send(
            200,
            &[("Content-Type", "application/json"), ("Mcp-Session-Id", "scripted-session")],
            &format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{LEGACY}","capabilities":{CAPABILITIES},"serverInfo":{info}}}}}"#
            ),
        ),
        ("POST", method) if method.starts_with("notifications/") => to.send(202, &[], ""),
        ("POST", "ping" | "logging/setLevel") if !modern => to.result(&id, "{}"),
        ("POST", "server/discover") => to.json(400, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}"#),
        _ => return false,
    }
    true
}

/// Answers the lists with these tools (raw) and nothing else; `false` when the request is something else.
pub fn list(modern: bool, tools: &str, seen: &Seen, to: &mut Responder) -> bool {
    let extra = if modern { r#","resultType":"complete","ttlMs":60000,"cacheScope":"private""# } else { "" };
    let result = match seen.method().as_str() {
        "tools/list" => format!(r#"{{"tools":{tools}{extra}}}"#),
        "prompts/list" => format!(r#"{{"prompts":[]{extra}}}"#),
        "resources/list" => format!(r#"{{"resources":[]{extra}}}"#),
        "resources/templates/list" => format!(r#"{{"resourceTemplates":[]{extra}}}"#),
        _ => return false,
    };
    to.result(&seen.id(), &result);
    true
}
