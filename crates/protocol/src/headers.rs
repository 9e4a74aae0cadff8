//! The HTTP headers that mirror a modern request's body (2026-07-28, Streamable HTTP, request metadata; SEP-2243).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use trunkline_model::{Fault, Kind};

use crate::method;
use crate::scan::Scanned;

/// The revision of the request.
pub const PROTOCOL_VERSION: &str = "mcp-protocol-version";
/// The method of the request.
pub const METHOD: &str = "mcp-method";
/// The name, URI or task id that the request is about.
pub const NAME: &str = "mcp-name";
/// The session of a legacy client.
pub const SESSION: &str = "mcp-session-id";
/// The last event read of a stream that is to be gone on with (legacy).
pub const LAST_EVENT_ID: &str = "last-event-id";
/// What the names of mirrored tool arguments begin with.
pub const PARAM_PREFIX: &str = "mcp-param-";

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// A header value for `text`: as it is where it is printable ASCII without surrounding space, else in the base64 form.
pub fn encode(text: &str) -> String {
    let plain = text.bytes().all(|b| matches!(b, 0x20..=0x7e))
        && text.trim_matches([' ', '\t']).len() == text.len()
        && !(text.starts_with(OPEN) && text.ends_with(CLOSE));
    if plain { text.to_owned() } else { format!("{OPEN}{}{CLOSE}", STANDARD.encode(text)) }
}

/// The text that a header value stands for; `None` when it is not a valid form.
pub fn decode(value: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    // Without both marks a value is literal, even if it begins like an encoded one (SEP-2243, value encoding).
    if let Some(inner) = text.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)) {
        let bytes = STANDARD.decode(inner).ok()?;
        return String::from_utf8(bytes).ok().map(Cow::Owned);
    }
    text.bytes().all(|b| matches!(b, 0x20..=0x7e | b'\t')).then_some(Cow::Borrowed(text))
}

/// The values of one header, in order. More than one is always refused.
pub type Values<'a> = &'a [&'a [u8]];

/// Checks that the headers say what the body says. `None` stands for an absent header.
///
/// # Errors
/// [`Kind::HeaderMismatch`] naming the header, as the specification demands: absent, doubled, malformed or different.
pub fn check(
    scanned: &Scanned,
    version: Values<'_>,
    method_header: Values<'_>,
    name: Values<'_>,
) -> Result<(), Fault> {
    if let Some(Some(said)) = &scanned.params.meta.version {
        agree("MCP-Protocol-Version", version, &scanned.string(said))?;
    } else if version.len() > 1 {
        return Err(mismatch("MCP-Protocol-Version", "is given more than once"));
    }
    let body_method = scanned.method_name();
    agree("Mcp-Method", method_header, &body_method)?;
    if let Some(key) = name_key(&body_method) {
        let said = match key {
            "name" => &scanned.params.name,
            "uri" => &scanned.params.uri,
            _ => &scanned.params.task_id,
        };
        if let Some(said) = said {
            agree("Mcp-Name", name, &scanned.string(said))?;
        }
    }
    Ok(())
}

/// Which parameter the `Mcp-Name` header of a method mirrors.
pub fn name_key(method_name: &str) -> Option<&'static str> {
    match method_name {
        method::CALL_TOOL | method::GET_PROMPT => Some("name"),
        method::READ_RESOURCE => Some("uri"),
        method::GET_TASK | method::UPDATE_TASK | method::CANCEL_TASK => Some("taskId"),
        _ => None,
    }
}

fn agree(header: &str, values: Values<'_>, body: &str) -> Result<(), Fault> {
    match values {
        [] => Err(mismatch(header, "is missing")),
        // Most values are spelled as in the body, and printable: those need no decoding.
        [one] if *one == body.as_bytes() && is_literal(body) => Ok(()),
        [one] => match decode(one) {
            None => Err(mismatch(header, "is malformed")),
            Some(said) if said == body => Ok(()),
            Some(_) => Err(mismatch(header, "differs from the body")),
        },
        _ => Err(mismatch(header, "is given more than once")),
    }
}

/// Whether a header value stands for itself.
fn is_literal(value: &str) -> bool {
    let edge = |byte: Option<&u8>| matches!(byte, Some(0x21..=0x7e));
    let bytes = value.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && !value.starts_with(OPEN)
        && bytes.iter().fold(true, |plain, byte| plain & matches!(byte, 0x20..=0x7e))
}

fn mismatch(header: &str, what: &str) -> Fault {
    Fault::client(Kind::HeaderMismatch, format!("header {header} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_names_stay_plain_and_others_are_wrapped() {
        assert_eq!(encode("github__create"), "github__create");
        assert_eq!(encode("é"), "=?base64?w6k=?=");
        assert_eq!(decode(b" x \t").unwrap(), "x");
        for bad in ["=?base64?w6k?=", "=?base64?***?=", "a\u{1}b"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_text_survives_its_header(text in any::<String>()) {
            let value = encode(&text);
            prop_assert!(value.bytes().all(|b| matches!(b, 0x20..=0x7e)));
            prop_assert_eq!(decode(value.as_bytes()).unwrap(), text);
        }

        #[test]
        fn a_value_agrees_with_what_it_decodes_to_and_nothing_else(
            value in "(=\\?base64\\?)?[a \t~\u{1}=]{0,5}(\\?=)?", body in "(=\\?base64\\?)?[a \t~\u{1}=]{0,5}(\\?=)?", same in any::<bool>(),
        ) {
            let body = if same { value.clone() } else { body };
            let agrees = agree("x", &[value.as_bytes()], &body).is_ok();
            prop_assert_eq!(agrees, decode(value.as_bytes()).as_deref() == Some(&*body));
        }
    }
}
