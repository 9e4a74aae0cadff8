//! An error as a decision: what it is, whose it is, whether to try again, told once to the caller and once to us.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// A failure that the gateway decided on.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What happened.
    pub kind: Kind,
    /// Whose fault it is.
    pub side: Side,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What the caller is told. Never a secret, never another caller's data.
    pub public: Cow<'static, str>,
    /// What the log is told.
    pub detail: String,
    /// The upstream concerned, by the operator's name for it.
    pub server: Option<Arc<str>>,
    /// Whether it is certain that the call never began at the upstream, so that another may run it.
    pub unbegun: bool,
}

/// What happened. Each variant is answered in its own way on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The message is not valid JSON.
    Unparsable,
    /// The message is JSON but not a valid request.
    InvalidRequest,
    /// The method does not exist here.
    UnknownMethod,
    /// A parameter is missing or has the wrong form.
    InvalidParams,
    /// No tool or prompt of that name; holds the exposed names that share the original one.
    UnknownName(Vec<Arc<str>>),
    /// Nothing answers to that URI.
    ResourceNotFound(Box<str>),
    /// The page cursor is unknown or too old.
    BadCursor,
    /// The state that came with a retry is not good for it.
    BadState(StateProblem),
    /// The call goes on only for a caller with these capabilities: a capabilities object, raw.
    MissingCapability(Box<str>),
    /// Headers and body disagree, or a header is missing.
    HeaderMismatch,
    /// The protocol revision is not supported; holds what was asked for.
    UnsupportedRevision(Box<str>),
    /// The upstream is down, starting or refusing.
    Unavailable,
    /// The upstream failed too often of late; it is left alone for a while.
    CircuitOpen,
    /// The upstream did not answer in time.
    TimedOut,
    /// The call may or may not have run.
    OutcomeUnknown,
    /// The feature does not exist on the upstream's or caller's side and cannot be bridged yet.
    CannotBridge,
    /// The answer of the upstream is not valid MCP.
    BadAnswer,
    /// The answer of the upstream is larger than is passed on.
    ResultTooLarge,
    /// The gateway, or the server behind it, has enough to do.
    Overloaded,
    /// The caller comes too often, or with too many calls at a time; what the limit is, where it is one of a rate.
    RateLimited(Option<Box<Quota>>),
    /// The caller cancelled.
    Cancelled,
    /// A defect of the gateway.
    Internal,
}

impl Kind {
    /// A stable word for `data.reason`, logs and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unparsable => "parse_error",
            Self::InvalidRequest => "invalid_request",
            Self::UnknownMethod => "method_not_found",
            Self::InvalidParams => "invalid_params",
            Self::UnknownName(_) => "unknown_name",
            Self::ResourceNotFound(_) => "resource_not_found",
            Self::BadCursor => "bad_cursor",
            Self::BadState(problem) => problem.reason(),
            Self::MissingCapability(_) => "missing_capability",
            Self::HeaderMismatch => "header_mismatch",
            Self::UnsupportedRevision(_) => "unsupported_revision",
            Self::Unavailable => "upstream_unavailable",
            Self::CircuitOpen => "circuit_open",
            Self::TimedOut => "upstream_timeout",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::CannotBridge => "cannot_bridge",
            Self::BadAnswer => "bad_answer",
            Self::ResultTooLarge => "result_too_large",
            Self::Overloaded => "overloaded",
            Self::RateLimited(_) => "rate_limited",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}

/// A rate limit as its caller may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The operator's name for it.
    pub name: Arc<str>,
    /// So many units...
    pub size: u64,
    /// ...in so long a time; whole seconds.
    pub window: Duration,
    /// Units that are left.
    pub left: u64,
    /// When there will be more.
    pub reset: Duration,
}

/// Why the `requestState` of a retry is refused. The call is never run afresh on a bad state: it may have side effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateProblem {
    /// It is not ours, or was tampered with.
    Invalid,
    /// The call waited for too long and was given up.
    Expired,
    /// It belongs to another call: another caller, method, target or arguments.
    Mismatch,
    /// It was answered already.
    Reused,
    /// The process that held the call is gone; what became of the call is unknown.
    InstanceLost,
}

impl StateProblem {
    /// A stable word for `data.reason`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "state_invalid",
            Self::Expired => "state_expired",
            Self::Mismatch => "state_mismatch",
            Self::Reused => "state_reused",
            Self::InstanceLost => "instance_lost",
        }
    }
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The caller's.
    Client,
    /// Ours.
    Gateway,
    /// The upstream's.
    Upstream,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It cannot.
    Never,
    /// It can, after this long.
    After(Duration),
    /// The caller must decide: the call may have run.
    AtOwnRisk,
}

impl Fault {
    fn new(kind: Kind, side: Side, retry: Retry, public: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, side, retry, public: public.into(), detail: String::new(), server: None, unbegun: false }
    }

    /// A fault of the caller with this kind and text.
    pub fn client(kind: Kind, public: impl Into<Cow<'static, str>>) -> Self {
        Self::new(kind, Side::Client, Retry::Never, public)
    }

    /// No tool or prompt of that name.
    pub fn unknown_name(what: &str, name: &str, candidates: Vec<Arc<str>>) -> Self {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(128).collect();
        let public = if candidates.is_empty() {
            format!("unknown {what}: {shown}")
        } else {
            format!("{what} {shown} exists on several servers; use one of: {}", candidates.join(", "))
        };
        Self::client(Kind::UnknownName(candidates), public)
    }

    /// Nothing answers to that URI.
    pub fn resource_not_found(uri: &str) -> Self {
        Self::client(Kind::ResourceNotFound(uri.into()), "resource not found")
    }

    /// The method does not exist here.
    pub fn unknown_method(method: &str) -> Self {
        let shown: String = method.chars().filter(|c| !c.is_control()).take(128).collect();
        Self::client(Kind::UnknownMethod, format!("method not found: {shown}"))
    }

    /// The upstream cannot be reached now.
    pub fn unavailable(server: &Arc<str>, reason: &str, after: Duration) -> Self {
        let public = format!("the server \"{server}\" is unavailable: {reason}");
        Self::new(Kind::Unavailable, Side::Upstream, Retry::After(after), public).of(server)
    }

    /// The upstream, or one tool of it, failed too often of late. The call did not begin.
    pub fn circuit_open(server: &Arc<str>, tool: Option<&str>, after: Duration) -> Self {
        let what =
            tool.map_or_else(|| "calls to it".to_owned(), |tool| format!("calls to its tool \"{tool}\""));
        let public = format!("the server \"{server}\" is not well: {what} are held back for a while");
        Self::new(Kind::CircuitOpen, Side::Upstream, Retry::After(after), public).of(server).before_it_began()
    }

    /// The upstream did not answer in time; the call may have run.
    pub fn timed_out(server: &Arc<str>, waited: Duration) -> Self {
        let public = format!("the server \"{server}\" did not answer within {:.1} s", waited.as_secs_f64());
        Self::new(Kind::TimedOut, Side::Upstream, Retry::AtOwnRisk, public).of(server)
    }

    /// The connection broke while the call was under way; it may have run.
    pub fn outcome_unknown(server: &Arc<str>, detail: impl Into<String>) -> Self {
        let public = format!(
            "the connection to the server \"{server}\" broke during the call; it may or may not have run"
        );
        let mut fault = Self::new(Kind::OutcomeUnknown, Side::Upstream, Retry::AtOwnRisk, public).of(server);
        fault.detail = detail.into();
        fault
    }

    /// The upstream sent something that is not a valid answer.
    pub fn bad_answer(server: &Arc<str>, detail: impl Into<String>) -> Self {
        let public = format!("the server \"{server}\" sent an invalid answer");
        let mut fault = Self::new(Kind::BadAnswer, Side::Upstream, Retry::Never, public).of(server);
        fault.detail = detail.into();
        fault
    }

    /// The upstream's answer is larger than `limit` bytes. The call has most likely run.
    pub fn result_too_large(server: &Arc<str>, limit: usize) -> Self {
        let public = format!(
            "the server \"{server}\" answered with more than {limit} bytes, which is not passed on; the call has most likely \
             run. Ask for less (a filter, a range, fewer items); an operator can raise maxMessageBytes of this server"
        );
        Self::new(Kind::ResultTooLarge, Side::Upstream, Retry::Never, public).of(server)
    }

    /// Something that this pair of peers cannot do through the gateway.
    pub fn cannot_bridge(server: &Arc<str>, what: &str) -> Self {
        Self::new(Kind::CannotBridge, Side::Gateway, Retry::Never, what.to_owned()).of(server)
    }

    /// The gateway is full.
    pub fn overloaded(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Overloaded, Side::Gateway, Retry::After(Duration::from_secs(1)), what)
    }

    /// The caller comes too often, and may come again `after`; with `None` the same call will never be admitted.
    pub fn rate_limited(
        public: impl Into<Cow<'static, str>>,
        quota: Option<Quota>,
        after: Option<Duration>,
    ) -> Self {
        let retry = after.map_or(Retry::Never, Retry::After);
        Self::new(Kind::RateLimited(quota.map(Box::new)), Side::Client, retry, public)
    }

    /// A defect of the gateway; the caller learns only that.
    pub fn internal(detail: impl Into<String>) -> Self {
        let mut fault = Self::new(Kind::Internal, Side::Gateway, Retry::Never, "internal error");
        fault.detail = detail.into();
        fault
    }

    /// The same fault, of a call that certainly never began at the upstream.
    pub const fn before_it_began(mut self) -> Self {
        self.unbegun = true;
        self
    }

    /// The same fault, naming the upstream concerned.
    pub fn of(mut self, server: &Arc<str>) -> Self {
        self.server = Some(Arc::clone(server));
        self
    }
}
