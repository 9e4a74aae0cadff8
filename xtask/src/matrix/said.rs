//! From bytes that were overheard to messages: lines, HTTP exchanges with JSON or event streams, WebSocket frames.

use serde_json::Value;

use super::tap::Heard;

/// One message, with what is needed to understand it.
pub(crate) struct Said {
    /// By the one who was connected to, rather than by the one who connected.
    pub(crate) by_server: bool,
    /// Messages with the same thread belong to one conversation: a session, a socket, a pipe.
    pub(crate) thread: String,
    /// The HTTP exchange it belongs to; 0 on pipes and sockets.
    pub(crate) exchange: usize,
    pub(crate) message: Value,
}

/// Messages of pipes, one for each process.
pub(crate) fn of_lines(pipes: &[Heard]) -> Vec<Said> {
    let mut all = Vec::new();
    for (number, heard) in pipes.iter().enumerate() {
        for (bytes, by_server) in [(&heard.asked, false), (&heard.answered, true)] {
            for line in bytes.split(|byte| *byte == b'\n') {
                push(&mut all, by_server, &format!("pipe {number}"), 0, line);
            }
        }
    }
    all
}

/// Messages of connections.
pub(crate) fn of_connections(connections: &[Heard]) -> Vec<Said> {
    let mut all = Vec::new();
    let mut exchange = 0;
    for (number, heard) in connections.iter().enumerate() {
        let (mut asked, mut answered) = (&heard.asked[..], &heard.answered[..]);
        while let Some(request) = Head::take(&mut asked) {
            exchange += 1;
            let body = request.body(&mut asked, false);
            let mut response = Head::take(&mut answered);
            while response.as_ref().is_some_and(|head| head.status() == 100) {
                response = Head::take(&mut answered);
            }
            let Some(response) = response else {
                push(&mut all, false, &request.thread(None), exchange, &body);
                break;
            };
            if response.status() == 101 {
                let thread = format!("socket {number}");
                for (bytes, by_server) in [(asked, false), (answered, true)] {
                    for frame in frames(bytes) {
                        push(&mut all, by_server, &thread, 0, &frame);
                    }
                }
                break;
            }
            let answer = response.body(&mut answered, true);
            if response.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
                let (endpoint, events) = events(&answer);
                let thread =
                    endpoint.map_or_else(|| request.thread(Some(&response)), |place| query_of(&place));
                push(&mut all, false, &thread, exchange, &body);
                for event in events {
                    push(&mut all, true, &thread, exchange, event.as_bytes());
                }
            } else {
                let thread = request.thread(Some(&response));
                push(&mut all, false, &thread, exchange, &body);
                push(&mut all, true, &thread, exchange, &answer);
            }
        }
    }
    all
}

/// Adds a message, or each of a batch. What is no JSON object is not for us to judge.
fn push(all: &mut Vec<Said>, by_server: bool, thread: &str, exchange: usize, bytes: &[u8]) {
    let messages = match serde_json::from_slice(bytes) {
        Ok(Value::Array(batch)) => batch,
        Ok(message) => vec![message],
        Err(_) => return,
    };
    for message in messages.into_iter().filter(|message| message.get("jsonrpc").is_some()) {
        all.push(Said { by_server, thread: thread.to_owned(), exchange, message });
    }
}

/// The first line and the fields of a request or an answer.
struct Head {
    first: String,
    fields: Vec<(String, String)>,
}

impl Head {
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
        *bytes = &bytes[end + 4..];
        let mut lines = text.split("\r\n");
        let first = lines.next()?.to_owned();
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields =
            fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
        Some(Self { first, fields })
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// Takes the body off the front of `bytes`. Without a length an answer lasts to the end.
    fn body(&self, bytes: &mut &[u8], is_answer: bool) -> Vec<u8> {
        if is_answer && matches!(self.status(), 204 | 304) {
            return Vec::new();
        }
        if self.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return chunks(bytes);
        }
        let length = match self.field("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => length,
            None if is_answer => bytes.len(),
            None => 0,
        };
        let (body, rest) = bytes.split_at(bytes.len().min(length));
        *bytes = rest;
        body.to_vec()
    }

    /// The conversation that a request belongs to.
    fn thread(&self, answer: Option<&Self>) -> String {
        let session = |head: &Self| head.field("mcp-session-id").map(str::to_owned);
        let path = self.first.split(' ').nth(1).unwrap_or_default();
        session(self).or_else(|| answer.and_then(session)).unwrap_or_else(|| query_of(path))
    }
}

/// What tells one HTTP+SSE connection from another; empty for an address without a query.
fn query_of(path: &str) -> String {
    path.split_once('?').map_or(String::new(), |(_, query)| query.to_owned())
}

fn chunks(bytes: &mut &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).unwrap_or(0);
        let rest = &bytes[end + 2..];
        let taken = rest.len().min(size);
        body.extend_from_slice(&rest[..taken]);
        *bytes = &rest[rest.len().min(size + 2)..];
        if size == 0 {
            break;
        }
    }
    body
}

/// The endpoint that an HTTP+SSE stream names, and the data of all message events.
fn events(body: &[u8]) -> (Option<String>, Vec<String>) {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n").replace('\r', "\n");
    let (mut endpoint, mut found) = (None, Vec::new());
    for event in text.split("\n\n") {
        let field = |name: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            lines.map(|value| value.strip_prefix(' ').unwrap_or(value)).collect::<Vec<_>>()
        };
        let data = field("data").join("\n");
        match field("event").first() {
            Some(&"endpoint") => endpoint = Some(data),
            _ if data.is_empty() => {}
            _ => found.push(data),
        }
    }
    (endpoint, found)
}

/// The text messages of one direction of a WebSocket.
fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut all, mut message) = (Vec::new(), Vec::new());
    while let Some((frame, rest)) = frame(bytes) {
        bytes = rest;
        // Continued, text and binary frames; the others are the protocol's own.
        if frame.code <= 2 {
            message.extend(frame.data);
            if frame.last {
                all.push(std::mem::take(&mut message));
            }
        }
    }
    all
}

struct Frame {
    code: u8,
    last: bool,
    data: Vec<u8>,
}

fn frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let mut at = 2;
    let mut take = |count: usize| {
        let part = bytes.get(at..at + count)?;
        at += count;
        Some(part)
    };
    let length = match second & 0x7f {
        126 => take(2)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        127 => take(8)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        short => usize::from(short),
    };
    let mask = if second & 0x80 != 0 { take(4)?.to_vec() } else { vec![0; 4] };
    let data = take(length)?.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((Frame { code: first & 0x0f, last: first & 0x80 != 0, data }, &bytes[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(asked: &[u8], answered: &[u8]) -> Heard {
        Heard { asked: asked.to_vec(), answered: answered.to_vec() }
    }

    #[test]
    fn exchanges_on_one_connection_are_told_apart() {
        let asked = b"POST /mcp HTTP/1.1\r\nContent-Length: 40\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\
            POST /mcp HTTP/1.1\r\nMcp-Session-Id: s\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}\r\n0\r\n\r\n";
        let answered = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\nContent-Length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\
            HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata:\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\ndata: \"result\":{}}\n\n";
        let said = of_connections(&[heard(asked, answered)]);
        let told: Vec<_> =
            said.iter().map(|one| (one.by_server, one.exchange, one.message["id"].as_u64())).collect();
        assert_eq!(told, [(false, 1, Some(1)), (true, 1, Some(1)), (false, 2, Some(2)), (true, 2, Some(2))]);
        assert!(said.iter().all(|one| one.thread == "s"));
    }

    #[test]
    fn frames_are_unmasked_and_joined() {
        let mask = [1, 2, 3, 4];
        let text = br#"{"jsonrpc":"2.0","id":1}"#;
        let masked = |part: &[u8]| {
            part.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect::<Vec<_>>()
        };
        let framed = |code: u8, part: &[u8]| {
            let length = u8::try_from(part.len()).unwrap();
            [vec![code, 0x80 | length], mask.to_vec(), masked(part)].concat()
        };
        let asked =
            [b"GET /ws HTTP/1.1\r\n\r\n".to_vec(), framed(0x01, &text[..10]), framed(0x80, &text[10..])]
                .concat();
        let answered = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x89\x00\x81\x11{\"jsonrpc\":\"2.0\"}";
        let said = of_connections(&[heard(&asked, answered)]);
        let told: Vec<_> = said.iter().map(|one| (one.by_server, one.thread.as_str())).collect();
        assert_eq!(told, [(false, "socket 0"), (true, "socket 0")]);
        assert_eq!(said[0].message["id"], 1);
    }
}
