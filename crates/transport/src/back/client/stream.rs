//! The bytes of a connection, plain or secured.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, BufMut, BytesMut};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use super::cut::Line;
use super::dial::Link;

/// A TCP connection, with or without TLS, that can be cut.
pub(super) struct Stream {
    way: Way,
    line: Arc<Line>,
}

/// What carries the bytes.
pub(super) enum Way {
    Plain(TcpStream),
    /// Boxed: its state is a hundred times that of a plain one.
    Tls(Box<TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>>),
    /// Of a network that was handed in.
    Handed(Box<dyn Link>),
}

impl Stream {
    pub(super) fn new(way: Way, line: Arc<Line>) -> Self {
        Self { way, line }
    }

    /// Whether the peer has neither closed it nor said anything that nobody asked for. Asks the system only if there
    /// is news.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0_u8; 1];
        matches!(self.read_now(&mut byte.as_mut_slice()), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
            && !self.line.is_cut()
    }

    /// Reads what has come, without waiting for more.
    pub(super) fn read_now(&mut self, buf: &mut impl BufMut) -> io::Result<usize> {
        match &mut self.way {
            Way::Plain(tcp) => tcp.try_read_buf(buf),
            // Records without data, such as tickets for later sessions, are taken in here.
            Way::Tls(tls) => poll_now(tls, buf),
            Way::Handed(link) => poll_now(link, buf),
        }
    }

    /// The same, or that it was cut.
    fn or_cut<T>(&self, polled: Poll<io::Result<T>>, cx: &Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_pending() { self.line.poll_cut(cx) } else { polled }
    }
}

fn poll_now(from: &mut (impl AsyncRead + Unpin), buf: &mut impl BufMut) -> io::Result<usize> {
    let mut cx = Context::from_waker(Waker::noop());
    match poll_read_buf(Pin::new(from), &mut cx, buf) {
        Poll::Ready(read) => read,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.way {
            Way::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Way::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Way::Handed(link) => Pin::new(link).poll_read(cx, buf),
        };
        this.or_cut(polled, cx)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match &mut this.way {
            Way::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Way::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Way::Handed(link) => Pin::new(link).poll_write(cx, buf),
        };
        this.or_cut(polled, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match &mut this.way {
            Way::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Way::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            Way::Handed(link) => Pin::new(link).poll_write_vectored(cx, bufs),
        };
        this.or_cut(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.way {
            Way::Plain(tcp) => tcp.is_write_vectored(),
            Way::Tls(tls) => tls.is_write_vectored(),
            Way::Handed(link) => link.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = match &mut this.way {
            Way::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Way::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Way::Handed(link) => Pin::new(link).poll_flush(cx),
        };
        this.or_cut(polled, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().way {
            Way::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Way::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Way::Handed(link) => Pin::new(link).poll_shutdown(cx),
        }
    }
}

/// A connection that speaks another protocol from now on, with what came behind the head.
pub(in super::super) struct Upgraded {
    pub(super) stream: Stream,
    pub(super) ahead: BytesMut,
}

impl AsyncRead for Upgraded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let taken = this.ahead.len().min(buf.remaining());
        buf.put_slice(&this.ahead[..taken]);
        this.ahead.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
