//! Carrying answers from one era into the other. Within an era nothing here is called.

use bytes::Bytes;
use trunkline_model::{Era, Fault, Operation, PeerError, Reply, Span};

use crate::compose;
use crate::json::{JsonError, Reader, splice};

/// `resources/read` and the like must carry cache hints towards modern clients; what a legacy server said has none, so
/// it is marked as not to be kept.
const NOT_TO_BE_KEPT: &[u8] = b"\"ttlMs\":0,\"cacheScope\":\"private\",";
const COMPLETE: &[u8] = b"\"resultType\":\"complete\",";

/// A result in the words of the caller's era.
///
/// # Errors
/// [`trunkline_model::Kind::CannotBridge`] when the result asks for input that a legacy caller cannot be asked for
/// yet; it must never look like an empty success.
pub fn result(reply: &Reply, caller: Era, operation: &Operation) -> Result<Bytes, Fault> {
    match (reply.era, caller) {
        (Era::Legacy, Era::Modern) => Ok(upward(&reply.raw, operation)),
        (Era::Modern, Era::Legacy) => downward(&reply.raw),
        _ => Ok(reply.raw.clone()),
    }
}

fn upward(raw: &Bytes, operation: &Operation) -> Bytes {
    let cacheable = matches!(operation, Operation::ReadResource(_));
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

fn downward(raw: &Bytes) -> Result<Bytes, Fault> {
    let mut asks = false;
    let gone = without(raw, |key, value| {
        asks |= key == "resultType" && value == b"\"input_required\"";
        // A task that nobody looks after would be taken for an empty success.
        asks |= key == "resultType" && value == b"\"task\"";
        matches!(key, "resultType" | "ttlMs" | "cacheScope")
    });
    if asks {
        let mut fault = Fault::client(
            trunkline_model::Kind::CannotBridge,
            "the server asks for user input, which cannot be relayed to a client of this revision yet",
        );
        fault.side = trunkline_model::Side::Gateway;
        return Err(fault);
    }
    Ok(gone.map_or_else(|| raw.clone(), Bytes::from))
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

/// `raw` without the members that `drops` names; `None` when none is.
pub fn without(raw: &[u8], mut drops: impl FnMut(&str, &[u8]) -> bool) -> Option<Vec<u8>> {
    let mut cuts: Vec<(Span, &[u8])> = Vec::new();
    // The end of the last member that stays, and the end of the last member at all.
    let (mut kept, mut last) = (None, 1);
    let mut reader = Reader::new(raw).ok()?;
    let walked = reader.object(|key, reader| {
        let value = reader.value()?;
        let end = value.end;
        if drops(&key, raw.get(value).unwrap_or_default()) {
            // Behind a kept member the cut begins before its comma; at the front it ends behind one.
            cuts.push((kept.unwrap_or(1)..end, b""));
        } else {
            if kept.is_none() && last > 1 {
                // Only dropped members so far: the comma after them goes too.
                let comma = raw.get(last..end).and_then(|r| r.iter().position(|b| *b == b','));
                cuts.push((last..last + comma.map_or(0, |at| at + 1), b""));
            }
            kept = Some(end);
        }
        last = end;
        Ok(())
    });
    walked.ok()?;
    if cuts.is_empty() {
        return None;
    }
    Some(splice(raw, &merged(cuts)))
}

/// Overlapping cuts joined, so that each byte is cut once.
fn merged(cuts: Vec<(Span, &'static [u8])>) -> Vec<(Span, &'static [u8])> {
    let mut out: Vec<(Span, &'static [u8])> = Vec::with_capacity(cuts.len());
    for (span, new) in cuts {
        match out.last_mut() {
            Some((before, _)) if before.end >= span.start => before.end = before.end.max(span.end),
            _ => out.push((span, new)),
        }
    }
    out
}

/// JSON-RPC code of a missing resource in the legacy era.
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// JSON-RPC code for a header that disagrees with the body (modern).
pub const HEADER_MISMATCH: i64 = -32020;
/// JSON-RPC code for a capability that the client did not declare (modern).
pub const MISSING_CAPABILITY: i64 = -32021;
/// JSON-RPC code for a revision that is not spoken here (modern).
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// JSON-RPC code by which 2025-11-25 servers ask for a visit to a URL.
pub const URL_ELICITATION: i64 = -32042;
/// JSON-RPC "invalid request".
pub const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC "method not found".
pub const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC "invalid params".
pub const INVALID_PARAMS: i64 = -32602;
/// JSON-RPC "internal error".
pub const INTERNAL: i64 = -32603;

/// An upstream's error in the words of the caller's era: code and object. `uri` is the caller's own spelling of the
/// resource concerned, if the operation had one.
pub fn error(error: &PeerError, caller: Era, uri: Option<&str>) -> (i64, Bytes) {
    let missing = error.code == RESOURCE_NOT_FOUND
        || (error.code == INVALID_PARAMS && uri.is_some() && data_has_uri(&error.raw));
    if let (true, Some(uri)) = (missing, uri) {
        let code = if caller == Era::Modern { INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
        let mut data = b"{\"uri\":".to_vec();
        crate::json::escape_into(&mut data, uri);
        data.push(b'}');
        let text = message_of(&error.raw).unwrap_or_else(|| "resource not found".to_owned());
        return (code, compose::error_object(code, &text, Some(&data)));
    }
    let owned = error.era == Era::Modern && error.code == MISSING_CAPABILITY;
    let reserved =
        (-32099..=-32020).contains(&error.code) || matches!(error.code, RESOURCE_NOT_FOUND | URL_ELICITATION);
    if caller == Era::Modern && reserved && !owned {
        let data = [b"{\"original\":", &error.raw[..], b"}"].concat();
        let text = message_of(&error.raw).unwrap_or_else(|| "the server reported an error".to_owned());
        return (INTERNAL, compose::error_object(INTERNAL, &text, Some(&data)));
    }
    (error.code, error.raw.clone())
}

/// The `message` of an error object.
pub fn message_of(raw: &[u8]) -> Option<String> {
    let mut reader = Reader::new(raw).ok()?;
    let mut found = None;
    let walked = reader.object(|key, reader| {
        if key == "message" && reader.peek()? == b'"' {
            found = Some(reader.string()?);
            return Ok(());
        }
        reader.skip()
    });
    walked.ok()?;
    found.map(|literal| reader.decode(&literal).into_owned())
}

/// Reads the code of an error object; an error without a usable code counts as internal.
pub fn code_of(raw: &[u8]) -> i64 {
    let mut code = INTERNAL;
    let walked = members(raw, |key, value| {
        if key == "code" {
            code = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()).unwrap_or(INTERNAL);
        }
    });
    let _ = walked;
    code
}

fn data_has_uri(raw: &[u8]) -> bool {
    let mut has = false;
    let walked = members(raw, |key, value| {
        if key == "data" && value.starts_with(b"{") {
            let _ = members(value, |key, _| has |= key == "uri");
        }
    });
    walked.is_ok() && has
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_model::Text;

    fn reply(text: &str, era: Era) -> Reply {
        Reply { raw: Bytes::copy_from_slice(text.as_bytes()), era }
    }

    #[test]
    fn upward_adds_what_modern_clients_need_and_keeps_the_rest() {
        let read = Operation::ReadResource(Text::from("a:b"));
        let call = Operation::CallTool(Text::from("x"));
        let up = |text: &str, op: &Operation| result(&reply(text, Era::Legacy), Era::Modern, op).unwrap();
        assert_eq!(
            up(r#"{"content":[],"n":1.10}"#, &call),
            r#"{"resultType":"complete","content":[],"n":1.10}"#
        );
        assert_eq!(up("{}", &call), r#"{"resultType":"complete"}"#);
        assert_eq!(up(r#"{"resultType":"complete"}"#, &call), r#"{"resultType":"complete"}"#);
        assert_eq!(
            up(r#"{"contents":[]}"#, &read),
            r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[]}"#
        );
    }

    #[test]
    fn downward_removes_what_legacy_clients_never_heard_of() {
        let call = Operation::CallTool(Text::from("x"));
        let down = |text: &str| result(&reply(text, Era::Modern), Era::Legacy, &call);
        for (from, to) in [
            (r#"{"resultType":"complete","content":[]}"#, r#"{"content":[]}"#),
            (r#"{"content":[], "resultType":"complete"}"#, r#"{"content":[]}"#),
            (
                r#"{"ttlMs":5,"content":[],"cacheScope":"public", "x" : 1 ,"resultType":"complete"}"#,
                r#"{"content":[], "x" : 1}"#,
            ),
            (r#"{"resultType":"complete","ttlMs":1}"#, "{}"),
            (r#"{ "ttlMs":1 , "resultType":"complete" , "a":2 }"#, r#"{ "a":2 }"#),
            (r#"{"a":1}"#, r#"{"a":1}"#),
        ] {
            let got = down(from).unwrap();
            assert_eq!(got, to, "{from}");
        }
        assert!(down(r#"{"resultType":"input_required","inputRequests":{}}"#).is_err());
    }

    #[test]
    fn errors_change_codes_only_where_the_eras_disagree() {
        let missing = PeerError {
            code: -32002,
            raw: Bytes::from_static(br#"{"code":-32002,"message":"gone"}"#),
            era: Era::Legacy,
        };
        assert_eq!(
            error(&missing, Era::Modern, Some("a:b")),
            (-32602, Bytes::from_static(br#"{"code":-32602,"message":"gone","data":{"uri":"a:b"}}"#))
        );
        let odd = PeerError {
            code: -32042,
            raw: Bytes::from_static(br#"{"code":-32042,"message":"m"}"#),
            era: Era::Legacy,
        };
        assert_eq!(error(&odd, Era::Modern, None).0, INTERNAL);
        assert_eq!(error(&odd, Era::Legacy, None).0, -32042);
        let own = PeerError {
            code: 7,
            raw: Bytes::from_static(br#"{"code":7,"message":"m","data":[1.10]}"#),
            era: Era::Legacy,
        };
        assert_eq!(error(&own, Era::Modern, None).1, own.raw);
    }
}
