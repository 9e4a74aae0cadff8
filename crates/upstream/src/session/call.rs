//! One client's call in a conversation: in the words of the server's era, in its turn, heard while it runs.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::Either;
use http::{HeaderName, HeaderValue};
use tokio::time::timeout;
use trunkline_model::{Call, Era, Fault, Level, Operation, Served, TaskRequest, Text};
use trunkline_protocol::meta::{self, Facts};
use trunkline_protocol::{asks, compose, method};
use trunkline_transport::back::{Exchanged, Heard, HttpWire, Outgoing, WireError};
use trunkline_transport::names;

use super::{Lost, Session, push};
use crate::asking::{Asking, Turn};
use crate::breaker::{Trouble, Verdict};
use crate::deadlines::{Deadlines, Signs};
use crate::faults::About;
use crate::giving_up::GivingUp;
use crate::hearing::Hearing;
use crate::stray::Relay;

/// A call waited for its turn for as long as a call may take.
const NO_TURN: &str = "other calls to this server that may ask their users went first; try again later";
/// How much longer the questions of a parked call may be open than those of others.
const PARKED_LONGER: Duration = Duration::from_secs(30);

impl Session {
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
}

/// The operations during which a modern client can be asked (2026-07-28, multi round-trip requests).
pub(crate) fn asks_during(operation: &Operation) -> bool {
    matches!(operation, Operation::CallTool(_) | Operation::GetPrompt(_) | Operation::ReadResource(_))
}
