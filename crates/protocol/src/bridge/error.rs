//! Errors of servers in the words of the caller's era.

use bytes::Bytes;
use trunkline_model::{Era, PeerError};

use crate::compose;
use crate::json::{Object, quoted};

use super::codes::{INTERNAL, INVALID_PARAMS, MISSING_CAPABILITY, RESOURCE_NOT_FOUND, URL_ELICITATION};

/// An upstream's error in the words of the caller's era: code and object. `uri` is the caller's own spelling of the
/// resource concerned, if the operation had one.
pub fn error(error: &PeerError, caller: Era, uri: Option<&str>) -> (i64, Bytes) {
    let Some(object) = readable(&error.raw) else {
        // Clients that cannot parse an error drop it, and then wait for an answer that has come already.
        return internal(error, "the server sent an error that is not one");
    };
    if let Some(uri) = uri
        && (error.code == RESOURCE_NOT_FOUND || error.code == INVALID_PARAMS && names_uri(&object))
    {
        return missing(object, caller, uri);
    }
    let owned = error.era == Era::Modern && error.code == MISSING_CAPABILITY;
    let reserved =
        (-32099..=-32020).contains(&error.code) || matches!(error.code, RESOURCE_NOT_FOUND | URL_ELICITATION);
    if caller == Era::Modern && reserved && !owned {
        return internal(error, &object.text("message").unwrap_or_default());
    }
    (error.code, error.raw.clone())
}

/// The object, if it has what every error must have: an integer as code and a message.
fn readable(raw: &[u8]) -> Option<Object<'_>> {
    let object = Object::open(raw).ok()?;
    let code = std::str::from_utf8(object.get("code")?).ok()?;
    code.parse::<i64>().ok()?;
    object.get("message")?.starts_with(b"\"").then_some(object)
}

fn names_uri(object: &Object<'_>) -> bool {
    object.get("data").and_then(|data| Object::open(data).ok()).is_some_and(|data| data.get("uri").is_some())
}

/// A resource that is not there; what the server said besides stays.
fn missing(mut object: Object<'_>, caller: Era, uri: &str) -> (i64, Bytes) {
    let code = if caller == Era::Modern { INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
    let data = match object.get("data") {
        None | Some(b"null") => [b"{\"uri\":", &quoted(uri)[..], b"}"].concat(),
        Some(raw) => match Object::open(raw) {
            Ok(mut data) => {
                data.set_text("uri", uri);
                data.into_bytes()
            }
            Err(_) => [b"{\"uri\":", &quoted(uri)[..], b",\"original\":", raw, b"}"].concat(),
        },
    };
    object.set("code", code.to_string());
    object.set("data", data);
    (code, Bytes::from(object.into_bytes()))
}

fn internal(error: &PeerError, text: &str) -> (i64, Bytes) {
    let data = [b"{\"original\":", &error.raw[..], b"}"].concat();
    (INTERNAL, compose::error_object(INTERNAL, text, Some(&data)))
}

/// What a server that misses a capability of the client says, with the names of what it misses, and the capabilities
/// object that would do.
pub fn missing_capability(raw: &[u8]) -> (String, String) {
    let message = message_of(raw).unwrap_or_else(|| "the client lacks a capability".to_owned());
    let required = Object::open(raw).ok().and_then(|error| {
        let data = Object::open(error.get("data")?).ok()?;
        let required = data.get("requiredCapabilities")?;
        let names: Vec<String> =
            Object::open(required).ok()?.iter().map(|(name, inner)| dotted(name, inner)).collect();
        Some((names.join(", "), String::from_utf8_lossy(required).into_owned()))
    });
    match required {
        Some((names, required)) => (format!("{message} (this client does not offer: {names})"), required),
        None => (message, "{}".to_owned()),
    }
}

fn dotted(name: &str, inner: &[u8]) -> String {
    let kinds = Object::open(inner).ok();
    let kinds: Vec<String> =
        kinds.iter().flat_map(Object::iter).map(|(kind, _)| format!("{name}.{kind}")).collect();
    if kinds.is_empty() { name.to_owned() } else { kinds.join(", ") }
}

/// The `message` of an error object.
pub fn message_of(raw: &[u8]) -> Option<String> {
    Object::open(raw).ok()?.text("message")
}

/// Reads the code of an error object; an error without a usable code counts as internal.
pub fn code_of(raw: &[u8]) -> i64 {
    let object = Object::open(raw).ok();
    let code = object.and_then(|object| std::str::from_utf8(object.get("code")?).ok()?.parse().ok());
    code.unwrap_or(INTERNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(era: Era, raw: &str) -> PeerError {
        PeerError { code: code_of(raw.as_bytes()), raw: Bytes::copy_from_slice(raw.as_bytes()), era }
    }

    #[test]
    fn a_missing_capability_is_named() {
        let raw = br#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{"sampling":{},"elicitation":{"url":{}}}}}"#;
        assert_eq!(
            missing_capability(raw),
            (
                "m (this client does not offer: sampling, elicitation.url)".to_owned(),
                r#"{"sampling":{},"elicitation":{"url":{}}}"#.to_owned()
            )
        );
        assert_eq!(
            missing_capability(br#"{"code":-32021,"message":"m"}"#),
            ("m".to_owned(), "{}".to_owned())
        );
    }

    /// The table of `bridging.md` section 10, as far as it is about what servers say.
    #[test]
    fn errors_change_codes_only_where_the_eras_disagree() {
        use Era::{Legacy, Modern};
        let own = r#"{"code":7,"message":"m","data":[1.10]}"#;
        for (from, to, raw, uri, expected) in [
            (Legacy, Modern, own, None, own),
            (Modern, Legacy, own, None, own),
            // A missing resource.
            (
                Legacy,
                Modern,
                r#"{"code":-32002,"message":"gone"}"#,
                Some("a:b"),
                r#"{"code":-32602,"message":"gone","data":{"uri":"a:b"}}"#,
            ),
            (
                Modern,
                Legacy,
                r#"{"code":-32602,"message":"gone","data":{"uri":"x","n":1.0}}"#,
                Some("a:b"),
                r#"{"code":-32002,"message":"gone","data":{"uri":"a:b","n":1.0}}"#,
            ),
            (
                Legacy,
                Legacy,
                r#"{"code":-32002,"message":"gone","data":"why"}"#,
                Some("a:b"),
                r#"{"code":-32002,"message":"gone","data":{"uri":"a:b","original":"why"}}"#,
            ),
            // A bad parameter of a read is not a missing resource.
            (
                Modern,
                Legacy,
                r#"{"code":-32602,"message":"bad"}"#,
                Some("a:b"),
                r#"{"code":-32602,"message":"bad"}"#,
            ),
            // Codes that modern servers alone may use, or nobody.
            (
                Legacy,
                Modern,
                r#"{"code":-32042,"message":"m","data":{"elicitations":[]}}"#,
                None,
                r#"{"code":-32603,"message":"m","data":{"original":{"code":-32042,"message":"m","data":{"elicitations":[]}}}}"#,
            ),
            (
                Legacy,
                Legacy,
                r#"{"code":-32042,"message":"m","data":{"elicitations":[]}}"#,
                None,
                r#"{"code":-32042,"message":"m","data":{"elicitations":[]}}"#,
            ),
            (
                Legacy,
                Modern,
                r#"{"code":-32021,"message":"m"}"#,
                None,
                r#"{"code":-32603,"message":"m","data":{"original":{"code":-32021,"message":"m"}}}"#,
            ),
            (
                Modern,
                Modern,
                r#"{"code":-32077,"message":"m"}"#,
                None,
                r#"{"code":-32603,"message":"m","data":{"original":{"code":-32077,"message":"m"}}}"#,
            ),
            (
                Modern,
                Modern,
                r#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{}}}"#,
                None,
                r#"{"code":-32021,"message":"m","data":{"requiredCapabilities":{}}}"#,
            ),
            (Modern, Legacy, r#"{"code":-32077,"message":"m"}"#, None, r#"{"code":-32077,"message":"m"}"#),
            (
                Legacy,
                Modern,
                r#"{"code":-32002,"message":"of a tool"}"#,
                None,
                r#"{"code":-32603,"message":"of a tool","data":{"original":{"code":-32002,"message":"of a tool"}}}"#,
            ),
            // What no client could parse.
            (
                Legacy,
                Legacy,
                r#"{"code":"E_NO","message":"m"}"#,
                None,
                r#"{"code":-32603,"message":"the server sent an error that is not one","data":{"original":{"code":"E_NO","message":"m"}}}"#,
            ),
            (
                Legacy,
                Legacy,
                r#"{"code":1}"#,
                None,
                r#"{"code":-32603,"message":"the server sent an error that is not one","data":{"original":{"code":1}}}"#,
            ),
            (
                Modern,
                Legacy,
                "7",
                None,
                r#"{"code":-32603,"message":"the server sent an error that is not one","data":{"original":7}}"#,
            ),
        ] {
            let (code, object) = error(&said(from, raw), to, uri);
            assert_eq!(object, expected, "{from:?} to {to:?}: {raw}");
            assert_eq!(code, code_of(&object));
        }
    }
}
