//! Opening a conversation over HTTP+SSE (2024-11-05), as configured or as what is left when Streamable HTTP does not
//! answer.

use std::sync::Arc;

use tokio::time::timeout;
use trunkline_model::Era;
use trunkline_transport::back::{Headers, HttpSseWire, HttpWire, Wire, WireError};

use super::http::moved_to;
use super::{Connected, Connecting, Failed};
use crate::options::{Endpoint, EraChoice};
use crate::verdict::Verdict;

impl Connecting<'_> {
    /// Streamable HTTP, and HTTP+SSE where nothing answers in that way. `sse` says that this is known already.
    pub(super) async fn open_either(
        &self,
        endpoint: &Endpoint,
        known: Option<Era>,
        sse: bool,
    ) -> Result<(Connected, Verdict), Failed> {
        if sse {
            return self.open_http_sse(endpoint).await.map(|connected| (connected, Verdict::HttpSse));
        }
        let failed = match self.open_http(endpoint, known).await {
            Ok(connected) => {
                let verdict = Verdict::of(connected.session.era());
                return Ok((connected, verdict));
            }
            Err(failed) => failed,
        };
        let Some(status) = no_endpoint(&failed).filter(|_| self.options.era != EraChoice::Modern) else {
            return Err(failed);
        };
        tracing::debug!(server = &*self.options.name, status, "no Streamable HTTP there; trying HTTP+SSE");
        // A server that opens a stream and says nothing on it must not take the whole handshake's time.
        let opening = timeout(self.options.timeouts.probe, self.open_http_sse(endpoint)).await;
        let opened = opening.unwrap_or_else(|_| Err("no address for messages came".to_owned().into()));
        opened.map(|connected| (connected, Verdict::HttpSse)).map_err(|other| Failed {
            reason: format!("no MCP endpoint answers there (POST: HTTP {status}; GET: {})", other.reason),
            ..other
        })
    }

    /// HTTP+SSE and nothing else.
    pub(super) async fn open_http_sse(&self, endpoint: &Endpoint) -> Result<Connected, Failed> {
        let at = self.http_wire(endpoint)?;
        let wire = match self.open_stream(&at).await {
            // At most one move, as with Streamable HTTP.
            Err(WireError::Refused(refusal)) if matches!(refusal.status, 307 | 308) => {
                let at = at.moved(moved_to(at.uri(), &refusal)?);
                self.open_stream(&at).await
            }
            opened => opened,
        };
        let wire: Arc<dyn Wire> = Arc::new(wire.map_err(|error| Failed::on_wire(&error))?);
        // The stray listener must be able to answer a server that pings or asks during the handshake.
        self.stray.reply_through(&wire, Headers::new(), self.options.timeouts.answer);
        let (introduction, _) = self.greet(&*wire).await?;
        Ok(self.connected(introduction, wire, None, None, None))
    }

    async fn open_stream(&self, at: &HttpWire) -> Result<HttpSseWire, WireError> {
        let stray = Arc::clone(self.stray) as Arc<_>;
        HttpSseWire::open(at, Arc::clone(&self.options.name), stray).await
    }
}

/// The status with which something that is no Streamable HTTP endpoint refused to initialize.
fn no_endpoint(failed: &Failed) -> Option<u16> {
    let refusal = failed.refused.as_ref()?;
    (matches!(refusal.status, 400 | 404 | 405) && refusal.message.is_none()).then_some(refusal.status)
}
