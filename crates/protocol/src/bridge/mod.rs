//! Carrying answers from one revision into another: what a caller cannot parse never reaches it, and nothing is dropped
//! without a word (`bridging.md` 6.1). Additional members stay; what is converted are members of unions that the
//! caller's revision does not know, and shapes that it does not allow.

mod codes;
pub(crate) mod content;
mod error;
mod listed;
pub(crate) mod messages;
#[cfg(test)]
mod tests;
mod tool_result;
mod trimmed;
mod usual;

use bytes::Bytes;
use trunkline_model::{Era, Fault, Kind, Operation, Reply, Side, TaskRequest};

use crate::asks;
use crate::json::{JsonError, Object, Reader, splice};
use crate::revision::Revision;

pub use codes::*;
use content::{Place, Reading};
pub use error::{code_of, error, message_of, missing_capability};
pub use listed::{Listed, tool_downward};
pub use trimmed::Trimmed;

/// `resources/read` and the like must carry cache hints towards modern clients; what a legacy server said has none, so
/// it is marked as not to be kept.
const NOT_TO_BE_KEPT: &[u8] = b"\"ttlMs\":0,\"cacheScope\":\"private\",";
const COMPLETE: &[u8] = b"\"resultType\":\"complete\",";
/// Members of modern results that mean nothing to legacy clients.
const MODERN_ONLY: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

/// A result in the words of the caller's revision. One that needs no change is the same bytes.
///
/// # Errors
/// [`Kind::CannotBridge`] when the result asks for input and the caller is a legacy client: it must never look like
/// an empty success. [`Kind::BadAnswer`] when it cannot be read, so that nobody can say what a client would make of it.
pub fn result(reply: &Reply, caller: Revision, operation: &Operation) -> Result<Bytes, Fault> {
    trimmed(reply, caller, operation).map(Trimmed::into_bytes)
}

/// [`result`], without a copy where members are only left out at the ends.
///
/// # Errors
/// As of [`result`].
pub fn trimmed(reply: &Reply, caller: Revision, operation: &Operation) -> Result<Trimmed, Fault> {
    match (reply.era, caller.era()) {
        (Era::Legacy, Era::Modern) => Ok(upward(&reply.raw, operation).into()),
        (Era::Modern, Era::Modern) => Ok(reply.raw.clone().into()),
        (_, Era::Legacy) => downward(reply, caller, operation),
    }
}

/// Whether what a server of the caller's own era says needs no look inside, so that it can be handed on while it
/// arrives: whatever blocks a legacy server may send, this caller knows.
///
/// What such a server says against its own revision is handed on as well then; where a whole result is at hand,
/// [`result`] still mends it.
pub fn passes(caller: Revision, operation: &Operation) -> bool {
    match operation {
        Operation::CallTool(_) | Operation::GetPrompt(_) => caller >= Revision::R2025_06_18,
        Operation::Task(..) => false,
        _ => true,
    }
}

/// The result of a tool whose output schema legacy clients do not see: its structured content as text. What cannot be
/// read stays as it is, for [`result`] to judge.
pub fn unstructured(raw: &Bytes) -> Bytes {
    // Blocks are converted for the caller later, when its revision is known.
    let reading = Reading { place: Place::Result, revision: Revision::LEGACY_LATEST };
    let settled = tool_result::open(raw, reading, true).ok().and_then(Object::finish);
    settled.map_or_else(|| raw.clone(), Bytes::from)
}

fn upward(raw: &Bytes, operation: &Operation) -> Bytes {
    // Of directories the specification does not say so, but there are clients that insist.
    let cacheable = matches!(
        operation,
        Operation::ReadResource(_)
            | Operation::ListSkills(_)
            | Operation::GetSkill(_)
            | Operation::ReadDirectory(_)
    );
    let (mut typed, mut hinted) = (false, false);
    let walked = members(raw, |key, _| match key {
        "resultType" => typed = true,
        "ttlMs" | "cacheScope" => hinted = true,
        _ => {}
    });
    let empty = walked == Ok(0);
    let mut head = Vec::with_capacity(80);
    if !typed {
        head.extend_from_slice(COMPLETE);
    }
    if cacheable && !hinted {
        head.extend_from_slice(NOT_TO_BE_KEPT);
    }
    if empty {
        head.pop();
    }
    if head.is_empty() { raw.clone() } else { Bytes::from(splice(raw, &[(1..1, &head)])) }
}

fn downward(reply: &Reply, caller: Revision, operation: &Operation) -> Result<Trimmed, Fault> {
    let reading = Reading { place: Place::Result, revision: caller };
    let tool = matches!(operation, Operation::CallTool(_) | Operation::Task(TaskRequest::Result, _));
    // Lists are the gateway's own, made in the words of the caller's era; they are large, and read often.
    let list = matches!(
        operation,
        Operation::ListTools(_)
            | Operation::ListPrompts(_)
            | Operation::ListResources(_)
            | Operation::ListTemplates(_)
    );
    if list && reply.era == Era::Legacy {
        return Ok(reply.raw.clone().into());
    }
    let settled = if tool { usual::settled(reply, reading) } else { None };
    settled.map_or_else(|| thoroughly(reply, reading, operation).map(Trimmed::from), Ok)
}

/// What `usual` leaves.
fn thoroughly(reply: &Reply, reading: Reading, operation: &Operation) -> Result<Bytes, Fault> {
    let raw = &reply.raw;
    let opened = match operation {
        Operation::CallTool(_) | Operation::Task(TaskRequest::Result, _) => {
            tool_result::open(raw, reading, false)
        }
        Operation::GetPrompt(_) => prompt(raw, reading),
        // Nothing else has unions in it; what is left to see is whether it is a result at all.
        _ if reply.era == Era::Legacy && !asks::mentioned(raw) => {
            return Ok(raw.clone());
        }
        _ => Object::open(raw),
    };
    let mut object =
        opened.map_err(|why| refused(Kind::BadAnswer, "the server sent an invalid answer", &why))?;
    // A task that nobody looks after would be taken for an empty success, like questions that nobody puts.
    if matches!(object.get("resultType"), Some(b"\"input_required\"" | b"\"task\"")) {
        let text = "the server asks for input in a way that this client cannot be asked";
        return Err(refused(Kind::CannotBridge, text, &""));
    }
    if reply.era == Era::Modern {
        for key in MODERN_ONLY {
            object.remove(key);
        }
    }
    Ok(object.finish().map_or_else(|| raw.clone(), Bytes::from))
}

fn refused(kind: Kind, text: &'static str, why: &dyn std::fmt::Display) -> Fault {
    let mut fault = Fault::client(kind, text);
    fault.side = Side::Upstream;
    fault.detail = why.to_string();
    fault
}

fn prompt(raw: &[u8], reading: Reading) -> Result<Object<'_>, JsonError> {
    let mut object = Object::open(raw)?;
    if let Some(said) = object.get("messages").filter(|said| said.starts_with(b"["))
        && let Some(messages) = messages::downward(said, reading)?
    {
        object.set("messages", messages);
    }
    Ok(object)
}

/// Calls `each` with key and value of every member; returns how many there were.
pub(crate) fn members(raw: &[u8], mut each: impl FnMut(&str, &[u8])) -> Result<usize, JsonError> {
    let mut reader = Reader::new(raw)?;
    let mut count = 0;
    reader.object(|key, reader| {
        let span = reader.value()?;
        count += 1;
        each(&key, raw.get(span).unwrap_or_default());
        Ok(())
    })?;
    Ok(count)
}

/// Calls `each` with key and value of every member of an object.
///
/// # Errors
/// What is no object, and doubled keys.
pub fn each_member(raw: &[u8], each: impl FnMut(&str, &[u8])) -> Result<usize, JsonError> {
    members(raw, each)
}

/// `raw` without the members that `drops` names; `None` when none is.
pub fn without(raw: &[u8], mut drops: impl FnMut(&str, &[u8]) -> bool) -> Option<Vec<u8>> {
    let mut object = Object::open(raw).ok()?;
    object.drop_those(&mut drops);
    object.finish()
}
