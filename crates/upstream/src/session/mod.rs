//! One established conversation with a server: an agreed revision over one wire.

mod asked;
mod call;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};
use trunkline_model::Era;
use trunkline_protocol::headers;
use trunkline_protocol::hello::Introduction;
use trunkline_transport::back::{Answered, BoxFuture, Headers, HttpWire, Outgoing, Wire, WireError};
use trunkline_transport::names;

use crate::faults::{About, Faults};
use crate::loss::Loss;
use crate::options::Timeouts;
use crate::reason::said;
use crate::stray::Stray;
use crate::turns::Turns;

pub(crate) use asked::{AskError, own_params};
pub(crate) use call::asks_during;

/// An established conversation.
pub(crate) struct Session {
    pub(crate) server: Arc<str>,
    pub(crate) wire: Arc<dyn Wire>,
    /// The same wire, where it is HTTP: sessions there have streams and ends of their own.
    pub(crate) http: Option<HttpWire>,
    pub(crate) introduction: Introduction,
    /// The session that a legacy HTTP server opened.
    pub(crate) session_id: Option<HeaderValue>,
    pub(crate) stray: Arc<Stray>,
    pub(crate) ids: Arc<AtomicU64>,
    pub(crate) timeouts: Timeouts,
    /// The log level last set on a legacy server; `u8::MAX` is none yet.
    pub(crate) level: AtomicU8,
    /// Told by whoever finds the conversation over.
    pub(crate) lost: Loss,
    /// Where calls that can be asked take turns.
    pub(crate) turns: Arc<Turns>,
    /// What shall go wrong on purpose.
    pub(crate) faults: Arc<Faults>,
}

/// How an attempt to call ended without an outcome: the conversation is over, and the call certainly did not run.
pub(crate) struct Lost(pub(crate) String);

impl Session {
    /// The era spoken.
    pub(crate) fn era(&self) -> Era {
        self.introduction.era()
    }

    /// Headers of every message of this conversation.
    pub(crate) fn headers(&self) -> Headers {
        if self.http.is_none() {
            return Headers::new();
        }
        let revision = self.introduction.revision.as_str();
        let mut out = Headers::with_capacity(5);
        out.push((names::PROTOCOL_VERSION.clone(), HeaderValue::from_static(revision)));
        if let Some(id) = &self.session_id {
            out.push((names::SESSION.clone(), id.clone()));
        }
        out
    }

    fn request_headers(&self, method: &str, target: Option<&str>) -> Headers {
        let mut out = self.headers();
        if self.http.is_some() && self.era() == Era::Modern {
            push(&mut out, names::METHOD.clone(), method);
            if let (Some(_), Some(target)) = (headers::name_key(method), target) {
                push(&mut out, names::NAME.clone(), target);
            }
        }
        out
    }

    /// A number for a request; it is also the request's progress token and subscription.
    pub(crate) fn number(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Hands a request to the wire, with what shall go wrong with it on purpose.
    fn exchange(&self, out: Outgoing, about: About<'_>) -> BoxFuture<'_, Result<Answered, WireError>> {
        let struck = if self.faults.are_on() { self.faults.strike(about) } else { None };
        match struck {
            None => self.wire.exchange(out),
            Some(struck) => Box::pin(struck.exchange(&*self.wire, out)),
        }
    }

    /// Ends the conversation in order, where the wire has such a thing.
    pub(crate) async fn end(&self) {
        if let (Some(http), Some(_)) = (&self.http, &self.session_id) {
            http.end(self.headers()).await;
        }
    }
}

fn push(out: &mut Headers, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::try_from(headers::encode(text)) {
        out.push((name, value));
    }
}

/// A wire error in words fit for an operator.
pub(crate) fn describe(error: &WireError) -> String {
    match error {
        WireError::Refused(refusal) => {
            let error = refusal.message.as_ref().and_then(|m| m.error.as_ref().map(|span| m.at(span)));
            let text = error.map(|error| format!(" ({})", said(error))).unwrap_or_default();
            format!("HTTP {}{text}", refusal.status)
        }
        other => other.to_string(),
    }
}
