//! The body of an answer, read from its connection as it comes. Whoever finds it to be the right answer gives the
//! connection back to its pool; a body that is dropped takes its connection along. That is how a server learns that
//! nobody listens any more, and why nothing is sent on a connection whose answers are not those to its requests.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio_util::io::poll_read_buf;

use super::super::WireError;
use super::appetite::LARGE_BYTES;
use super::connection::Connection;
use super::head::{Framing, Head};
use super::pool::Pool;
use super::stream::Upgraded;

/// Longest line that says how long a chunk is, with its extensions; and most bytes of trailers.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a line's end.
const LINE_END_BYTES: usize = 2;

/// The rest of an answer.
pub(in super::super) struct Body {
    /// Until it was given back, or broke.
    connection: Option<Box<Connection>>,
    pool: Arc<Pool>,
    /// Whether it is among the large ones that the pool counts.
    is_large: bool,
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.is_large {
            self.pool.large.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Body {
    pub(super) fn new(mut connection: Box<Connection>, head: &Head, pool: &Arc<Pool>) -> Self {
        connection.rest = Rest::of(head.framing);
        connection.appetite.answered(match connection.rest {
            Rest::Length(bytes) => Some(bytes),
            Rest::Over => Some(0),
            _ => None,
        });
        Self { connection: Some(connection), pool: Arc::clone(pool), is_large: false }
    }

    fn rest(&self) -> Rest {
        self.connection.as_ref().map_or(Rest::Over, |connection| connection.rest)
    }

    /// How long what is left will be, where the head said so.
    pub(in super::super) fn length(&self) -> Option<u64> {
        match self.rest() {
            Rest::Length(left) => Some(left),
            Rest::Over => Some(0),
            _ => None,
        }
    }

    /// The connection, for another protocol.
    pub(in super::super) fn upgraded(mut self) -> Option<Upgraded> {
        let connection = *self.connection.take()?;
        Some(Upgraded { stream: connection.stream, ahead: connection.ahead })
    }

    /// All that was of interest has been read, and it was the answer to what was sent: the connection may be used again.
    /// What still follows, such as the end of an event stream, is read when it is wanted.
    pub(in super::super) fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.put(connection);
        }
    }

    /// The connection is not to be used again, whatever else is read from it.
    pub(in super::super) fn spend(&mut self) {
        if let Some(connection) = self.connection.as_deref_mut() {
            connection.spend();
        }
    }

    /// The next bytes, as they came; `None` at the end. Cancel safe.
    pub(in super::super) async fn data(&mut self) -> Option<Result<Bytes, WireError>> {
        std::future::poll_fn(|cx| self.poll_data(cx)).await
    }

    /// See [`Body::data`].
    pub(in super::super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, WireError>>> {
        loop {
            let Some(connection) = self.connection.as_deref_mut() else { return Poll::Ready(None) };
            match step(&mut connection.rest, &mut connection.ahead) {
                Ok(Step::Data(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(Step::Over) => return Poll::Ready(None),
                Ok(Step::More) => {}
                Err(why) => return Poll::Ready(Some(Err(self.broken(WireError::Invalid(why.to_owned()))))),
            }
            let missing = connection.rest.missing();
            let others = self.pool.large.load(Ordering::Relaxed) - usize::from(self.is_large);
            let wanted = connection.appetite.for_body(missing, others);
            if wanted > LARGE_BYTES && !self.is_large {
                self.is_large = true;
                self.pool.large.fetch_add(1, Ordering::Relaxed);
            }
            let room = connection.room(wanted);
            let read = ready!(poll_read_buf(Pin::new(&mut connection.stream), cx, &mut connection.ahead));
            match read {
                Ok(0) if connection.rest == Rest::Close => {
                    self.connection = None;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(self.cut()))),
                // The last bytes of a body say nothing about how much comes at a time.
                Ok(read) if missing.is_some_and(|missing| read as u64 >= missing) => {}
                Ok(read) => connection.appetite.had(read, room),
                Err(error) => {
                    return Poll::Ready(Some(Err(self.broken(WireError::Broken(error.to_string())))));
                }
            }
        }
    }

    fn broken(&mut self, error: WireError) -> WireError {
        self.connection = None;
        error
    }

    fn cut(&mut self) -> WireError {
        self.broken(WireError::Broken("connection closed before the end of the answer".to_owned()))
    }

    /// All of it, at most `limit` bytes. A declared length is checked before anything is read, and then read to where
    /// it stays.
    pub(in super::super) async fn collect(&mut self, limit: usize) -> Result<Bytes, WireError> {
        if self.length().is_some_and(|length| length > limit as u64) {
            return Err(WireError::TooLarge(limit));
        }
        if let Rest::Length(length) = self.rest() {
            // It fits in memory: it is no more than the limit.
            return self.whole(usize::try_from(length).unwrap_or(limit)).await;
        }
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(data) = self.data().await {
            let data = data?;
            if first.as_ref().map_or(rest.len(), Bytes::len) + data.len() > limit {
                return Err(WireError::TooLarge(limit));
            }
            match first.take() {
                None if rest.is_empty() => first = Some(data),
                None => rest.extend_from_slice(&data),
                Some(before) => {
                    rest.reserve((before.len() + data.len()) * 2);
                    rest.extend_from_slice(&before);
                    rest.extend_from_slice(&data);
                }
            }
        }
        Ok(first.unwrap_or_else(|| rest.freeze()))
    }

    async fn whole(&mut self, length: usize) -> Result<Bytes, WireError> {
        let Some(connection) = self.connection.as_deref_mut() else { return Ok(Bytes::new()) };
        let whole = if connection.ahead.len() >= length {
            connection.ahead.split_to(length)
        } else {
            // With room for one byte more, the read that brings the end needs not be followed by one that brings nothing.
            let mut whole = BytesMut::with_capacity(length + 1);
            whole.extend_from_slice(&connection.ahead.split());
            while whole.len() < length {
                let stream = &mut connection.stream;
                let read = std::future::poll_fn(|cx| poll_read_buf(Pin::new(&mut *stream), cx, &mut whole));
                match read.await {
                    Ok(0) => return Err(self.cut()),
                    Ok(_) => {}
                    Err(error) => return Err(self.broken(WireError::Broken(error.to_string()))),
                }
            }
            // What follows belongs to no answer that we asked for; it spoils the connection.
            if whole.len() > length {
                connection.ahead = whole.split_off(length);
            }
            whole
        };
        connection.rest = Rest::Over;
        Ok(whole.freeze())
    }
}

/// What is left of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// So many bytes.
    Length(u64),
    /// The line that says how long the next chunk is.
    ChunkHead,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// Trailers, up to an empty line; so many bytes of them came.
    Trailers(usize),
    /// Bytes until the connection ends.
    Close,
    /// Nothing.
    Over,
}

impl Rest {
    /// How many bytes of the body are certainly missing, where that is of use.
    fn missing(self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(left),
            // Behind a small chunk others come, which are better read along with it.
            Self::Chunk(left) if left > LARGE_BYTES as u64 => Some(left),
            _ => None,
        }
    }

    pub(super) fn of(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Over,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::ChunkHead,
            Framing::Close | Framing::Upgrade => Self::Close,
        }
    }
}

/// What the bytes at hand give.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Data(Bytes),
    /// The body has ended.
    Over,
    /// More has to be read.
    More,
}

/// Takes the next part of a body from `ahead` (RFC 9112, sections 6 and 7).
pub(super) fn step(rest: &mut Rest, ahead: &mut BytesMut) -> Result<Step, &'static str> {
    loop {
        match *rest {
            Rest::Over => return Ok(Step::Over),
            _ if ahead.is_empty() => return Ok(Step::More),
            Rest::Close => return Ok(Step::Data(ahead.split().freeze())),
            Rest::Length(left) => {
                let (data, left) = some(ahead, left);
                *rest = if left == 0 { Rest::Over } else { Rest::Length(left) };
                return Ok(Step::Data(data));
            }
            Rest::Chunk(left) => {
                let (data, left) = some(ahead, left);
                *rest = if left == 0 { Rest::ChunkEnd } else { Rest::Chunk(left) };
                return Ok(Step::Data(data));
            }
            Rest::ChunkHead => {
                let Some(length) = line(ahead)? else { return Ok(Step::More) };
                let line = &ahead[..length];
                let digits = &line[..memchr::memchr(b';', line).unwrap_or(length)];
                let size = hexadecimal(digits.trim_ascii_end()).ok_or("a chunk of it has no length")?;
                ahead.advance(length + LINE_END_BYTES);
                *rest = if size == 0 { Rest::Trailers(0) } else { Rest::Chunk(size) };
            }
            Rest::ChunkEnd => {
                if ahead.len() < 2 && ahead.starts_with(b"\r") {
                    return Ok(Step::More);
                }
                if !ahead.starts_with(b"\r\n") {
                    return Err("a chunk of it is longer than it says");
                }
                ahead.advance(2);
                *rest = Rest::ChunkHead;
            }
            Rest::Trailers(before) => {
                let Some(length) = line(ahead)? else { return Ok(Step::More) };
                // Trailers say nothing that we would believe.
                let seen = before + length + LINE_END_BYTES;
                if seen > LINE_BYTES_MAX {
                    return Err("its trailers are too long");
                }
                ahead.advance(length + LINE_END_BYTES);
                *rest = if length == 0 { Rest::Over } else { Rest::Trailers(seen) };
            }
        }
    }
}

fn some(ahead: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(ahead.len());
    (ahead.split_to(taken).freeze(), left - taken as u64)
}

/// How long the first line is without its end; `None` while it has not come whole.
fn line(ahead: &[u8]) -> Result<Option<usize>, &'static str> {
    match memchr::memchr(b'\n', ahead) {
        Some(end) if end > LINE_BYTES_MAX => Err("a line between its chunks is too long"),
        // A bare line feed is a line end to some readers only (RFC 9112, section 2.2).
        Some(end) if end == 0 || ahead[end - 1] != b'\r' => {
            Err("a line between its chunks has no proper end")
        }
        Some(end) => Ok(Some(end - 1)),
        None if ahead.len() > LINE_BYTES_MAX => Err("a line between its chunks is too long"),
        None => Ok(None),
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `size` bytes.
    fn read(mut rest: Rest, text: &[u8], size: usize) -> Result<(Vec<u8>, bool, usize), &'static str> {
        let (mut ahead, mut out) = (BytesMut::new(), Vec::new());
        for piece in text.chunks(size) {
            ahead.extend_from_slice(piece);
            while let Step::Data(data) = step(&mut rest, &mut ahead)? {
                out.extend_from_slice(&data);
            }
        }
        Ok((out, rest == Rest::Over, ahead.len()))
    }

    #[test]
    fn chunks_are_read_however_they_are_cut() {
        let text = b"5\r\nhello\r\n00a;x=\"y\"\r\n, world!!!\r\n0\r\nTrailer: x\r\n\r\nNEXT";
        for size in 1..=text.len() {
            let (out, over, left) = read(Rest::ChunkHead, text, size).unwrap();
            assert_eq!((out.as_slice(), over, left), (b"hello, world!!!".as_slice(), true, 4), "{size}");
        }
    }

    #[test]
    fn a_length_is_read_to_its_end_and_no_further() {
        for size in 1..=8 {
            let (out, over, left) = read(Rest::Length(5), b"helloNEXT", size).unwrap();
            assert_eq!((out.as_slice(), over, left), (b"hello".as_slice(), true, 4));
        }
        let (out, over, _) = read(Rest::Close, b"hello", 2).unwrap();
        assert_eq!((out.as_slice(), over), (b"hello".as_slice(), false));
    }

    #[test]
    fn bad_chunks_are_refused() {
        let long = [b"5;".as_slice(), &[b'x'; LINE_BYTES_MAX]].concat();
        let trailers = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(1000)].concat();
        for text in [
            b"\r\n".as_slice(),
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b"5\nhello",
            b"5\r\nhello!\r\n",
            b"5\r\nhello\n",
            b"11111111111111111\r\n",
            &long,
            &trailers,
        ] {
            for size in [1, text.len()] {
                assert!(read(Rest::ChunkHead, text, size).is_err(), "{:?}", String::from_utf8_lossy(text));
            }
        }
    }
}
