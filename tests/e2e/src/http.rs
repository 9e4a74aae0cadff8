//! HTTP/1.1 by hand: what is sent is exactly what a test wrote, what is seen is exactly what came.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// For an answer. A gateway that takes longer than this for anything has failed the test.
pub const ANSWER: Duration = Duration::from_secs(30);

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The fields, names in lower case.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// The first field of that name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body is an event stream.
    pub fn is_stream(&self) -> bool {
        self.field("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"))
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status and fields.
    pub head: Head,
    /// The body, decoded from chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    /// Connects, if somebody listens.
    ///
    /// # Errors
    /// When nobody does.
    pub fn try_open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.set_write_timeout(Some(ANSWER))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side has closed.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request with a body, adding only `Content-Length`.
    ///
    /// # Errors
    /// When the other side has closed.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if method != "GET" {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        self.send(&bytes)
    }

    /// Reads the head of the next answer.
    ///
    /// # Errors
    /// When the other side closes, is silent, or does not speak HTTP.
    pub fn head(&mut self) -> io::Result<Head> {
        loop {
            let text = String::from_utf8_lossy(&self.until(b"\r\n\r\n")?).into_owned();
            let mut lines = text.split("\r\n");
            let first = lines.next().unwrap_or_default();
            let status = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "));
            let status = status.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(|| broken(first))?;
            let fields = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            if status != 100 {
                return Ok(Head { status, fields });
            }
        }
    }

    /// Reads the body that belongs to `head`.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        if matches!(head.status, 204 | 304) {
            return Ok(Vec::new());
        }
        if let Some(length) = head.field("content-length") {
            let length = length.parse().map_err(|_| broken(length))?;
            return self.exactly(length);
        }
        let mut body = Vec::new();
        if head.field("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
            while let Some(chunk) = self.chunk()? {
                body.extend_from_slice(&chunk);
            }
            return Ok(body);
        }
        body.append(&mut self.buffer);
        self.stream.read_to_end(&mut body)?;
        Ok(body)
    }

    /// The next chunk of a chunked body; `None` after the last.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.until(b"\r\n")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16);
        let size = size.map_err(|_| broken(&line))?;
        if size == 0 {
            while self.until(b"\r\n")?.len() > 2 {}
            return Ok(None);
        }
        let chunk = self.exactly(size)?;
        self.until(b"\r\n")?;
        Ok(Some(chunk))
    }

    /// The data of the next event of a stream; `None` after its end. `events` keeps what has come beyond it.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn event(&mut self, events: &mut Events) -> io::Result<Option<String>> {
        loop {
            if let Some(event) = events.waiting.pop_front() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.chunk()? else { return Ok(None) };
            let come = events.feed(&chunk);
            events.waiting.extend(come);
        }
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// When it does not come whole.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let body = self.body(&head)?;
        Ok(Answer { head, body })
    }

    /// Whether the other side closes within `limit` (bytes that still come are dropped).
    pub fn closes_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut scratch = [0; 4096];
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            let _ = self.stream.set_read_timeout(Some(left));
            match self.stream.read(&mut scratch) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return false;
                }
                Err(_) => return true,
            }
        }
        false
    }

    /// From now on its end is a reset, of which the other side learns at once, and not an orderly close.
    pub fn end_with_reset(&self) {
        // It may have gone already.
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// How long a read may take.
    pub fn set_patience(&mut self, limit: Duration) {
        self.stream.set_read_timeout(Some(limit)).expect("a positive time");
    }

    fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let from = searched.min(self.buffer.len());
            if let Some(at) = self.buffer[from..].windows(end.len()).position(|window| window == end) {
                return Ok(self.buffer.drain(..from + at + end.len()).collect());
            }
            searched = self.buffer.len().saturating_sub(end.len());
            self.fill()?;
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut scratch = [0; 16 * 1024];
        match self.stream.read(&mut scratch)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.buffer.extend_from_slice(&scratch[..length]);
                Ok(())
            }
        }
    }
}

/// The events of a stream, as their data.
#[derive(Debug, Default)]
pub struct Events {
    text: Vec<u8>,
    /// Events that [`Connection::event`] has still to give.
    waiting: VecDeque<String>,
}

impl Events {
    /// Adds bytes and returns the data of the events that are whole now. Events without data are left out.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.text.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some((at, length)) = self.blank_line() {
            let block: Vec<u8> = self.text.drain(..at + length).collect();
            let block = String::from_utf8_lossy(&block).into_owned();
            let data: Vec<&str> = block
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|line| line.strip_prefix(' ').unwrap_or(line))
                .collect();
            if data.iter().any(|line| !line.is_empty()) {
                events.push(data.join("\n"));
            }
        }
        events
    }

    fn blank_line(&self) -> Option<(usize, usize)> {
        let find = |end: &[u8]| {
            self.text.windows(end.len()).position(|window| window == end).map(|at| (at, end.len()))
        };
        [find(b"\n\n"), find(b"\r\n\r\n")].into_iter().flatten().min()
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:.200}"))
}
