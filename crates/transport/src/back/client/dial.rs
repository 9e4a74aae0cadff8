//! Opening connections: names, TCP with its options, TLS; or a network that is handed in.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service as _;

use super::super::{BoxFuture, WireError};
use super::stream::Way;

/// How long a TCP connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection on which nothing came for this long is asked whether its peer still exists. Change streams are silent
/// for hours; without the question a peer that vanished (power, a firewall that forgot) would look alive for ever.
const KEEPALIVE: Duration = Duration::from_secs(8);
/// Wait between the questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
/// Unanswered questions after which the connection is given up: 14 s after the peer vanished.
const KEEPALIVE_RETRIES: u32 = 2;

/// The two directions of a connection.
pub trait Link: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Link for T {}

/// A network other than that of the operating system: one in memory, for simulations.
pub trait Dial: Send + Sync {
    /// Opens a connection to `origin`.
    ///
    /// # Errors
    /// Nobody answers there; nothing was sent.
    fn dial<'a>(&'a self, origin: &'a Uri) -> BoxFuture<'a, io::Result<Box<dyn Link>>>;
}

/// Opens connections.
pub(super) enum Dialer {
    System {
        tcp: HttpConnector,
        /// Made with the first connection that is encrypted: many gateways never have one.
        tls: OnceLock<HttpsConnector<HttpConnector>>,
    },
    Handed(Arc<dyn Dial>),
}

impl Dialer {
    pub(super) fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        tcp.enforce_http(false);
        Self::System { tcp, tls: OnceLock::new() }
    }

    /// A new connection to `origin`. Nothing of a request has been sent when this fails.
    pub(super) async fn dial(&self, origin: &Uri) -> Result<Way, WireError> {
        let not_sent = |error: &dyn std::error::Error| WireError::NotSent(with_causes(error));
        let (tcp, tls) = match self {
            Self::System { tcp, tls } => (tcp, tls),
            Self::Handed(network) => {
                let dialled = network.dial(origin).await;
                return dialled.map(Way::Handed).map_err(|error| WireError::NotSent(error.to_string()));
            }
        };
        if origin.scheme() == Some(&Scheme::HTTP) {
            let mut connector = tcp.clone();
            let ready = std::future::poll_fn(|cx| connector.poll_ready(cx)).await;
            ready.map_err(|error| not_sent(&error))?;
            let plain = connector.call(origin.clone()).await.map_err(|error| not_sent(&error))?;
            return Ok(Way::Plain(plain.into_inner()));
        }
        let mut connector = tls.get_or_init(|| encrypting(tcp)).clone();
        // The connector is always ready; it only wants to be asked.
        let ready = std::future::poll_fn(|cx| connector.poll_ready(cx)).await;
        ready.map_err(|error| not_sent(&*error))?;
        match connector.call(origin.clone()).await.map_err(|error| not_sent(&*error))? {
            MaybeHttpsStream::Http(plain) => Ok(Way::Plain(plain.into_inner())),
            secured @ MaybeHttpsStream::Https(_) => Ok(Way::Tls(Box::new(TokioIo::new(secured)))),
        }
    }
}

fn encrypting(tcp: &HttpConnector) -> HttpsConnector<HttpConnector> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider);
    // The provider is compiled in and has every algorithm that rustls asks for.
    let builder = builder.expect("the bundled TLS provider is complete");
    builder.https_or_http().enable_http1().wrap_connector(tcp.clone())
}

/// An error with what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_is_to_be_encrypted_never_goes_plainly() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            }
        });
        let dialer = Dialer::new();
        let dial = async |scheme: &str| dialer.dial(&format!("{scheme}://{address}").parse().unwrap()).await;
        assert!(matches!(dial("http").await, Ok(Way::Plain(_))));
        let Err(WireError::NotSent(why)) = dial("https").await else { panic!("it speaks no TLS") };
        assert!(why.contains("corrupt message"), "{why}");
    }
}
