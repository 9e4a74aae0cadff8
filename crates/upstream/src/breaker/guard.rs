//! The breakers of one upstream, and what puts them around its calls.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use trunkline_model::{Fault, Text};
use trunkline_observe::events::CircuitChanged;
use trunkline_observe::metrics::{CircuitState, UpstreamHandle};

use super::{Breaker, Change, Options, Refused, State, Ticket, Trouble, Verdict};

/// Most tools of one server with a breaker of their own; a server has at most 10,000.
const TOOLS_MAX: usize = 1000;

/// How the breakers of an upstream stand, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// The server's own.
    pub state: State,
    /// Whether the operator decreed it.
    pub forced: bool,
    /// How long it stays open.
    pub retry_in: Option<Duration>,
    /// The tools whose own breaker is not closed.
    pub tools: Vec<(Text, State)>,
}

/// The breakers of one upstream: its own, and those of the tools that have one.
#[derive(Debug)]
pub(crate) struct Circuits {
    server: Arc<str>,
    own: Breaker,
    tools: Mutex<HashMap<Text, Arc<Tool>>>,
    meter: UpstreamHandle,
}

/// The breaker of one tool.
#[derive(Debug)]
pub(crate) struct Tool {
    name: Text,
    breaker: Breaker,
}

impl Circuits {
    pub(crate) fn new(server: Arc<str>, options: Options, meter: UpstreamHandle) -> Arc<Self> {
        let own = breaker(options);
        meter.set_circuit(told(own.state()));
        Arc::new(Self { server, own, tools: Mutex::default(), meter })
    }

    pub(crate) const fn options(&self) -> &Options {
        self.own.options()
    }

    /// The breaker of a tool, by the server's own name for it, if it is to have one. Asked for when a catalog is built.
    pub(crate) fn tool(&self, name: &Text) -> Option<Arc<Tool>> {
        if !self.options().tools.admit(name) {
            return None;
        }
        let mut tools = self.lock();
        if tools.len() >= TOOLS_MAX {
            // Those of tools that are not offered any more.
            tools.retain(|_, tool| Arc::strong_count(tool) > 1);
        }
        if tools.len() >= TOOLS_MAX && !tools.contains_key(name) {
            return None;
        }
        let new = || Options { force: None, ..self.options().clone() };
        let made = tools
            .entry(name.clone())
            .or_insert_with(|| Arc::new(Tool { name: name.clone(), breaker: breaker(new()) }));
        Some(Arc::clone(made))
    }

    /// How they stand.
    pub(crate) fn stand(&self) -> Circuit {
        let open = |tool: &Arc<Tool>| (tool.name.clone(), tool.breaker.state());
        let mut tools: Vec<_> =
            self.lock().values().map(open).filter(|(_, state)| *state != State::Closed).collect();
        tools.sort_by(|(a, _), (b, _)| a.cmp(b));
        Circuit {
            state: self.own.state(),
            forced: self.options().force.is_some(),
            retry_in: self.own.rests(Instant::now()),
            tools,
        }
    }

    fn changed(&self, tool: Option<&Tool>, change: Change) {
        let (state, why, rest) = match change {
            Change::Opened { why, rest } => (CircuitState::Open, Some(why.to_string()), Some(rest)),
            Change::Trying => (CircuitState::HalfOpen, None, None),
            Change::Closed => (CircuitState::Closed, None, None),
        };
        let event = CircuitChanged {
            upstream: &self.server,
            tool: tool.map(|tool| &*tool.name),
            state,
            why: why.as_deref(),
            retry_in: rest,
        };
        event.emit(&self.meter);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Text, Arc<Tool>>> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn breaker(options: Options) -> Breaker {
    Breaker::new(options, Instant::now(), trunkline_runtime::random_byte)
}

fn told(state: State) -> CircuitState {
    match state {
        State::Closed => CircuitState::Closed,
        State::Open => CircuitState::Open,
        State::HalfOpen => CircuitState::HalfOpen,
    }
}

/// What a call was given by the breakers that let it through.
struct Tickets<T> {
    server: Ticket,
    tool: Option<(T, Ticket)>,
}

/// A call that was let through, to be settled with what its end says.
struct Passed<'a> {
    circuits: &'a Arc<Circuits>,
    tickets: Tickets<&'a Arc<Tool>>,
}

/// One call that the breakers let through. Dropped before its end is told, it counts as nothing.
pub(crate) struct Guard<'a> {
    passed: Option<Passed<'a>>,
    /// Taken only where slow calls count.
    began: Option<Instant>,
}

/// The same, for as long as the rest of the result takes.
pub(crate) struct Rest {
    circuits: Arc<Circuits>,
    tickets: Option<Tickets<Arc<Tool>>>,
    took: Option<Duration>,
}

impl<'a> Guard<'a> {
    /// Lets a call through, or says when it may come again.
    pub(crate) fn begin(
        circuits: Option<&'a Arc<Circuits>>,
        tool: Option<&'a Arc<Tool>>,
    ) -> Result<Self, Fault> {
        let Some(circuits) = circuits else { return Ok(Self { passed: None, began: None }) };
        let server = admit(circuits, &circuits.own, None)?;
        let began = circuits.options().slow.map(|_| Instant::now());
        // From here on what was let through is given back whatever happens.
        let tickets = Tickets { server, tool: None };
        let mut guard = Self { passed: Some(Passed { circuits, tickets }), began };
        if let (Some(tool), Some(passed)) = (tool, &mut guard.passed) {
            passed.tickets.tool = Some((tool, admit(circuits, &tool.breaker, Some(tool))?));
        }
        Ok(guard)
    }

    /// The call has ended.
    pub(crate) fn ended(mut self, verdict: Verdict) {
        self.settle(verdict);
    }

    /// The call has a result whose end will tell what it says about the server; `None` where nobody wants to know. How long
    /// the rest takes is the caller's doing as well and makes no call slow.
    pub(crate) fn rest(mut self) -> Option<Rest> {
        let took = self.began.map(|began| Instant::now().saturating_duration_since(began));
        let Passed { circuits, tickets: Tickets { server, tool } } = self.passed.take()?;
        let tool = tool.map(|(tool, ticket)| (Arc::clone(tool), ticket));
        Some(Rest { circuits: Arc::clone(circuits), tickets: Some(Tickets { server, tool }), took })
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(Passed { circuits, tickets }) = self.passed.take() {
            let now = Instant::now();
            let took = self.began.map(|began| now.saturating_duration_since(began));
            settle(circuits, tickets, verdict, took, now);
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.settle(Verdict::Nothing);
    }
}

impl Rest {
    /// The rest has ended.
    pub(crate) fn ended(mut self, verdict: Verdict) {
        self.settle(verdict);
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(tickets) = self.tickets.take() {
            settle(&self.circuits, tickets, verdict, self.took, Instant::now());
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.settle(Verdict::Nothing);
    }
}

fn settle<T: Borrow<Arc<Tool>>>(
    circuits: &Circuits,
    tickets: Tickets<T>,
    verdict: Verdict,
    took: Option<Duration>,
    now: Instant,
) {
    let Tickets { server, tool } = tickets;
    let Some((tool, of_tool)) = tool else {
        if let Some(change) = circuits.own.ended(server, verdict, took, now) {
            circuits.changed(None, change);
        }
        return;
    };
    let tool: &Tool = tool.borrow();
    // A tool with a breaker of its own does not take the server along, unless the server itself cannot be reached.
    let of_server = match verdict {
        Verdict::Failed(Trouble::TimedOut | Trouble::Status | Trouble::BadAnswer) => Verdict::Nothing,
        other => other,
    };
    if let Some(change) = circuits.own.ended(server, of_server, None, now) {
        circuits.changed(None, change);
    }
    if let Some(change) = tool.breaker.ended(of_tool, verdict, took, now) {
        circuits.changed(Some(tool), change);
    }
}

fn admit(circuits: &Circuits, breaker: &Breaker, tool: Option<&Tool>) -> Result<Ticket, Fault> {
    if let Some(ticket) = breaker.pass() {
        return Ok(ticket);
    }
    match breaker.admit(Instant::now()) {
        Ok((ticket, change)) => {
            if let Some(change) = change {
                circuits.changed(tool, change);
            }
            Ok(ticket)
        }
        Err(Refused(rest)) => {
            circuits.meter.circuit_refused();
            Err(Fault::circuit_open(&circuits.server, tool.map(|tool| &*tool.name), rest))
        }
    }
}
