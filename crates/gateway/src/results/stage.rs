//! Taking text out of results on their way back, and reading it.

use std::sync::Arc;

use trunkline_model::{Call, Era, Fault, Kind, Operation, Outcome, Reply};
use trunkline_protocol::kept::{self, Part, Place};
use trunkline_transport::front::host::ViewName;

use super::Results;
use super::options::Keeping;
use super::store::{self, Kept};
use crate::catalog::Route;
use crate::tasks::Owner;

/// What the URIs of kept results begin with.
const PREFIX: &str = "trunkline://results/";
/// What stands behind the name for the structured content.
const STRUCTURED: &str = "/structured";

/// Whether the results of this call are looked at: keeping is on, and the client needs nothing that is not text. A tool
/// with an output schema promises structured content, and clients refuse a result without it.
pub(crate) fn keeps(keeping: Option<Keeping>, route: Option<&Route>, call: &Call) -> Option<Keeping> {
    let keeping = keeping.filter(|_| matches!(call.operation, Operation::CallTool(_)))?;
    let promises = route
        .is_some_and(|route| route.structured && !(call.caller.era == Era::Legacy && route.unstructured));
    (!promises).then_some(keeping)
}

/// Keeps a result that is too large; the client gets the beginning and the way to the rest.
pub(crate) fn keep(
    results: &Arc<Results>,
    view: &ViewName,
    keeping: Keeping,
    call: &Call,
    outcome: Outcome,
) -> Outcome {
    let Outcome::Result(reply) = &outcome else { return outcome };
    // Text is never longer than its JSON.
    if reply.raw.len() <= keeping.above {
        return outcome;
    }
    let Some(taken) = kept::takeable(&reply.raw) else { return outcome };
    let structured = taken.structured.and_then(|json| std::str::from_utf8(json).ok());
    if taken.text.len() + structured.map_or(0, str::len) <= keeping.above {
        return outcome;
    }
    let owner = Owner::of(view, &call.caller);
    let Some(key) = results.keep(owner, &call.caller, &taken.text, structured) else {
        tracing::info!(bytes = reply.raw.len(), "a result is larger than all that may be kept for a client");
        return outcome;
    };
    let uri = format!("{PREFIX}{}", store::spell(&key));
    let structured = structured.map(|json| (format!("{uri}{STRUCTURED}"), json.len()));
    let place = Place {
        uri: &uri,
        tool: call.operation.target().map_or("", |name| name),
        bytes: taken.text.len(),
        structured: structured.as_ref().map(|(uri, bytes)| (uri.as_str(), *bytes)),
        minutes: results.options().keep_for.as_secs().div_ceil(60),
    };
    Outcome::Result(Reply { raw: taken.preview(keeping.preview_bytes, place), era: reply.era })
}

/// A request for something that is kept for its caller.
#[derive(Debug)]
pub(crate) struct Read {
    kept: Arc<Kept>,
    structured: bool,
    part: Result<Part, &'static str>,
}

/// What a call reads of what is kept for its caller; `None` when it reads something else, or something that is not kept
/// for it (any more), which is then unknown like any other resource.
pub(crate) fn asked(results: &Results, view: &ViewName, call: &Call) -> Option<Read> {
    let Operation::ReadResource(uri) = &call.operation else { return None };
    let rest = uri.strip_prefix(PREFIX)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (name, structured) = path.strip_suffix(STRUCTURED).map_or((path, false), |name| (name, true));
    let kept = results.find(&Owner::of(view, &call.caller), &store::parse(name)?)?;
    if structured && kept.structured.is_none() {
        return None;
    }
    Some(Read { kept, structured, part: Part::parse(query) })
}

impl Read {
    /// What is read.
    pub(crate) fn answer(&self, call: &Call) -> Outcome {
        let (text, mime) = match &self.kept.structured {
            Some(json) if self.structured => (&**json, "application/json"),
            _ => (&*self.kept.text, "text/plain"),
        };
        let span = self.part.map_err(str::to_owned).and_then(|part| part.of(text));
        let era = call.caller.era;
        match (span, &call.operation) {
            (Ok(span), Operation::ReadResource(uri)) => {
                Outcome::Result(Reply { raw: kept::read(uri, mime, text, span, era), era })
            }
            (Err(why), _) => Fault::client(Kind::InvalidParams, why).into(),
            _ => Fault::internal("something else than a resource was read").into(),
        }
    }
}
