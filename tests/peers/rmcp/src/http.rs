//! Streamable HTTP on loopback.

use std::net::Ipv4Addr;

use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::Failure;

/// Serves what `handler` makes, one for each session or modern request, and prints `{"ready":true,"url":...}` once it
/// listens. Port 0 picks one.
///
/// # Errors
/// The port is taken.
pub async fn serve<H: ServerHandler>(
    port: u16,
    handler: impl Fn() -> H + Send + Sync + 'static,
) -> Result<(), Failure> {
    let service = StreamableHttpService::new(
        move || Ok(handler()),
        LocalSessionManager::default().into(),
        StreamableHttpServerConfig::default().with_legacy_session_mode(true),
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let url = format!("http://localhost:{}/mcp", listener.local_addr()?.port());
    println!("{}", json!({ "ready": true, "url": url }));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            // A client that hangs up is no concern of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
