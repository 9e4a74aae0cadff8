//! One established conversation with a server: an agreed revision over one wire.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::Either;
use http::{HeaderName, HeaderValue};
use tokio::time::timeout;
use trunkline_model::{Call, Era, Fault, Level, Operation, Params, Served, TaskRequest, Text};
use trunkline_protocol::hello::Introduction;
use trunkline_protocol::meta::{self, Facts};
use trunkline_protocol::{Revision, asks, bridge, compose, headers, method};
use trunkline_transport::back::{
    Answered, BoxFuture, Exchanged, Headers, Heard, HttpWire, Outgoing, Wire, WireError,
};
use trunkline_transport::names;

use crate::asking::{Asking, Turn};
use crate::breaker::{Trouble, Verdict};
use crate::deadlines::{Deadlines, Signs};
use crate::faults::{About, Faults};
use crate::giving_up::GivingUp;
use crate::hearing::Hearing;
use crate::loss::Loss;
use crate::options::Timeouts;
use crate::reason::said;
use crate::stray::{Relay, Stray};
use crate::turns::Turns;

/// A call waited for its turn for as long as a call may take.
const NO_TURN: &str = "other calls to this server that may ask their users went first; try again later";

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

/// How much longer the questions of a parked call may be open than those of others.
const PARKED_LONGER: Duration = Duration::from_secs(30);

/// How an attempt to call ended without an outcome: the conversation is over, and the call certainly did not run.
pub(crate) struct Lost(pub(crate) String);

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

    /// A number for a request; it is also the request's progress token and subscription.
    pub(crate) fn number(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
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

    /// Hands a request to the wire, with what shall go wrong with it on purpose.
    fn exchange(&self, out: Outgoing, about: About<'_>) -> BoxFuture<'_, Result<Answered, WireError>> {
        let struck = if self.faults.are_on() { self.faults.strike(about) } else { None };
        match struck {
            None => self.wire.exchange(out),
            Some(struck) => Box::pin(struck.exchange(&*self.wire, out)),
        }
    }

    /// The same for a client's call, whose result may be handed on while it arrives on a wire of its `own`.
    fn carry<'a>(
        &'a self,
        out: Outgoing,
        about: About<'_>,
        own: Option<&'a HttpWire>,
    ) -> impl Future<Output = Result<Exchanged, WireError>> + Send + use<'a> {
        match own {
            // What goes wrong on purpose goes wrong with whole answers.
            Some(http) if !self.faults.are_on() => Either::Left(http.pass(out)),
            _ => Either::Right(self.exchange(out, about).map_ok(Exchanged::Whole)),
        }
    }

    /// Raises a legacy server's log level to what a call wants. Only ever more verbose where others share the
    /// conversation.
    async fn raise_level(&self, wanted: Option<Level>) {
        let Some(wanted) = wanted.filter(|_| self.era() == Era::Legacy) else { return };
        let now = self.level.load(Ordering::Relaxed);
        let shared = !matches!(self.stray.relay(), Relay::Stay(..));
        let fits = if shared { now <= wanted as u8 } else { now == wanted as u8 };
        if fits || !self.introduction.has("logging") {
            return;
        }
        let params = Bytes::from(format!("{{\"level\":\"{}\"}}", wanted.as_str()));
        // A server that is silent on this must still get its call before the caller's patience ends.
        let within = self.timeouts.list.min(self.timeouts.idle / 2);
        // Boxed: it is rare, and would make every call's future larger.
        match Box::pin(self.ask(method::SET_LEVEL, params, within)).await {
            Ok(_) if shared => {
                self.level.fetch_min(wanted as u8, Ordering::Relaxed);
            }
            Ok(_) => self.level.store(wanted as u8, Ordering::Relaxed),
            Err(error) => tracing::debug!(server = &*self.server, %error, "could not raise the log level"),
        }
    }

    /// Runs one client call, and says what its end says about the server. With `passes` its result may be handed on while it
    /// arrives, where it is in the words of the caller's era and comes on a wire of its own.
    pub(crate) async fn call(
        &self,
        call: &Call,
        target: Option<&str>,
        extra: &[(String, String)],
        passes: bool,
    ) -> Result<(Served, Verdict), Lost> {
        // A method that only the other era knows means nothing here, or something else.
        if let Operation::Other(method) = &call.operation
            && call.caller.era != self.era()
        {
            return Ok((Fault::unknown_method(method).into(), Verdict::Nothing));
        }
        // Questions about a task name it; waiting for one takes no turn from others.
        let blind = !matches!(call.operation, Operation::Task(..));
        let turn = if blind && self.can_ask_during(call) {
            match timeout(self.timeouts.total, self.turn()).await {
                Ok(turn) => turn?,
                Err(_) => return Ok((Fault::overloaded(NO_TURN).into(), Verdict::Nothing)),
            }
        } else {
            None
        };
        let id = self.number();
        let method = method::of(&call.operation);
        let params = self.params(call, target, id);
        let spoken = target.or_else(|| call.operation.target().map(|t| &**t));
        let mut headers = self.request_headers(method, spoken);
        if self.http.is_some() && self.era() == Era::Modern {
            for (name, value) in extra {
                if let Ok(name) = HeaderName::try_from(name.as_str()) {
                    push(&mut headers, name, value);
                }
            }
        }
        if let (Some(_), Some(parent)) = (&self.http, &call.traceparent)
            && let Ok(value) = HeaderValue::try_from(parent.as_str())
        {
            headers.push((names::TRACEPARENT.clone(), value));
        }
        let task =
            matches!(call.operation, Operation::Task(TaskRequest::Result, _)).then_some(spoken).flatten();
        let hearing = self.hearing(call, id, turn, task.map(Text::from));
        let heard = hearing.clone().map(|hearing| hearing as Arc<dyn Heard>);
        let message = compose::request(id, method, &params);
        let apart = self.http.as_ref().filter(|_| passes && call.caller.era == self.era());
        let tool = matches!(call.operation, Operation::CallTool(_)).then_some(spoken).flatten();
        let client = call.caller.info.as_deref();
        let about = About { server: &self.server, method, tool, client, called: true };
        let mut work = pin!(async {
            self.raise_level(call.log_level).await;
            let giving_up = GivingUp::call(self, id, hearing.as_ref());
            let ended = self.carry(Outgoing { id, message, headers, heard }, about, apart).await;
            giving_up.over();
            ended
        });
        let deadlines = Deadlines { idle: self.timeouts.idle, total: self.timeouts.total };
        match deadlines.hold(work.as_mut(), hearing.as_ref().map(|hearing| &*hearing.signs)).await {
            Err(passed) => {
                Ok((Fault::timed_out(&self.server, passed).into(), Verdict::Failed(Trouble::TimedOut)))
            }
            Ok(ended) => {
                let verdict = Verdict::on(&ended);
                let outcome = self.outcome(ended, &call.operation)?;
                let verdict = verdict.with(&outcome);
                Ok((outcome, verdict))
            }
        }
    }

    /// The request's parameters in the words of the server's era.
    fn params(&self, call: &Call, target: Option<&str>, id: u64) -> Bytes {
        let token = call.progress.is_some().then_some(id);
        let old = &call.params;
        let meta = match (self.era(), call.caller.era) {
            (Era::Modern, Era::Modern) => token.map(|_| Some(meta::with_token(old, token))),
            (Era::Modern, Era::Legacy) => {
                let capabilities = asks::capabilities_upward(&call.caller.capabilities);
                let facts = Facts {
                    revision: self.introduction.revision,
                    client_info: call.caller.info.as_deref(),
                    capabilities: &capabilities,
                    log_level: Some(call.log_level.unwrap_or(Level::Info)),
                };
                Some(Some(meta::for_modern(old, &facts, token)))
            }
            (Era::Legacy, _) if token.is_some() || old.meta.is_some() => Some(meta::for_legacy(old, token)),
            (Era::Legacy, _) => None,
        };
        meta::respell(old, target, meta)
    }

    /// Whether the server may ask the caller something while this call runs.
    fn can_ask_during(&self, call: &Call) -> bool {
        let waits = matches!(call.operation, Operation::Task(TaskRequest::Result, _));
        let carries = call.caller.era == Era::Legacy || waits || asks_during(&call.operation);
        carries && !call.caller.offers.is_none() && self.stray.relays()
    }

    /// Whether calls that can be asked run one at a time. Over HTTP as well: a server may ask on the stream of the call,
    /// but also on that of the session, and many do.
    pub(crate) fn takes_turns(&self) -> bool {
        matches!(self.stray.relay(), Relay::Calls)
    }

    /// Waits for the call's turn, where calls of several clients take turns because nothing on the wire says which of
    /// them a question belongs to.
    async fn turn(&self) -> Result<Option<Turn>, Lost> {
        if !self.takes_turns() {
            return Ok(None);
        }
        tokio::select! {
            turn = self.turns.take() => Ok(Some(Turn::new(Arc::clone(&self.turns), turn))),
            why = self.lost.heard() => Err(Lost(why.to_owned())),
            why = self.wire.ended() => Err(Lost(why)),
        }
    }

    /// A listener for what the caller wants to hear during the call; `None` when that is nothing.
    /// `task` is the server's id of the task whose end is waited for.
    fn hearing(&self, call: &Call, id: u64, turn: Option<Turn>, task: Option<Text>) -> Option<Arc<Hearing>> {
        // Legacy clients that never set a level get what the server chooses to send.
        let level = match call.caller.era {
            Era::Legacy => Some(call.log_level.unwrap_or(Level::Debug)),
            Era::Modern => call.log_level,
        };
        // On a legacy server somebody must listen in any case: its log messages and questions come on the call's own
        // stream, and what this caller does not want is dropped there rather than told to everybody.
        if call.progress.is_none() && level.is_none() && self.era() == Era::Modern {
            return None;
        }
        let signs = Arc::new(Signs::new());
        let way = if self.can_ask_during(call) { self.stray.way() } else { None };
        let asking = way.map(|mut way| {
            // The call of a modern client is parked, and given up in time, above; this must not come before that.
            if call.caller.era == Era::Modern {
                way.patience = way.patience.saturating_add(PARKED_LONGER);
            }
            let notes = Arc::clone(&call.notes);
            Asking::new(way, notes, call.caller.offers, turn, Some(Arc::clone(&signs)), task)
        });
        Some(Arc::new(Hearing {
            id,
            notes: Arc::clone(&call.notes),
            token: call.progress.clone(),
            level,
            stray: Arc::clone(&self.stray),
            signs,
            asking,
        }))
    }

    /// Ends the conversation in order, where the wire has such a thing.
    pub(crate) async fn end(&self) {
        if let (Some(http), Some(_)) = (&self.http, &self.session_id) {
            http.end(self.headers()).await;
        }
    }
}

/// The operations during which a modern client can be asked (2026-07-28, multi round-trip requests).
pub(crate) fn asks_during(operation: &Operation) -> bool {
    matches!(operation, Operation::CallTool(_) | Operation::GetPrompt(_) | Operation::ReadResource(_))
}

fn push(out: &mut Headers, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::try_from(headers::encode(text)) {
        out.push((name, value));
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
