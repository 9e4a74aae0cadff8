//! How long a connection may take for the head of a request.
//!
//! hyper has one timeout for both the wait between requests and the head itself. A pooled connection may well be idle
//! for a minute; a head that comes a byte a second may not take one. So hyper's timeout is the idle one, and this
//! wrapper watches the head: the clock starts with its first byte and stops when the request is handed to us. It also
//! notices what hyper hides: a head with two ways to tell where the body ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Whether a request is being served on a connection; shared between the connection and its service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    busy: AtomicBool,
    length: AtomicBool,
    coding: AtomicBool,
}

impl Busy {
    /// A request was handed over, or its answer was given back.
    pub(crate) fn set(&self, busy: bool) {
        self.0.busy.store(busy, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.busy.load(Ordering::Relaxed)
    }

    /// Whether the head that was just read gave both a length and a transfer coding: two readers could see two
    /// different requests in it (RFC 9112, section 6.1). hyper takes one and removes the other, so the request itself
    /// does not show it any more.
    pub(crate) fn take_mixed(&self) -> bool {
        let length = self.0.length.swap(false, Ordering::Relaxed);
        self.0.coding.swap(false, Ordering::Relaxed) && length
    }

    fn note(&self, line: &[u8]) {
        let begins =
            |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        if begins(b"content-length:") {
            self.0.length.store(true, Ordering::Relaxed);
        } else if begins(b"transfer-encoding:") {
            self.0.coding.store(true, Ordering::Relaxed);
        }
    }
}

/// Longest beginning of a line that is kept when a read ends inside it.
const LINE_START: usize = 20;

/// The lines of a head, of which only the beginnings matter.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose rest has not come yet.
    open: Vec<u8>,
}

impl Lines {
    fn read(&mut self, bytes: &[u8], busy: &Busy) {
        let mut rest = bytes;
        loop {
            let end = memchr::memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            if !self.open.is_empty() || end.is_none() {
                let room = LINE_START.saturating_sub(self.open.len());
                self.open.extend_from_slice(&line[..line.len().min(room)]);
            }
            let Some(end) = end else { return };
            if self.open.is_empty() {
                busy.note(line);
            } else {
                busy.note(&self.open);
                self.open.clear();
            }
            rest = &rest[end + 1..];
        }
    }
}

/// A connection whose heads must come in time.
pub(crate) struct Patient<S> {
    stream: S,
    busy: Busy,
    limit: Duration,
    /// Bytes of a head have come, and the rest has not.
    heading: bool,
    lines: Lines,
    clock: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, busy: Busy, limit: Duration) -> Self {
        Self { stream, busy, limit, heading: false, lines: Lines::default(), clock: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if this.busy.get() {
            this.heading = false;
            this.clock = None;
            this.lines.open.clear();
            return read;
        }
        match read {
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                this.heading = true;
                this.lines.read(&buf.filled()[before..], &this.busy);
            }
            Poll::Pending if this.heading => {
                // A timer only for heads that did not come in one piece.
                let limit = this.limit;
                let clock = this.clock.get_or_insert_with(|| Box::pin(sleep(limit)));
                if clock.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the head of a request took too long",
                    )));
                }
            }
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_head_that_stops_half_way_is_given_up_but_an_idle_connection_is_not() {
        let (mut client, server) = tokio::io::duplex(64);
        let busy = Busy::default();
        let mut patient = Patient::new(server, busy.clone(), Duration::from_secs(10));
        let mut buf = [0; 8];
        let idle = tokio::time::timeout(Duration::from_mins(1), patient.read(&mut buf)).await;
        assert!(idle.is_err(), "nothing was sent, so nothing is late");
        client.write_all(b"PO").await.unwrap();
        assert_eq!(patient.read(&mut buf).await.unwrap(), 2);
        let late = patient.read(&mut buf).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn both_framings_in_one_head_are_noticed_however_it_is_cut() {
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTRANSFER-ENCODING: chunked\r\n\r\n";
        for cut in 0..head.len() {
            let (busy, mut lines) = (Busy::default(), Lines::default());
            lines.read(&head[..cut], &busy);
            lines.read(&head[cut..], &busy);
            assert!(busy.take_mixed(), "{cut}");
            assert!(!busy.take_mixed());
        }
        let (busy, mut lines) = (Busy::default(), Lines::default());
        lines.read(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nX-Transfer-Encoding: x\r\n\r\n", &busy);
        assert!(!busy.take_mixed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_longer_than_a_head() {
        let (mut client, server) = tokio::io::duplex(64);
        let busy = Busy::default();
        let mut patient = Patient::new(server, busy.clone(), Duration::from_secs(10));
        let mut buf = [0; 8];
        client.write_all(b"head").await.unwrap();
        assert_eq!(patient.read(&mut buf).await.unwrap(), 4);
        busy.set(true);
        let waited = tokio::time::timeout(Duration::from_mins(1), patient.read(&mut buf)).await;
        assert!(waited.is_err());
    }
}
