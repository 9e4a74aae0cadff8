//! Building messages out of pieces that already exist.

use bytes::{Bytes, BytesMut};

use crate::json::escape_into;

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
        let len = head.len() + body.len() + tail.len();
        if len > GATHER_BYTES_MAX {
            return Self::Three([Bytes::copy_from_slice(head), body.clone(), Bytes::from_static(tail)]);
        }
        let mut out = BytesMut::with_capacity(len);
        out.extend_from_slice(head);
        out.extend_from_slice(body);
        out.extend_from_slice(tail);
        Self::One(out.freeze())
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

/// A request that we number.
pub fn request(id: u64, method: &str, params: &Bytes) -> Message {
    let mut head = Vec::with_capacity(64 + method.len());
    head.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    head.extend_from_slice(id.to_string().as_bytes());
    head.extend_from_slice(b",\"method\":");
    escape_into(&mut head, method);
    head.extend_from_slice(b",\"params\":");
    Message::around(&head, params, b"}")
}

/// A request with an id of ours in words; empty `params` leave the key out.
pub fn request_named(id: &str, method: &str, params: &Bytes) -> Message {
    let mut head = Vec::with_capacity(64 + method.len());
    head.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    escape_into(&mut head, id);
    head.push(b',');
    with_method(head, method, params)
}

/// A notification; empty `params` leave the key out.
pub fn notification(method: &str, params: &Bytes) -> Message {
    with_method(b"{\"jsonrpc\":\"2.0\",".to_vec(), method, params)
}

fn with_method(mut head: Vec<u8>, method: &str, params: &Bytes) -> Message {
    head.extend_from_slice(b"\"method\":");
    escape_into(&mut head, method);
    if params.is_empty() {
        head.push(b'}');
        return Message::One(Bytes::from(head));
    }
    head.extend_from_slice(b",\"params\":");
    Message::around(&head, params, b"}")
}

/// An answer with a result; `id` is the caller's literal.
pub fn result(id: &[u8], raw: &Bytes) -> Message {
    answer(id, b",\"result\":", raw)
}

/// An answer with an error object; without an id it is `null`, as JSON-RPC wants for unreadable requests.
pub fn error(id: Option<&[u8]>, object: &Bytes) -> Message {
    answer(id.unwrap_or(b"null"), b",\"error\":", object)
}

fn answer(id: &[u8], key: &[u8], body: &Bytes) -> Message {
    let mut head = Vec::with_capacity(40 + id.len());
    head.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    head.extend_from_slice(id);
    head.extend_from_slice(key);
    Message::around(&head, body, b"}")
}

/// An error object with optional raw `data`.
pub fn error_object(code: i64, message: &str, data: Option<&[u8]>) -> Bytes {
    let mut out = Vec::with_capacity(64 + message.len() + data.map_or(0, <[u8]>::len));
    out.extend_from_slice(b"{\"code\":");
    out.extend_from_slice(code.to_string().as_bytes());
    out.extend_from_slice(b",\"message\":");
    escape_into(&mut out, message);
    if let Some(data) = data {
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(data);
    }
    out.push(b'}');
    Bytes::from(out)
}
