//! One connection: a request goes out whole, then its answer is read.

use std::io;
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::WireError;
use super::appetite::{Appetite, READ_BYTES, make_room};
use super::body::{Rest, Step, step};
use super::head::{self, Found, Head};
use super::request::Rendered;
use super::stream::Stream;

/// Most bytes that are read only to use a connection once more.
const REST_BYTES_MAX: u64 = 64 * 1024;

/// An open connection.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// What was read and not taken yet.
    pub(super) ahead: BytesMut,
    pub(super) appetite: Appetite,
    /// Whether `ahead` may be the rest of a large block.
    is_roomy: bool,
    /// What is left of the answer before.
    pub(super) rest: Rest,
    /// Whether the next request may use it.
    keeps: bool,
    /// When it was used last, and how long it may be idle.
    pub(super) since: Instant,
    pub(super) idle_max: Duration,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        let idle_max = super::pool::IDLE;
        Self {
            stream,
            ahead: BytesMut::new(),
            appetite: Appetite::new(),
            is_roomy: false,
            rest: Rest::Over,
            keeps: true,
            since: Instant::now(),
            idle_max,
        }
    }

    /// Writes a request. Interrupted by an error it says in `request` how far it came.
    pub(super) async fn write(&mut self, request: &mut Rendered) -> io::Result<()> {
        self.stream.write_all_buf(request).await?;
        // Nothing to do on plain TCP; TLS has records to bring out.
        self.stream.flush().await
    }

    /// Reads the head of an answer.
    pub(super) async fn head(&mut self) -> Result<Head, WireError> {
        loop {
            if !self.ahead.is_empty() {
                match head::parse(&self.ahead).map_err(WireError::Invalid)? {
                    Found::Head(head, length) => {
                        self.ahead.advance(length);
                        self.keeps &= head.keeps;
                        if let Some(idle) = head.idle {
                            // A second before the server does, so that the two do not meet.
                            self.idle_max =
                                super::pool::IDLE.min(idle.saturating_sub(Duration::from_secs(1)));
                        }
                        return Ok(*head);
                    }
                    Found::Interim(length) => {
                        self.ahead.advance(length);
                        continue;
                    }
                    Found::Part if self.ahead.len() > head::HEAD_BYTES_MAX => {
                        return Err(WireError::Invalid("the head of its answer is too large".to_owned()));
                    }
                    Found::Part => {}
                }
            }
            if self.read().await.map_err(|error| WireError::Broken(error.to_string()))? == 0 {
                return Err(WireError::Broken("connection closed before the answer".to_owned()));
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.room(self.appetite.for_head());
        self.stream.read_buf(&mut self.ahead).await
    }

    /// Makes room for about so many bytes behind what is there; how much there is.
    pub(super) fn room(&mut self, wanted: usize) -> usize {
        self.is_roomy |= wanted > 2 * READ_BYTES;
        make_room(&mut self.ahead, wanted);
        self.ahead.capacity() - self.ahead.len()
    }

    /// Gives a large block back: it is not kept for an answer that may be long in coming.
    pub(super) fn rest_lightly(&mut self) {
        if std::mem::take(&mut self.is_roomy) {
            self.ahead = BytesMut::from(&self.ahead[..]);
        }
    }

    /// Nothing may follow on it.
    pub(super) fn spend(&mut self) {
        self.keeps = false;
    }

    /// Whether another request may be sent on it some time. What is left of the last answer may still be on its way.
    pub(super) fn is_reusable(&self) -> bool {
        let bounded = !matches!(self.rest, Rest::Close | Rest::Length(REST_BYTES_MAX..));
        // Bytes behind the end, that nobody asked for, would be taken for the next answer.
        let clean = self.rest != Rest::Over || self.ahead.is_empty();
        self.keeps && bounded && clean && !self.idle_max.is_zero()
    }

    /// Reads what is left of the last answer, as far as it has come. `false` when the connection is of no use now: that
    /// was not all, the server closed it, or it said something that nobody asked for.
    pub(super) fn is_ready(&mut self) -> bool {
        let mut skipped = 0;
        while self.rest != Rest::Over {
            match step(&mut self.rest, &mut self.ahead) {
                Ok(Step::Data(data)) => skipped += data.len() as u64,
                Ok(Step::Over) => break,
                Ok(Step::More) => {
                    self.ahead.reserve(READ_BYTES);
                    if !matches!(self.stream.read_now(&mut self.ahead), Ok(1..)) {
                        return false;
                    }
                }
                Err(_) => return false,
            }
            if skipped > REST_BYTES_MAX {
                return false;
            }
        }
        self.ahead.is_empty() && self.stream.is_quiet()
    }

    /// Whether it was idle for so long that it is better closed.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) > self.idle_max
    }
}
