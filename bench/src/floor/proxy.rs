//! A bare reverse proxy: pooled keep-alive connections, Nagle off, nothing read.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use http::uri::{Authority, Parts, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Upstream = Client<HttpConnector, Incoming>;

pub(super) async fn serve(port: u16, to: &Uri) -> anyhow::Result<()> {
    let authority = to.authority().cloned().context("--to needs a host and a port")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let upstream: Arc<Upstream> = Arc::new(Client::builder(TokioExecutor::new()).build(connector));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let upstream = Arc::clone(&upstream);
        let authority = authority.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| pass_on(&upstream, &authority, request));
            // A connection that breaks is the caller's to report.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn pass_on(
    upstream: &Upstream,
    authority: &Authority,
    mut request: Request<Incoming>,
) -> anyhow::Result<Response<Incoming>> {
    let mut parts = Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority.clone());
    parts.path_and_query = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(upstream.request(request).await?)
}
