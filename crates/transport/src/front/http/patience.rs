//! How long a connection may take: to give the head of a request, and to take an answer; and how long it may be idle.
//!
//! hyper has one timeout for both the wait between requests and the head itself. A pooled connection may well be idle
//! for a minute; a head that comes a byte a second may not take one. So hyper's timeout is off. This wrapper watches
//! the head: the clock starts with its first byte and stops when the request is handed to us. Idleness is looked at
//! once a minute, which costs a request nothing.
//!
//! For answers hyper has no timeout at all, and while it cannot write it does not poll what makes the answer: a client
//! that does not read would stop the deadlines of its own call, and keep its answer in memory for as long as it likes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use trunkline_runtime::Alarm;

use super::heads::{Busy, Lines};

/// Longest time in which a client takes next to nothing of what there is for it. A network that comes back after a break
/// resends well within it.
const WRITE_MAX: Duration = Duration::from_mins(1);

/// What it must take in that time, if there is as much, in bytes. Whoever takes a byte now and then would otherwise hold
/// what an answer holds (a place, a call, a connection to a server) for days.
const WRITE_BYTES_MIN: usize = 16 * 1024;

/// How often it is looked whether something was said.
const LOOK: Duration = Duration::from_mins(1);
/// Looks in a row that find nothing, after which a connection is closed: idle for two minutes, and three at most.
/// Longer than clients keep theirs, so that they rarely meet a closed one.
const QUIET_LOOKS_MAX: u8 = 2;

/// A connection whose heads must come, and whose answers must be taken, in time.
pub(crate) struct Patient<S> {
    stream: S,
    busy: Busy,
    limit: Duration,
    /// Bytes of a head have come, and the rest has not.
    heading: bool,
    lines: Lines,
    /// Runs while a head is incomplete.
    clock: Option<Alarm>,
    /// Runs while the client does not take what there is for it.
    stuck: Option<Alarm>,
    /// Bytes it took since then.
    taken: usize,
    /// The next look, the looks in a row that found nothing, and whether this one will find something.
    look: Alarm,
    quiet: u8,
    active: bool,
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, busy: Busy, limit: Duration) -> Self {
        Self {
            stream,
            busy,
            limit,
            heading: false,
            lines: Lines::default(),
            clock: None,
            stuck: None,
            taken: 0,
            look: Alarm::after(LOOK),
            quiet: 0,
            active: true,
        }
    }

    /// Watches an attempt to write. The clock runs only from when something does not go, so that fast clients cost no
    /// timer, until enough was taken, or all.
    fn written(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = done {
            self.active = true;
            self.taken += bytes;
            if self.taken >= WRITE_BYTES_MIN {
                self.stuck = None;
            }
        } else if done.is_pending() && self.is_stuck(cx) {
            return late("the client does not take its answer");
        }
        done
    }

    fn is_stuck(&mut self, cx: &mut Context<'_>) -> bool {
        let taken = &mut self.taken;
        let clock = self.stuck.get_or_insert_with(|| {
            *taken = 0;
            Alarm::after(WRITE_MAX)
        });
        Pin::new(clock).poll(cx).is_ready()
    }

    /// Whether nothing was said or heard for too long. Streams say something every half minute; while a call runs its
    /// own deadlines count.
    fn is_idle(&mut self, cx: &mut Context<'_>) -> bool {
        while Pin::new(&mut self.look).poll(cx).is_ready() {
            let alive = std::mem::take(&mut self.active) || self.busy.get();
            self.quiet = if alive { 0 } else { self.quiet + 1 };
            if self.quiet >= QUIET_LOOKS_MAX {
                return true;
            }
            self.look = Alarm::at(Instant::now() + LOOK);
        }
        false
    }
}

fn late<T>(what: &'static str) -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        // Also while a request is served: the next head may come together with the rest of its body.
        this.lines.read(buf.filled().get(before..).unwrap_or_default(), &this.busy);
        if read.is_ready() {
            this.active = true;
        } else if this.is_idle(cx) {
            return late("nothing was said for too long");
        }
        if this.busy.take_handed() || this.busy.get() {
            this.heading = false;
            this.clock = None;
        }
        if this.busy.get() {
            return read;
        }
        match read {
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                this.heading = true;
            }
            Poll::Pending if this.heading => {
                // A timer only for heads that did not come in one piece.
                let limit = this.limit;
                let clock = this.clock.get_or_insert_with(|| Alarm::after(limit));
                if Pin::new(clock).poll(cx).is_ready() {
                    return late("the head of a request took too long");
                }
            }
            _ => {}
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.written(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_flush(cx);
        if done.is_ready() {
            // Nothing waits any more.
            this.stuck = None;
        } else if this.is_stuck(cx) {
            return late("the client does not take its answer");
        }
        done
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

    /// The next read may come only after the answer: of a call that needs to wait for nothing.
    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_answered_at_once_leaves_no_clock_running() {
        let (mut client, server) = tokio::io::duplex(64);
        let busy = Busy::default();
        let mut patient = Patient::new(server, busy.clone(), Duration::from_secs(10));
        let mut buf = [0; 64];
        for _ in 0..2 {
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            assert_eq!(patient.read(&mut buf).await.unwrap(), 18);
            busy.set(true);
            busy.set(false);
            let idle = tokio::time::timeout(Duration::from_mins(1), patient.read(&mut buf)).await;
            assert!(idle.is_err(), "the head was complete");
        }
        client.write_all(b"PO").await.unwrap();
        assert_eq!(patient.read(&mut buf).await.unwrap(), 2);
        assert_eq!(
            patient.read(&mut buf).await.unwrap_err().kind(),
            io::ErrorKind::TimedOut,
            "the next one is watched"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_on_which_nothing_is_said_is_closed_and_one_that_serves_is_not() {
        let (mut client, server) = tokio::io::duplex(64);
        let busy = Busy::default();
        let mut patient = Patient::new(server, busy.clone(), Duration::from_secs(10));
        let mut buf = [0; 8];
        busy.set(true);
        let serving = tokio::time::timeout(Duration::from_mins(10), patient.read(&mut buf)).await;
        assert!(serving.is_err(), "a call may run for long");
        busy.set(false);
        client.write_all(b"x").await.unwrap();
        assert_eq!(patient.read(&mut buf).await.unwrap(), 1);
        busy.set(true);
        busy.set(false);
        patient.heading = false;
        // Words of a stream keep it alive.
        for _ in 0..10 {
            let waited = tokio::time::timeout(Duration::from_secs(30), patient.read(&mut buf)).await;
            assert!(waited.is_err());
            patient.write_all(b":").await.unwrap();
            client.read_exact(&mut buf[..1]).await.unwrap();
        }
        let quiet_from = tokio::time::Instant::now();
        let late = patient.read(&mut buf).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let quiet = quiet_from.elapsed().as_secs();
        assert!((120..=180).contains(&quiet), "{quiet}");
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

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_for_a_minute_is_given_up() {
        let (_client, server) = tokio::io::duplex(64);
        let mut patient = Patient::new(server, Busy::default(), Duration::from_secs(10));
        let began = tokio::time::Instant::now();
        let writing = tokio::time::timeout(WRITE_MAX * 2, patient.write_all(&[0; 100]));
        let late = writing.await.expect("it is given up").unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= WRITE_MAX && began.elapsed() < WRITE_MAX + Duration::from_secs(1));
    }

    /// Writes much to a client that takes so many bytes every so often.
    async fn served(step: usize, every: Duration) -> io::Result<()> {
        let all = 5 * WRITE_BYTES_MIN;
        let (mut client, server) = tokio::io::duplex(1024);
        let mut patient = Patient::new(server, Busy::default(), Duration::from_secs(10));
        let reading = tokio::spawn(async move {
            let mut buf = vec![0; step];
            for _ in 0..all / step {
                tokio::time::sleep(every).await;
                client.read_exact(&mut buf).await.unwrap();
            }
        });
        let written = patient.write_all(&vec![0; all]).await;
        reading.abort();
        written
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_served_as_long_as_it_takes_enough() {
        served(WRITE_BYTES_MIN, WRITE_MAX.mul_f32(0.9)).await.unwrap();
        served(WRITE_BYTES_MIN / 16, WRITE_MAX / 18).await.unwrap();
        let late = served(WRITE_BYTES_MIN / 16, WRITE_MAX / 8).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_to_which_little_is_said_need_not_take_much() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut patient = Patient::new(server, Busy::default(), Duration::from_secs(10));
        let reading = tokio::spawn(async move {
            let mut buf = [0; 64];
            while client.read_exact(&mut buf).await.is_ok() {
                tokio::time::sleep(WRITE_MAX.mul_f32(0.9)).await;
            }
        });
        for _ in 0..10 {
            patient.write_all(&[0; 64]).await.unwrap();
            patient.flush().await.unwrap();
        }
        drop(patient);
        reading.await.unwrap();
    }
}
