//! Connections in memory, with everything that a connection may do to those who use it: bytes in pieces, late, and an end
//! in the middle of a message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;

/// Bytes that one direction holds.
const ROOM: usize = 64 * 1024;

/// How a connection behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Temper {
    /// One read or write in so many is cut short; 0 for none.
    pub pieces: u64,
    /// One read in so many is late; 0 for none.
    pub late: u64,
    /// How late, at most, in milliseconds.
    pub late_ms: u64,
    /// It breaks after so many bytes.
    pub breaks_after: Option<usize>,
}

impl Temper {
    /// A temper as chance has it; it breaks once in `breaks` (0 for never).
    pub fn of(chance: &mut Chance, breaks: u64) -> Self {
        let calm = chance.once_in(3);
        let breaks_after = (breaks > 0 && chance.once_in(breaks)).then(|| chance.between(20, 6_000) as usize);
        if calm {
            return Self { breaks_after, ..Self::default() };
        }
        Self {
            pieces: chance.between(2, 6),
            late: chance.between(2, 9),
            late_ms: chance.between(1, 120),
            breaks_after,
        }
    }
}

/// One end of a connection, as the code under test holds it.
pub struct Fickle {
    inner: DuplexStream,
    chance: Chance,
    temper: Temper,
    seen: usize,
    waits: Option<Pin<Box<Sleep>>>,
    /// The other side has vanished.
    gone: CancellationToken,
    going: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

/// A connection: the end that breaks and dawdles, and the other. It ends when `gone` is cancelled.
pub fn connect(mut chance: Chance, temper: Temper, gone: &CancellationToken) -> (Fickle, DuplexStream) {
    let (inner, far) = duplex(ROOM);
    let going = Box::pin(gone.clone().cancelled_owned());
    let near =
        Fickle { inner, chance: chance.branch(), temper, seen: 0, waits: None, gone: gone.clone(), going };
    (near, far)
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "simulated: the connection was reset")
}

impl Fickle {
    fn limit(&mut self, wanted: usize) -> usize {
        if self.temper.pieces > 0 && self.chance.once_in(self.temper.pieces) {
            (self.chance.between(1, 40) as usize).min(wanted)
        } else {
            wanted
        }
    }

    /// Counts bytes, and says whether that was too many.
    fn is_over(&self) -> bool {
        self.gone.is_cancelled() || self.temper.breaks_after.is_some_and(|most| self.seen >= most)
    }
}

impl AsyncRead for Fickle {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over() || this.going.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(reset()));
        }
        if let Some(waits) = &mut this.waits {
            ready!(waits.as_mut().poll(cx));
            this.waits = None;
        }
        let mut taken = [0; 4096];
        let room = buf.remaining().min(taken.len());
        let limit = this.limit(room);
        let mut part = ReadBuf::new(&mut taken[..limit]);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        this.seen += part.filled().len();
        if this.temper.late > 0 && this.chance.once_in(this.temper.late) {
            let late = Duration::from_millis(this.chance.below(this.temper.late_ms + 1));
            this.waits = Some(Box::pin(sleep_until(Instant::now() + late)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Fickle {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_over() {
            return Poll::Ready(Err(reset()));
        }
        let limit = this.limit(buf.len());
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &buf[..limit]))?;
        this.seen += written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
