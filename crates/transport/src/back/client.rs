//! The one HTTP client of the process: connections are kept alive and shared by all upstreams, keyed by origin.

use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::pieces::Pieces;

/// Idle connections are closed after this; shorter than the usual keep-alive of servers would cost reconnects, longer
/// finds them closed by the peer.
const POOL_IDLE: Duration = Duration::from_secs(55);
/// Idle connections kept per origin; beyond this they are closed after use.
const POOL_IDLE_PER_HOST: usize = 64;
/// How long a TCP connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// A connection on which nothing came for this long is asked whether its peer still exists. Change streams are silent
/// for hours; without the question a peer that vanished (power, a firewall that forgot) would look alive for ever.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Wait between the questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// Unanswered questions after which the connection is given up: 20 s after the peer vanished.
const KEEPALIVE_RETRIES: u32 = 2;

/// A pooled HTTP/1.1 client with TLS. It follows no redirect and adds no header of its own.
#[derive(Clone, Debug)]
pub struct HttpClient {
    pub(super) inner: Client<HttpsConnector<HttpConnector>, Pieces>,
}

impl HttpClient {
    /// A client with the bundled root certificates.
    pub fn new() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        tcp.enforce_http(false);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(provider);
        // The provider is compiled in and has every algorithm that rustls asks for.
        let tls = builder
            .expect("the bundled TLS provider is complete")
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let inner = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
            .pool_timer(TokioTimer::new())
            .build(tls);
        Self { inner }
    }
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}
