//! Events out of chunks.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use super::line::{Lines, Step, Usual};

/// One event, as far as it was given. Fields are bytes as sent: the format says UTF-8, nobody has checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The kind of event; `None` means `message`.
    pub event: Option<Bytes>,
    /// The data lines joined with LF. Empty when there is nothing to deliver: the event only carries `id` or `retry`,
    /// as MCP's priming event does.
    pub data: Bytes,
    /// The position to resume from; empty means that there is none any more.
    pub id: Option<Bytes>,
    /// How long to wait before reconnecting, in milliseconds.
    pub retry: Option<u64>,
}

impl Event {
    /// Whether this is an ordinary message, with data to deliver.
    pub fn is_message(&self) -> bool {
        let named = self.event.as_deref().is_none_or(|name| name.is_empty() || name == b"message");
        named && !self.data.is_empty()
    }
}

/// An event grew beyond the cap. It is skipped; the one after it can be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {limit} bytes")]
pub struct EventTooLarge {
    /// The cap, in bytes.
    pub limit: usize,
}

/// Decodes one event stream. Push chunks as they come; after each, pull until there is nothing.
///
/// Data that came in one line and one chunk is a slice of that chunk. An event that the stream's end cuts off is never
/// seen, as the format demands.
#[derive(Debug)]
pub struct Decoder {
    lines: Lines,
    limit: usize,
    event: Option<Bytes>,
    data: Data,
    id: Option<Bytes>,
    retry: Option<u64>,
    /// Bytes of the event so far.
    held: usize,
    /// In the middle of an event that was given up.
    skipping: bool,
}

impl Decoder {
    /// A decoder for events of at most `event_bytes_max` bytes, field names included.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            lines: Lines::default(),
            limit: event_bytes_max,
            event: None,
            data: Data::None,
            id: None,
            retry: None,
            held: 0,
            skipping: false,
        }
    }

    /// Takes the next bytes of the stream, cut anywhere.
    pub fn push(&mut self, chunk: Bytes) {
        self.lines.push(chunk);
    }

    /// The next whole event; `Ok(None)` when more bytes are needed.
    pub fn pull(&mut self) -> Result<Option<Event>, EventTooLarge> {
        if self.is_between()
            && let Some(Usual { is_named, id, data }) = self.lines.usual(self.limit)
        {
            let event = is_named.then(|| Bytes::from_static(b"message"));
            return Ok(Some(Event { event, data, id, retry: None }));
        }
        loop {
            match self.lines.step(self.limit - self.held) {
                Step::Hungry => return Ok(None),
                Step::Skipped => {}
                Step::TooLong if self.skipping => {}
                Step::TooLong => {
                    self.forget();
                    self.skipping = true;
                    return Err(EventTooLarge { limit: self.limit });
                }
                Step::Line(line) if !line.is_empty() => self.field(line),
                Step::Line(_) => {
                    if let Some(event) = self.dispatch() {
                        return Ok(Some(event));
                    }
                }
            }
        }
    }

    /// Whether nothing of an event has come.
    fn is_between(&self) -> bool {
        self.held == 0 && !self.skipping
    }

    fn field(&mut self, mut line: Bytes) {
        // Comments keep the connection alive and count for nothing.
        if self.skipping || line[0] == b':' {
            return;
        }
        let name_end = memchr(b':', &line).unwrap_or(line.len());
        let mut value_start = (name_end + 1).min(line.len());
        if line.get(value_start) == Some(&b' ') {
            value_start += 1;
        }
        let bytes = line.len();
        let value = line.split_off(value_start);
        match &line[..name_end] {
            b"data" => self.data.add(value),
            b"event" => self.event = Some(value),
            b"id" if memchr(0, &value).is_none() => self.id = Some(value),
            b"retry" => self.retry = milliseconds(&value).or(self.retry),
            _ => return,
        }
        self.held += bytes;
    }

    /// What the blank line ends. An event without data counts if it moves the position or the wait.
    fn dispatch(&mut self) -> Option<Event> {
        self.held = 0;
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        let (event, data) = (self.event.take(), std::mem::take(&mut self.data));
        let (id, retry) = (self.id.take(), self.retry.take());
        let counts = !matches!(data, Data::None) || id.is_some() || retry.is_some();
        counts.then(|| Event { event, data: data.whole(), id, retry })
    }

    fn forget(&mut self) {
        self.dispatch();
    }
}

/// The data lines of an event so far.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Data {
    fn add(&mut self, line: Bytes) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(line),
            Self::One(first) => Self::Many(joined(BytesMut::from(first), &line)),
            Self::Many(lines) => Self::Many(joined(lines, &line)),
        };
    }

    fn whole(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(line) => line,
            Self::Many(lines) => lines.freeze(),
        }
    }
}

fn joined(mut lines: BytesMut, next: &[u8]) -> BytesMut {
    lines.extend_from_slice(b"\n");
    lines.extend_from_slice(next);
    lines
}

/// A wait made of digits only; anything else is to be ignored.
fn milliseconds(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok())?
}
