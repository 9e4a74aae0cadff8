//! How a fault of the gateway looks on the wire.

use std::fmt::Write as _;

use bytes::Bytes;
use trunkline_model::{Era, Fault, Kind, Operation, Retry, StateProblem};

use crate::bridge::{
    HEADER_MISMATCH, INTERNAL, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY,
    RESOURCE_NOT_FOUND, UNSUPPORTED_VERSION,
};
use crate::compose;
use crate::json::escape_into;
use crate::revision::Revision;

/// A fault in the words of one era.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// A JSON-RPC error object and its code.
    Error(i64, Bytes),
    /// A tool result with `isError`: hosts show it to the model, which can then do something else.
    ToolResult(Bytes),
}

/// Renders `fault` for a caller of `era`.
pub fn speak(fault: &Fault, era: Era, operation: Option<&Operation>) -> Spoken {
    let called_tool = matches!(operation, Some(Operation::CallTool(_)));
    let as_result = matches!(
        fault.kind,
        Kind::Unavailable
            | Kind::CircuitOpen
            | Kind::TimedOut
            | Kind::CannotBridge
            | Kind::BadAnswer
            | Kind::ResultTooLarge
    ) || (era == Era::Legacy && matches!(fault.kind, Kind::MissingCapability(_)));
    if called_tool && as_result {
        return Spoken::ToolResult(tool_result(fault, era));
    }
    let code = code(&fault.kind, era);
    Spoken::Error(code, compose::error_object(code, &fault.public, data(fault).as_deref()))
}

fn code(kind: &Kind, era: Era) -> i64 {
    match kind {
        Kind::Unparsable => -32700,
        Kind::InvalidRequest => INVALID_REQUEST,
        Kind::UnknownMethod => METHOD_NOT_FOUND,
        Kind::InvalidParams | Kind::UnknownName(_) | Kind::BadCursor | Kind::BadState(_) => INVALID_PARAMS,
        Kind::MissingCapability(_) => MISSING_CAPABILITY,
        Kind::ResourceNotFound(_) if era == Era::Legacy => RESOURCE_NOT_FOUND,
        Kind::ResourceNotFound(_) => INVALID_PARAMS,
        Kind::HeaderMismatch => HEADER_MISMATCH,
        Kind::UnsupportedRevision(_) => UNSUPPORTED_VERSION,
        Kind::Unavailable
        | Kind::CircuitOpen
        | Kind::TimedOut
        | Kind::OutcomeUnknown
        | Kind::CannotBridge
        | Kind::BadAnswer
        | Kind::ResultTooLarge
        | Kind::Overloaded
        | Kind::RateLimited(_)
        | Kind::Cancelled
        | Kind::Internal => INTERNAL,
    }
}

/// The HTTP status of a fault that was decided before anything was dispatched.
pub fn http_status(kind: &Kind) -> u16 {
    match kind {
        Kind::UnknownMethod => 404,
        Kind::Overloaded => 503,
        Kind::RateLimited(_) => 429,
        Kind::Internal => 500,
        _ => 400,
    }
}

fn data(fault: &Fault) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match &fault.kind {
        Kind::ResourceNotFound(uri) => {
            out.extend_from_slice(b"{\"uri\":");
            escape_into(&mut out, uri);
        }
        Kind::UnsupportedRevision(asked) => {
            out.extend_from_slice(b"{\"supported\":[");
            escape_into(&mut out, Revision::MODERN_LATEST.as_str());
            out.extend_from_slice(b"],\"requested\":");
            escape_into(&mut out, asked);
        }
        Kind::MissingCapability(needed) => {
            out.extend_from_slice(b"{\"requiredCapabilities\":");
            out.extend_from_slice(needed.as_bytes());
            named(&mut out, fault);
        }
        Kind::Unparsable | Kind::InvalidRequest | Kind::UnknownMethod | Kind::HeaderMismatch => return None,
        kind => {
            out.extend_from_slice(b"{\"reason\":");
            escape_into(&mut out, kind.reason());
            named(&mut out, fault);
            if let Kind::UnknownName(candidates) = kind
                && !candidates.is_empty()
            {
                out.extend_from_slice(b",\"candidates\":[");
                for (at, name) in candidates.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    escape_into(&mut out, name);
                }
                out.push(b']');
            }
            if *kind == Kind::BadState(StateProblem::InstanceLost) {
                out.extend_from_slice(b",\"outcome\":\"unknown\"");
            }
            match fault.retry {
                Retry::Never if code(kind, Era::Legacy) == INTERNAL => {
                    out.extend_from_slice(b",\"retryable\":false");
                }
                Retry::Never => {}
                Retry::After(wait) => {
                    let ms = wait.as_millis();
                    out.extend_from_slice(format!(",\"retryable\":true,\"retryAfterMs\":{ms}").as_bytes());
                }
                Retry::AtOwnRisk => out.extend_from_slice(b",\"retryable\":false"),
            }
        }
    }
    out.push(b'}');
    Some(out)
}

/// The server concerned.
fn named(out: &mut Vec<u8>, fault: &Fault) {
    if let Some(server) = &fault.server {
        out.extend_from_slice(b",\"server\":");
        escape_into(out, server);
    }
}

fn tool_result(fault: &Fault, era: Era) -> Bytes {
    let mut text = fault.public.clone().into_owned();
    match fault.retry {
        Retry::After(wait) => {
            // Writing to a string cannot fail.
            let _ = write!(text, " (try again in {} s)", wait.as_secs().max(1));
        }
        Retry::AtOwnRisk => text.push_str(" (it may have run; check before trying again)"),
        Retry::Never => {}
    }
    let mut out = b"{".to_vec();
    if era == Era::Modern {
        out.extend_from_slice(b"\"resultType\":\"complete\",");
    }
    out.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
    escape_into(&mut out, &text);
    out.extend_from_slice(b"}],\"isError\":true,\"_meta\":{\"io.trunkline/fault\":");
    out.extend_from_slice(&data(fault).unwrap_or_else(|| b"{}".to_vec()));
    out.extend_from_slice(b"}}");
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use trunkline_model::Text;

    #[test]
    fn a_dead_upstream_is_a_tool_result_for_calls_and_an_error_for_the_rest() {
        let fault =
            Fault::unavailable(&Arc::from("time"), "process exited with code 1", Duration::from_secs(3));
        let call = Operation::CallTool(Text::from("time__now"));
        let Spoken::ToolResult(raw) = speak(&fault, Era::Legacy, Some(&call)) else { panic!("not a result") };
        let value: serde_json::Value = serde_json::from_slice(&raw).unwrap();
        assert_eq!(value["isError"], true);
        assert_eq!(value["_meta"]["io.trunkline/fault"]["server"], "time");
        assert_eq!(value["_meta"]["io.trunkline/fault"]["retryAfterMs"], 3000);
        let read = Operation::ReadResource(Text::from("x:y"));
        let Spoken::Error(code, raw) = speak(&fault, Era::Modern, Some(&read)) else {
            panic!("not an error")
        };
        assert_eq!(code, INTERNAL);
        assert!(std::str::from_utf8(&raw).unwrap().contains("\"reason\":\"upstream_unavailable\""));
    }

    /// The table of `bridging.md` section 10, as far as it is about what the gateway says: code, and what `data` holds.
    #[test]
    fn every_fault_has_its_code_and_its_reason() {
        let server = Arc::from("time");
        let wait = Duration::from_secs(3);
        let call = Operation::CallTool(Text::from("x"));
        let read = Operation::ReadResource(Text::from("a:b"));
        let lacking = Kind::MissingCapability(r#"{"sampling":{}}"#.into());
        for (fault, legacy, modern, data) in [
            (Fault::resource_not_found("a:b"), -32002, -32602, r#"{"uri":"a:b"}"#),
            (Fault::unknown_name("tool", "x", vec![]), -32602, -32602, r#"{"reason":"unknown_name"}"#),
            (Fault::client(Kind::BadCursor, "c"), -32602, -32602, r#"{"reason":"bad_cursor"}"#),
            (
                Fault::unavailable(&server, "gone", wait),
                -32603,
                -32603,
                r#"{"reason":"upstream_unavailable","server":"time","retryable":true,"retryAfterMs":3000}"#,
            ),
            (
                Fault::circuit_open(&server, None, wait),
                -32603,
                -32603,
                r#"{"reason":"circuit_open","server":"time","retryable":true,"retryAfterMs":3000}"#,
            ),
            (
                Fault::timed_out(&server, wait),
                -32603,
                -32603,
                r#"{"reason":"upstream_timeout","server":"time","retryable":false}"#,
            ),
            (
                Fault::bad_answer(&server, "d"),
                -32603,
                -32603,
                r#"{"reason":"bad_answer","server":"time","retryable":false}"#,
            ),
            (
                Fault::result_too_large(&server, 1),
                -32603,
                -32603,
                r#"{"reason":"result_too_large","server":"time","retryable":false}"#,
            ),
            (
                Fault::outcome_unknown(&server, "d"),
                -32603,
                -32603,
                r#"{"reason":"outcome_unknown","server":"time","retryable":false}"#,
            ),
            (
                Fault::client(lacking, "m").of(&server),
                -32021,
                -32021,
                r#"{"requiredCapabilities":{"sampling":{}},"server":"time"}"#,
            ),
            (
                Fault::client(Kind::UnsupportedRevision("1".into()), "m"),
                -32022,
                -32022,
                r#"{"supported":["2026-07-28"],"requested":"1"}"#,
            ),
            (Fault::unknown_method("x"), -32601, -32601, ""),
            (
                Fault::overloaded("full"),
                -32603,
                -32603,
                r#"{"reason":"overloaded","retryable":true,"retryAfterMs":1000}"#,
            ),
            (
                Fault::rate_limited("often", None, Some(wait)),
                -32603,
                -32603,
                r#"{"reason":"rate_limited","retryable":true,"retryAfterMs":3000}"#,
            ),
            (
                Fault::rate_limited("never", None, None),
                -32603,
                -32603,
                r#"{"reason":"rate_limited","retryable":false}"#,
            ),
        ] {
            for (era, expected) in [(Era::Legacy, legacy), (Era::Modern, modern)] {
                let Spoken::Error(code, raw) = speak(&fault, era, Some(&read)) else {
                    panic!("not an error")
                };
                assert_eq!(code, expected, "{fault:?}");
                let text = std::str::from_utf8(&raw).unwrap();
                let said = text.split_once(",\"data\":").map_or("", |(_, data)| data.trim_end_matches('}'));
                assert_eq!(said, data.trim_end_matches('}'), "{fault:?}");
                // A call that may have run is an error even for tools, so that no host repeats it by itself.
                let spoken = speak(&fault, era, Some(&call));
                let is_result = matches!(spoken, Spoken::ToolResult(_));
                let told_to_model = matches!(
                    fault.kind,
                    Kind::Unavailable
                        | Kind::CircuitOpen
                        | Kind::TimedOut
                        | Kind::BadAnswer
                        | Kind::ResultTooLarge
                );
                // Only the modern era has a code for it.
                let lacks = matches!(fault.kind, Kind::MissingCapability(_)) && era == Era::Legacy;
                let told_to_model = told_to_model || lacks;
                assert_eq!(is_result, told_to_model, "{fault:?}");
            }
        }
    }

    #[test]
    fn what_is_decided_before_dispatch_has_the_status_of_its_kind() {
        for (kind, status) in [
            (Kind::Unparsable, 400),
            (Kind::InvalidRequest, 400),
            (Kind::HeaderMismatch, 400),
            (Kind::UnsupportedRevision("1".into()), 400),
            (Kind::MissingCapability("{}".into()), 400),
            (Kind::InvalidParams, 400),
            (Kind::UnknownMethod, 404),
            (Kind::Overloaded, 503),
            (Kind::RateLimited(None), 429),
        ] {
            assert_eq!(http_status(&kind), status, "{kind:?}");
        }
    }
}
