//! Building messages out of pieces that already exist.

use bytes::Bytes;

use crate::bridge::Trimmed;
use crate::json::{escape_into, quoted};

/// A message below this size is cheaper copied into one buffer than written from several.
const GATHER_BYTES_MAX: usize = 8 * 1024;

/// A finished JSON text in one or more pieces, to be written one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// All of it.
    One(Bytes),
    /// Head, a large body that is shared rather than copied, tail.
    Three([Bytes; 3]),
}

impl Message {
    /// `head`, `body`, `tail`, gathered when small.
    pub fn around(head: &[u8], body: &Bytes, tail: &'static [u8]) -> Self {
        let mut out = room(head.len(), body, tail);
        out.extend_from_slice(head);
        gather(out, body, tail)
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        match self {
            Self::One(bytes) => std::slice::from_ref(bytes),
            Self::Three(pieces) => pieces,
        }
    }

    /// Total length in bytes.
    pub fn len(&self) -> usize {
        self.pieces().iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it in one buffer.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Three(pieces) => Bytes::from(pieces.concat()),
        }
    }
}

/// Room for a head of `head_len` bytes and what follows it in the same buffer.
fn room(head_len: usize, body: &Bytes, tail: &'static [u8]) -> Vec<u8> {
    let len = head_len + body.len() + tail.len();
    Vec::with_capacity(if len > GATHER_BYTES_MAX { head_len } else { len })
}

/// The message that begins with what is in `out`.
fn gather(mut out: Vec<u8>, body: &Bytes, tail: &'static [u8]) -> Message {
    if out.len() + body.len() + tail.len() > GATHER_BYTES_MAX {
        return Message::Three([Bytes::from(out), body.clone(), Bytes::from_static(tail)]);
    }
    out.extend_from_slice(body);
    out.extend_from_slice(tail);
    Message::One(Bytes::from(out))
}

const WITH_ID: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":";
const WITHOUT_ID: &[u8] = b"{\"jsonrpc\":\"2.0\",";
const METHOD: &[u8] = b"\"method\":";
const RESULT: &[u8] = b",\"result\":";
const PARAMS: &[u8] = b",\"params\":";

/// A request that we number.
pub fn request(id: u64, method: &str, params: &Bytes) -> Message {
    let mut digits = itoa::Buffer::new();
    with_method([WITH_ID, digits.format(id).as_bytes(), b","], method, params, true)
}

/// A request with an id of ours in words; empty `params` leave the key out.
pub fn request_named(id: &str, method: &str, params: &Bytes) -> Message {
    with_method([WITH_ID, &quoted(id), b","], method, params, !params.is_empty())
}

/// A notification; empty `params` leave the key out.
pub fn notification(method: &str, params: &Bytes) -> Message {
    with_method([WITHOUT_ID, b"", b""], method, params, !params.is_empty())
}

const PROGRESS_HEAD: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/progress","params":"#;

/// A progress notification. Nothing is copied: there are many of them, and each is copied where it is framed.
pub fn progress(params: Bytes) -> Message {
    Message::Three([Bytes::from_static(PROGRESS_HEAD), params, Bytes::from_static(b"}")])
}

fn with_method(head: [&[u8]; 3], method: &str, params: &Bytes, has_params: bool) -> Message {
    let head_len: usize = head.iter().map(|part| part.len()).sum();
    // The quotes of the method are two.
    let key = if has_params { PARAMS } else { b"" };
    let mut out = room(head_len + METHOD.len() + method.len() + 2 + key.len(), params, b"}");
    for part in head {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(METHOD);
    escape_into(&mut out, method);
    out.extend_from_slice(key);
    gather(out, params, b"}")
}

/// An answer with a result; `id` is the caller's literal.
pub fn result(id: &[u8], raw: &Bytes) -> Message {
    answer(id, RESULT, raw)
}

/// An answer with a result that may have lost members at its ends.
pub fn trimmed_result(id: &[u8], result: &Trimmed) -> Message {
    let (before, members, behind) = result.pieces();
    let tail: &'static [u8] = if behind.is_empty() { b"}" } else { b"}}" };
    let mut out = room(WITH_ID.len() + id.len() + RESULT.len() + before.len(), members, tail);
    for part in [WITH_ID, id, RESULT, before] {
        out.extend_from_slice(part);
    }
    gather(out, members, tail)
}

/// What stands before an arriving result in its answer.
pub fn result_head(id: &[u8]) -> Bytes {
    Bytes::from([WITH_ID, id, RESULT].concat())
}

/// What stands behind it.
pub const RESULT_TAIL: &[u8] = b"}";

/// An answer with an error object; without an id it is `null`, as JSON-RPC wants for unreadable requests.
pub fn error(id: Option<&[u8]>, object: &Bytes) -> Message {
    answer(id.unwrap_or(b"null"), b",\"error\":", object)
}

fn answer(id: &[u8], key: &[u8], body: &Bytes) -> Message {
    let mut out = room(WITH_ID.len() + id.len() + key.len(), body, b"}");
    out.extend_from_slice(WITH_ID);
    out.extend_from_slice(id);
    out.extend_from_slice(key);
    gather(out, body, b"}")
}

/// An error object with optional raw `data`.
pub fn error_object(code: i64, message: &str, data: Option<&[u8]>) -> Bytes {
    let mut out = Vec::with_capacity(64 + message.len() + data.map_or(0, <[u8]>::len));
    out.extend_from_slice(b"{\"code\":");
    out.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
    out.extend_from_slice(b",\"message\":");
    escape_into(&mut out, message);
    if let Some(data) = data {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data);
    }
    out.push(b'}');
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method;

    #[test]
    fn progress_is_a_notification_like_any_other() {
        let params = Bytes::from_static(b"{\"progressToken\":1}");
        let usual = notification(method::PROGRESS, &params).into_bytes();
        assert_eq!(progress(params).into_bytes(), usual);
    }
}
