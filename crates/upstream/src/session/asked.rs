//! Requests of the gateway's own: lists, subscriptions, log levels, pings.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use trunkline_model::{Era, Params};
use trunkline_protocol::meta::{self, Facts};
use trunkline_protocol::{Revision, bridge, compose, method};
use trunkline_transport::back::{Answered, Heard, Outgoing, WireError};

use super::{Session, describe};
use crate::faults::About;
use crate::giving_up::GivingUp;
use crate::reason::said;

/// Why a request of the gateway's own has no result, in words fit for a client.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct AskError {
    text: String,
    /// The JSON-RPC code, where the server itself refused.
    pub(crate) code: Option<i64>,
    /// The wire refused in a way that a dead session explains.
    suspect: bool,
}

impl AskError {
    /// "Method not found" (JSON-RPC 2.0, section 5.1).
    pub(crate) const NO_METHOD: i64 = bridge::METHOD_NOT_FOUND;

    fn new(text: String) -> Self {
        Self { text, code: None, suspect: false }
    }

    fn refused(method: &str, error: &[u8]) -> Self {
        let code = bridge::code_of(error);
        Self { code: Some(code), ..Self::new(format!("{method} was refused: {} ({code})", said(error))) }
    }
}

impl Session {
    /// Sends a request of the gateway's own (lists, subscriptions, levels) and returns its raw result. A refusal that
    /// may mean the end of the session is looked into before this returns.
    pub(crate) async fn ask(&self, method: &str, params: Bytes, within: Duration) -> Result<Bytes, AskError> {
        let asked = self.ask_once(method, params, within).await;
        if asked.as_ref().is_err_and(|error| error.suspect) {
            self.look_into().await;
        }
        asked
    }

    async fn ask_once(&self, method: &str, params: Bytes, within: Duration) -> Result<Bytes, AskError> {
        let Ok(asked) = timeout(within, self.ask_with(self.number(), method, params, None)).await else {
            let secs = within.as_secs_f64();
            return Err(AskError::new(format!("{method} was not answered within {secs:.1} s")));
        };
        match asked {
            Ok(answered) => match (&answered.message.result, &answered.message.error) {
                (Some(span), _) => Ok(answered.message.share(span)),
                (None, error) => {
                    let raw = error.as_ref().map(|span| answered.message.at(span)).unwrap_or_default();
                    Err(AskError::refused(method, raw))
                }
            },
            Err(WireError::Refused(refusal)) => {
                let own = refusal.message.as_ref().filter(|message| message.id_number().is_some());
                if let Some((message, span)) = own.and_then(|m| m.error.as_ref().map(|span| (m, span))) {
                    return Err(AskError::refused(method, message.at(span)));
                }
                let suspect = self.session_id.is_some() && matches!(refusal.status, 400 | 404);
                let text = format!("{method} failed: {}", describe(&WireError::Refused(refusal)));
                Err(AskError { suspect, ..AskError::new(text) })
            }
            Err(error) => Err(AskError::new(format!("{method} failed: {}", describe(&error)))),
        }
    }

    /// Finds out whether the session still stands, after a 404 or 400: that is how dead sessions are refused, but
    /// also how servers refuse a method or a stream that they do not have. A living session answers a ping.
    pub(crate) async fn look_into(&self) {
        let pinged = self.ask_once(method::PING, Bytes::from_static(b"{}"), self.timeouts.list).await;
        if let Err(error) = pinged
            && error.suspect
        {
            self.lost.tell("the server ended the session");
        }
    }

    /// Sends a request of the gateway's own; `params` are without the metadata that a modern server needs. Dropping
    /// the future takes the request back.
    pub(crate) async fn ask_with(
        &self,
        id: u64,
        method: &str,
        params: Bytes,
        heard: Option<Arc<dyn Heard>>,
    ) -> Result<Answered, WireError> {
        let params = match self.era() {
            Era::Legacy => params,
            Era::Modern => own_params(params, self.introduction.revision),
        };
        let message = compose::request(id, method, &params);
        let headers = self.request_headers(method, None);
        // A legacy server may ask us things on this exchange; somebody must answer.
        let heard = heard.or_else(|| Some(Arc::clone(&self.stray) as Arc<dyn Heard>));
        let giving_up = GivingUp::own(self, id);
        let own = About { server: &self.server, method, tool: None, client: None, called: false };
        let answered = self.exchange(Outgoing { id, message, headers, heard }, own).await;
        giving_up.over();
        answered
    }
}

/// Our own request's params with the metadata of the modern era.
pub(crate) fn own_params(params: Bytes, revision: Revision) -> Bytes {
    let info = trunkline_protocol::hello::own_info(env!("CARGO_PKG_VERSION"));
    let facts = Facts { revision, client_info: Some(&info), capabilities: b"{}", log_level: None };
    let bare = Params { raw: params, ..Params::default() };
    let meta = meta::for_modern(&bare, &facts, None);
    meta::respell(&bare, None, Some(Some(meta)))
}
