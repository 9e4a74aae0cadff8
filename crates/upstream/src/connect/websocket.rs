//! Opening a conversation over a WebSocket: the rules of a pipe, with another connection in place of another process.

use std::sync::Arc;

use trunkline_model::Era;
use trunkline_transport::back::{Headers, WebSocketWire, Wire};

use super::{Connected, Connecting, Failed, Probed};
use crate::options::{Endpoint, EraChoice};

impl Connecting<'_> {
    pub(super) async fn open_websocket(
        &self,
        endpoint: &Endpoint,
        known: Option<Era>,
    ) -> Result<Connected, Failed> {
        let wire = self.socket(endpoint).await?;
        if known == Some(Era::Legacy) {
            return self.greet_socket(wire).await;
        }
        match self.probe_channel(&*wire).await {
            Probed::Modern(introduction) => Ok(self.connected(introduction, wire, None, None, None)),
            Probed::Legacy | Probed::Other(_) => self.greet_socket(wire).await,
            Probed::Unfit(why) if self.options.era == EraChoice::Modern => Err(why.into()),
            Probed::Unfit(why) => {
                tracing::debug!(server = &*self.options.name, %why, "the probe did not suit the server; connecting anew");
                // Closes it. Some servers take one connection at a time.
                drop(wire);
                let wire = self.socket(endpoint).await?;
                self.greet_socket(wire).await
            }
        }
    }

    async fn socket(&self, endpoint: &Endpoint) -> Result<Arc<dyn Wire>, Failed> {
        let at = self.http_wire(endpoint)?;
        let stray = Arc::clone(self.stray) as Arc<_>;
        let wire = WebSocketWire::open(&at, stray).await.map_err(|error| Failed::on_wire(&error))?;
        Ok(Arc::new(wire))
    }

    async fn greet_socket(&self, wire: Arc<dyn Wire>) -> Result<Connected, Failed> {
        // The stray listener must be able to answer a server that pings or asks during the handshake.
        self.stray.reply_through(&wire, Headers::new(), self.options.timeouts.answer);
        let (introduction, _) = self.greet(&*wire).await?;
        Ok(self.connected(introduction, wire, None, None, None))
    }
}
