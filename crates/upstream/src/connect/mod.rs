//! Opening a conversation: start or reach the server, find out its era, agree on a revision.
//!
//! The order of attempts is what real servers need (`bridging.md` section 3.2, measured): some old ones die of the
//! probe, some stay silent for ever, and none may be probed beside a second process of its own.

mod http;
mod http_sse;
mod stdio;
mod websocket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;
use tokio::time::timeout;
use trunkline_model::Era;
use trunkline_observe::metrics::UpstreamHandle;
use trunkline_protocol::hello::{self, HelloError, Introduction};
use trunkline_protocol::{Revision, bridge, compose, headers, method};
use trunkline_transport::back::{Answered, Headers, HttpWire, Outgoing, Refusal, Wire, WireError};

use crate::loss::Loss;
use crate::options::{EraChoice, Options, Reach};
use crate::reason::said;
use crate::session::{Session, describe, own_params};
use crate::stray::Stray;
use crate::tools::Tools;
use crate::turns::Turns;
use crate::verdict::Verdict;

pub(crate) use stdio::{Process, exited};

/// A conversation and, on stdio, the process it is held with.
pub(crate) struct Connected {
    pub(crate) session: Session,
    pub(crate) child: Option<Process>,
}

/// Why no conversation came about.
#[derive(Debug)]
pub(crate) struct Failed {
    /// In words fit for a client.
    pub(crate) reason: String,
    /// What the process last wrote to stderr.
    pub(crate) stderr: Vec<String>,
    /// Whether it says nothing about the era: the server was not reached, or was not itself.
    pub(crate) undecided: bool,
    /// How the server refused on the HTTP level, if it did.
    pub(crate) refused: Option<Box<Refusal>>,
}

impl From<String> for Failed {
    fn from(reason: String) -> Self {
        Self { reason, stderr: Vec::new(), undecided: false, refused: None }
    }
}

impl Failed {
    fn undecided(reason: String) -> Self {
        Self { undecided: true, ..Self::from(reason) }
    }

    fn on_wire(error: &WireError) -> Self {
        let undecided = match error {
            WireError::NotSent(_) | WireError::Broken(_) => true,
            WireError::Refused(refusal) => passing(refusal.status),
            WireError::Invalid(_) | WireError::TooLarge(_) => false,
        };
        Self { undecided, ..Self::from(describe(error)) }
    }

    /// A wire error in the handshake, with the refusal in it.
    fn handshake(error: WireError) -> Self {
        let failed = Self::on_wire(&error);
        let refused = if let WireError::Refused(refusal) = error { Some(refusal) } else { None };
        Self { refused, ..failed }
    }
}

/// HTTP statuses that are about the moment or the caller, whatever the server speaks.
const fn passing(status: u16) -> bool {
    matches!(status, 401 | 403 | 408 | 425 | 429 | 500..)
}

/// What a probe showed.
enum Probed {
    Modern(Introduction),
    Legacy,
    /// It is modern, refuses the revision of the probe, and names this one, which we speak too.
    Other(Revision),
    /// The server cannot be probed; start it or reach it anew and speak legacy.
    Unfit(String),
}

pub(crate) struct Connecting<'a> {
    pub(crate) options: &'a Options,
    pub(crate) tools: &'a Tools,
    pub(crate) stray: &'a Arc<Stray>,
    pub(crate) ids: &'a Arc<AtomicU64>,
    pub(crate) meter: &'a UpstreamHandle,
    /// Whether this is not the first attempt.
    pub(crate) again: bool,
    /// The capabilities object that is declared to a legacy server.
    pub(crate) capabilities: Bytes,
    /// The era, where it was found out before.
    pub(crate) known: Option<Era>,
}

impl Connecting<'_> {
    /// Opens the conversation.
    pub(crate) async fn open(&self, within: Duration) -> Result<Connected, Failed> {
        let attempt = timeout(within, self.attempt()).await;
        let opened =
            attempt.unwrap_or_else(|_| Err(format!("no handshake within {} s", within.as_secs()).into()));
        let undecided = self.options.era == EraChoice::Auto || matches!(self.options.reach, Reach::Http(_));
        if undecided && self.known.is_none() {
            match &opened {
                Ok((_, verdict)) => self.tools.verdicts.set(self.options, Some(*verdict)),
                Err(failed) if failed.undecided => {}
                // A remembered verdict may be what is wrong: probe again next time.
                Err(_) => self.tools.verdicts.set(self.options, None),
            }
        }
        opened.map(|(connected, _)| connected)
    }

    async fn attempt(&self) -> Result<(Connected, Verdict), Failed> {
        let remembered = self.tools.verdicts.get(self.options);
        let known = match self.options.era {
            EraChoice::Modern => Some(Era::Modern),
            EraChoice::Legacy => Some(Era::Legacy),
            EraChoice::Auto => self.known.or_else(|| remembered.map(Verdict::era)),
        };
        let opened = match &self.options.reach {
            Reach::Stdio(command) => self.open_stdio(command, known).await,
            Reach::Http(endpoint) => {
                let sse = remembered == Some(Verdict::HttpSse) && known == Some(Era::Legacy);
                return self.open_either(endpoint, known, sse).await;
            }
            Reach::StreamableHttp(endpoint) => self.open_http(endpoint, known).await,
            Reach::HttpSse(endpoint) => self.open_http_sse(endpoint).await,
            Reach::WebSocket(endpoint) => self.open_websocket(endpoint, known).await,
        };
        opened.map(|connected| {
            let verdict = Verdict::of(connected.session.era());
            (connected, verdict)
        })
    }

    /// Sends `server/discover` in a modern revision.
    async fn discover(
        &self,
        wire: &dyn Wire,
        revision: Revision,
        extra: Headers,
    ) -> Result<Answered, WireError> {
        let id = self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let params = own_params(Bytes::from_static(b"{}"), revision);
        let message = compose::request(id, method::DISCOVER, &params);
        wire.exchange(Outgoing { id, message, headers: extra, heard: None }).await
    }

    /// Probes a server on a channel that all callers share, a second time if it names another modern revision. Nothing
    /// else may be sent before the verdict.
    async fn probe_channel(&self, wire: &dyn Wire) -> Probed {
        match self.probe_once(wire, Revision::MODERN_LATEST).await {
            Probed::Other(revision) => self.probe_once(wire, revision).await,
            probed => probed,
        }
    }

    async fn probe_once(&self, wire: &dyn Wire, revision: Revision) -> Probed {
        let probe = self.discover(wire, revision, Headers::new());
        match timeout(self.options.timeouts.probe, probe).await {
            Err(_) => Probed::Unfit("it did not answer the probe".to_owned()),
            Ok(Ok(answered)) => probe_answer(&answered),
            Ok(Err(error)) => Probed::Unfit(error.to_string()),
        }
    }

    /// Sends `initialize` and `notifications/initialized`; returns what the server said and the session it opened.
    async fn greet(&self, wire: &dyn Wire) -> Result<(Introduction, Option<HeaderValue>), Failed> {
        let id = self.ids.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let params =
            hello::initialize_params(Revision::LEGACY_LATEST, env!("CARGO_PKG_VERSION"), &self.capabilities);
        let message = compose::request(id, method::INITIALIZE, &params);
        let answered = wire.exchange(Outgoing { id, message, headers: Headers::new(), heard: None }).await;
        let answered = answered.map_err(Failed::handshake)?;
        let raw = match (&answered.message.result, &answered.message.error) {
            (Some(span), _) => answered.message.share(span),
            (None, error) => {
                let raw = error.as_ref().map(|span| answered.message.at(span)).unwrap_or_default();
                return Err(format!("it refused to initialize: {}", said(raw)).into());
            }
        };
        let introduction = hello::read_initialize(&raw).map_err(|error| Failed::from(error.to_string()))?;
        let mut extra = Headers::new();
        let revision = HeaderValue::from_static(introduction.revision.as_str());
        extra.push((HeaderName::from_static(headers::PROTOCOL_VERSION), revision));
        if let Some(session) = &answered.session {
            extra.push((HeaderName::from_static(headers::SESSION), session.clone()));
        }
        let ready = compose::notification(method::INITIALIZED, &Bytes::new());
        wire.tell(ready, extra).await.map_err(|error| Failed::on_wire(&error))?;
        Ok((introduction, answered.session))
    }

    fn connected(
        &self,
        introduction: Introduction,
        wire: Arc<dyn Wire>,
        http: Option<HttpWire>,
        session_id: Option<HeaderValue>,
        child: Option<Process>,
    ) -> Connected {
        let session = Session {
            server: Arc::clone(&self.options.name),
            wire,
            http,
            introduction,
            session_id,
            stray: Arc::clone(self.stray),
            ids: Arc::clone(self.ids),
            timeouts: self.options.timeouts,
            level: AtomicU8::new(u8::MAX),
            lost: Loss::default(),
            turns: Turns::new(),
            faults: Arc::clone(&self.tools.faults),
        };
        self.stray.reply_through(&session.wire, session.headers(), self.options.timeouts.answer);
        Connected { session, child }
    }
}

/// What an answer to `server/discover` says about the server.
fn probe_answer(answered: &Answered) -> Probed {
    let message = &answered.message;
    if let Some(span) = &message.result {
        return match hello::read_discover(&message.share(span)) {
            Ok(introduction) => Probed::Modern(introduction),
            Err(HelloError::NoRevision(_) | HelloError::Malformed(_)) => Probed::Legacy,
        };
    }
    let raw = message.error.as_ref().map(|span| message.at(span)).unwrap_or_default();
    if let Some(revision) = hello::offered_instead(raw) {
        return Probed::Other(revision);
    }
    match bridge::code_of(raw) {
        // A server that knows these codes knows the modern era, but then it would have answered; without an
        // introduction there is nothing to go by.
        bridge::UNSUPPORTED_VERSION | bridge::HEADER_MISMATCH | bridge::MISSING_CAPABILITY => {
            Probed::Unfit(format!("it refused the probe: {}", said(raw)))
        }
        _ => Probed::Legacy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderMap;

    #[test]
    fn only_failures_of_the_server_itself_say_something_about_its_era() {
        let http = |status| {
            let headers = HeaderMap::new();
            WireError::Refused(Box::new(Refusal { status, headers, body: Bytes::new(), message: None }))
        };
        for error in
            [WireError::NotSent(String::new()), WireError::Broken(String::new()), http(503), http(401)]
        {
            assert!(Failed::on_wire(&error).undecided, "{error}");
        }
        for error in [WireError::Invalid(String::new()), http(400), http(405)] {
            assert!(!Failed::on_wire(&error).undecided, "{error}");
        }
    }
}
