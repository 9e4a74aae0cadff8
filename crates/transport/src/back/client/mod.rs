//! The HTTP/1.1 client of the process: connections are kept alive and shared by all upstreams of one origin.
//!
//! A call writes and reads its connection in its own task. A general client gives each connection a task of its own,
//! and each call then wakes that task and is woken by it, often across cores: more than all else that a small call
//! costs (decision 0052). `dial.rs` opens connections, `pool.rs` keeps them, `request.rs` and `head.rs` are what is
//! written and read, `body.rs` is where an answer ends, `appetite.rs` how much is read at a time.

mod appetite;
mod body;
mod connection;
mod cut;
mod dial;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod head;
mod pool;
mod request;
mod stream;
#[cfg(test)]
pub(super) mod tests;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use http::Uri;
use tokio_util::sync::CancellationToken;

pub(super) use body::Body;
pub use dial::{Dial, Link};
pub(super) use head::{Head, Kind};
pub(super) use pool::Pool;
pub(super) use request::{Fixed, Rendered, Target};
pub(super) use stream::Upgraded;

use super::{Headers, WireError};

/// A pooled HTTP/1.1 client with TLS. It follows no redirect and adds no header but those that frame a message.
#[derive(Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

struct Inner {
    dialer: dial::Dialer,
    /// The pools that somebody uses, by origin.
    pools: Mutex<Vec<Weak<Pool>>>,
    lines: cut::Lines,
    /// No connection is opened any more.
    closed: CancellationToken,
}

/// An answer whose head was read.
pub(super) struct Response {
    pub(super) head: Head,
    pub(super) body: Body,
}

/// What is sent, besides the message.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    pub(super) target: &'a Target,
    pub(super) fixed: &'a Fixed,
    pub(super) extra: &'a Headers,
    pub(super) accept: &'static str,
}

impl HttpClient {
    /// A client with the bundled root certificates.
    pub fn new() -> Self {
        Self::with(dial::Dialer::new())
    }

    /// A client whose connections are those of `network`. Nothing of them is encrypted.
    pub fn over(network: Arc<dyn Dial>) -> Self {
        Self::with(dial::Dialer::Handed(network))
    }

    fn with(dialer: dial::Dialer) -> Self {
        let (pools, lines, closed) = (Mutex::default(), cut::Lines::default(), CancellationToken::new());
        Self { inner: Arc::new(Inner { dialer, pools, lines, closed }) }
    }

    /// Cuts every connection that is open: what runs over it has ended, and nobody knows how. Others may be opened.
    pub fn cut(&self) {
        self.inner.lines.cut();
    }

    /// Cuts every connection, and opens none any more.
    pub fn close(&self) {
        self.inner.closed.cancel();
        self.inner.lines.cut();
    }

    /// Resolves when no connection is opened any more. Cancel safe.
    pub(super) async fn closed(&self) {
        self.inner.closed.cancelled().await;
    }

    async fn dial(&self, origin: &Uri) -> Result<stream::Stream, WireError> {
        let ending = || WireError::NotSent("the gateway is ending".to_owned());
        let way = tokio::select! {
            way = self.inner.dialer.dial(origin) => way?,
            () = self.closed() => return Err(ending()),
        };
        let line = self.inner.lines.open();
        // Closed meanwhile, it may have come too late to be cut with the others.
        if self.inner.closed.is_cancelled() {
            return Err(ending());
        }
        Ok(stream::Stream::new(way, line))
    }

    /// The connections to the origin of `uri`.
    pub(super) fn pool(&self, uri: &Uri) -> Arc<Pool> {
        let mut pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        if let Some(pool) = pools.iter().filter_map(Weak::upgrade).find(|pool| pool.serves(uri)) {
            return pool;
        }
        let pool = Arc::new(Pool::new(uri));
        pools.push(Arc::downgrade(&pool));
        pool
    }

    /// Sends one request and reads the head of its answer.
    ///
    /// # Errors
    /// [`WireError::NotSent`] only where no byte was taken by the system; a connection that was closed while it was
    /// idle is replaced by another.
    pub(super) async fn send(&self, pool: &Arc<Pool>, request: &mut Rendered) -> Result<Response, WireError> {
        loop {
            let kept = pool.take();
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                // Boxed: it is rare, and would make every call's future larger.
                None => Box::pin(self.open(pool)).await?,
            };
            match connection.write(request).await {
                Ok(()) => {}
                Err(_) if reused && request.is_untouched() => continue,
                Err(error) if request.is_untouched() => return Err(WireError::NotSent(error.to_string())),
                // A server may refuse what it does not want to read to its end, and say why.
                Err(error) => {
                    let refused = connection.head().await.ok().filter(|head| head.status >= 400);
                    let Some(head) = refused else { return Err(WireError::Broken(error.to_string())) };
                    connection.spend();
                    return Ok(Response { body: Body::new(connection, &head, pool), head });
                }
            }
            let head = connection.head().await?;
            return Ok(Response { body: Body::new(connection, &head, pool), head });
        }
    }

    async fn open(&self, pool: &Pool) -> Result<Box<connection::Connection>, WireError> {
        Ok(Box::new(connection::Connection::new(self.dial(pool.origin()).await?)))
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}
